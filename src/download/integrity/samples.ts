/**
 * Samples: which bytes of a neighbour's span are fetched again over our own line. Pure; the randomness is handed in. What a
 * lender can't foresee it can't spare: every span is sampled, and no byte of it is spared more than another.
 *
 *     span      |--------------------------------|
 *     strata    |          |          |          |     as many as make up the percentage
 *     samples      ==             ==   ==              one in each, anywhere in it
 */
import { lengthOf, type Span, span } from '../../core/span.ts';
import type { Bytes } from '../../core/units.ts';

/** A whole number from 0 up to, and without, `below`; from node:crypto outside of tests. */
export type Random = (below: number) => number;

/** A request of its own should be worth it … */
export const SAMPLE_BYTES_MIN: Bytes = 512;
/** … and many places say more than many bytes of one. */
export const SAMPLE_BYTES_MAX: Bytes = 4_096;

/** The samples of a span: at least one, unless `percent` is 0. */
export function samplesOf(whole: Span, percent: number, random: Random): readonly Span[] {
  const length = lengthOf(whole);
  const wanted = (length * percent) / 100;
  if (wanted <= 0) return [];
  // Rather one more and each smaller: no stratum is longer than the percentage says.
  const count = Math.max(1, Math.ceil(wanted / SAMPLE_BYTES_MAX));
  const size = Math.min(length, Math.max(SAMPLE_BYTES_MIN, Math.floor(wanted / count)));
  const samples: Span[] = [];
  for (let i = 0; i < count; i += 1) {
    const from = whole.start + Math.floor((length * i) / count);
    const to = whole.start + Math.floor((length * (i + 1)) / count);
    // As if it could stick out at either end: else the first and last bytes would hardly ever be in one.
    const start = from - size + 1 + random(to - from + size - 1);
    const within = Math.max(from, Math.min(start, to - size));
    samples.push(span(within, within + size));
  }
  return samples;
}

/** One sample of bytes that are here already, anywhere in them: for a span that may end before any of its samples has come. */
export function sampleWithin(came: Span, random: Random): Span {
  const size = Math.min(SAMPLE_BYTES_MIN, lengthOf(came));
  const start = came.start + random(lengthOf(came) - size + 1);
  return span(start, start + size);
}
