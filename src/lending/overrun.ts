/**
 * The overrun: what has come over the line for borrowers beyond what is lent. Pure; the steward steps it with each look.
 *
 *     origin ══ line ══► kernel: waits here ─► shaper ─► borrower
 *
 * The shaper holds what is passed on, but the line carries what the origin sends until the kernel takes no more: at the
 * beginning of a transfer that is much faster. What came too much is lent already, so that much less is passed on: over
 * a second the line carries what is lent, and what waits stops growing. It must never raise the rate.
 */
import type { Bytes, BytesPerSecond, Milliseconds } from '../core/units.ts';

/** What came too much is made up for in this time. */
export const REPAY_MS: Milliseconds = 125;
/** No more than this is to be made up for, in time of what is lent. */
const REMEMBERED_MS: Milliseconds = 500;
/** What came too little earns so much: packets come in bursts, and more than their mean must not count as too much. */
export const CREDIT_MS: Milliseconds = 25;
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
  lent: 0,
  fell: false,
  cut: false,
};

/** The overrun at that time, when since the step before `came` came for borrowers and `lent` was lent, both on the line. */
export function overrunStep(
  before: Overrun,
  at: Milliseconds,
  { came, lent }: { readonly came: BytesPerSecond; readonly lent: BytesPerSecond },
): Overrun {
  // Nothing runs that could be slower.
  if (lent <= 0 || !Number.isFinite(lent)) return { ...NO_OVERRUN, at };
  const elapsed = Math.min(REMEMBERED_MS, at - before.at);
  const bytes = before.bytes + ((came - lent) * elapsed) / 1000;
  // The time before a transfer began earns nothing.
  const least = before.lent > 0 ? (-lent * CREDIT_MS) / 1000 : 0;
  const fell = lent < before.lent * FALLS;
  const cut = before.fell && !fell && came > lent * FOLLOWS && at - before.at <= FOLLOW_MS;
  return {
    at,
    bytes: Math.min(Math.max(least, bytes), (lent * REMEMBERED_MS) / 1000),
    lent,
    fell,
    cut,
  };
}

/** True when what is lent falls so far that what runs is to be cut at once, without a look whether what comes follows. */
export const plunges = (before: BytesPerSecond, lent: BytesPerSecond, came: BytesPerSecond): boolean =>
  lent < before * PLUNGES && came > lent * FOLLOWS;

/** What is passed on of what is lent. */
export const repaying = (lent: BytesPerSecond, { bytes }: Overrun): BytesPerSecond =>
  Number.isFinite(lent) ? Math.max(lent * LEAST_PART, lent - (Math.max(0, bytes) * 1000) / REPAY_MS) : lent;
