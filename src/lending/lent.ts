/**
 * What is lent now, as the steward decided it and the lender holds it.
 */
import type { BytesPerSecond } from '../core/units.ts';
import type { Directions, Terms } from './policy.ts';
import type { ShareReason } from './share.ts';

export interface Lent {
  /** To all borrowers together; up, with what acknowledges that which comes down. */
  readonly rate: Directions<BytesPerSecond>;
  readonly reason: ShareReason;
  /** For people; told to borrowers that are refused. */
  readonly words: string;
  readonly terms: (neighbourId: string) => Terms;
}

/** Until the steward has decided. */
export const NOTHING_LENT: Lent = {
  rate: { down: 0, up: 0 },
  reason: 'off',
  words: 'the daemon is starting',
  terms: () => ({ allowed: false, weight: 1, rate: { down: 0, up: 0 }, factor: 0, words: '' }),
};
