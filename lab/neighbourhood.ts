/**
 * A neighbourhood in network namespaces: the origin, every household's line, router, daemon and client, the radio between
 * the routers, and a client on all lines at once for MPTCP. Disposing of it ends every process and removes every
 * namespace.
 *
 *     origin ══ wire 1 ══ router 1 ── client 1          router = the household's daemon
 *       │                  : radio (10.77.0.0/24)
 *       ├══════ wire 2 ══ router 2 ── client 2          wire n:   10.100.n.1 ══ 10.100.n.2
 *       └══════ wire n ══ router n ── client n          client n: 10.1.n.2
 *                            └────────── multi          multi:    10.2.n.2, one for each n
 */
import { setTimeout as wait } from 'node:timers/promises';
import type { Milliseconds } from '../src/core/units.ts';
import { LabError } from './failure.ts';
import { Household, lanAddress, radioAddress } from './household.ts';
import { addNamespace, clientNs, ip, MULTI_NS, ORIGIN_NS, RADIO_NS, routerNs } from './namespaces.ts';
import { makeCertificates, ORIGIN_ADDRESS, startNames, startOrigin } from './origin.ts';
import { NAMES_PORT } from './places.ts';
import { type Line, queueOf, type Scenario } from './scenario.ts';
import type { WayShape, Wires } from './wire/contract.ts';
import { openWires } from './wire/wires.ts';

const OTHER_ORIGIN_NS = `${ORIGIN_NS}-other`;
const RADIO = 'radio';
/** So that the device does not drop what the wire's queue is there to drop. */
const DEVICE_QUEUE = 10_000;
const OFFERS_BOUND_MS: Milliseconds = 20_000;
/** What a radio may hold for one station, in time of its rate. */
const RADIO_QUEUE_MS = 60;

/** The wire of a household's line. */
export const wireOf = (household: number): string => `line${household}`;

export const downShape = (line: Line): WayShape => ({
  rate: line.trace?.down[0] ?? line.down,
  delayMs: line.delay,
  jitterMs: line.jitter,
  loss: line.loss,
  queueBytes: queueOf(line),
});

export class Neighbourhood implements AsyncDisposable {
  readonly scenario: Scenario;
  readonly wires: Wires;
  readonly households: readonly Household[];
  readonly #signal: AbortSignal;
  readonly #owned: AsyncDisposableStack;

  private constructor(
    scenario: Scenario,
    wires: Wires,
    households: readonly Household[],
    signal: AbortSignal,
    owned: AsyncDisposableStack,
  ) {
    this.scenario = scenario;
    this.wires = wires;
    this.households = households;
    this.#signal = signal;
    this.#owned = owned;
  }

  get borrower(): Household {
    return this.household(1);
  }

  household(number: number): Household {
    const household = this.households[number - 1];
    if (household === undefined) throw new LabError(`There is no household ${number} in this scenario.`);
    return household;
  }

  static async start(scenario: Scenario, signal: AbortSignal, profiles?: string): Promise<Neighbourhood> {
    await using owned = new AsyncDisposableStack();
    const namespaces = namesOf(scenario);
    for (const name of namespaces) {
      signal.throwIfAborted();
      owned.use(await addNamespace(name));
    }
    const wires = owned.use(await openWires());
    await layOrigins(namespaces);
    for (const [i, line] of scenario.lines.entries()) await layLine(wires, i + 1, line, scenario.congestion);
    if (scenario.beside.includes('mptcp')) await layMulti(scenario.lines.length);
    await layRadio(wires, scenario);
    await makeCertificates();
    owned.use(await startOrigin({ ns: ORIGIN_NS, kind: 'honest', signal }));
    if (namespaces.includes(OTHER_ORIGIN_NS))
      owned.use(await startOrigin({ ns: OTHER_ORIGIN_NS, kind: 'ignores-ranges', signal }));
    if (scenario.beside.includes('mptcp'))
      owned.use(await startOrigin({ ns: ORIGIN_NS, kind: 'mptcp', signal }));
    if (scenario.probed) owned.use(await startNames(ORIGIN_NS, signal));
    const probe = scenario.probed ? `${ORIGIN_ADDRESS}:${NAMES_PORT}` : 'none';
    // What is in the contract: a line whose rate follows a trace carries less of it, and its router is not told how much.
    const households = scenario.lines.map(({ down }, i) =>
      owned.use(new Household({ number: i + 1, down, probe, signal, ...(profiles && { profiles }) })),
    );
    await Promise.all(households.map((household) => household.up('adaptive')));
    const neighbourhood = new Neighbourhood(scenario, wires, households, signal, owned.move());
    try {
      await neighbourhood.#pair();
    } catch (error) {
      await neighbourhood[Symbol.asyncDispose]();
      throw error;
    }
    return neighbourhood;
  }

  /** The borrower joins all the others at their invitation, as people do. */
  async #pair(): Promise<void> {
    const [borrower, ...lenders] = this.households;
    if (borrower === undefined) return;
    for (const lender of lenders) {
      const { invitation } = await lender.ask<{ invitation: string }>('invite');
      await borrower.ask('join', invitation);
    }
  }

  /** Waits until every neighbour that runs makes the borrower an offer. */
  async offersMade(): Promise<void> {
    const lenders = this.households.slice(1).filter((household) => household.isUp);
    await untilOffered(this.borrower, lenders, this.#signal);
  }

  /** All lines as the scenario has them at its beginning. */
  async restore(): Promise<void> {
    for (const [i, line] of this.scenario.lines.entries()) {
      await this.wires.go(wireOf(i + 1));
      await this.wires.shape(`${wireOf(i + 1)}.down`, downShape(line));
    }
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.#owned.disposeAsync();
  }
}

