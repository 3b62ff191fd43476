/**
 * What can be done with a path's asks: give one, take one back, take all back. Pure; the plan's parts share it.
 * Every function keeps this true: a byte of the file is in one hole, in one ask, brought already, or the running response's.
 */
import { type Span, type SpanSet, span, subtract, union } from '../core/span.ts';
import type { Milliseconds } from '../core/units.ts';
import { type Ask, type PathState, type PlanCommand, type PlanState, withPath } from './plan-state.ts';
import { idle } from './throughput.ts';

/** First time on the bench; doubled by each strike. */
const BENCH_MS: Milliseconds = 1_000;
const LONGEST_BENCH_MS: Milliseconds = 30_000;

/** Asks the path for the span. The span must be in the holes. */
export function ask(
  state: PlanState,
  path: PathState,
  place: Span,
  now: Milliseconds,
  commands: PlanCommand[],
): PlanState {
  const id = state.nextId;
  const fromIdle = path.asks.length === 0;
  const asked: Ask = {
    id,
    start: place.start,
    end: place.end,
    at: place.start,
    askedAt: now,
    fromIdle,
    spare: false,
  };
  commands.push({ kind: 'ask', path: path.id, id, span: place });
  return withPath(
    { ...state, nextId: id + 1, holes: subtract(state.holes, place) },
    {
      ...path,
      asks: [...path.asks, asked],
      heardAt: fromIdle && state.running?.path !== path.id ? now : path.heardAt,
    },
  );
}

/** The path without that ask. */
export const withoutAsk = (path: PathState, ask: Ask): PathState => ({
  ...path,
  asks: path.asks.filter((one) => one.id !== ask.id),
});

/** What it was asked for is anybody's again; what comes of it after all is welcome. */
export function spared(state: PlanState, path: PathState, ask: Ask): PlanState {
  const asks = path.asks.map((one) => (one.id === ask.id ? { ...one, spare: true } : one));
  return withPath({ ...state, holes: freed(state.holes, ask) }, { ...path, asks });
}

/** The holes, with what the ask has not brought; of a spare one others bring it. */
export const freed = (holes: SpanSet, ask: Ask): SpanSet =>
  ask.spare ? holes : union(holes, span(ask.at, ask.end));

/** All that the path was asked for and has not brought goes back to the holes. */
export function release(state: PlanState, path: PathState, standing: PathState['standing']): PlanState {
  const holes = path.asks.reduce(freed, state.holes);
  return withPath({ ...state, holes }, { ...path, asks: [], standing, flow: idle(path.flow), opened: 0 });
}

/** For a while the path is asked nothing; longer each time in a row, and at least for `restMs`. */
export function bench(
  state: PlanState,
  path: PathState,
  now: Milliseconds,
  restMs: Milliseconds = 0,
): PlanState {
  const until = now + Math.max(restMs, Math.min(LONGEST_BENCH_MS, BENCH_MS * 2 ** path.strikes));
  return release(state, { ...path, strikes: path.strikes + 1 }, { kind: 'benched', until });
}
