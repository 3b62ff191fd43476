/** Where a span that breaks off is sampled. */
import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import * as fc from 'fast-check';
import { lengthOf, span } from '../../../src/core/span.ts';
import { KIB } from '../../../src/core/units.ts';
import { WatchedSpan } from '../../../src/download/integrity/watched-span.ts';
import { Dice } from '../../support/mutations.ts';

const PERCENT = 0.25;
const TRIES = 400;

/** Which part of the tries sampled something of what came from `from` on, of a span that broke off. */
function sampledFrom(from: number, chunks: readonly number[], dice: Dice): number {
  let met = 0;
  const all = chunks.reduce((sum, length) => sum + length, 0);
  for (let i = 0; i < TRIES; i += 1) {
    const watched = new WatchedSpan('n', span(0, 2 * all), PERCENT, (below) => dice.below(below));
    for (const length of chunks) watched.take(Buffer.alloc(length));
    const samples = watched.final();
    assert.equal(samples.length, 1);
    for (const { span: one } of samples) {
      assert.ok(one.start >= 0 && one.end <= all && lengthOf(one) > 0);
      if (one.end > from) met += 1;
    }
  }
  return met / TRIES;
}

describe('a span that begins with a lap', () => {
  const LAP = 512;
  /** What is right of it and what is sampled, when all but the lap is altered. */
  const found = (asked: number, came: number, dice: Dice): boolean => {
    const watched = new WatchedSpan('n', span(0, LAP + asked), PERCENT, (below) => dice.below(below), LAP);
    watched.take(Buffer.alloc(LAP));
    for (let left = came; left > 0; left -= 1_448) watched.take(Buffer.alloc(Math.min(left, 1_448)));
    return watched.final().some((sample) => sample.span.start >= LAP && sample.span.end <= LAP + came);
  };

  it('is never sampled in the lap, which its lender knows and could spare, whole or broken off', () => {
    const dice = new Dice(1);
    for (let i = 0; i < TRIES; i += 1) {
      for (const came of [1, 100, 4_096, 16_384]) {
        assert.equal(found(16_384, came, dice), true, `${came} bytes`);
      }
    }
  });

  it('of which only the lap came brought nothing that could be sampled', () => {
    const watched = new WatchedSpan('n', span(0, 10_000), PERCENT, () => 0, LAP);
    watched.take(Buffer.alloc(LAP));
    assert.deepEqual(watched.final(), []);
  });
});

describe('a span that breaks off', () => {
  it('is sampled anywhere in what came, however it was cut up, and not in its beginning alone', () => {
    fc.assert(
      fc.property(
        fc.array(fc.integer({ min: 1, max: 64 * KIB }), { minLength: 3, maxLength: 12 }),
        fc.integer({ min: 0, max: 90 }),
        fc.nat(),
        (chunks, percent, seed) => {
          const all = chunks.reduce((sum, length) => sum + length, 0);
          const from = Math.floor((all * percent) / 100);
          const share = sampledFrom(from, chunks, new Dice(seed));
          // Five times the spread of so many tries.
          assert.ok(share >= (all - from) / all - 0.125, `${share} from ${from} of ${all}`);
        },
      ),
      { numRuns: 40 },
    );
  });

  it('is met where it was altered behind its first 64 KiB', () => {
    const share = sampledFrom(64 * KIB, [64 * KIB, 64 * KIB, 64 * KIB, 64 * KIB], new Dice(1));
    assert.ok(share > 0.68, `${share}`);
  });
});
