import assert from 'node:assert/strict';
import { test } from 'node:test';
import * as fc from 'fast-check';
import {
  BURST_MIN_BYTES,
  BURST_MS,
  bucket,
  burstOf,
  filled,
  pieceOf,
  taken,
  waitFor,
  withRate,
} from '../../src/lending/token-bucket.ts';

test('the burst is a short time of the rate, and never under a few packets', () => {
  assert.equal(burstOf(0), BURST_MIN_BYTES);
  assert.equal(burstOf(100_000), BURST_MIN_BYTES);
  assert.equal(burstOf(10_000_000), (10_000_000 * BURST_MS) / 1000);
  assert.ok(pieceOf(10_000_000) * 2 <= burstOf(10_000_000));
});

test('it begins empty, fills at its rate, and not beyond its burst', () => {
  const empty = bucket(1_000_000, 0);
  assert.equal(waitFor(empty, 10_000, 0), 10);
  assert.equal(waitFor(empty, 10_000, 9), 1);
  assert.equal(waitFor(empty, 10_000, 10), 0);
  assert.equal(filled(empty, 1e9).tokens, burstOf(1_000_000));
  assert.equal(filled(filled(empty, 10), 5).tokens, 10_000);
});

test('rate zero lets nothing pass, and keeps nothing for later', () => {
  const full = filled(bucket(1_000_000, 0), 1_000);
  const off = withRate(full, 0, 1_000);
  assert.equal(waitFor(off, 1, 1e9), Number.POSITIVE_INFINITY);
  assert.equal(waitFor(withRate(off, 1_000_000, 5_000), 1_000, 5_000), 1);
});

test('never over rate * t + burst in any stretch, for any times, pieces and rates', () => {
  const step = fc.record({
    // Mostly short, now and then a clock that stood still for long, or went back.
    later: fc.oneof(
      { weight: 20, arbitrary: fc.double({ min: 0, max: 60, noNaN: true }) },
      fc.constantFrom(5_000, -300),
    ),
    wanted: fc.integer({ min: 1, max: 200_000 }),
  });
  fc.assert(
    fc.property(
      fc.integer({ min: 1_000, max: 50_000_000 }),
      fc.array(step, { maxLength: 200 }),
      (rate, steps) => {
        let b = bucket(rate, 0);
        let now = 0;
        let high = 0;
        const passed: { at: number; bytes: number }[] = [];
        for (const { later, wanted } of steps) {
          now += later;
          high = Math.max(high, now);
          const bytes = Math.min(wanted, pieceOf(rate));
          if (waitFor(b, bytes, now) > 0) continue;
          b = taken(b, bytes, now);
          passed.push({ at: high, bytes });
        }
        for (let from = 0; from < passed.length; from += 1) {
          let sum = 0;
          for (let to = from; to < passed.length; to += 1) {
            sum += passed[to]?.bytes ?? 0;
            const t = (passed[to]?.at ?? 0) - (passed[from]?.at ?? 0);
            assert.ok(sum <= (rate * t) / 1000 + burstOf(rate) + 1e-3, `${sum} bytes in ${t} ms`);
          }
        }
      },
    ),
  );
});

test('after waiting as long as it said, a piece may pass', () => {
  fc.assert(
    fc.property(
      fc.integer({ min: 1_000, max: 1e9 }),
      fc.double({ min: 0, max: 1e7, noNaN: true }),
      fc.double({ min: 0, max: 1, noNaN: true }),
      (rate, start, part) => {
        const bytes = Math.max(1, Math.floor(pieceOf(rate) * part));
        const b = bucket(rate, start);
        const wait = waitFor(b, bytes, start);
        assert.ok(waitFor(b, bytes, start + wait) < 0.001);
      },
    ),
  );
});
