/**
 * What is lent now, as the steward decided it and the lender holds it.
 */
import { type BytesPerSecond, formatDuration } from '../core/units.ts';
import type { Delay } from './delay-watch.ts';
import type { LineFault, Measured } from './meter.ts';
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

/** Why the line can't be measured, for people. */
export const FAULTS: Readonly<Record<LineFault, string>> = {
  no_route: 'no interface leads to the Internet',
  interface_changed:
    'another interface leads to the Internet than before; what was learnt of the line is forgotten',
  counters_gone: 'the counters of the interface can not be read any more',
  counters_jumped: 'the counters of the interface jumped',
  counters_blind: 'the counters of the interface do not show what is lent: it goes over another one',
};

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
    measured,
  }: {
    readonly delay: Delay | undefined;
    readonly measured: Measured;
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
  if (measured.kind === 'fault')
    return because('unmeasured', `the line can not be measured: ${FAULTS[measured.fault]}`);
  if (share.yielding) return because('household', 'the household wants its line');
  if (delay !== undefined && delay.factor < 1) {
    const words = `the line answers in ${formatDuration(delay.ms)}, usually in ${formatDuration(delay.usualMs)}`;
    return because('delay', words);
  }
  return because(allowance.reason, allowance.words);
}
