/**
 * The commands for pairing without an invitation, and for blocking. Clients of the control API.
 */
import { ControlClient } from '../control/client.ts';
import { type Pairing, VISIBLE_MS } from '../control/pairing.ts';
import { PairingClient } from '../control/pairing-client.ts';
import { awake, type Clock, sleep } from '../core/clock.ts';
import { LinepoolError } from '../core/errors.ts';
import { formatDuration, type Milliseconds, parseDuration } from '../core/units.ts';
import { spokenNumber } from '../neighbours/comparison.ts';
import { type PlaceFlags, stateDirOf } from './places.ts';
import { clockTime } from './show.ts';
import { type Print, printable, table } from './table.ts';

export interface PairFlags extends PlaceFlags {
  readonly json?: boolean;
}

type Comparison = NonNullable<Pairing['comparison']>;

/** While people on the other side are awaited. */
const LOOK_EVERY_MS: Milliseconds = 300;

const find = (flags: PlaceFlags): PairingClient => new PairingClient(ControlClient.find(stateDirOf(flags)));

function shown(flags: PairFlags, print: Print, answer: object, lines: readonly string[]): void {
  if (flags.json === true) print(JSON.stringify(answer));
  else for (const line of lines) print(line);
}

export async function visible(
  flags: PairFlags & { readonly for?: string; readonly off?: boolean },
  print: Print,
  clock: Clock,
): Promise<void> {
  if (flags.off === true) {
    await find(flags).hide();
    shown(flags, print, { visible: false }, ['Not visible.']);
    return;
  }
  const made = await find(flags).show({ forMs: timeOf(flags.for) });
  const where =
    made.at.length === 0
      ? 'It is announced nowhere, since link.listen has no address of a home network: tell your neighbour the address.'
      : `Announced at ${made.at.join(', ')}.`;
  shown(flags, print, made, [
    `Visible as ${made.name} until ${clockTime(made.until)}. ${where}`,
    '',
    'On the other side, type:',
    `  linepool pair ${made.name}`,
    'Then see here which number it is:',
    '  linepool pair',
  ]);
  if (isAtTerminal(flags)) await awaitAsker(flags, print, clock);
}

/** Until somebody asks, and the person here has answered; or until nobody may ask any more. */
async function awaitAsker(flags: PairFlags, print: Print, clock: Clock): Promise<void> {
  print('');
  print('Waiting for somebody to ask. Ctrl-C ends the waiting; the router stays visible for its time.');
  const client = find(flags);
  using _awake = awake();
  const isNumber = ({ comparison }: Pairing): boolean =>
    comparison?.role === 'asked' && comparison.state !== 'ended' && comparison.number !== undefined;
  let state = await client.state();
  while (state.visible !== undefined && !isNumber(state)) {
    await sleep(clock, LOOK_EVERY_MS);
    state = await client.state();
  }
  if (!isNumber(state)) {
    print('Not visible any more; nobody was paired.');
    return;
  }
  for (const line of linesOf(state)) print(line);
  await askNumber(flags, print, clock);
}

const isAtTerminal = (flags: PairFlags): boolean =>
  process.stdin.isTTY && process.stdout.isTTY && flags.json !== true;

async function askNumber(flags: PairFlags, print: Print, clock: Clock): Promise<void> {
  const { askLine } = await import('./ask-person.ts');
  const typed = await askLine('The number that the other side shows (empty: reject): ');
  if (typed.trim() === '') await reject(flags, print);
  else await confirm(typed, flags, print, clock);
}

export async function discover(flags: PairFlags, print: Print): Promise<void> {
  const answer = await find(flags).discover();
  const rows = answer.routers.map(({ name, address }) => [name, address]);
  shown(
    flags,
    print,
    answer,
    rows.length === 0
      ? ['No router nearby wishes to be found. On the other side, type: linepool visible']
      : table([{ title: 'NAME' }, { title: 'ADDRESS' }], rows),
  );
}

