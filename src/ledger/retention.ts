/**
 * Retention: removes what is older than the household wishes to keep, whole leases at a time, so that what stays can still be verified.
 * Called by the ledger within the transaction that then records it (`pruned`). Keys stay: they are few, and what stays refers to them.
 *
 *     1 begin | 2 party | 3 lease A | 4 receipt A | 5 lease B | 6 receipt A | 7 receipt B | 8 ...      A is over and old, B is not
 *     1 begin | 2 party |           | 4 hash only | 5 lease B | 6 hash only | 7 receipt B | 8 ... | 9 pruned through 6, its hash,
 *                                                                                                    and one hash over 1, 2, 4, 5, 6
 */
import type { Milliseconds } from '../core/units.ts';
import type { ContentOf } from './entry.ts';
import type { LedgerFile } from './file.ts';
import { Kept } from './kept.ts';
import { kindNumber, PRUNED_ROW, type Row } from './row.ts';
import { firstAltered } from './tail.ts';

/** Longer than any lease lives, so that none is removed that may still be used. */
export const LEAST_KEPT_MS: Milliseconds = 30 * 86_400_000;
/** Entries that are looked at in one go: the daemon stands still meanwhile. */
export const PRUNED_AT_ONCE = 5_000;

const ALWAYS_KEPT = new Set([kindNumber('begin'), kindNumber('self'), kindNumber('party')]);

/** Removes entries older than `before`; undefined when there is nothing to remove. */
export function prune(file: LedgerFile, before: Milliseconds): Omit<ContentOf<'pruned'>, 'kind'> | undefined {
  const said = file.pruned();
  const from = said?.through ?? 0;
  const last = file.last();
  if (last === undefined) return undefined;
  const young = file.firstSince(before, from) ?? last.seq + 1;
  // What stayed before `from` last time may be over by now; the rest of the bound is for what comes after.
  const rows = file.first(PRUNED_AT_ONCE).filter(({ seq }) => seq < young);
  const through = rows.at(-1);
  if (through === undefined || through.seq < from) return undefined;
  const goes = new Set(rows.filter((row) => isOver(file, row, through.seq)).map(({ seq }) => seq));
  if (goes.size === 0) return undefined;
  // What was altered since stays for verify to name: a new hash over it would say that it holds.
  if (said?.kept !== undefined && said.kept !== keptOf(rows, from)) return undefined;
  if (firstAltered(file, rows) !== undefined) return undefined;
  const kept = new Kept();
  for (const [i, row] of rows.entries()) {
    const next = rows[i + 1];
    // The hash is wanted where an entry that stays follows.
    const wanted = row === through || (next !== undefined && next.kind !== PRUNED_ROW && !goes.has(next.seq));
    const isGap = row.kind === PRUNED_ROW || goes.has(row.seq);
    if (!isGap || wanted) kept.add(isGap ? 'gap' : 'entry', row.seq, row.hash);
    if (goes.has(row.seq) && wanted) file.reduce(row.seq);
    else if (isGap && !wanted) file.remove(row.seq);
  }
  const hash = Buffer.from(through.hash).toString('base64url');
  return { through: through.seq, hash, removed: goes.size, kept: kept.digest };
}

function keptOf(rows: readonly Row[], through: number): string {
  const kept = new Kept();
  for (const { seq, kind, hash } of rows)
    if (seq <= through) kept.add(kind === PRUNED_ROW ? 'gap' : 'entry', seq, hash);
  return kept.digest;
}

function isOver(file: LedgerFile, { seq, kind, ref }: Row, through: number): boolean {
  if (kind === PRUNED_ROW || ALWAYS_KEPT.has(kind)) return false;
  const lease = kind === kindNumber('lease') ? seq : ref;
  if (lease === null || kind === kindNumber('proof')) return true;
  return (file.lastReferring(lease) ?? 0) <= through;
}
