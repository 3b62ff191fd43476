/**
 * Leases that are not good for what they are used for, at a real lender, as a fetch and as a tunnel: altered, signed by another
 * neighbour, for another server or another lender, out of date, used up, and shown again after the lender's power was cut. Not one
 * connection may come of them.
 */
import { systemClock } from '../src/core/clock.ts';
import { within } from '../src/demo/wait.ts';
import { type Attack, AttackError, type Figures, type Means, NEVER } from './attack.ts';
import type { Mode } from './ssrf/corpus.ts';
import { type AttackedLender, startLender } from './ssrf/lender.ts';
import { openTrap, type Trap } from './ssrf/trap.ts';
import { PUBLIC } from './ssrf/trap-places.ts';

const HOUR_MS = 3_600_000;
const TRY_MS = 15_000;
const MODES = ['fetch', 'tunnel'] as const;
/** Leases that were honestly made out, once in each mode: used up, and shown again after the power was cut. */
const USED_TWICE = 2 * MODES.length;
/** How often each kind is tried in each mode. None of them opens an account, so that what a lender keeps of a borrower bounds nothing. */
const ROUNDS = 72;

type Bad = (lender: AttackedLender, mode: Mode, origin: string, i: number) => Promise<string>;

const other = (mode: Mode): Mode => (mode === 'fetch' ? 'tunnel' : 'fetch');

const BAD: Readonly<Record<string, Bad>> = {
  altered: async ({ borrowers }, mode, origin, i) => {
    const lease = await borrowers[mode].newLease(origin);
    const at = i % lease.length;
    return `${lease.slice(0, at)}${lease[at] === 'A' ? 'B' : 'A'}${lease.slice(at + 1)}`;
  },
  foreign: ({ borrowers }, mode, origin) => borrowers[other(mode)].newLease(origin),
  'of another server': ({ borrowers }, mode, origin) =>
    borrowers[mode].newLease(`${origin}1`.replace(/:\d+$/, ':444')),
  'for another lender': ({ borrowers }, mode, origin) =>
    borrowers[mode].newLease(origin, { lender: 'another' }),
  expired: ({ borrowers }, mode, origin) =>
    borrowers[mode].newLease(origin, {
      issuedAt: systemClock.wall() - 2 * HOUR_MS,
      expiresAt: systemClock.wall() - HOUR_MS,
    }),
  'of tomorrow': ({ borrowers }, mode, origin) =>
    borrowers[mode].newLease(origin, {
      issuedAt: systemClock.wall() + 24 * HOUR_MS,
      expiresAt: systemClock.wall() + 25 * HOUR_MS,
    }),
  none: () => Promise.resolve(''),
};

const KINDS = Object.entries(BAD);

export const leaseUse: Attack = {
  name: 'lease-use',
  says: 'leases that are forged, foreign, expired, used up or shown again, at a real lender',
  bar: NEVER,
  quickTries: 40,
  tries: ROUNDS * KINDS.length * MODES.length + USED_TWICE,
  run,
};

async function run({ tries, signal, say }: Means): Promise<Figures> {
  await using trap = await openTrap();
  await using lender = await startLender({ names: {}, trapPort: trap.port }, signal);
  const wrong: string[] = [];
  const usedUp = await useUp(lender, trap, signal);
  const tryAll = async (what: string, mode: Mode, lease: string): Promise<void> => {
    const before = trap.served + trap.caught.length;
    const answer = await use(lender, trap, mode, lease, signal);
    if (trap.served + trap.caught.length > before || answer.startsWith('2'))
      wrong.push(`${what}, ${mode}: ${answer}`);
    else if (/^(?:overloaded|lending_off|address_refused|port_refused)/.test(answer))
      throw new AttackError(`a lease that was ${what} was not tried: ${answer}`);
  };
  let tried = 0;
  for (; tried < tries - USED_TWICE; tried += 1) {
    const mode = MODES[tried % 2] ?? 'fetch';
    const [what, bad] = KINDS[Math.floor(tried / 2) % KINDS.length] ?? [];
    if (what === undefined || bad === undefined) break;
    await tryAll(what, mode, await bad(lender, mode, originOf(mode, trap), tried));
  }
  say('used up, and again after its power was cut');
  for (const [mode, lease] of usedUp) await tryAll('used up', mode, lease);
  await lender.cutPower();
  for (const [mode, lease] of usedUp) await tryAll('shown again', mode, lease);
  return { tries: tried + 2 * usedUp.length, wrong: wrong.length, examples: wrong };
}

/** Leases of one byte, honestly used: they show too that a good one opens the way. */
async function useUp(
  lender: AttackedLender,
  trap: Trap,
  signal: AbortSignal,
): Promise<readonly [Mode, string][]> {
  const leases: [Mode, string][] = [];
  for (const mode of MODES) {
    const lease = await lender.borrowers[mode].newLease(originOf(mode, trap), { maxBytes: 1 });
    const answer = await use(lender, trap, mode, lease, signal);
    if (!answer.startsWith('2')) throw new AttackError(`an honest lease was refused: ${answer}`);
    leases.push([mode, lease]);
  }
  return leases;
}

const originOf = (mode: Mode, { port }: Trap): string =>
  `${mode === 'fetch' ? 'http' : 'https'}://${PUBLIC}:${port}`;

/** The status, or the code of the refusal; a tunnel that opens is used for more than a byte. */
async function use(
  lender: AttackedLender,
  trap: Trap,
  mode: Mode,
  lease: string,
  signal: AbortSignal,
): Promise<string> {
  const at = `${PUBLIC}:${trap.port}`;
  const line = mode === 'fetch' ? `GET http://${at}/ HTTP/1.1\r\nRange: bytes=0-0` : `CONNECT ${at} HTTP/1.1`;
  await using peer = await lender.borrowers[mode].connect();
  peer.send(`${line}\r\nHost: x\r\n${lease === '' ? '' : `Linepool-Lease: ${lease}\r\n`}\r\n`);
  const patience = { clock: systemClock, signal, bound: TRY_MS };
  const head = await within('an answer', patience, peer.message({ bodyless: true }));
  if (head.status === 200 && mode === 'tunnel') {
    peer.send('GET / HTTP/1.1\r\nHost: x\r\n\r\n');
    await within('the end of the lease', patience, peer.ended);
    return '200';
  }
  if (head.status < 300) {
    await within('the byte', patience, peer.bytes(1));
    return String(head.status);
  }
  const [code = String(head.status)] = /(?<="code":")[^"]+/.exec((await peer.rest()).toString()) ?? [];
  return code;
}
