import assert from 'node:assert/strict';
import { test } from 'node:test';
import * as fc from 'fast-check';
import type { Measured } from '../../src/lending/meter.ts';
import {
  type Carried,
  CREDIT_MS,
  carriedBy,
  FULL_LEAST,
  LEAST_PART,
  NO_OVERRUN,
  type Overrun,
  overrunStep,
  plunges,
  REPAY_MS,
  repaying,
} from '../../src/lending/overrun.ts';

const LENT = 4_000_000;
const STEP_MS = 25;
const LINE = LENT / 0.99;

type Told = Omit<Carried, 'fullness'> & Partial<Carried>;
const step = (before: Overrun, at: number, told: Told): Overrun =>
  overrunStep(before, at, { fullness: 0, ...told });

/** After so long in which so much came. */
function after(overrun: Overrun, ms: number, came: number): Overrun {
  let state = overrun;
  for (let left = ms; left > 0; left -= STEP_MS)
    state = step(state, state.at + STEP_MS, { came, lent: LENT });
  return state;
}
const begun = step(NO_OVERRUN, 0, { came: 0, lent: LENT });

test('what came too much is made up for, and then all is passed on again', () => {
  const over = after(begun, 400, LENT * 1.1);
  assert.equal(Math.round(over.bytes), LENT * 0.04);
  assert.equal(Math.round(repaying(LENT, over)), Math.round(LENT - (over.bytes * 1000) / REPAY_MS));
  const made = after(over, REPAY_MS * 4, LENT * 0.9);
  assert.ok(made.bytes <= 0);
  assert.equal(repaying(LENT, made), LENT);
});

test('what came too little earns next to nothing', () => {
  assert.equal(after(begun, 10_000, 0).bytes, (-LENT * CREDIT_MS) / 1000);
  assert.equal(repaying(LENT, after(begun, 10_000, 0)), LENT);
});

test('what comes in bursts is not too much when its mean is not', () => {
  let state = begun;
  for (let i = 0; i < 400; i += 1) {
    state = step(state, state.at + STEP_MS, {
      came: i % 2 === 0 ? LENT * 1.5 : LENT * 0.48,
      lent: LENT,
    });
    if (i > 100) assert.equal(repaying(LENT, state), LENT);
  }
});

test('the time before a transfer earns nothing', () => {
  const idle = step(begun, 10_000, { came: 0, lent: 0 });
  const first = step(idle, 11_000, { came: 0, lent: LENT });
  assert.equal(first.bytes, 0);
  assert.ok(after(first, 50, LENT * 2).bytes > 0);
});

test('what is lent falls: what runs is cut once when what comes does not follow, and not when it does', () => {
  const lower = LENT / 4;
  for (const follows of [true, false]) {
    let state = after(begun, 500, LENT);
    const cuts: number[] = [];
    for (let look = 0; look < 40; look += 1) {
      const came = follows && look > 0 ? lower : LENT;
      state = step(state, state.at + STEP_MS, { came, lent: lower });
      if (state.cut) cuts.push(look);
    }
    assert.deepEqual(cuts, follows ? [] : [1]);
  }
});

test('when less than half is lent any more, what runs is cut at once, if more than that comes', () => {
  const carried = (lent: number, came: number): Carried => ({ lent, came, fullness: 0 });
  assert.equal(plunges(carried(LENT, LENT), LENT / 4), true);
  assert.equal(plunges(carried(LENT, LENT), 0), true);
  assert.equal(plunges(carried(LENT, LENT / 4), LENT / 4), false, 'it asked for no more');
  assert.equal(plunges(carried(LENT, LENT), LENT * 0.6), false);
  assert.equal(plunges(carried(0, 0), 0), false);
  assert.equal(plunges(carried(LENT / 4, LENT), LENT), false);
});

test('what was carried is what the counters show; without them it is guessed so that nothing is lost by it and cuts still come', () => {
  const rates = { total: { down: 5e6, up: 0 }, own: { down: 1e6, up: 0 } };
  const counted: Measured = { kind: 'rates', from: 'counters', ...rates };
  assert.deepEqual(carriedBy(counted, 10e6, 3e6), { came: 4e6, lent: 3e6, fullness: 0.5 });
  assert.deepEqual(carriedBy(counted, undefined, 3e6), { came: 4e6, lent: 3e6, fullness: 0 });
  const passed: Measured = { kind: 'rates', from: 'own_traffic', ...rates };
  assert.deepEqual(carriedBy(passed, 10e6, 3e6), { came: 3e6, lent: 3e6, fullness: 0 });
  assert.equal(plunges(carriedBy(passed, 10e6, 3e6), 1e6), true);
  assert.equal(plunges(carriedBy({ kind: 'fault', fault: 'counters_gone' }, 10e6, 4e6), 1e6), true);
});

/** A line with a queue, whose senders send as fast as is read: how long something stands there, of so much at the beginning. */
function standsFor(queue: number): number {
  let state = begun;
  let waits = queue;
  let passed = LENT;
  for (let ms = 0; ms < 10_000; ms += STEP_MS) {
    const came = Math.min(LINE, passed + (waits * 1000) / STEP_MS);
    waits += ((passed - came) * STEP_MS) / 1000;
    if (waits < 1) return ms;
    state = step(state, state.at + STEP_MS, { came, lent: LENT, fullness: came / LINE });
    passed = repaying(LENT, state);
  }
  return Number.POSITIVE_INFINITY;
}

test('what stands in the queue of a full line is gone soon, though nobody can count it', () => {
  for (const queueMs of [20, 40, 100]) {
    const ms = standsFor((LINE * queueMs) / 1000);
    assert.ok(ms <= 750 + queueMs * 6, `${queueMs} ms of a queue stood for ${ms} ms`);
  }
});

test('a line that is nearly full has nothing in its queue, and all is passed on', () => {
  let state = begun;
  for (let ms = 0; ms < 10_000; ms += STEP_MS) {
    // Packets come in bursts.
    const part = FULL_LEAST - 0.006 + (ms % (2 * STEP_MS) === 0 ? 0.02 : -0.02);
    state = step(state, state.at + STEP_MS, { came: LINE * part, lent: LENT, fullness: part });
    assert.ok(repaying(LENT, state) >= LENT * 0.99);
  }
});

test('a little less lent, or more, cuts nothing', () => {
  let state = after(begun, 500, LENT);
  for (const lent of [LENT * 0.9, LENT * 0.85, LENT, LENT * 0.95]) {
    for (let look = 0; look < 20; look += 1) {
      state = step(state, state.at + STEP_MS, { came: LENT * 1.5, lent });
      assert.equal(state.cut, false);
    }
  }
});

test('where nothing is lent, or nothing bounds it, there is nothing to make up for', () => {
  const over = after(begun, 500, LENT * 2);
  assert.equal(step(over, over.at + STEP_MS, { came: LENT, lent: 0 }).bytes, 0);
  assert.equal(step(over, over.at, { came: LENT, lent: Number.POSITIVE_INFINITY }).bytes, 0);
  assert.equal(repaying(Number.POSITIVE_INFINITY, over), Number.POSITIVE_INFINITY);
});

test('it never raises the rate, and always leaves a part of it', () => {
  const rates = fc.array(fc.double({ min: 0, max: 3, noNaN: true }), { maxLength: 100 });
  fc.assert(
    fc.property(rates, (parts) => {
      let state = begun;
      for (const part of parts) {
        state = step(state, state.at + STEP_MS, { came: part * LENT, lent: LENT });
        const rate = repaying(LENT, state);
        assert.ok(rate <= LENT && rate >= LENT * LEAST_PART);
      }
    }),
  );
});
