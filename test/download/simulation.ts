/**
 * A small world for the plan: paths with a rate and a latency that bring what they are asked for in order, a client
 * that takes bytes in order at its pace, and a window. Time goes in steps of a millisecond; nothing real is waited for.
 */
import assert from 'node:assert/strict';
import {
  covers,
  EMPTY,
  intersect,
  overlaps,
  type Span,
  type SpanSet,
  sizeOf,
  span,
  subtract,
  union,
} from '../../src/core/span.ts';
import type { Bytes, BytesPerSecond, Milliseconds } from '../../src/core/units.ts';
import { LAST_STRIKES, MOST_STRIKES } from '../../src/download/failure.ts';
import { startPlan, step } from '../../src/download/plan.ts';
import type { PlanCommand, PlanEvent, PlanSettings, PlanState } from '../../src/download/plan-state.ts';

export interface SimPath {
  readonly id: string;
  /** Rate at a time since the start; 0 is a stall. */
  readonly rate: (at: Milliseconds) => BytesPerSecond;
  /** Request to first byte. */
  readonly latencyMs: Milliseconds;
  /** What the plan is told at first. */
  readonly guess: BytesPerSecond;
  readonly joinsAt?: Milliseconds;
  readonly leavesAt?: Milliseconds;
  /** Ends asks as failed, each after so many bytes of it. */
  readonly failing?: { readonly next: 'retry' | 'renew' | 'bench' | 'out'; readonly afterBytes: Bytes };
}

export interface World {
  readonly size: Bytes;
  readonly window: Bytes;
  /** In place of it, when it changes with time. */
  readonly windowAt?: (at: Milliseconds) => Bytes;
  /** What is there before. */
  readonly have?: SpanSet;
  readonly paths: readonly SimPath[];
  readonly settings?: Partial<PlanSettings>;
  /** The first path's response is running when the download begins. */
  readonly responseFirst?: boolean;
  /** The running response breaks off there. */
  readonly runFailsAt?: Bytes;
  readonly clientRate?: BytesPerSecond;
  /**
   * Connections start slowly; latencies of others are not known before; what was stopped still comes for a round trip.
   */
  readonly realConnections?: boolean;
  readonly limitMs?: Milliseconds;
}

export interface Outcome {
  readonly ms: Milliseconds;
  readonly complete: boolean;
  readonly gaveUp: boolean;
  readonly bytesBy: Readonly<Record<string, Bytes>>;
  readonly twice: Bytes;
  readonly peakHeld: Bytes;
  /** Longest time in which the client got nothing. */
  readonly longestWaitMs: Milliseconds;
  readonly asks: number;
  /** When 95 % were there. */
  readonly ms95: Milliseconds;
  /** Asks that were stopped after they began or before. */
  readonly stops: number;
}

export const SETTINGS: PlanSettings = {
  scheme: 'adaptive',
  spanMs: 300,
  leastBytes: 65_536,
  fixedBytes: 1_048_576,
  stallMs: 400,
};

interface Flight {
  readonly id: number;
  readonly start: Bytes;
  end: Bytes;
  at: Bytes;
  readonly readyAt: Milliseconds;
}

interface Actor {
  readonly path: SimPath;
  flights: Flight[];
  credit: number;
  strikes: number;
  /** Bytes each round trip that the connection has come to bring; 0 when there is none. */
  opened: Bytes;
  /** Until then the line still brings what was stopped. */
  wastedUntil: Milliseconds;
}

const TICK_MS = 20;
/** What a new connection brings in its first round trip (RFC 6928). */
const INITIAL_WINDOW: Bytes = 14_600;
/** What a download takes for the latency of a path that it knows nothing of, beyond its own. */
const DETOUR_MS = 50;

/** How far a simulation has come, after each millisecond. */
export interface Moment {
  readonly receivedBytes: Bytes;
  /** Paths over which something is coming. */
  readonly busy: ReadonlySet<string>;
}

export function simulate(world: World): Outcome {
  const steps = simulation(world);
  for (;;) {
    const { done, value } = steps.next();
    if (done === true) return value;
  }
}

