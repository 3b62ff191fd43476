/**
 * What is lent now, as the steward decided it and the lender holds it.
 */
import { type BytesPerSecond, formatDuration } from '../core/units.ts';
import type { Delay } from './delay-watch.ts';
import type { Allowance, Directions, Terms } from './policy.ts';
import type { ShareReason, ShareState } from './share.ts';

export interface Lent {
  /** To all borrowers together; up, with what acknowledges that which comes down. */
  readonly rate: Directions<BytesPerSecond>;
  /** Of what comes down, what is passed on now, when more has come than was lent; default all. */
  readonly passed?: BytesPerSecond;
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

/** What is lent, and why not more. */
export function lentOf(
  share: ShareState,
  allowance: Allowance,
  {
    may,
    capacity,
    delay,
  }: {
    readonly delay: Delay | undefined;
    readonly may: Directions<BytesPerSecond>;
    readonly capacity: Directions<BytesPerSecond | undefined>;
  },
  terms: Lent['terms'],
): Lent {
  const because = (reason: ShareReason, words: string): Lent => ({
    rate: share.lent,
    reason,
    words,
    terms,
  });
  if (allowance.factor <= 0) return because(allowance.reason, allowance.words);
  if (may.down <= 0 || may.up <= 0) {
    if (capacity.down !== undefined) return because('off', 'the ceilings, and what is kept, leave nothing');
    return because(
      'line_unknown',
      'what the line carries is not known: set line.down, or lend.rate without lend.keep',
    );
  }
  if (share.unmeasured) return because('unmeasured', 'the line can not be measured at the moment');
  if (share.yielding) return because('household', 'the household wants its line');
  if (delay !== undefined && delay.factor < 1) {
    const words = `the line answers in ${formatDuration(delay.ms)}, usually in ${formatDuration(delay.usualMs)}`;
    return because('delay', words);
  }
  return because(allowance.reason, allowance.words);
}
