import assert from 'node:assert/strict';
import { test } from 'node:test';
import * as fc from 'fast-check';
import { LeakyBucket, leaked } from '../../src/core/leaky-bucket.ts';

test('so much at once, and then as much as is earned back', () => {
  const bucket = new LeakyBucket(10, 2);
  assert.ok(bucket.takes(9, 5_000));
  assert.ok(!bucket.takes(2, 5_000));
  assert.ok(bucket.takes(1, 5_000), 'what was refused is not counted');
  assert.ok(!bucket.takes(1, 5_499));
  assert.ok(bucket.takes(1, 5_500));
  assert.ok(bucket.takes(10, 60_000));
});

test('a clock that steps back neither fills nor empties it', () => {
  const level = { amount: 4, at: 1_000 };
  assert.deepEqual(leaked(level, 2, 0), level);
  const bucket = new LeakyBucket(4, 2);
  assert.ok(bucket.takes(4, 1_000));
  assert.ok(!bucket.takes(1, 0));
  assert.ok(!bucket.takes(1, 1_000));
  assert.ok(bucket.takes(1, 1_500));
});

test('in any stretch of time no more is taken than the bound and what is earned in it', () => {
  fc.assert(
    fc.property(
      fc.array(fc.tuple(fc.nat(2_000), fc.integer({ min: 1, max: 8 })), { maxLength: 100 }),
      (asked) => {
        const bucket = new LeakyBucket(20, 3);
        let now = 0;
        const took = asked.flatMap(([wait, amount]) => {
          now += wait;
          return bucket.takes(amount, now) ? [{ at: now, amount }] : [];
        });
        for (const [i, { at: from }] of took.entries()) {
          let sum = 0;
          for (const { at, amount } of took.slice(i)) {
            sum += amount;
            assert.ok(sum <= 20 + ((at - from) / 1000) * 3 + 1e-9);
          }
        }
      },
    ),
  );
});
