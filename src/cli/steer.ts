/**
 * The commands that change something in a daemon: invite, join, part, rename, stop. Clients of the control API.
 */
import { ControlClient } from '../control/client.ts';
import { isAlive } from '../control/runfile.ts';
import { INVITATION_TTL_MS } from '../control/schema.ts';
import { type Clock, sleep } from '../core/clock.ts';
import { LinepoolError } from '../core/errors.ts';
import { formatDuration, type Milliseconds, parseDuration } from '../core/units.ts';
import { renderQr } from '../neighbours/invitation-qr.ts';
import { type PlaceFlags, stateDirOf } from './places.ts';
import { clockTime } from './show.ts';
import { type Print, printable } from './table.ts';

/** A daemon ends within its own grace, or is killed by it. */
const STOP_WAIT_MS: Milliseconds = 15_000;
const LOOK_EVERY_MS: Milliseconds = 20;

export interface SteerFlags extends PlaceFlags {
  readonly json?: boolean;
}

const find = (flags: PlaceFlags): ControlClient => ControlClient.find(stateDirOf(flags));

export async function invite(
  flags: SteerFlags & { readonly ttl?: string },
  print: Print,
  tty: boolean,
): Promise<void> {
  const ttlMs = flags.ttl === undefined ? INVITATION_TTL_MS.preset : ttlOf(flags.ttl);
  const made = await find(flags).invite({ ttlMs });
  if (flags.json === true) {
    print(JSON.stringify(made));
    return;
  }
  print(`Good for one neighbour until ${clockTime(made.expiresAt)} (${formatDuration(ttlMs)}):`);
  print('');
  print(made.invitation);
  if (tty) {
    print('');
    print(await renderQr(made.invitation));
  }
  print('');
  print('On the other side, type:');
  print(`  linepool join ${made.invitation}`);
}

export async function join(
  invitation: string,
  flags: SteerFlags & { readonly name?: string },
  print: Print,
): Promise<void> {
  const neighbour = await find(flags).join({
    invitation: invitation.trim(),
    ...(flags.name === undefined ? {} : { name: flags.name }),
  });
  if (flags.json === true) print(JSON.stringify(neighbour));
  else print(`Paired with ${printable(neighbour.name)} (${neighbour.shortId}).`);
}

export async function part(nameOrId: string, flags: SteerFlags, print: Print): Promise<void> {
  await find(flags).part(nameOrId);
  if (flags.json === true) print(JSON.stringify({ parted: nameOrId }));
  else print(`Parted from ${printable(nameOrId)}.`);
}

export async function rename(nameOrId: string, name: string, flags: SteerFlags, print: Print): Promise<void> {
  const neighbour = await find(flags).rename(nameOrId, name);
  if (flags.json === true) print(JSON.stringify(neighbour));
  else print(`${printable(nameOrId)} is now ${printable(neighbour.name)}.`);
}

/**
 * Returns when the daemon's process is gone, so that the next command finds the state folder free.
 * @throws LinepoolError `daemon_running` when it does not end in time
 */
export async function stop(flags: SteerFlags, print: Print, clock: Clock): Promise<void> {
  const client = find(flags);
  const { pid } = await client.status();
  await client.stop();
  // Timers of the clock do not keep a process alive, and here is nothing else to wait for.
  const { port1: hold } = new MessageChannel();
  hold.ref();
  try {
    const since = clock.now();
    while (isAlive(pid)) {
      if (clock.now() - since > STOP_WAIT_MS) {
        throw new LinepoolError('daemon_running', `(process ${pid} does not end)`);
      }
      await sleep(clock, LOOK_EVERY_MS);
    }
  } finally {
    hold.close();
  }
  if (flags.json === true) print(JSON.stringify({ stopped: pid }));
  else print(`The daemon (process ${pid}) has ended.`);
}

function ttlOf(text: string): Milliseconds {
  const ttl = parseDuration(text);
  if (ttl !== undefined && ttl >= INVITATION_TTL_MS.min && ttl <= INVITATION_TTL_MS.max) {
    return Math.round(ttl);
  }
  throw new LinepoolError(
    'usage',
    `--ttl needs a time from 10 s to 24 h, such as "15 min", not ${JSON.stringify(text)}.`,
  );
}
