import assert from 'node:assert/strict';
import { test } from 'node:test';
import * as fc from 'fast-check';
import {
  CUT_OFF_MAX_MS,
  CUT_OFF_MS,
  cutOffFor,
  FORGET_MS,
  NO_STRIKES,
  type Strikes,
  struck,
  TRIES_MAX,
  TRIES_PER_SECOND,
} from '../../src/lending/strikes.ts';

/** So many tries at once, and how often they cut off. */
function many(
  before: Strikes,
  tries: number,
  at: number,
): { readonly strikes: Strikes; readonly cuts: number } {
  let strikes = before;
  let cuts = 0;
  for (let i = 0; i < tries; i += 1) {
    const after = struck(strikes, at);
    strikes = after.strikes;
    if (after.cutsOff) cuts += 1;
  }
  return { strikes, cuts };
}

test('as many tries as may be on their way cut nobody off; one more does', () => {
  const { strikes, cuts } = many(NO_STRIKES, TRIES_MAX, 0);
  assert.equal(cuts, 0);
  assert.equal(cutOffFor(strikes, 0), 0);
  const after = struck(strikes, 0);
  assert.equal(after.cutsOff, true);
  assert.equal(cutOffFor(after.strikes, 0), CUT_OFF_MS);
  assert.equal(cutOffFor(after.strikes, CUT_OFF_MS), 0);
});

test('one that tries no faster than it earns is never cut off', () => {
  let strikes = NO_STRIKES;
  for (let at = 0; at < 3_600_000; at += 1_000 / TRIES_PER_SECOND) {
    const after = struck(strikes, at);
    assert.equal(after.cutsOff, false);
    strikes = after.strikes;
  }
});

test('each time is twice as long, up to a bound, and is forgotten after a while without', () => {
  let strikes = NO_STRIKES;
  let at = 0;
  const times: number[] = [];
  for (let i = 0; i < 12; i += 1) {
    strikes = many(strikes, TRIES_MAX + 1, at).strikes;
    times.push(cutOffFor(strikes, at));
    at += cutOffFor(strikes, at);
  }
  assert.deepEqual(times.slice(0, 3), [CUT_OFF_MS, 2 * CUT_OFF_MS, 4 * CUT_OFF_MS]);
  assert.ok(times.every((ms) => ms <= CUT_OFF_MAX_MS));
  assert.equal(times.at(-1), CUT_OFF_MAX_MS);
  strikes = many(strikes, TRIES_MAX + 1, at + 60 * FORGET_MS).strikes;
  assert.equal(cutOffFor(strikes, at + 60 * FORGET_MS), CUT_OFF_MS);
});

test('whatever comes when: what is counted is bounded, and so is how long', () => {
  const gaps = fc.array(fc.integer({ min: -1_000, max: 30_000 }), { maxLength: 400 });
  fc.assert(
    fc.property(gaps, (each) => {
      let strikes = NO_STRIKES;
      let at = 0;
      for (const gap of each) {
        at += gap;
        strikes = struck(strikes, at).strikes;
        assert.ok(strikes.tries.amount >= 0 && strikes.tries.amount <= TRIES_MAX);
        assert.ok(cutOffFor(strikes, at) <= CUT_OFF_MAX_MS + 1_000);
        assert.ok(strikes.times <= 8);
      }
    }),
  );
});