/** Waits until all of those make it an offer. @throws LabError when one doesn't */
export async function untilOffered(
  borrower: Household,
  lenders: readonly Household[],
  signal: AbortSignal,
): Promise<void> {
  const end = performance.now() + OFFERS_BOUND_MS;
  for (;;) {
    const { neighbours } = await borrower.ask<{
      neighbours: { name: string; up: boolean; offer?: { bytesPerSecond: number } }[];
    }>('neighbours');
    const offering = neighbours.filter(({ up, offer }) => up && (offer?.bytesPerSecond ?? 0) > 0);
    const missing = lenders.find(({ name }) => !offering.some((neighbour) => neighbour.name === name));
    if (missing === undefined) return;
    if (performance.now() > end) throw new LabError(`${missing.name} makes ${borrower.name} no offer.`);
    await wait(100, undefined, { signal });
  }
}

function namesOf({ lines, radio, beside }: Scenario): string[] {
  return [
    ORIGIN_NS,
    ...(lines.some(({ origin }) => origin !== 'honest') ? [OTHER_ORIGIN_NS] : []),
    ...(radio === undefined ? [RADIO_NS] : []),
    ...(beside.includes('mptcp') ? [MULTI_NS] : []),
    ...lines.flatMap((_, i) => [routerNs(i + 1), clientNs(i + 1)]),
  ];
}

export async function layOrigins(namespaces: readonly string[]): Promise<void> {
  for (const ns of namespaces.filter((name) => name.startsWith(ORIGIN_NS)))
    await ip(ns, [`addr add ${ORIGIN_ADDRESS}/32 dev lo`, 'mptcp limits set subflow 8 add_addr_accepted 8']);
}

/** The origin's congestion control goes with its routes: a namespace may not choose any for itself. */
export async function layLine(
  wires: Wires,
  n: number,
  line: Line,
  congestion: Scenario['congestion'],
): Promise<void> {
  const name = wireOf(n);
  const origin = line.origin === 'honest' ? ORIGIN_NS : OTHER_ORIGIN_NS;
  await wires.wire(name, { ns: origin, device: name }, { ns: routerNs(n), device: 'wan' });
  await wires.shape(`${name}.down`, downShape(line));
  await wires.shape(`${name}.up`, {
    rate: line.up,
    delayMs: line.delay,
    jitterMs: line.jitter,
    loss: line.loss,
    queueBytes: Math.max(queueOf({ ...line, down: line.up, queue: undefined }), 30_000),
  });
  await ip(origin, [
    `link set ${name} up txqueuelen ${DEVICE_QUEUE}`,
    `addr add 10.100.${n}.1/32 dev ${name}`,
    ...[`10.100.${n}.2/32`, `10.1.${n}.0/24`, `10.2.${n}.0/24`].map(
      (network) => `route add ${network} dev ${name} src ${ORIGIN_ADDRESS} congctl ${congestion}`,
    ),
  ]);
  await ip(routerNs(n), [
    `link set wan up txqueuelen ${DEVICE_QUEUE}`,
    `addr add 10.100.${n}.2 peer 10.100.${n}.1/32 dev wan`,
    `route add default via 10.100.${n}.1 dev wan`,
    `link add lan type veth peer name home netns ${clientNs(n)}`,
    `addr add ${lanAddress(n)}/24 dev lan`,
    'link set lan up',
  ]);
  await ip(clientNs(n), [
    `addr add 10.1.${n}.2/24 dev home`,
    'link set home up',
    `route add default via ${lanAddress(n)}`,
  ]);
}

/** A client with an address on every line, each used for what is sent from it. */
async function layMulti(lines: number): Promise<void> {
  await ip(MULTI_NS, ['mptcp limits set subflow 8 add_addr_accepted 0']);
  for (let n = 1; n <= lines; n += 1) {
    await ip(routerNs(n), [
      `link add multi type veth peer name line${n} netns ${MULTI_NS}`,
      `addr add 10.2.${n}.1/24 dev multi`,
      'link set multi up',
    ]);
    await ip(MULTI_NS, [
      `addr add 10.2.${n}.2/24 dev line${n}`,
      `link set line${n} up`,
      `route add default via 10.2.${n}.1 dev line${n} table ${n}`,
      `rule add from 10.2.${n}.2 table ${n}`,
      ...(n === 1 ? ['route add default via 10.2.1.1'] : []),
      `mptcp endpoint add 10.2.${n}.2 dev line${n} subflow`,
    ]);
  }
}

/** One shared medium with a rate of its own; or, when nobody asked for a rate, a bridge as fast as this machine. */
async function layRadio(wires: Wires, { lines, radio }: Scenario): Promise<void> {
  if (radio === undefined) await ip(RADIO_NS, ['link add bridge type bridge', 'link set bridge up']);
  for (let n = 1; n <= lines.length; n += 1) {
    const address = radioAddress(n);
    if (radio === undefined) {
      await ip(RADIO_NS, [
        `link add port${n} type veth peer name radio netns ${routerNs(n)}`,
        `link set port${n} master bridge up`,
      ]);
    } else {
      await wires.station(RADIO, { ns: routerNs(n), device: 'radio', address });
    }
    await ip(routerNs(n), [
      `link set radio up txqueuelen ${DEVICE_QUEUE}`,
      `addr add ${address}/24 dev radio`,
    ]);
  }
  if (radio !== undefined)
    await wires.shape(RADIO, {
      rate: radio,
      delayMs: 1,
      queueBytes: Math.max(60_000, (radio * RADIO_QUEUE_MS) / 1000),
    });
}
