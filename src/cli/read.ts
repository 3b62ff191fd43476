/**
 * The commands that read what a daemon knows: status, downloads, verdicts, neighbours, events. Clients of the control API.
 */
import { ControlClient } from '../control/client.ts';
import type { Clock } from '../core/clock.ts';
import { LinepoolError } from '../core/errors.ts';
import { type PlaceFlags, stateDirOf } from './places.ts';
import { showBlocked, showDownloads, showEvent, showNeighbours, showStatus, showVerdicts } from './show.ts';
import type { Print } from './table.ts';

export interface ReadFlags extends PlaceFlags {
  readonly json?: boolean;
}

const find = (flags: PlaceFlags): ControlClient => ControlClient.find(stateDirOf(flags));
const printAll = (print: Print, lines: readonly string[]): void => lines.forEach(print);

export async function status(flags: ReadFlags, print: Print, clock: Clock): Promise<void> {
  const answer = await find(flags).status();
  if (flags.json === true) print(JSON.stringify(answer));
  else printAll(print, showStatus(answer, clock.wall()));
}

export async function downloads(flags: ReadFlags, print: Print): Promise<void> {
  const list = await find(flags).downloads();
  if (flags.json === true) print(JSON.stringify({ downloads: list }));
  else printAll(print, showDownloads(list));
}

export async function verdicts(flags: ReadFlags, print: Print): Promise<void> {
  const list = await find(flags).verdicts();
  if (flags.json === true) print(JSON.stringify({ verdicts: list }));
  else printAll(print, showVerdicts(list));
}

export async function neighbours(flags: ReadFlags, print: Print): Promise<void> {
  const client = find(flags);
  const [list, blocked] = [await client.neighbours(), await client.blocked()];
  if (flags.json === true) print(JSON.stringify({ neighbours: list, blocked }));
  else printAll(print, [...showNeighbours(list), ...showBlocked(blocked)]);
}

/**
 * Those kept, then each as it happens until the signal aborts; with --json one JSON object a line.
 * @throws LinepoolError `daemon_missing` when the daemon ends first
 */
export async function events(
  flags: ReadFlags & { readonly since?: string; readonly follow?: boolean },
  print: Print,
  signal: AbortSignal,
): Promise<void> {
  const since = flags.since ?? '0';
  if (!/^\d{1,15}$/.test(since)) {
    throw new LinepoolError('usage', `--since needs the number of an event, not ${JSON.stringify(since)}.`);
  }
  const client = find(flags);
  const show = flags.json === true ? JSON.stringify : showEvent;
  if (flags.follow === false) {
    for (const record of await client.eventsKept(Number(since))) print(show(record));
    return;
  }
  for await (const record of client.events({ since: Number(since), signal })) print(show(record));
  if (!signal.aborted) throw new LinepoolError('daemon_missing', '(it ended just now)');
}
