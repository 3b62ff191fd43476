import assert from 'node:assert/strict';
import { test } from 'node:test';
import * as fc from 'fast-check';
import {
  DAY_MINUTES,
  formatHours,
  type Hours,
  hoursComplaint,
  overlap,
  parseHours,
  within,
} from '../../src/core/hours.ts';

const hours = fc
  .record(
    { from: fc.nat(DAY_MINUTES - 1), to: fc.nat(DAY_MINUTES), percent: fc.nat(100) },
    { noNullPrototype: true },
  )
  .filter(({ from, to }) => from !== to);

test('hours are read as people write them', () => {
  assert.deepEqual(parseHours('1-6 100%'), { from: 60, to: 360, percent: 100 });
  assert.deepEqual(parseHours(' 22:30 - 06:00 12.5 % '), { from: 1350, to: 360, percent: 12.5 });
  assert.deepEqual(parseHours('00:00-24:00 20 %'), { from: 0, to: 1440, percent: 20 });
  for (const wrong of [
    '',
    '1-6',
    '1-6 120 %',
    '25-6 1 %',
    '1:60-6 1 %',
    '6-6 5 %',
    '24:00-6 1 %',
    '1-6 -5 %',
  ])
    assert.equal(parseHours(wrong), undefined, wrong);
});

test('what is printed is read again', () => {
  fc.assert(fc.property(hours, (one) => assert.deepEqual(parseHours(formatHours(one)), one)));
});

test('two overlap when a minute lies in both, over midnight too', () => {
  const minutes = (one: Hours): Set<number> =>
    new Set(Array.from({ length: DAY_MINUTES }, (_, m) => m).filter((m) => within(one, m)));
  fc.assert(
    fc.property(hours, hours, (a, b) => {
      const both = minutes(a);
      assert.equal(
        overlap([a, b]) !== undefined,
        [...minutes(b)].some((m) => both.has(m)),
      );
    }),
    { numRuns: 50 },
  );
});

test('a list is refused with what is wrong and how it would be right', () => {
  assert.equal(hoursComplaint(['1-6 100 %', '06:00-22:00 20 %', '22-1 0 %']), undefined);
  assert.match(
    hoursComplaint(['1-6 100 %', '23-2 20 %']) ?? '',
    /"01:00-06:00 100 %" and "23:00-02:00 20 %" overlap/,
  );
  assert.match(hoursComplaint(['1-6 120 %']) ?? '', /"1-6 120 %" must be .* such as "01:00-06:00 100 %"/);
  assert.match(hoursComplaint(Array(25).fill('1-6 1 %')) ?? '', /at most 24/);
});
