/**
 * Strikes: when a borrower that asks on and on after it was refused is cut off, and for how long. Pure: the time is handed in.
 * Used by cut-offs.ts.
 *
 * Each refusal that it could have known of is a try. It may have `TRIES_MAX` of them, and earns `TRIES_PER_SECOND` back: more
 * than any borrower needs that waits for the next offer. One try more and it is cut off, each time for twice as long; after
 * `FORGET_MS` without, one time is forgotten. It must never be unbounded: neither what is counted nor how long.
 */
import { EMPTY, type Level, leaked } from '../core/leaky-bucket.ts';
import type { Milliseconds } from '../core/units.ts';

/** Who was just told that nothing is lent may have requests on their way. */
export const GRACE_MS: Milliseconds = 2_000;
/** Tries that are borne at once: as many as one connection can have waiting. */
export const TRIES_MAX = 40;
export const TRIES_PER_SECOND = 2;
export const CUT_OFF_MS: Milliseconds = 10_000;
export const CUT_OFF_MAX_MS: Milliseconds = 600_000;
export const FORGET_MS: Milliseconds = 600_000;

export interface Strikes {
  /** Tries that have not been earned back. */
  readonly tries: Level;
  /** How often it was cut off, less what is forgotten. */
  readonly times: number;
  readonly cutOffUntil: Milliseconds;
}

export const NO_STRIKES: Strikes = {
  tries: EMPTY,
  times: 0,
  cutOffUntil: Number.NEGATIVE_INFINITY,
};

export interface Struck {
  readonly strikes: Strikes;
  /** This try has cut it off, or off for longer. */
  readonly cutsOff: boolean;
}

/** The strikes after one more try. While it is cut off, tries count on. */
export function struck(before: Strikes, at: Milliseconds): Struck {
  const earned = leaked(before.tries, TRIES_PER_SECOND, at);
  const tries = { ...earned, amount: earned.amount + 1 };
  if (tries.amount <= TRIES_MAX) return { strikes: { ...before, tries }, cutsOff: false };
  const goodFor = Math.max(0, at - before.cutOffUntil);
  const forgotten = before.times === 0 ? 0 : Math.floor(goodFor / FORGET_MS);
  const times = Math.max(0, before.times - forgotten) + 1;
  const forMs = Math.min(CUT_OFF_MAX_MS, CUT_OFF_MS * 2 ** Math.min(times - 1, 30));
  // Twice as long as the longest need not be counted.
  const most = Math.ceil(Math.log2(CUT_OFF_MAX_MS / CUT_OFF_MS)) + 1;
  return {
    strikes: { tries: { amount: 0, at }, times: Math.min(times, most), cutOffUntil: at + forMs },
    cutsOff: true,
  };
}

/** For how long it is cut off yet; 0 when it is not. */
export const cutOffFor = ({ cutOffUntil }: Strikes, at: Milliseconds): Milliseconds =>
  Math.max(0, cutOffUntil - at);
