/**
 * The plan: which span goes to which path now. Pure: `(state, event, now) -> (state, commands)`; the daemon, `get`,
 * the simulator and the tests run this same code. It must never read a clock, touch a socket or roll dice.
 *
 *     event ──► apply ──► rescue (ticks) ──► run ──► deal ──► re-split ──► commands
 *
 * - apply     what happened, put into the state
 * - rescue    what a silent or failing path was asked for goes back to the holes
 * - run       how far the response that was already running goes on
 * - deal      holes become asks, by the scheme
 * - re-split  at the very end, a path that idles takes over half of what another still has to do
 */
import { EMPTY, intersect, type Span, type SpanSet, sizeOf, span, subtract, union } from '../core/span.ts';
import type { Bytes, BytesPerSecond, Milliseconds } from '../core/units.ts';
import type { PathId } from '../paths/path.ts';
import { adaptive } from './plan-adaptive.ts';
import { ask, bench, freed, release } from './plan-asks.ts';
import { fixed, proportional, roundRobin, type Scheme, sharesOf } from './plan-seed.ts';
import {
  type AskId,
  isReady,
  isUntried,
  type Joining,
  lacking,
  type PathState,
  type PlanCommand,
  type PlanEvent,
  type PlanSettings,
  type PlanState,
  pathOf,
  readyPaths,
  type Step,
  withPath,
} from './plan-state.ts';
import { rescue } from './rescue.ts';
import { resplit } from './resplit.ts';
import { carvedSooner, run } from './running.ts';
import { flowing, idle, observed, throughput } from './throughput.ts';

/** Requests that may wait on one path; a long way needs more of them to be kept full. */
export const MOST_ASKS_EACH = 32;
/** … and on one that has brought nothing yet: an origin that refuses is not to be asked a dozen times first. */
const UNTRIED_ASKS = 1;
/** A request that brings so much before it breaks was worth it. */
const WORTH_BYTES: Bytes = 16_384;
/** A path that has brought so much of one ask brings ranges: for that, a response that runs already may be given up. */
const RELIABLE_BYTES: Bytes = 32_768;
const SCHEMES: Readonly<Record<PlanSettings['scheme'], Scheme>> = {
  adaptive,
  fixed,
  proportional,
  'round-robin': roundRobin,
};

export interface Start {
  readonly settings: PlanSettings;
  /** What the client is to get. */
  readonly whole: Span;
  /** What of it is there already, for a download that is resumed; not its first byte when a response is running. */
  readonly have?: SpanSet;
  readonly horizon: Bytes;
  /** The path whose response is running, from the first byte of the whole on; none when there is none. */
  readonly running?: {
    readonly path: PathId;
    readonly rate: BytesPerSecond;
    readonly latencyMs: Milliseconds;
  };
}

export function startPlan(start: Start, now: Milliseconds): PlanState {
  const { settings, whole, running, have = EMPTY } = start;
  const state: PlanState = {
    settings,
    now,
    whole,
    have,
    holes: running === undefined ? have.reduce(subtract, union(EMPTY, whole)) : EMPTY,
    lost: EMPTY,
    delivered: whole.start,
    horizon: start.horizon,
    paths: [],
    running: running && {
      path: running.path,
      at: whole.start,
      carvedAt: undefined,
      meets: false,
      heardAt: now,
    },
    nextId: 1,
    shares: [],
  };
  return running === undefined
    ? state
    : {
        ...state,
        paths: [{ ...newPath(running.path, running.rate, running.latencyMs, now), latencyKnown: true }],
      };
}

function newPath(id: PathId, guess: BytesPerSecond, latencyMs: Milliseconds, now: Milliseconds): PathState {
  return {
    id,
    standing: { kind: 'ready' },
    asks: [],
    flow: throughput(guess),
    latencyMs,
    latencyKnown: false,
    heardAt: now,
    proven: false,
    reliable: false,
    opened: 0,
    strikes: 0,
  };
}

