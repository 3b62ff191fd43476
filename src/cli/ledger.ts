/**
 * The commands about the ledger. All read the file itself, with a daemon running or without: it is ours, and what it proves must not
 * hang on a daemon. None writes to it.
 */
import { open } from 'node:fs/promises';
import { join } from 'node:path';
import type { Clock } from '../core/clock.ts';
import { LinepoolError } from '../core/errors.ts';
import { type Milliseconds, parseDuration } from '../core/units.ts';
import { balance as balanceOf } from '../ledger/balance.ts';
import { type Entry, LEDGER_FILE } from '../ledger/entry.ts';
import { explain as explainFrom } from '../ledger/explain.ts';
import { exportLines } from '../ledger/export.ts';
import { openSource, readEntries, type Source } from '../ledger/source.ts';
import { verify as verifySource } from '../ledger/verify.ts';
import { keysIn, Names } from './ledger-names.ts';
import { progress } from './ledger-progress.ts';
import { type Shown, showBalance, showEntries, showExplanations, showVerified } from './ledger-show.ts';
import { type PlaceFlags, stateDirOf } from './places.ts';
import type { Print } from './table.ts';

export interface LedgerFlags extends PlaceFlags {
  readonly json?: boolean;
  readonly file?: string | undefined;
}
export interface ShowFlags extends LedgerFlags {
  readonly last: string;
  readonly neighbour?: string;
  readonly since?: string;
}
export interface VerifyFlags extends LedgerFlags {
  readonly keys?: string;
  readonly all?: boolean;
}
export interface ExportFlags extends LedgerFlags {
  readonly output?: string;
}
export interface BalanceFlags extends LedgerFlags {
  readonly since?: string;
}
export interface ExplainFlags extends LedgerFlags {
  readonly when: string;
  readonly address: string;
  readonly slack: string;
}

/** Most entries that `show` holds. */
const SHOWN_MAX = 100_000;

/** So many more are held before the older ones are let go. */
const KEPT_MORE = 10_000;

const fileOf = (flags: LedgerFlags): string => flags.file ?? join(stateDirOf(flags), LEDGER_FILE);
const sourceOf = (flags: LedgerFlags): Promise<Source> => openSource(fileOf(flags));

/** @throws LinepoolError `usage`, `ledger_unreadable`, `ledger_wrong`, `neighbour_unknown` */
export async function show(flags: ShowFlags, print: Print, clock: Clock): Promise<void> {
  if (!/^[1-9]\d{0,5}$/.test(flags.last) || Number(flags.last) > SHOWN_MAX)
    throw new LinepoolError(
      'usage',
      `--last needs a number from 1 to ${SHOWN_MAX}, not ${quoted(flags.last)}.`,
    );
  const since = flags.since === undefined ? 0 : sinceOf(flags.since, clock);
  const names = await Names.of(stateDirOf(flags));
  const neighbour = flags.neighbour === undefined ? undefined : names.idOf(flags.neighbour);
  await using source = await sourceOf(flags);
  const most = Number(flags.last);
  const wanted = ({ at, content }: Entry): boolean =>
    at >= since && (neighbour === undefined || neighbour === neighbourOf(content));
  const isAny = since === 0 && neighbour === undefined;
  const entries = (isAny ? source.last?.(most) : undefined) ?? (await lastOf(source, most, wanted, clock));
  if (flags.json === true) {
    print(JSON.stringify({ entries: entries.map(({ seq, at, content }) => ({ seq, at, ...content })) }));
  } else for (const line of showEntries(entries, names)) print(line);
}

/** The last `most` of those that are wanted. */
async function lastOf(source: Source, most: number, wanted: (entry: Entry) => boolean, clock: Clock) {
  using shown = progress(clock, 'read');
  let kept: Shown[] = [];
  for await (const entry of readEntries(source)) {
    shown.at(entry.seq);
    if (wanted(entry)) kept.push(entry);
    if (kept.length > most + KEPT_MORE) kept = kept.slice(-most);
  }
  return kept.slice(-most);
}

const neighbourOf = (content: object): unknown => ('neighbour' in content ? content.neighbour : undefined);

/** @throws LinepoolError `ledger_unreadable`; `ledger_wrong`, naming the first entry that does not hold */
export async function verify(flags: VerifyFlags, print: Print, clock: Clock): Promise<void> {
  const keys = flags.keys === undefined ? undefined : await keysIn(flags.keys);
  const file = fileOf(flags);
  await using source = await openSource(file);
  using shown = progress(clock, 'verified');
  const result = await verifySource(source, {
    all: flags.all === true,
    keys,
    onProgress: (entries) => shown.at(entries),
  });
  shown[Symbol.dispose]();
  const { fault } = result;
  if (flags.json === true)
    print(JSON.stringify({ holds: fault === undefined, ...result, fault: fault ?? null }));
  else if (fault === undefined) {
    const names = await Names.of(stateDirOf(flags));
    for (const line of showVerified(file, result, names)) print(line);
  }
  if (fault !== undefined) {
    const what = fault.seq === 0 ? 'as a whole' : `entry ${fault.seq}`;
    throw new LinepoolError('ledger_wrong', `${file}, ${what}: ${fault.why}.`);
  }
}

