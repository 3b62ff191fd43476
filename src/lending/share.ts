/**
 * The share: how fast the line is lent now, to all together. Pure: measurements and what policy allows in, a rate out.
 * The steward steps it with each measurement.
 *
 *     line ┤ kept for the household: what it wants, and head-room to want more ├ lent, at most what policy allows ┤
 *
 * Down at once, within the measurement that shows the household's demand; up slowly, after the demand has been gone for
 * a while. It must never give more than policy allows, nor more than the household leaves, nor guess a line's rate.
 */
import type { BytesPerSecond, Milliseconds } from '../core/units.ts';
import { PLAUSIBLE_MAX } from './counters.ts';
import type { Directions } from './policy.ts';

/** The household's demand counts for so long after it was seen: it comes in bursts. */
export const HOLD_MS: Milliseconds = 1_000;
/** From nothing to all that is allowed. */
export const RAMP_MS: Milliseconds = 1_500;
/** While the demand grows, and so long after, it is left room to double; then to grow by a quarter. */
export const GROWING_MS: Milliseconds = 250;
/** Room in parts of the line: while the demand grows, and when it is steady. */
const ROOM_GROWING = 0.1;
const ROOM_STEADY = 0.05;
/** A connection that begins doubles with every round trip, and is seen some of them later: it is left so many times as much. */
const GROWS_TO = 8;
/** So much of a line may be used: a line that is full has a queue. */
export const FULL_PART = 0.99;
/** Less of the line is chatter, and holds nothing back. */
export const CHATTER = 0.02;
const GROWN = 1.25;
/** What is lent rises by steps of at least so much: neighbours need not hear of less. */
const RISE_LEAST = 0.05;
/** While nothing can be measured, so much of what is allowed. */
export const UNMEASURED = 0.25;
/** What comes down costs so much going up, in acknowledgements and requests: where up is short, down is too. */
export const UP_COST = 0.05;
/** Of what may go up, so much at least is for what borrowers send, however much comes down for them. */
export const UP_LEAST = 0.1;
/** Less is not worth a request. */
export const LENT_LEAST: BytesPerSecond = 8_192;

/** Why what is lent is what it is; status shows it. */
export type ShareReason =
  /** As much as policy allows. */
  | 'lending'
  /** Policy says that nothing is lent, or less than usual. */
  | 'off'
  | 'paused'
  | 'hours'
  | 'quota_slow'
  | 'quota_spent'
  /** Neither the line's rate nor a ceiling is known: set line.down or lend.rate. */
  | 'line_unknown'
  /** The household wants its line. */
  | 'household'
  /** The line answers later than usual. */
  | 'delay'
  /** The line's counters can't be read or trusted at the moment. */
  | 'unmeasured';

/** What is known of one direction. */
export interface Measurement {
  /** What it carries; undefined while it is not known. */
  readonly line: BytesPerSecond | undefined;
  /** What the household uses of it; undefined when it can't be told at the moment. */
  readonly own: BytesPerSecond | undefined;
  /** What policy allows; Infinity when nothing bounds it. */
  readonly lendable: BytesPerSecond;
}

interface Seen {
  readonly at: Milliseconds;
  readonly own: BytesPerSecond;
}

interface DirectionState {
  readonly granted: BytesPerSecond;
  /** The household leaves less than policy allows. */
  readonly wanted: boolean;
  /** Demand of the last `HOLD_MS`, each higher than those after it, oldest first. */
  readonly seen: readonly Seen[];
  /** Until when it counts as growing. */
  readonly growingUntil: Milliseconds;
}

export interface ShareState {
  readonly at: Milliseconds;
  readonly directions: Directions<DirectionState>;
  /** For all borrowers together. Up: acknowledgements of what comes down are in it. */
  readonly lent: Directions<BytesPerSecond>;
  /** Less than policy allows is lent because of the household. */
  readonly yielding: boolean;
}

const BEGINNING: DirectionState = { granted: 0, wanted: false, seen: [], growingUntil: 0 };

