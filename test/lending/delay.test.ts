import assert from 'node:assert/strict';
import { test } from 'node:test';
import * as fc from 'fast-check';
import {
  type DelaySample,
  type DelayState,
  delayNow,
  delayStep,
  FACTOR_LEAST,
  LATE_MS,
  LEARN_FROM,
  LOST_MS,
  NEW_DELAY,
  SILENT_AFTER,
} from '../../src/lending/delay.ts';

const QUIET = { isLent: false, isOwn: false, hasCounters: true };
const LENT = { ...QUIET, isLent: true };

function after(
  before: DelayState,
  times: number,
  ms: number | undefined,
  rest: Omit<DelaySample, 'ms'>,
): DelayState {
  let state = before;
  for (let i = 0; i < times; i += 1) state = delayStep(state, { ms, ...rest });
  return state;
}
const known = after(NEW_DELAY, 10, 20, QUIET);

test('while answers come as usual, all is lent; when they come late, less, and then all again', () => {
  assert.equal(after(known, 20, 22, LENT).factor, 1);
  const late = after(known, 20, 21 + LATE_MS, LENT);
  assert.equal(late.factor, FACTOR_LEAST);
  assert.equal(after(late, 10, 20, LENT).factor, 1);
});

test('with counters it never stops lending; without, it does', () => {
  assert.equal(after(known, 100, 500, LENT).factor, FACTOR_LEAST);
  assert.equal(after(known, 100, 500, { ...LENT, hasCounters: false }).factor, 0);
});

test('one late answer, and what the household is seen to do, are no sign', () => {
  assert.equal(after(after(known, 1, 900, LENT), 2, 20, LENT).factor, 1);
  assert.equal(after(known, 20, 900, { ...LENT, isOwn: true }).factor, 1);
  assert.ok(after(known, 20, 900, { ...LENT, isOwn: true, hasCounters: false }).factor < 1);
});

test('a line whose answers vary by themselves is given more room', () => {
  let state = NEW_DELAY;
  for (let i = 0; i < 40; i += 1) state = delayStep(state, { ms: i % 2 === 0 ? 20 : 80, ...QUIET });
  assert.equal(after(state, 20, 110, LENT).factor, 1);
  assert.ok(after(state, 20, 400, LENT).factor < 1);
});

test('what is usual is learnt only while nothing is lent, and hardly from what is late', () => {
  const lent = after(known, 100, 25, LENT);
  assert.equal(Math.round(lent.usualMs), 20);
  assert.ok(after(known, 20, 300, { ...QUIET, hasCounters: false }).usualMs < 40);
  const slower = after(known, 100, 35, QUIET);
  assert.ok(slower.usualMs > 34 && slower.factor === 1);
});

test('answers that do not come are late; where nobody ever answers there is no sign', () => {
  assert.ok(after(known, 4, undefined, LENT).factor < 1);
  const silent = after(known, SILENT_AFTER, undefined, LENT);
  assert.equal(silent.factor, 1);
  assert.equal(delayNow(silent), undefined);
  assert.equal(delayNow(after(silent, LEARN_FROM, 30, QUIET)), 30);
});

test('without counters, answers that stay away release nothing; when they come, it goes on from there', () => {
  const WEAK = { ...LENT, hasCounters: false };
  const full = after(known, SILENT_AFTER - 1, undefined, WEAK);
  const silent = after(full, 100, undefined, WEAK);
  assert.ok(full.factor < 0.5);
  assert.equal(silent.factor, full.factor);
  assert.equal(delayNow(silent), LOST_MS);
  const none = after(after(known, 30, 500, WEAK), SILENT_AFTER, undefined, WEAK);
  assert.equal(none.factor, 0);
  assert.ok(after(silent, 5, 500, WEAK).factor < full.factor, 'what is usual is known');
  assert.equal(after(silent, 20, 20, WEAK).factor, 1);
  assert.equal(after(silent, 1, undefined, LENT).factor, 1, 'counters are there again');
});

test('the factor is between none and all, and steady answers bring it to rest', () => {
  const sample = fc.record({
    ms: fc.option(fc.integer({ min: 0, max: 2_000 }), { nil: undefined, freq: 6 }),
    isLent: fc.boolean(),
    isOwn: fc.boolean(),
    hasCounters: fc.boolean(),
  });
  fc.assert(
    fc.property(fc.array(sample, { maxLength: 80 }), fc.integer({ min: 0, max: 500 }), (samples, ms) => {
      const state = samples.reduce(delayStep, NEW_DELAY);
      assert.ok(state.factor >= 0 && state.factor <= 1 && state.last.length <= 3);
      const settled = after(state, 80, ms, LENT).factor;
      assert.equal(after(state, 120, ms, LENT).factor, settled);
      assert.ok(settled === 1 || settled === FACTOR_LEAST);
    }),
  );
});