/** Takes what happened, gives what to do. Deterministic; `now` is monotonic, in ms. */
export function step(before: PlanState, event: PlanEvent, now: Milliseconds): Step {
  const commands: PlanCommand[] = [];
  let state = apply({ ...before, now }, event, now);
  if (event.kind === 'progress') return { state, commands };
  if (event.kind === 'tick') {
    state = unbench(state, now);
    if (state.settings.scheme === 'adaptive') state = rescue(state, now, commands);
  }
  const ran = regained(run(state, commands));
  // The running response tells of every chunk; mostly nothing follows from it before the next tick.
  if (event.kind === 'ran' && ran === state) return { state, commands };
  state = ran;
  state = deal(state, now, commands);
  if (state.settings.scheme === 'adaptive') state = resplit(state, now, commands);
  if (isStranded(state)) commands.push({ kind: 'give_up' });
  return { state, commands };
}

function apply(state: PlanState, event: PlanEvent, now: Milliseconds): PlanState {
  switch (event.kind) {
    case 'joined': {
      const joined = event.paths.reduce((known, joining) => join(known, joining, now), state);
      if (joined.running !== undefined && state.settings.scheme === 'adaptive') return carvedSooner(joined);
      // Without a running response the whole is dealt from the start, so it is shared out then.
      return joined.running === undefined && joined.shares.length === 0
        ? { ...joined, shares: sharesOf(joined) }
        : joined;
    }
    case 'left': {
      const path = pathOf(state, event.path);
      return path === undefined ? state : { ...release(state, path, { kind: 'out' }) };
    }
    case 'progress':
      return progressed(state, event.path, event.id, event.at, now);
    case 'proven': {
      const path = pathOf(state, event.path);
      return path === undefined ? state : withPath(state, { ...path, proven: true });
    }
    case 'ended': {
      const path = pathOf(state, event.path);
      if (path === undefined) return state;
      const ask = path.asks.find((one) => one.id === event.id);
      if (ask === undefined) return state;
      const next = progressed(state, path.id, ask.id, ask.end, now);
      const after = pathOf(next, path.id) ?? path;
      const asks = after.asks.filter((one) => one.id !== ask.id);
      return withPath(next, {
        ...after,
        asks,
        strikes: 0,
        flow: asks.length === 0 && next.running?.path !== path.id ? idle(after.flow) : after.flow,
      });
    }
    case 'failed':
      return failed(state, event, now);
    case 'ran':
      return ran(state, event.at, now);
    case 'run_failed': {
      const running = state.running;
      if (running === undefined) return state;
      const end = running.carvedAt ?? state.whole.end;
      const rest = running.at < end ? lacking(state, span(running.at, end)) : EMPTY;
      const holes = rest.reduce(union, state.holes);
      return { ...state, running: undefined, holes };
    }
    case 'moved': {
      // While it could not be read on, its silence was ours.
      const { running, horizon } = state;
      const held = running !== undefined && running.at >= horizon && running.at < event.horizon;
      return {
        ...state,
        running: held ? { ...running, heardAt: now } : running,
        delivered: event.delivered,
        horizon: event.horizon,
      };
    }
    case 'lost': {
      const passed = span(state.whole.start, state.running?.at ?? state.whole.start);
      const behind = intersect(event.spans, passed).reduce(union, state.lost);
      return { ...state, lost: behind, holes: subtract(event.spans, passed).reduce(union, state.holes) };
    }
    case 'tick': {
      // Time in which nothing came counts too, or a path that stalls would keep its rate.
      const paths = state.paths.map((path) =>
        path.flow.busySince === undefined
          ? path
          : { ...path, flow: observed(path.flow, now, 0, answerDue(state, path)) },
      );
      return { ...state, paths };
    }
  }
}

function join(state: PlanState, joining: Joining, now: Milliseconds): PlanState {
  const known = pathOf(state, joining.path);
  if (known === undefined) {
    return { ...state, paths: [...state.paths, newPath(joining.path, joining.rate, joining.latencyMs, now)] };
  }
  return isReady(known) ? state : withPath(state, { ...known, standing: { kind: 'ready' }, heardAt: now });
}

