/**
 * Blind counters: whether the interface that is watched is the one that lent bytes come over. Pure. Kept by the meter. Where
 * somebody named the wrong interface, or the system counts nothing of what its hardware passes on, the household would seem to
 * want nothing, whatever it wants.
 */
import { type Bytes, MIB } from '../core/units.ts';

/** Judged over so much that was lent: far more than waits in the kernel when it has been counted already. */
export const BLIND_OVER: Bytes = 32 * MIB;
/** Counters that show less of it than this do not show it. */
export const BLIND_UNDER = 0.25;

export interface Sight {
  /** Since the last judgement. */
  readonly lent: Bytes;
  readonly counted: Bytes;
  readonly isBlind: boolean;
}

export const NEW_SIGHT: Sight = { lent: 0, counted: 0, isBlind: false };

/** After so many more bytes came down for borrowers while so many were counted. */
export function sightStep(before: Sight, moreLent: Bytes, moreCounted: Bytes): Sight {
  const lent = before.lent + moreLent;
  const counted = before.counted + moreCounted;
  if (lent < BLIND_OVER) return { ...before, lent, counted };
  return { lent: 0, counted: 0, isBlind: counted < lent * BLIND_UNDER };
}