/** The same a millisecond at a time, so that several can go on beside each other. */
export function* simulation(world: World): Generator<Moment, Outcome, void> {
  const whole = span(0, world.size);
  const start = 1_000;
  const first = world.paths[0];
  if (first === undefined) throw new Error('a world needs a path');
  const running = world.responseFirst === true;
  const real = world.realConnections === true;
  const windowAt = world.windowAt ?? (() => world.window);
  let horizon = Math.min(world.size, windowAt(0));
  let state: PlanState = startPlan(
    {
      settings: { ...SETTINGS, ...world.settings },
      whole,
      horizon,
      ...(world.have === undefined ? {} : { have: world.have }),
      ...(running ? { running: { path: first.id, rate: first.guess, latencyMs: first.latencyMs } } : {}),
    },
    start,
  );
  const actors = new Map<string, Actor>(
    world.paths.map((path) => [
      path.id,
      { path, flights: [], credit: 0, strikes: 0, opened: 0, wastedUntil: 0 },
    ]),
  );
  const bytesBy: Record<string, Bytes> = Object.fromEntries(world.paths.map((path) => [path.id, 0]));
  let have: SpanSet = world.have ?? EMPTY;
  let twice = 0;
  let asks = 0;
  let stops = 0;
  const ended = { gaveUp: false };
  let runAt: Bytes | undefined = running ? 0 : undefined;
  let runCredit = 0;
  let delivered = 0;
  let clientCredit = 0;
  let peakHeld = 0;
  let lastMove = start;
  let longestWaitMs = 0;
  let ms95 = 0;
  let now = start;

  const receive = (id: string, s: Span): void => {
    const before = sizeOf(have);
    have = union(have, s);
    const fresh = sizeOf(have) - before;
    bytesBy[id] = (bytesBy[id] ?? 0) + fresh;
    twice += s.end - s.start - fresh;
  };
  const obey = (commands: readonly PlanCommand[]): void => {
    for (const command of commands) {
      switch (command.kind) {
        case 'ask': {
          asks += 1;
          assert.ok(
            command.span.end <= horizon,
            `asked for ${command.span.end}, beyond the horizon ${horizon}`,
          );
          assert.ok(command.span.start < command.span.end, 'asked for nothing');
          const actor = actors.get(command.path);
          const connectMs = actor?.opened === 0 ? actor.path.latencyMs : 0;
          if (actor?.opened === 0) actor.opened = INITIAL_WINDOW;
          actor?.flights.push({
            id: command.id,
            start: command.span.start,
            end: command.span.end,
            at: command.span.start,
            readyAt: now + actor.path.latencyMs + connectMs,
          });
          break;
        }
        case 'stop': {
          const actor = actors.get(command.path);
          const flight = actor?.flights.find((one) => one.id === command.id);
          if (actor === undefined || flight === undefined) break;
          stops += 1;
          if (command.at > flight.at) flight.end = command.at;
          else {
            actor.flights = actor.flights.filter((one) => one !== flight);
            // A response that has begun is reset, and the lane goes with its last request.
            if (real && flight.at > flight.start) actor.wastedUntil = now + actor.path.latencyMs;
            if (actor.flights.length === 0 || flight.at > flight.start) actor.opened = 0;
          }
          break;
        }
        case 'stop_running': {
          const actor = actors.get(first.id);
          if (real && actor !== undefined) actor.wastedUntil = now + first.latencyMs;
          runAt = undefined;
          break;
        }
        case 'give_up':
          ended.gaveUp = true;
          break;
      }
    }
  };
  const tell = (event: PlanEvent): void => {
    const result = step(state, event, now);
    state = result.state;
    obey(result.commands);
    if (event.kind !== 'progress' && event.kind !== 'ran') checkConserved(state, have);
  };
  const tellProgress = (): void => {
    for (const actor of actors.values()) {
      for (const flight of actor.flights) {
        const known = state.paths
          .find((path) => path.id === actor.path.id)
          ?.asks.find((ask) => ask.id === flight.id);
        if (known !== undefined && flight.at > known.at)
          tell({ kind: 'progress', path: actor.path.id, id: flight.id, at: flight.at });
      }
    }
  };

  /** As a download would: what fails in a row is left out in the end, the own line last. */
  const failAsk = (actor: Actor, flight: Flight, next: 'retry' | 'renew' | 'bench' | 'out'): void => {
    tellProgress();
    actor.strikes += 1;
    const isLast = actor.path === first && runAt === undefined;
    const out = actor.strikes > (isLast ? LAST_STRIKES : MOST_STRIKES);
    const kind = out ? 'out' : next;
    actor.flights = kind === 'retry' ? actor.flights.filter((one) => one !== flight) : [];
    actor.credit = 0;
    tell({ kind: 'failed', path: actor.path.id, id: flight.id, next: kind });
  };
  const busyPaths = (): Set<string> => {
    const busy = [...actors.values()].filter(
      ({ flights }) => flights[0] !== undefined && flights[0].readyAt <= now,
    );
    return new Set([...busy.map(({ path }) => path.id), ...(runAt === undefined ? [] : [first.id])]);
  };
  const joining = (path: SimPath) => ({
    path: path.id,
    rate: path.guess,
    latencyMs: real ? first.latencyMs + DETOUR_MS : path.latencyMs,
  });
  const atOnce = world.paths.filter((path) => path.joinsAt === undefined && !(running && path === first));
  tell({ kind: 'joined', paths: atOnce.map(joining) });
  const limit = start + (world.limitMs ?? 600_000);
  while (now < limit && delivered < world.size && !ended.gaveUp) {
    now += 1;
    const at = now - start;
    for (const actor of actors.values()) {
      const { path } = actor;
      if (path.joinsAt === at) tell({ kind: 'joined', paths: [joining(path)] });
      if (path.leavesAt === at) {
        actor.flights = [];
        tell({ kind: 'left', path: path.id });
      }
      const runningHere = runAt !== undefined && path === first;
      const share =
        path.rate(at) / 1000 / (runningHere && actor.flights.some((one) => one.readyAt <= now) ? 2 : 1);
      if (runningHere && runAt !== undefined) {
        const room = runAt <= delivered || runAt < horizon;
        runCredit = room ? runCredit + share : 0;
        const most = Math.min(world.size, world.runFailsAt ?? world.size);
        const bytes = Math.min(Math.floor(runCredit), most - runAt);
        if (bytes > 0) {
          runCredit -= bytes;
          receive(path.id, span(runAt, runAt + bytes));
          runAt += bytes;
          tell({ kind: 'ran', at: runAt });
          if (runAt === world.size) runAt = undefined;
        }
        if (runAt !== undefined && runAt === world.runFailsAt) {
          runAt = undefined;
          tell({ kind: 'run_failed' });
        }
      }
      const flight = actor.flights[0];
      if (flight === undefined || flight.readyAt > now) {
        actor.credit = 0;
        continue;
      }
      if (real && now < actor.wastedUntil) continue;
      if (real && actor.opened > 0) {
        const most = actor.opened / path.latencyMs;
        if (share > most) actor.opened *= 2 ** (1 / path.latencyMs);
        actor.credit += Math.min(share, most);
      } else actor.credit += share;
      for (
        let next: Flight | undefined = flight;
        next !== undefined && next.readyAt <= now && actor.credit >= 1;
        next = actor.flights[0]
      ) {
        const left = (path.failing?.afterBytes ?? next.end) + next.start - next.at;
        const bytes = Math.min(Math.floor(actor.credit), next.end - next.at, Math.max(0, left));
        if (next.at === next.start && bytes > 0) tell({ kind: 'proven', path: path.id });
        receive(path.id, span(next.at, next.at + bytes));
        next.at += bytes;
        actor.credit -= bytes;
        if (
          path.failing !== undefined &&
          next.at - next.start >= path.failing.afterBytes &&
          next.at < next.end
        ) {
          failAsk(actor, next, path.failing.next);
          break;
        }
        if (next.at < next.end) break;
        actor.flights = actor.flights.filter((one) => one !== next);
        actor.strikes = 0;
        tellProgress();
        tell({ kind: 'ended', path: path.id, id: next.id });
      }
    }
    clientCredit += (world.clientRate ?? Number.MAX_SAFE_INTEGER / 1e6) / 1000;
    const head = have[0];
    const reach = head !== undefined && head.start === 0 ? head.end : 0;
    peakHeld = Math.max(peakHeld, sizeOf(have) - delivered);
    const take = Math.min(reach - delivered, Math.floor(clientCredit));
    if (reach === delivered) clientCredit = 0;
    if (take > 0) {
      longestWaitMs = Math.max(longestWaitMs, now - lastMove);
      lastMove = now;
      clientCredit -= take;
      delivered += take;
      tellProgress();
      horizon = Math.max(horizon, Math.min(world.size, delivered + windowAt(at)));
      tell({ kind: 'moved', delivered, horizon });
    }
    if (ms95 === 0 && sizeOf(have) >= world.size * 0.95) ms95 = now - start;
    if (at % TICK_MS === 0) {
      tellProgress();
      const further = Math.min(world.size, delivered + windowAt(at));
      if (further > horizon) {
        horizon = further;
        tell({ kind: 'moved', delivered, horizon });
      }
      tell({ kind: 'tick' });
    }
    yield { receivedBytes: sizeOf(have), busy: busyPaths() };
  }
  return {
    ms: now - start,
    complete: delivered === world.size,
    gaveUp: ended.gaveUp,
    bytesBy,
    twice,
    peakHeld,
    longestWaitMs,
    asks,
    ms95,
    stops,
  };
}

/** A byte is here, or asked of one path, or in one hole, or the running response's; none is lost. */
function checkConserved(state: PlanState, have: SpanSet): void {
  const asked = state.paths.flatMap((path) =>
    path.asks.flatMap((ask) => (ask.spare ? [] : [span(ask.at, ask.end)])),
  );
  const { running, whole } = state;
  const run =
    running === undefined ? [] : [span(running.at, Math.max(running.at, running.carvedAt ?? whole.end))];
  const all = [...asked, ...state.holes, ...run].reduce<SpanSet>(union, have);
  assert.ok(
    covers(all, whole),
    `bytes that nobody is to bring: ${JSON.stringify([whole].flatMap((w) => all.reduce(subtract, union(EMPTY, w))))}`,
  );
  for (const [i, one] of asked.entries()) {
    assert.ok(!asked.some((other, j) => j > i && overlaps(one, other)), 'asked of two paths');
    assert.equal(sizeOf(intersect(state.holes, one)), 0, 'asked for, and a hole');
  }
}
