import assert from 'node:assert/strict';
import { test } from 'node:test';
import {
  CARRY_FADES_MS,
  CARRY_OVER_MS,
  carryStep,
  type LinkCarry,
  mostOver,
  NEW_CARRY,
} from '../../src/lending/link-carry.ts';

const HELD = 4_000_000;
const seconds = (before: LinkCarry, rates: readonly number[], wasFull: boolean, from = 0): LinkCarry =>
  rates.reduce(
    (carry, rate, i) =>
      carryStep(carry, {
        at: from + (i + 1) * 1_000,
        elapsed: CARRY_OVER_MS,
        bytes: rate,
        held: HELD,
        wasFull,
      }),
    before,
  );

test('where the link takes no more, what passed is what is offered, and a little more', () => {
  const slow = seconds(NEW_CARRY, [1_000_000, 1_000_000], true);
  assert.ok(Math.abs(mostOver(slow, 2_000) - 1_100_000) < 1);
});

test('what the shaper holds, or a borrower that wants little, says nothing about the link', () => {
  assert.equal(mostOver(seconds(NEW_CARRY, [HELD, HELD * 0.95], true), 2_000), Infinity);
  assert.equal(mostOver(seconds(NEW_CARRY, [1_000, 100_000], false), 2_000), Infinity);
});

test('a link that carries more again is offered more; what is not shown again is forgotten', () => {
  const slow = seconds(NEW_CARRY, [1_000_000], true);
  assert.equal(mostOver(seconds(slow, [1_200_000], false, 1_000), 2_000), Infinity);
  assert.ok(mostOver(seconds(slow, [2_000_000], true, 1_000), 2_000) > 1_500_000);
  assert.ok(Number.isFinite(mostOver(seconds(slow, [10_000], false, 1_000), 2_000)));
  assert.equal(mostOver(slow, 1_000 + CARRY_FADES_MS), Infinity);
});
