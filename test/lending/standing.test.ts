import assert from 'node:assert/strict';
import { test } from 'node:test';
import {
  FORGIVEN_STEP_MS,
  RECEIPT_STEP,
  SMALL_RECEIPT,
  SMALL_RECEIPTS_MAX,
  SMALL_RECEIPTS_PER_SECOND,
  STEPS_MAX,
  Standing,
} from '../../src/lending/standing.ts';

test('who never signs gets one step, and half a one when five minutes have forgiven as much', () => {
  const standing = new Standing(RECEIPT_STEP);
  assert.equal(standing.room(0), RECEIPT_STEP);
  standing.carried(RECEIPT_STEP);
  assert.equal(standing.room(0), 0);
  assert.equal(standing.isShutOut(0), false, 'it may sign yet');
  standing.lose(RECEIPT_STEP, 0);
  assert.equal(standing.room(0), 0);
  assert.equal(standing.isShutOut(0), true);
  assert.equal(standing.isShutOut(FORGIVEN_STEP_MS / 2 - 1), true);
  assert.equal(standing.isShutOut(FORGIVEN_STEP_MS / 2), false);
  assert.equal(standing.room(FORGIVEN_STEP_MS / 2), RECEIPT_STEP / 2);
  assert.equal(standing.room(FORGIVEN_STEP_MS), RECEIPT_STEP);
});

test('who signs may have more open over all its leases, up to a bound', () => {
  const standing = new Standing(RECEIPT_STEP);
  standing.carried(RECEIPT_STEP);
  standing.sign(RECEIPT_STEP, RECEIPT_STEP, 0, 0);
  assert.equal(standing.signed, RECEIPT_STEP);
  assert.equal(standing.room(0), 1.5 * RECEIPT_STEP);
  standing.carried(1000 * RECEIPT_STEP);
  standing.sign(1000 * RECEIPT_STEP, 1000 * RECEIPT_STEP, 0, 0);
  assert.equal(standing.room(0), STEPS_MAX * RECEIPT_STEP);
});

test('what may be carried is whole bytes, however odd what is signed, lost and forgiven', () => {
  const standing = new Standing(RECEIPT_STEP);
  standing.carried(RECEIPT_STEP - 1);
  standing.sign(3, 3, 0, 0);
  for (let i = 0; i < 100; i += 1) {
    assert.equal(standing.room(i * 7) % 1, 0);
    standing.carried(1);
    standing.lose(1, i * 7);
  }
});

test('what a broken connection lost is forgiven to who signs for much', () => {
  const standing = new Standing(RECEIPT_STEP);
  let lost = 0;
  for (let i = 0; i < 1_000; i += 1) {
    standing.carried(10 * RECEIPT_STEP);
    standing.sign(9 * RECEIPT_STEP, 9 * RECEIPT_STEP, 0, i);
    standing.lose(RECEIPT_STEP, i);
    lost += RECEIPT_STEP;
    assert.equal(standing.isShutOut(i), false, `after ${lost} bytes lost`);
  }
});

test('what is never signed for is bounded: an eighth of what is, 8 steps, and one in ten minutes', () => {
  const standing = new Standing(RECEIPT_STEP);
  let unsigned = 0;
  for (let minute = 0; minute < 600; minute += 1) {
    const now = minute * 60_000;
    // All that it may, of which it signs for no more than gets it as much again.
    const carried = Math.floor(standing.room(now));
    standing.carried(carried);
    const signed = Math.ceil((carried * 8) / 9);
    standing.sign(signed, signed, 0, now);
    standing.lose(carried - signed, now);
    unsigned += carried - signed;
    const bound = standing.signed / 8 + STEPS_MAX * RECEIPT_STEP + (now / FORGIVEN_STEP_MS) * RECEIPT_STEP;
    assert.ok(unsigned <= bound, `${unsigned} of ${bound} in minute ${minute}`);
    assert.equal(standing.isShutOut(now), false);
  }
  assert.ok(unsigned > standing.signed / 9, 'it goes on so for ever');
});

test('what was lost and signed for later is no loss', () => {
  const standing = new Standing(RECEIPT_STEP);
  standing.carried(RECEIPT_STEP);
  standing.lose(RECEIPT_STEP, 0);
  assert.equal(standing.isShutOut(0), true);
  standing.sign(RECEIPT_STEP, 0, RECEIPT_STEP, 0);
  assert.equal(standing.isShutOut(0), false);
  assert.equal(standing.room(0), 1.5 * RECEIPT_STEP);
});

test('receipts for little are taken by the hundred, and then two a second; for more, always', () => {
  const standing = new Standing(RECEIPT_STEP);
  for (let n = 0; n < SMALL_RECEIPTS_MAX; n += 1) assert.equal(standing.takes(SMALL_RECEIPT - 1, 0), true);
  assert.equal(standing.takes(0, 0), false);
  assert.equal(standing.takes(SMALL_RECEIPT, 0), true);
  let taken = 0;
  for (let ms = 1; ms <= 60_000; ms += 1) if (standing.takes(1, ms)) taken += 1;
  assert.equal(taken, 60 * SMALL_RECEIPTS_PER_SECOND);
});
