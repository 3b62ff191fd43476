/**
 * The overrun: what has come over the line for borrowers beyond what is lent. Pure; the steward steps it with each look.
 *
 *     origin ══ line ══► kernel: waits here ─► shaper ─► borrower
 *
 * The shaper holds what is passed on, but the line carries what the origin sends until the kernel takes no more: at the
 * beginning of a transfer that is much faster. What came too much is lent already, so that much less is passed on: over
 * a second the line carries what is lent, and what waits stops growing.
 *
 * A line that is full carries no more than it can, however much is sent: the rest stands in its queue, where nobody counts it,
 * and the household's first packets wait behind it. So as long as it is full, less is passed on.
 * It must never raise the rate.
 */
import type { Bytes, BytesPerSecond, Milliseconds } from '../core/units.ts';
import type { Measured } from './meter.ts';

/** What came too much is made up for in this time. */
export const REPAY_MS: Milliseconds = 125;
/** No more than this is to be made up for, in time of what is lent. */
const REMEMBERED_MS: Milliseconds = 500;
/** What came too little earns so much: packets come in bursts, and more than their mean must not count as too much. */
export const CREDIT_MS: Milliseconds = 25;
/** A line is full that carried so much of what it can, all in all in so many looks, as at the beginning of a transfer … */
export const FULL_LEAST = 0.995;
const FULL_LOOKS = 30;
/** … until in so many it was not: packets come in bursts. */
const NOT_FULL_LOOKS = 2;
/** While it is full, of what is lent so much less is passed on: little is lost where nothing stands. */
const DRAINING_PART = 0.1;
/** Of what is lent, so much is passed on however much has come. */
export const LEAST_PART = 0.4;

/** What is lent has fallen when it is less than so much of what it was before … */
const FALLS = 0.8;
/** … and what comes has followed when it is at most so many times that … */
const FOLLOWS = 1.25;
/** … within this time. */
const FOLLOW_MS: Milliseconds = 250;

/** To less than so much of what was lent reading slower leads too late: the kernel's buffers have to fill first. */
const PLUNGES = 0.5;

export interface Overrun {
  readonly at: Milliseconds;
  /** Came beyond what was lent, and is not made up for; negative: a little less came. */
  readonly bytes: Bytes;
  /** The line is full: something may stand in its queue. */
  readonly full: boolean;
  /** What the line carried of what it can, in the last `FULL_LOOKS`. */
  readonly fullness: readonly number[];
  /** Was lent in the step before. */
  readonly lent: BytesPerSecond;
  /** That was much less than in the one before it. */
  readonly fell: boolean;
  /** What is lent fell, and what comes does not: slower reading is not enough, what runs is to be cut now. */
  readonly cut: boolean;
}

export const NO_OVERRUN: Overrun = {
  at: Number.NEGATIVE_INFINITY,
  bytes: 0,
  full: false,
  fullness: [],
  lent: 0,
  fell: false,
  cut: false,
};

export interface Carried {
  /** For borrowers, on the line. */
  readonly came: BytesPerSecond;
  /** What was lent meanwhile. */
  readonly lent: BytesPerSecond;
  /** What the line carried in all of what it can; 0 when that is not known. */
  readonly fullness: number;
}

/** What a line that can carry so much carried by that measurement, while so much was lent. */
export function carriedBy(
  measured: Measured,
  line: BytesPerSecond | undefined,
  lent: BytesPerSecond,
): Carried {
  // Not known: when less is lent from now on, it is cut rather than hoped that little comes.
  if (measured.kind !== 'rates') return { came: lent, lent, fullness: 0 };
  const came = measured.total.down - measured.own.down;
  // Without counters only what was passed on is known: that is what the shaper let pass, and its headers are a guess.
  if (measured.from !== 'counters') return { came: Math.min(came, lent), lent, fullness: 0 };
  return { came, lent, fullness: line === undefined || line <= 0 ? 0 : measured.total.down / line };
}

/** The overrun at that time, when that was carried since the step before. */
export function overrunStep(
  before: Overrun,
  at: Milliseconds,
  { came, lent, fullness: now }: Carried,
): Overrun {
  // Nothing runs that could be slower.
  if (lent <= 0 || !Number.isFinite(lent)) return { ...NO_OVERRUN, at };
  const elapsed = Math.min(REMEMBERED_MS, at - before.at);
  const fullness = [...before.fullness, now].slice(-FULL_LOOKS);
  const wasFull = (looks: number): boolean =>
    fullness.slice(-looks).reduce((sum, part) => sum + part, 0) >= FULL_LEAST * looks;
  const full = wasFull(before.full ? NOT_FULL_LOOKS : FULL_LOOKS);
  const bytes = before.bytes + ((came - lent) * elapsed) / 1000;
  // The time before a transfer began earns nothing.
  const least = before.lent > 0 ? (-lent * CREDIT_MS) / 1000 : 0;
  const fell = lent < before.lent * FALLS;
  const cut = before.fell && !fell && came > lent * FOLLOWS && at - before.at <= FOLLOW_MS;
  return {
    at,
    bytes: Math.min(Math.max(least, bytes), (lent * REMEMBERED_MS) / 1000),
    full,
    fullness,
    lent,
    fell,
    cut,
  };
}

/** True when so much less is lent than was that what runs is to be cut at once, without a look whether what comes follows. */
export const plunges = ({ came, lent: before }: Carried, lent: BytesPerSecond): boolean =>
  lent < before * PLUNGES && came > lent * FOLLOWS;

/** What is passed on of what is lent. */
export function repaying(lent: BytesPerSecond, { bytes, full }: Overrun): BytesPerSecond {
  if (!Number.isFinite(lent)) return lent;
  const draining = full ? lent * DRAINING_PART : 0;
  return Math.max(lent * LEAST_PART, lent - draining - (Math.max(0, bytes) * 1000) / REPAY_MS);
}
