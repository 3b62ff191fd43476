import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import * as fc from 'fast-check';
import { lengthOf, overlaps, span } from '../../../src/core/span.ts';
import { secretRandom } from '../../../src/download/integrity/guard.ts';
import {
  SAMPLE_BYTES_MAX,
  SAMPLE_BYTES_MIN,
  samplesOf,
  sampleWithin,
} from '../../../src/download/integrity/samples.ts';

const spans = fc
  .tuple(fc.nat(1e12), fc.integer({ min: 1, max: 5e7 }))
  .map(([start, length]) => span(start, start + length));

describe('samples', () => {
  it('lie within the span, beside each other, and make up about the percentage', () => {
    fc.assert(
      fc.property(spans, fc.double({ min: 0.1, max: 10, noNaN: true }), (whole, percent) => {
        const samples = samplesOf(whole, percent, secretRandom);
        assert.ok(samples.length > 0, 'every span has one');
        for (const [i, one] of samples.entries()) {
          assert.ok(one.start >= whole.start && one.end <= whole.end && one.end > one.start);
          assert.ok(lengthOf(one) <= SAMPLE_BYTES_MAX);
          const next = samples[i + 1];
          if (next !== undefined) assert.ok(!overlaps(one, next) && one.end <= next.start);
        }
        const bytes = samples.reduce((sum, one) => sum + lengthOf(one), 0);
        const wanted = (lengthOf(whole) * percent) / 100;
        const most = Math.max(SAMPLE_BYTES_MIN, wanted * 1.6);
        assert.ok(bytes <= most, `${bytes} of ${lengthOf(whole)} at ${percent} %`);
        assert.ok(
          bytes >= Math.min(lengthOf(whole), wanted * 0.6),
          `${bytes} of ${lengthOf(whole)} at ${percent} %`,
        );
      }),
    );
  });

  it('are in every whole part of the span of which the largest sample makes up the percentage', () => {
    fc.assert(
      fc.property(spans, fc.double({ min: 0.1, max: 10, noNaN: true }), (whole, percent) => {
        const part = (SAMPLE_BYTES_MAX * 100) / percent;
        const samples = samplesOf(whole, percent, secretRandom);
        assert.ok(
          samples.length * part >= lengthOf(whole) * (1 - 1e-9),
          `${samples.length} in ${lengthOf(whole)}`,
        );
        // So a stretch of two such parts, wherever it begins, has a sample in it.
        let before = whole.start;
        for (const { start, end } of [...samples, span(whole.end, whole.end)]) {
          assert.ok(start - before <= 2 * part);
          before = end;
        }
      }),
    );
  });

  it('are none at 0 %', () => {
    assert.deepEqual(samplesOf(span(0, 1e6), 0, secretRandom), []);
  });

  it('may be anywhere: no byte of a span is left out for good', () => {
    const whole = span(1_000, 1_000 + 8_192);
    const seen = new Set<number>();
    for (let i = 0; i < 4_000; i += 1) {
      for (const one of samplesOf(whole, 1, secretRandom))
        for (let at = one.start; at < one.end; at += 1) seen.add(at);
    }
    assert.equal(seen.size, lengthOf(whole));
  });

  it('of what is here already lie within it', () => {
    fc.assert(
      fc.property(spans, (came) => {
        const one = sampleWithin(came, secretRandom);
        assert.ok(one.start >= came.start && one.end <= came.end && lengthOf(one) > 0);
      }),
    );
  });
});