function progressed(state: PlanState, id: PathId, ask: AskId, at: Bytes, now: Milliseconds): PlanState {
  const path = pathOf(state, id);
  const before = path?.asks.find((one) => one.id === ask);
  if (path === undefined || before === undefined || at <= before.at) return state;
  const first = before.at === before.start;
  let { flow, latencyMs, latencyKnown } = path;
  if (first && before.fromIdle) {
    // The wait for the first byte of an idle path is its latency, and the first bytes say nothing of its rate.
    const sample = now - before.askedAt;
    // Where a connection had to be made, that took a round trip too.
    const trip = path.opened === 0 ? sample / 2 : sample;
    latencyMs = latencyKnown ? Math.min(trip, latencyMs * 0.75 + trip * 0.25) : trip;
    latencyKnown = true;
    flow = flowing(flow, now);
  } else flow = observed(flow, now, at - before.at, answerDue(state, path));
  const asks = path.asks.map((one) => (one.id === ask ? { ...one, at: Math.min(at, one.end) } : one));
  const reliable = path.reliable || at - before.start >= RELIABLE_BYTES;
  const opened = path.opened + at - before.at;
  return withPath(state, { ...path, asks, flow, latencyMs, latencyKnown, heardAt: now, reliable, opened });
}

/** When the path could first have brought something of what it is to bring next; a queue that ran dry is not slowness. */
function answerDue(state: PlanState, path: PathState): Milliseconds {
  const next = path.asks[0];
  if (next === undefined || next.at > next.start || state.running?.path === path.id) return 0;
  return next.askedAt + path.latencyMs;
}

function ran(state: PlanState, at: Bytes, now: Milliseconds): PlanState {
  const running = state.running;
  const path = running === undefined ? undefined : pathOf(state, running.path);
  if (running === undefined || path === undefined || at <= running.at) return state;
  const flow =
    path.flow.busySince === undefined ? flowing(path.flow, now) : observed(path.flow, now, at - running.at);
  const opened = path.opened + at - running.at;
  return {
    ...withPath(state, { ...path, flow, heardAt: now, opened }),
    running: { ...running, at, heardAt: now },
  };
}

function failed(
  state: PlanState,
  event: Extract<PlanEvent, { readonly kind: 'failed' }>,
  now: Milliseconds,
): PlanState {
  const { next, id: askId } = event;
  const path = pathOf(state, event.path);
  const ask = path?.asks.find((one) => one.id === askId);
  if (path === undefined) return state;
  if (next === 'out') return release(state, path, { kind: 'out' });
  if (ask === undefined) return state;
  if (next === 'bench') {
    return bench(state, path, now, event.restMs);
  }
  // What brought much before it broke is not failing in a row.
  const strikes = ask.at - ask.start >= WORTH_BYTES ? 1 : path.strikes + 1;
  if (next === 'renew') return release(state, { ...path, strikes }, path.standing);
  const asks = path.asks.filter((one) => one.id !== askId);
  return withPath({ ...state, holes: freed(state.holes, ask) }, { ...path, asks, strikes });
}

function unbench(state: PlanState, now: Milliseconds): PlanState {
  const paths = state.paths.map(
    (path): PathState =>
      path.standing.kind === 'benched' && path.standing.until <= now
        ? { ...path, standing: { kind: 'ready' }, heardAt: now }
        : path,
  );
  return { ...state, paths };
}

/** True when the path may be asked at all: beside its running response only when somebody has proven ranges. */
function mayAsk(state: PlanState, path: PathState): boolean {
  return (
    isReady(path) &&
    path.asks.length < (isUntried(path) ? UNTRIED_ASKS : MOST_ASKS_EACH) &&
    (state.running?.path !== path.id ||
      (!state.running.meets && state.paths.some((other) => other.id !== path.id && other.proven)))
  );
}

function deal(before: PlanState, now: Milliseconds, commands: PlanCommand[]): PlanState {
  let state = before;
  const scheme = SCHEMES[state.settings.scheme];
  const passed = new Set<PathId>();
  const most = MOST_ASKS_EACH * state.paths.length;
  for (let dealt = 0; dealt < most && state.holes.length > 0; dealt += 1) {
    const hungry = readyPaths(state).filter((path) => !passed.has(path.id) && mayAsk(state, path));
    const path = scheme.first(state, hungry);
    if (path === undefined) break;
    const place = scheme.place(state, path);
    if (place === undefined) passed.add(path.id);
    else state = ask(state, path, place, now, commands);
  }
  return state;
}

function regained(state: PlanState): PlanState {
  if (state.running !== undefined || state.lost.length === 0) return state;
  return { ...state, lost: EMPTY, holes: state.lost.reduce(union, state.holes) };
}

function isStranded(state: PlanState): boolean {
  return (
    sizeOf(state.holes) > 0 &&
    state.running === undefined &&
    state.paths.every((path) => path.standing.kind === 'out' && path.asks.length === 0)
  );
}
