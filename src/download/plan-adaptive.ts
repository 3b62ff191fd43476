/**
 * The adaptive scheme: spans as long as a fraction of a second of their path, the next one always queued, a slow
 * path's span far enough ahead that the client never waits for it, or none. Pure; the plan calls it.
 *
 *     client                                                  horizon
 *       ▼                                                        ▼
 *       |= fast =|= fast =|= fast =|..holes: fast will be there..|
 *                                                |= slow =|  asked now, there when the client gets there
 */
import { lengthOf, type Span, type SpanSet, sizeOf } from '../core/span.ts';
import type { Bytes, Milliseconds } from '../core/units.ts';
import type { Scheme } from './plan-seed.ts';
import {
  busyMs,
  endMs,
  fairMs,
  freeMs,
  isLong,
  isUntried,
  leastSpan,
  openHoles,
  type PathState,
  type PlanState,
  rateOf,
  readyPaths,
  totalRate,
  workingPaths,
} from './plan-state.ts';

/** The part of the window that one round of spans may fill: the rest is for what is queued and out of order. */
const WINDOW_PART = 0.3;
/** Spans of a path that fit into what its latency leaves of the window. */
const SPANS_BEYOND_LATENCY = 3;
const SHORTEST_SPAN_MS: Milliseconds = 12;
/** A path is asked again when it has less than this left, in spans, beyond its latency. */
const KEEP_QUEUED = 0.75;
/** … and beyond so many times a long way's: its connection grows only while it has more to bring than is on its way … */
const LONG_WAYS = 1.5;
/** … while there is time for it to grow, in its ways. */
const FAR_FROM_END = 8;
/** Ways longer than this are not waited for at the end. */
const LONGEST_END_MS: Milliseconds = 150;
/** What all together bring in less time is not worth a request. */
const LEAST_LEFT_MS: Milliseconds = 4;
/** A slow path's time is taken for so much longer than it should be. */
const CAUTION = 1.1;
/** … and by so much of its latency: what is long on its way comes in bursts, and late at times. */
const LATE_PART = 0.3;

/**
 * How long a span should take on its path: short enough for the window to hold a round of them, and shorter on a
 * long way, where most of the window is taken up by what is still on it.
 */
export function spanMs(state: PlanState, path: PathState): Milliseconds {
  const windowMs = ((state.horizon - state.delivered) * 1000) / Math.max(1, totalRate(state));
  const fits = Math.min(WINDOW_PART * windowMs, (windowMs - path.latencyMs) / SPANS_BEYOND_LATENCY);
  return Math.min(state.settings.spanMs, Math.max(SHORTEST_SPAN_MS, fits));
}

/** Spans get shorter as the end comes near, so that all paths finish together. */
function spanBytes(state: PlanState, path: PathState): Bytes {
  // Nobody knows yet when it will come, or whether.
  if (isUntried(path)) return state.settings.leastBytes;
  const ms = Math.max(SHORTEST_SPAN_MS, Math.min(spanMs(state, path), fairMs(state)));
  return Math.max(leastSpan(state, path), Math.ceil((rateOf(path) * ms) / 1000));
}

/**
 * Near the end, when all that is left takes no longer than the longest way, every path is given its part of it: were each kept just
 * busy enough for its own way, those with a short one would end first.
 */
function isHungry(state: PlanState, path: PathState): boolean {
  const busy = busyMs(state, path);
  const ways =
    isLong(path) && path.reliable && promisedMs(state) > FAR_FROM_END * path.latencyMs ? LONG_WAYS : 1;
  if (busy < ways * path.latencyMs + KEEP_QUEUED * Math.min(spanMs(state, path), fairMs(state))) return true;
  const end = endMs(state);
  return end <= longestWayMs(state) && busy < end - LEAST_LEFT_MS;
}

/** How long what nobody was asked for would take if all brought what they promised. */
function promisedMs(state: PlanState): Milliseconds {
  const promised = readyPaths(state).reduce((sum, { flow }) => sum + flow.guess, 0);
  return (sizeOf(state.holes) * 1000) / Math.max(1, promised);
}

/** Of those that bring something, but for what comes in another league: it would be waited for by all. */
function longestWayMs(state: PlanState): Milliseconds {
  let longest = 0;
  for (const { latencyMs } of workingPaths(state)) longest = Math.max(longest, latencyMs);
  return Math.min(LONGEST_END_MS, longest);
}

/** True when the very next byte of the client is asked of nobody: that can't wait until a path is hungry. */
function isUrgent(state: PlanState): boolean {
  return (
    state.running === undefined &&
    state.holes[0]?.start === state.delivered &&
    state.delivered > state.whole.start
  );
}

export const adaptive: Scheme = {
  first(state, mayAsk) {
    const open = isUrgent(state) ? mayAsk : mayAsk.filter((path) => isHungry(state, path));
    return open.reduce<PathState | undefined>(
      (best, path) => (best === undefined || freeMs(state, path) < freeMs(state, best) ? path : best),
      undefined,
    );
  },
  place(state, path) {
    const holes = openHoles(state);
    const bytes = spanBytes(state, path);
    if (state.running?.meets === true) return lastPart(holes, bytes);
    return placeFor(state, path, holes, bytes) ?? placeFor(state, path, holes, leastSpan(state, path));
  },
};

/** The end of what is left: whoever comes from the other side has more to go. */
function lastPart(holes: SpanSet, bytes: Bytes): Span | undefined {
  const last = holes.at(-1);
  return last && { start: Math.max(last.start, last.end - bytes), end: last.end };
}

function placeFor(state: PlanState, path: PathState, holes: SpanSet, bytes: Bytes): Span | undefined {
  let skip = othersFirst(state, path, bytes);
  for (const hole of holes) {
    const size = lengthOf(hole);
    if (skip >= size) {
      skip -= size;
      continue;
    }
    const start = hole.start + skip;
    // What the horizon cuts short grows in a moment, and is then worth a request.
    const isCut = hole.end === state.horizon && hole.end < state.whole.end;
    if (isCut && hole.end - start < Math.min(bytes, state.settings.leastBytes) && start > state.delivered)
      return undefined;
    const end = Math.min(hole.end, start + bytes);
    // A crumb left over would cost somebody a request of its own.
    const rest = hole.end - end;
    return { start, end: rest < state.settings.leastBytes / 2 ? hole.end : end };
  }
  return undefined;
}

/**
 * Bytes of the holes that the other paths will have brought before this one could bring a span of this size:
 * those it leaves to them, so that it never becomes what the client waits for (earliest completion first).
 */
function othersFirst(state: PlanState, path: PathState, bytes: Bytes): Bytes {
  const doneMs = freeMs(state, path) + (bytes * 1000) / rateOf(path);
  const latestMs = doneMs * CAUTION + path.latencyMs * LATE_PART;
  let first = 0;
  for (const other of workingPaths(state)) {
    if (other.id === path.id) continue;
    const each = spanBytes(state, other);
    const eachMs = (each * 1000) / rateOf(other);
    const rounds = Math.ceil((latestMs - freeMs(state, other)) / eachMs) - 1;
    if (rounds > 0 && doneMs > freeMs(state, other) + eachMs) first += rounds * each;
  }
  return Math.floor(first);
}