/** @throws LinepoolError `ledger_unreadable`, `ledger_wrong`, `file_exists`, `file_failed` */
export async function exportTo(flags: ExportFlags, print: Print, clock: Clock): Promise<void> {
  const lines = exportLines(fileOf(flags));
  using shown = progress(clock, 'exported');
  let written = 0;
  const counted = (text: string): void => {
    written += text.split('\n').length - 1;
    shown.at(written);
  };
  if (flags.output === undefined) {
    for await (const text of lines) {
      counted(text);
      if (!process.stdout.write(text)) await new Promise((resolve) => process.stdout.once('drain', resolve));
    }
    return;
  }
  // Read before the file is made, so that what can't be exported leaves none behind.
  const first = await lines.next();
  await using handle = await newFile(flags.output);
  await handle.write(first.value ?? '');
  for await (const text of lines) {
    await handle.write(text);
    counted(text);
  }
  shown[Symbol.dispose]();
  if (flags.json === true) print(JSON.stringify({ file: flags.output, entries: written - 1 }));
  else
    print(
      `${written - 1} entries are in ${flags.output}; check them with linepool ledger verify ${flags.output}`,
    );
}

async function newFile(file: string) {
  try {
    return await open(file, 'wx', 0o600);
  } catch (error) {
    const code = (error as NodeJS.ErrnoException).code;
    if (code === 'EEXIST') throw new LinepoolError('file_exists', `${file}.`, { cause: error });
    throw error;
  }
}

/** @throws LinepoolError `usage`, `ledger_unreadable`, `ledger_wrong` */
export async function balance(flags: BalanceFlags, print: Print, clock: Clock): Promise<void> {
  const since = flags.since === undefined ? 0 : sinceOf(flags.since, clock);
  await using source = await sourceOf(flags);
  using shown = progress(clock, 'read');
  const balances = await balanceOf(source, since, shown.at);
  shown[Symbol.dispose]();
  const names = await Names.of(stateDirOf(flags));
  if (flags.json === true) {
    const named = balances.map((one) => ({ name: names.nameOf(one.neighbour), ...one }));
    print(JSON.stringify({ since, neighbours: named }));
  } else for (const line of showBalance(balances, since, names)) print(line);
}

/** @throws LinepoolError `usage`, `ledger_unreadable`, `ledger_wrong` */
export async function explain(flags: ExplainFlags, print: Print, clock: Clock): Promise<void> {
  const when = timeOf('--when', flags.when);
  const slack = parseDuration(flags.slack);
  if (slack === undefined)
    throw new LinepoolError('usage', `--slack needs a time such as "5 min", not ${quoted(flags.slack)}.`);
  await using source = await sourceOf(flags);
  using shown = progress(clock, 'read');
  const found = await explainFrom(source, { when, slack, address: flags.address }, shown.at);
  shown[Symbol.dispose]();
  const names = await Names.of(stateDirOf(flags));
  if (flags.json === true) {
    const leases = found.map((one) => ({
      name: names.nameOf(one.neighbour),
      ...one,
      receipt: one.receipt ?? null,
    }));
    print(JSON.stringify({ when, slackMs: slack, address: flags.address, leases }));
  } else
    for (const line of showExplanations(found, { when, slack, address: flags.address }, names)) print(line);
}

/** A date, a moment, or for how long. */
function sinceOf(text: string, clock: Clock): Milliseconds {
  const ago = parseDuration(text);
  return ago === undefined ? timeOf('--since', text) : Math.max(0, clock.wall() - ago);
}

/** Strict, because `Date.parse` makes something of nearly anything: a wrong answer to an ISP would be worse than none. */
function timeOf(option: string, text: string): Milliseconds {
  const match = /^(\d{4}-\d\d-\d\d)(?:[T ](\d\d:\d\d(?::\d\d)?(?:\.\d+)?)\s?(Z|[+-]\d\d:?\d\d)?)?$/.exec(
    text,
  );
  const [, day, hour = '00:00', zone = ''] = match ?? [];
  const midnight = Date.parse(`${day ?? ''}T00:00:00Z`);
  // The 31st of February would become the 3rd of March.
  const isDay = !Number.isNaN(midnight) && new Date(midnight).toISOString().startsWith(day ?? '');
  const time = isDay ? Date.parse(`${day}T${hour}${zone}`) : Number.NaN;
  if (Number.isNaN(time))
    throw new LinepoolError(
      'usage',
      `${option} needs a time such as 2026-03-01T06:00:00Z, not ${quoted(text)}.`,
    );
  return time;
}

const quoted = (text: string): string => JSON.stringify(text.slice(0, 80));