/** Asks that router; without one, shows what is under way. */
export async function pairWith(
  router: string | undefined,
  flags: PairFlags,
  print: Print,
  clock: Clock,
): Promise<void> {
  const client = find(flags);
  const state = router === undefined ? await client.state() : await client.pairWith(router);
  shown(flags, print, state, linesOf(state));
  // Whoever asked and has a terminal can go on at once.
  if (router !== undefined && isAtTerminal(flags) && state.comparison?.number !== undefined) {
    await askNumber(flags, print, clock);
  }
}

/** @throws LinepoolError `pairing_rejected` when the other side does not agree, or the numbers differ */
export async function confirm(
  number: string,
  flags: PairFlags & { readonly name?: string },
  print: Print,
  clock: Clock,
): Promise<void> {
  const client = find(flags);
  using _awake = awake();
  let state = await client.confirm({ number, ...(flags.name === undefined ? {} : { name: flags.name }) });
  if (state.comparison?.state === 'we_agreed' && flags.json !== true) {
    print('Confirmed here. Waiting for the other side.');
  }
  while (state.comparison?.state === 'we_agreed') {
    await sleep(clock, LOOK_EVERY_MS);
    state = await client.state();
  }
  if (state.comparison?.state !== 'paired') {
    throw new LinepoolError('pairing_rejected', WHY[state.comparison?.why ?? ''] ?? '');
  }
  shown(flags, print, state, linesOf(state));
}

export async function reject(flags: PairFlags, print: Print): Promise<void> {
  const state = await find(flags).reject();
  shown(flags, print, state, ['Rejected: nobody is paired by it.']);
}

export async function block(name: string, flags: PairFlags, print: Print): Promise<void> {
  const blocked = await find(flags).block(name);
  shown(flags, print, blocked, [`Blocked ${printable(blocked.name)} (${blocked.shortId}), from now on.`]);
}

export async function unblock(name: string, flags: PairFlags, print: Print): Promise<void> {
  const blocked = await find(flags).unblock(name);
  shown(flags, print, blocked, [
    `${printable(blocked.name)} (${blocked.shortId}) may pair again; it is no neighbour by that.`,
  ]);
}

const WHY: Readonly<Record<string, string>> = {
  rejected_here: 'It was rejected here.',
  rejected_there: 'The other side rejected it, or saw another number.',
  commitment: 'The other side broke the protocol: somebody may be between you.',
  time: 'The time was up.',
  lost: 'The connection was lost. The other side may have it done already: pair again, or part there.',
};

function linesOf({ visible: now, comparison }: Pairing): string[] {
  const lines = now === undefined ? [] : [`Visible as ${now.name} until ${clockTime(now.until)}.`];
  return [
    ...lines,
    ...(comparison === undefined ? ['No pairing is under way.'] : comparisonLines(comparison)),
  ];
}

function comparisonLines({ role, address, state, number, why, leftMs, neighbour }: Comparison): string[] {
  const who =
    role === 'asked' ? `A router at ${printable(address)} asks to pair.` : `Asked ${printable(address)}.`;
  if (state === 'paired') return [`Paired with ${printable(neighbour ?? '')}.`];
  if (state === 'ended') return [`${who} It ended. ${WHY[why ?? ''] ?? ''}`.trimEnd()];
  if (number === undefined) return [who];
  return [
    who,
    '',
    `  ${spokenNumber(number)}`,
    '',
    state === 'we_agreed'
      ? 'Confirmed here; the other side has not confirmed yet.'
      : 'Ask the people on the other side which number it shows, by voice or face to face. Then type it:',
    ...(state === 'we_agreed'
      ? []
      : ['  linepool pair confirm NUMBER', 'If it is another one: linepool pair reject']),
    ...(leftMs === undefined ? [] : [`Time left: ${formatDuration(leftMs)}.`]),
  ];
}

function timeOf(text: string | undefined): Milliseconds {
  if (text === undefined) return VISIBLE_MS.preset;
  const time = parseDuration(text);
  if (time !== undefined && time >= VISIBLE_MS.min && time <= VISIBLE_MS.max) return Math.round(time);
  throw new LinepoolError(
    'usage',
    `--for needs a time from 10 s to 1 h, such as "10 min", not ${JSON.stringify(text)}.`,
  );
}
