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
export const REPAY_MS: Milliseconds = 500;
/** What came too little earns so much: packets come in bursts, and more than their mean must not count as too much. */
export const CREDIT_MS: Milliseconds = 100;
/** Of what is lent, so much is passed on however much has come. */
export const LEAST_PART = 0.4;

export interface Overrun {
  readonly at: Milliseconds;
  /** Came beyond what was lent, and is not made up for; negative: a little less came. */
  readonly bytes: Bytes;
  /** Something was lent in the step before. */
  readonly running: boolean;
}

export const NO_OVERRUN: Overrun = { at: Number.NEGATIVE_INFINITY, bytes: 0, running: false };

/** The overrun at that time, when since the step before `came` came for borrowers and `lent` was lent, both on the line. */
export function overrunStep(
  before: Overrun,
  at: Milliseconds,
  { came, lent }: { readonly came: BytesPerSecond; readonly lent: BytesPerSecond },
): Overrun {
  // Nothing runs that could be slower.
  if (lent <= 0 || !Number.isFinite(lent)) return { at, bytes: 0, running: false };
  const elapsed = Math.min(REPAY_MS, at - before.at);
  const bytes = before.bytes + ((came - lent) * elapsed) / 1000;
  // The time before a transfer began earns nothing.
  const least = before.running ? (-lent * CREDIT_MS) / 1000 : 0;
  return { at, bytes: Math.min(Math.max(least, bytes), (lent * REPAY_MS) / 1000), running: true };
}

/** What is passed on of what is lent. */
export const repaying = (lent: BytesPerSecond, { bytes }: Overrun): BytesPerSecond =>
  Number.isFinite(lent) ? Math.max(lent * LEAST_PART, lent - (Math.max(0, bytes) * 1000) / REPAY_MS) : lent;
