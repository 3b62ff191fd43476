/**
 * No pivot: a paired neighbour asks a real lender, over its real link, for everything in the corpus, as a fetch and as a
 * tunnel. Not one connection may go where the lender's home, its machine or another special network is. Then the same
 * against a lender without its guard, to show that the trap would have caught it.
 */

import { createHash } from 'node:crypto';
import { systemClock } from '../src/core/clock.ts';
import { parseAuthority, parseTarget } from '../src/core/target.ts';
import { within } from '../src/demo/wait.ts';
import { leaseOrigin } from '../src/lending/lease.ts';
import { header, type RawPeer } from '../test/support/raw-client.ts';
import { type Attack, AttackError, type Figures, type Means } from './attack.ts';
import { type Case, CORPUS, type Mode } from './ssrf/corpus.ts';
import { type AttackedLender, startLender } from './ssrf/lender.ts';
import { openTrap, type Trap } from './ssrf/trap.ts';

const LEAST_CASES = 300;
/** Tried again where nothing holds them; so much of them at least must get through there, or the trap shows nothing. */
const CONTROLS = 100;
const LEAST_REACHED = 0.5;
const QUICK_TRIES = 320;
const TRY_MS = 15_000;

/** Refusals that have nothing to do with the address: such a try tried nothing. */
const MOOT = /^(?:lease_|overloaded|lending_off|not_paired|port_refused|internal)/;
/** A lender that answers without a code says it by HTTP alone. */
const UNREADABLE = 'unreadable';

interface Try {
  readonly case: Case;
  readonly mode: Mode;
}

const ALL: readonly Try[] = CORPUS.flatMap((one) => one.modes.map((mode) => ({ case: one, mode })));

export const ssrf: Attack = {
  name: 'ssrf',
  says: 'a borrower asks a lender for addresses that are not public, in every spelling, mapping and detour',
  bar: {
    says: `0 connections, at least ${LEAST_CASES} cases`,
    holds: ({ tries, wrong, values }) =>
      tries >= LEAST_CASES && wrong === 0 && (values?.['reached without the guard'] ?? 0) >= LEAST_REACHED,
  },
  quickTries: QUICK_TRIES,
  tries: ALL.length,
  run,
};

async function run({ tries, seed, signal, say }: Means): Promise<Figures> {
  await using trap = await openTrap();
  const names = Object.assign({}, ...CORPUS.map((one) => one.names ?? {})) as NonNullable<Case['names']>;
  await using lender = await startLender({ names, trapPort: trap.port }, signal);
  const chosen = shuffled(ALL, seed).slice(0, tries);
  say(
    `${chosen.length} of ${ALL.length} tries with ${CORPUS.length} cases, against a lender that is guarded`,
  );
  const wrong: string[] = [];
  for (const one of chosen) {
    const before = trap.caught.length;
    const answers = await answersTo(one, lender, trap.port, signal);
    const caught = trap.caught.slice(before);
    const shown = `${one.case.family}, ${one.mode}: ${targetOf(one, trap.port)}`;
    if (caught.length > 0) wrong.push(`${shown} reached ${caught.join(', ')}`);
    else if (answers.some(isMoot)) throw new AttackError(`${shown} was not tried: ${answers.join(', ')}`);
    else if (one.case.publicToo !== true && answers.some(isServed)) wrong.push(`${shown} was answered`);
  }
  const { served } = trap;
  say('the same against one that is not');
  const reached = await withoutGuard(chosen.slice(0, CONTROLS), lender, trap, signal);
  return {
    tries: chosen.length,
    wrong: wrong.length,
    values: { cases: CORPUS.length, 'public connections': served, 'reached without the guard': reached },
    examples: wrong,
  };
}

/** Which part of the tries the trap catches when the lender takes every address for public. */
async function withoutGuard(
  tries: readonly Try[],
  lender: AttackedLender,
  trap: Trap,
  signal: AbortSignal,
): Promise<number> {
  await lender.unguard();
  let reached = 0;
  for (const one of tries) {
    const before = trap.caught.length;
    await answersTo(one, lender, trap.port, signal);
    if (trap.caught.length > before) reached += 1;
  }
  return reached / tries.length;
}

/** In another order for each seed; the same for the same. */
function shuffled<T>(list: readonly T[], seed: number): readonly T[] {
  const keyed = list.map((item, i) => ({
    item,
    key: createHash('sha256').update(`${seed} ${i}`).digest('hex'),
  }));
  return keyed.sort((a, b) => (a.key < b.key ? -1 : 1)).map(({ item }) => item);
}

const isMoot = (answer: string): boolean => MOOT.test(answer);
const isServed = (answer: string): boolean => answer.startsWith('2');

const withPort = (text: string, port: number): string => text.replaceAll('PORT', String(port));

function targetOf({ case: { authority, path = '/', raw }, mode }: Try, port: number): string {
  if (raw !== undefined) return withPort(raw, port);
  return withPort(mode === 'tunnel' ? authority : `http://${authority}${path}`, port);
}

/** What the lender answers, each time that it is asked: the status where it is served, else the code of its refusal. */
async function answersTo(
  one: Try,
  lender: AttackedLender,
  port: number,
  signal: AbortSignal,
): Promise<readonly string[]> {
  const patience = { clock: systemClock, signal, bound: TRY_MS };
  const text = await requestOf(one, lender, port);
  const answers: string[] = [];
  const times = one.case.times ?? 1;
  const perConnection = one.case.kept === true ? times : 1;
  for (let asked = 0; asked < times; asked += perConnection) {
    await using peer = await lender.borrowers[one.mode].connect();
    for (let i = 0; i < perConnection && !peer.socket.destroyed; i += 1) {
      peer.send(text);
      answers.push(await within(targetOf(one, port), patience, answerOf(peer, one)));
    }
  }
  return answers;
}

/** The final answer, of which a tunnel that opened is one: by then its connection is there. */
async function answerOf(peer: RawPeer, { mode }: Try): Promise<string> {
  try {
    let head = await peer.message({ bodyless: true });
    while (head.status >= 100 && head.status < 200) head = await peer.message({ bodyless: true });
    if (mode === 'tunnel' && head.status === 200) return '200';
    const body = await peer.bytes(Number(header(head, 'content-length') ?? 0));
    return codeOf(head.status, body);
  } catch {
    // The lender could not read it, and closed.
    return UNREADABLE;
  }
}

function codeOf(status: number, body: Buffer): string {
  try {
    return (JSON.parse(body.toString('utf8')) as { readonly code: string }).code;
  } catch {
    return String(status);
  }
}

async function requestOf(one: Try, lender: AttackedLender, port: number): Promise<string> {
  const target = targetOf(one, port);
  const lease = await lender.borrowers[one.mode].lease(originOf(one.mode, target));
  const fields = [
    `Linepool-Lease: ${lease}`,
    ...(one.case.fields ?? []).map((field) => withPort(field, port)),
  ];
  if (!fields.some((field) => field.startsWith('Host:'))) fields.push('Host: ignored');
  if (one.mode === 'fetch') fields.push('Range: bytes=0-0');
  const method = one.mode === 'fetch' ? 'GET' : 'CONNECT';
  return `${method} ${target} HTTP/1.1\r\n${fields.join('\r\n')}\r\n\r\n`;
}

/** As the lender will read it; what it can't read needs no lease. */
function originOf(mode: Mode, target: string): string {
  try {
    return mode === 'fetch'
      ? leaseOrigin(parseTarget(target).origin)
      : leaseOrigin({ scheme: 'https', ...parseAuthority(target) });
  } catch {
    return 'http://nobody:1';
  }
}