/** Begins at nothing lent; the first step may give all that is left. */
export const NEW_SHARE: ShareState = {
  at: Number.NEGATIVE_INFINITY,
  directions: { down: BEGINNING, up: BEGINNING },
  lent: { down: 0, up: 0 },
  yielding: false,
};

/** The share after that measurement. */
export function shareStep(
  state: ShareState,
  at: Milliseconds,
  measured: Directions<Measurement>,
): ShareState {
  const elapsed = at - state.at;
  const down = directionStep(state.directions.down, at, elapsed, measured.down);
  const up = directionStep(state.directions.up, at, elapsed, measured.up);
  const total = Math.min(down.granted, ackedBy(up.granted));
  const allowed = Math.min(measured.down.lendable, ackedBy(measured.up.lendable));
  const lent = total < LENT_LEAST && total < allowed ? 0 : total;
  return {
    at,
    directions: { down, up },
    // What sends needs its answers: where nothing comes down, nothing goes up.
    lent: { down: lent, up: lent > 0 ? up.granted : 0 },
    yielding: down.wanted || (up.wanted && lent < allowed),
  };
}

/** How much may come down where so much may go up. */
const ackedBy = (up: BytesPerSecond): BytesPerSecond => (up * (1 - UP_LEAST)) / UP_COST;

/** What borrowers may send, of what may go up, while so much comes down for them. */
export const sendable = (up: BytesPerSecond, comingDown: BytesPerSecond): BytesPerSecond =>
  Math.min(PLAUSIBLE_MAX, Math.max(up * UP_LEAST, up - comingDown * UP_COST));

function directionStep(
  state: DirectionState,
  at: Milliseconds,
  elapsed: Milliseconds,
  { line, own, lendable }: Measurement,
): DirectionState {
  // A direction that nothing bounds and of which nothing is known.
  if (lendable === Number.POSITIVE_INFINITY && line === undefined)
    return { ...state, granted: lendable, wanted: false };
  // Of a line that is not known, what may be lent is all that is known to be there.
  const carries = line === undefined ? lendable : line * FULL_PART;
  const before = state.seen.filter((one) => at - one.at < HOLD_MS);
  const seen = own === undefined ? before : [...before.filter((one) => one.own > own), { at, own }];
  const held = seen.reduce((most, one) => Math.max(most, one.own), 0);
  const heldBefore = before.reduce((most, one) => Math.max(most, one.own), 0);
  const chatter = carries * CHATTER;
  const grows = own !== undefined && own > chatter && own > heldBefore * GROWN;
  const growingUntil = grows ? at + GROWING_MS : state.growingUntil;
  const target = Math.min(lendable, leftOf(carries, held, { chatter, growing: at < growingUntil }));
  const bounded = own === undefined ? Math.min(target, Math.min(lendable, carries) * UNMEASURED) : target;
  return {
    granted: stepped(state.granted, bounded, Math.min(lendable, carries), elapsed),
    wanted: target < Math.min(lendable, carries),
    seen,
    growingUntil,
  };
}

function leftOf(
  carries: BytesPerSecond,
  held: BytesPerSecond,
  { chatter, growing }: { readonly chatter: BytesPerSecond; readonly growing: boolean },
): BytesPerSecond {
  if (held <= chatter) return Math.max(0, carries - held);
  const room = growing
    ? Math.max(held * (GROWS_TO - 1), carries * ROOM_GROWING)
    : Math.max(held * (GROWN - 1), carries * ROOM_STEADY);
  return Math.max(0, carries - held - room);
}

/** Down at once, up by the ramp. */
function stepped(
  granted: BytesPerSecond,
  target: BytesPerSecond,
  allowed: BytesPerSecond,
  elapsed: Milliseconds,
): BytesPerSecond {
  if (target <= granted || !Number.isFinite(target)) return target;
  if (granted > target * (1 - RISE_LEAST)) return target === allowed ? target : granted;
  return Math.min(target, granted + (allowed * elapsed) / RAMP_MS);
}
