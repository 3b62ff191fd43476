/**
 * Delay as a second sign: how long the line takes to answer, against what is usual while nothing is lent. Pure: answers in, a
 * factor out. Kept by delay-watch.ts.
 *
 * It catches what the counters can't: a line that carries less than it did, and, where there are no counters, what the rest of
 * the household does. It can't be the only one: a queue that is managed well hides what goes on. So it lowers what is lent, step
 * by step while answers come late, and raises it again; with counters it never stops it.
 */
import type { Milliseconds } from '../core/units.ts';

/** So many answers while nothing is lent make a usual one. */
export const LEARN_FROM = 3;
/** How much a new one counts, once there are many. */
const NEWEST = 0.1;
/** One that is late counts little: something that isn't seen may make it so. At one a second, some 20 min until all is usual. */
const NEWEST_LATE = 0.002;
/** More need not be counted. */
const LEARNT_MAX = 1_000;
/** Later than usual by so much at least is late: the bar that lending has to keep. */
export const LATE_MS: Milliseconds = 30;
/** And by so many times what answers vary by themselves. */
const LATE_DEVIATIONS = 4;
/** Of so many answers the middle one counts. */
const ANSWERS = 3;
/** An answer that didn't come took at least so long. */
export const LOST_MS: Milliseconds = 1_000;
/** After so many that didn't come in a row nobody is there who would answer. */
export const SILENT_AFTER = 8;
const FALL = 0.7;
const RISE = 0.1;
/** With counters, so much of what they allow is lent however late answers come. */
export const FACTOR_LEAST = 0.25;

/** Less is nothing. */
const FACTOR_NONE = 0.01;

export interface DelayState {
  readonly usualMs: Milliseconds;
  readonly deviationMs: Milliseconds;
  readonly learntFrom: number;
  /** Oldest first, at most `ANSWERS`. */
  readonly last: readonly Milliseconds[];
  readonly lostInARow: number;
  /** How much of what would be lent is. */
  readonly factor: number;
}

export const NEW_DELAY: DelayState = {
  usualMs: 0,
  deviationMs: 0,
  learntFrom: 0,
  last: [],
  lostInARow: 0,
  factor: 1,
};

export interface DelaySample {
  /** Undefined: none came. */
  readonly ms: Milliseconds | undefined;
  /** Somebody borrows. */
  readonly isLent: boolean;
  /** The household is seen to use its line. */
  readonly isOwn: boolean;
  /** The household's demand is seen by counters: delay is only the second sign. */
  readonly hasCounters: boolean;
}

export function delayStep(before: DelayState, { ms, isLent, isOwn, hasCounters }: DelaySample): DelayState {
  const lostInARow = ms === undefined ? before.lostInARow + 1 : 0;
  if (lostInARow >= SILENT_AFTER) {
    // Nobody answers any more: there is no sign, and less is not lent for that. But where it is the only sign, a line so full
    // that nothing comes through looks the same: what it was held to holds until answers come again.
    const held = hasCounters ? NEW_DELAY : before;
    return { ...held, lostInARow: SILENT_AFTER };
  }
  const last = [...before.last, ms ?? LOST_MS].slice(-ANSWERS);
  const heard = { ...before, last, lostInARow };
  const late = isLate(heard);
  const after = isLent || isOwn || ms === undefined ? heard : learnt(heard, ms);
  if (after.learntFrom < LEARN_FROM) return after;
  const least = hasCounters ? FACTOR_LEAST : 0;
  // What the household is seen to use is left to it already; that its own traffic makes answers late is no other sign.
  const factor =
    late && !(hasCounters && isOwn)
      ? Math.max(least, before.factor * FALL)
      : Math.min(1, before.factor + RISE);
  return { ...after, factor: factor < FACTOR_NONE ? 0 : factor };
}

/** The middle one of the last answers; undefined while nothing is usual. */
export function delayNow({ last, learntFrom }: DelayState): Milliseconds | undefined {
  if (learntFrom < LEARN_FROM) return undefined;
  return last.toSorted((a, b) => a - b)[Math.floor(last.length / 2)];
}

/** An answer after that is late. */
const latestOf = ({ usualMs, deviationMs }: DelayState): Milliseconds =>
  usualMs + Math.max(LATE_MS, deviationMs * LATE_DEVIATIONS);

function isLate(state: DelayState): boolean {
  const now = delayNow(state);
  return now !== undefined && state.last.length === ANSWERS && now > latestOf(state);
}

function learnt(state: DelayState, ms: Milliseconds): DelayState {
  const { usualMs, deviationMs, learntFrom } = state;
  if (learntFrom >= LEARN_FROM && ms > latestOf(state)) {
    return { ...state, usualMs: usualMs + (ms - usualMs) * NEWEST_LATE };
  }
  const weight = Math.max(NEWEST, 1 / (learntFrom + 1));
  const off = learntFrom === 0 ? 0 : Math.abs(ms - usualMs);
  return {
    ...state,
    usualMs: usualMs + (ms - usualMs) * weight,
    deviationMs: deviationMs + (off - deviationMs) * weight,
    learntFrom: Math.min(LEARNT_MAX, learntFrom + 1),
  };
}
