/**
 * What a scheme is, and three that are kept for comparison. The two of 2013: `fixed` gives the next stretch of a fixed
 * size to the next path that is free; `proportional` cuts the file once by the bandwidths offered. And what they were to
 * do better than: `round-robin`, short spans to the paths in turn. Pure; the plan calls them.
 */
import { intersect, lengthOf, type Span, type SpanSet, subtract } from '../core/span.ts';
import type { Bytes } from '../core/units.ts';
import { openHoles, type PathState, type PlanState, rateOf, readyPaths } from './plan-state.ts';

export interface Scheme {
  /** Which of the paths that may be asked is to be asked first; none when none needs more now. */
  first(state: PlanState, mayAsk: readonly PathState[]): PathState | undefined;
  /** What it is asked for; within the holes and before the horizon. None when nothing there is for it. */
  place(state: PlanState, path: PathState): Span | undefined;
}

const isFree = (path: PathState): boolean => path.asks.length === 0;

function cut(holes: readonly Span[], most: Bytes): Span | undefined {
  const hole = holes[0];
  return hole === undefined ? undefined : { start: hole.start, end: Math.min(hole.end, hole.start + most) };
}

export const fixed: Scheme = {
  first: (_state, mayAsk) => mayAsk.find(isFree),
  place: (state) => cut(openHoles(state), state.settings.fixedBytes),
};

/** The stretches that the scheme `proportional` deals out, once, by what each path offers then. */
export function sharesOf(state: PlanState): PlanState['shares'] {
  const first = state.holes[0];
  const paths = readyPaths(state);
  const sum = paths.reduce((total, path) => total + rateOf(path), 0);
  if (first === undefined || sum === 0) return [];
  const whole = { start: first.start, end: state.holes.at(-1)?.end ?? first.end };
  let start = whole.start;
  return paths.map((path, i) => {
    const last = i === paths.length - 1;
    const end = last
      ? whole.end
      : Math.min(whole.end, start + Math.round((lengthOf(whole) * rateOf(path)) / sum));
    const share = { path: path.id, span: { start, end } };
    start = end;
    return share;
  });
}

export const proportional: Scheme = {
  first: (_state, mayAsk) => mayAsk.find(isFree),
  place(state, path) {
    const open = openHoles(state);
    const own = state.shares
      .filter((share) => share.path === path.id)
      .flatMap((share) => intersect(open, share.span));
    if (own.length > 0) return cut(own, Number.MAX_SAFE_INTEGER);
    // What belongs to nobody, or to a path that is gone, is anybody's.
    const working = new Set(readyPaths(state).map((one) => one.id));
    const orphaned = state.shares
      .filter((share) => working.has(share.path))
      .reduce<SpanSet>((rest, share) => subtract(rest, share.span), open);
    return cut(orphaned, state.settings.fixedBytes);
  },
};

/** Spans of round robin, in least spans: short, but not so short that the requests cost more than the bytes. */
const TURN_SPANS = 4;

/**
 * The file in short spans of one size, the first to the first path, the second to the second, and so on in a circle,
 * whatever their speed: what a router does that sends packets over several lines in turn. The slowest path sets
 * the pace of all, as it does there; to show that is what it is for.
 */
export const roundRobin: Scheme = {
  first: (_state, mayAsk) => mayAsk[0],
  place(state, path) {
    const { holes, horizon, delivered, settings } = state;
    const circle = readyPaths(state);
    const turn = circle.findIndex((one) => one.id === path.id);
    const size = TURN_SPANS * settings.leastBytes;
    for (const hole of holes) {
      const at = Math.floor(hole.start / size);
      const mine = at + ((turn - (at % circle.length) + circle.length) % circle.length);
      const start = Math.max(hole.start, mine * size);
      if (start >= horizon) return undefined;
      if (start >= hole.end) continue;
      const end = Math.min(hole.end, (mine + 1) * size);
      // What the horizon cuts short is left until it is whole, unless the client waits for it.
      if (end <= horizon) return { start, end };
      return start <= delivered ? { start, end: horizon } : undefined;
    }
    return undefined;
  },
};
