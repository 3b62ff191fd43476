import assert from 'node:assert/strict';
import { test } from 'node:test';
import * as fc from 'fast-check';
import { dealt, ifBegun, RECIPROCITY_FROM, reciprocity, type Wish } from '../../src/lending/deal.ts';

const wish = (id: string, other: Partial<Wish> = {}): Wish => ({
  id,
  weight: 1,
  ceiling: Infinity,
  factor: 1,
  takes: undefined,
  ...other,
});
const rates = (total: number, wishes: readonly Wish[]) =>
  [...dealt(total, wishes).values()].map(({ rate }) => Math.round(rate));
const fairs = (total: number, wishes: readonly Wish[]) =>
  [...dealt(total, wishes).values()].map(({ fair }) => Math.round(fair));

test('equal borrowers get equal parts, and weights hold', () => {
  assert.deepEqual(rates(900, [wish('a'), wish('b'), wish('c')]), [300, 300, 300]);
  assert.deepEqual(
    rates(700, [wish('a'), wish('b', { weight: 2 }), wish('c', { weight: 4 })]),
    [100, 200, 400],
  );
  assert.deepEqual(rates(700, []), []);
});

test('who is alone gets all there is to the byte, whatever it weighs', () => {
  for (let n = 1; n <= 1000; n += 1)
    assert.equal(dealt(3_960_000, [wish('a', { weight: 1 / n + 0.1 })]).get('a')?.fair, 3_960_000);
});

test('what one does not use the others have; what it can count on stays the same', () => {
  const both = [wish('a', { takes: 80 }), wish('b')];
  assert.deepEqual(rates(1000, both), [500, 900]);
  assert.deepEqual(fairs(1000, both), [500, 500]);
  assert.deepEqual(rates(1000, [wish('a', { takes: 10 })]), [1000]);
});

test('a ceiling holds, and what it leaves goes to the others', () => {
  assert.deepEqual(rates(1000, [wish('a', { ceiling: 100 }), wish('b')]), [100, 900]);
  assert.deepEqual(fairs(1000, [wish('a', { ceiling: 100 }), wish('b')]), [100, 900]);
});

test('one that is slowed has its part of what it would have, by ceiling, weight and the others', () => {
  const slow = { factor: 0.25 };
  assert.deepEqual(rates(1000, [wish('a', slow)]), [250]);
  assert.deepEqual(rates(1000, [wish('a', { ...slow, ceiling: 100 })]), [25]);
  const four = [wish('a', slow), wish('b'), wish('c'), wish('d')];
  assert.deepEqual(rates(1200, four), [75, 375, 375, 375]);
  assert.deepEqual(fairs(1200, four), [75, 375, 375, 375]);
  assert.deepEqual(rates(1000, [wish('a', slow), wish('b', { takes: 80 })]), [225, 875]);
});

test('one that is about to begin is told what it would get', () => {
  assert.equal(ifBegun(900, [wish('a'), wish('b')], wish('c')), 300);
  assert.equal(ifBegun(900, [], wish('c', { ceiling: 5 })), 5);
});

test('weight follows what a neighbour lends us, within bounds; a new one weighs 1', () => {
  const bounds = { min: 0.5, max: 2 };
  assert.equal(reciprocity(0, 0, bounds), 1);
  assert.equal(reciprocity(RECIPROCITY_FROM / 2, 0, bounds), 1.5);
  assert.equal(reciprocity(1e15, 0, bounds), 2);
  assert.equal(reciprocity(0, 1e15, bounds), 0.5);
});

test('never more than there is, nobody starved, and shares follow the weights', () => {
  const some = fc.array(
    fc.record({
      weight: fc.double({ min: 0.1, max: 10, noNaN: true }),
      factor: fc.constantFrom(1, 1, 0.25),
      ceiling: fc.oneof(fc.constant(Infinity), fc.integer({ min: 1, max: 1e8 })),
      takes: fc.option(fc.nat(1e8), { nil: undefined }),
    }),
    { maxLength: 8 },
  );
  fc.assert(
    fc.property(fc.integer({ min: 1, max: 1e8 }), some, (total, all) => {
      const wishes = all.map((each, i) => wish(String(i), each));
      const parts = dealt(total, wishes);
      const spare = total * 1e-9;
      const weights = wishes.reduce((sum, { weight }) => sum + weight, 0);
      let fair = 0;
      for (const { id, weight, ceiling, factor } of wishes) {
        const part = parts.get(id);
        assert.ok(part !== undefined);
        fair += part.fair;
        assert.ok(part.rate <= ceiling && part.rate <= total + spare && part.rate >= part.fair - spare);
        assert.ok(part.fair >= Math.min(ceiling, (total * weight) / weights) * factor - spare);
      }
      assert.ok(fair <= total + spare);
      // What all that take as much as they get are held to is no more than there is.
      const hungry = wishes.map((each) => ({ ...each, takes: undefined }));
      const sum = [...dealt(total, hungry).values()].reduce((most, { rate }) => most + rate, 0);
      assert.ok(sum <= total + spare * 10);
    }),
  );
});
