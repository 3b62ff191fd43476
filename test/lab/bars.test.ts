import assert from 'node:assert/strict';
import { test } from 'node:test';
import { judge } from '../../lab/bars.ts';

const floor = { figure: 'efficiency', atLeast: 0.97 } as const;
const ceiling = { figure: 'windowMiB', atMost: 8 } as const;
const gap = { figure: 'longestGapMs', atMost: 1000 } as const;

test('by the typical rule the median must hold', () => {
  assert.equal(judge(floor, [0.96, 0.98, 0.99], 'typical').held, true);
  assert.equal(judge(floor, [0.96, 0.96, 0.99], 'typical').held, false);
  assert.equal(judge(ceiling, [7, 9, 9], 'typical').held, false);
});

test('of gaps the longest counts, or the one in twenty', () => {
  assert.equal(judge(gap, [10, 10, 10, 10, 1001], 'typical').held, false);
  assert.equal(judge(gap, [10, 10, 1000], 'typical').held, true);
});

test('where it is noisy, a median that misses by little is held if one round held', () => {
  assert.deepEqual(judge(floor, [0.93, 0.95, 0.98], 'noisy'), {
    figure: 'efficiency',
    bar: '>= 0.97',
    value: 0.95,
    held: true,
  });
  assert.equal(judge(ceiling, [7, 8.3, 9], 'noisy').held, true);
});

test('but not where the bar is for typical rounds: then by the median alone, with what noise may do', () => {
  const typical = { ...floor, rounds: 'typical' } as const;
  assert.equal(judge(typical, [0.965, 0.968, 0.969], 'noisy').held, true);
  assert.equal(judge(typical, [0.9, 0.92, 0.969], 'noisy').held, false);
  assert.equal(judge(typical, [0.965, 0.968, 0.969], 'typical').held, false);
});

test('and missed when no round held, however near', () => {
  assert.equal(judge(floor, [0.965, 0.968, 0.969], 'noisy').held, false);
  assert.equal(judge(ceiling, [8.1, 8.1, 8.1], 'noisy').held, false);
});

test('or when the median misses by more than noise', () => {
  assert.equal(judge(floor, [0.8, 0.92, 0.98], 'noisy').held, false);
  assert.equal(judge(ceiling, [7, 8.5, 9], 'noisy').held, false);
});

test('gaps are noisier than other figures', () => {
  assert.equal(judge(gap, [900, 1200, 1300], 'noisy').held, true);
  assert.equal(judge(gap, [900, 1300, 1300], 'noisy').held, false);
});

test('so is what came twice', () => {
  const twice = { figure: 'twicePart', atMost: 0.01 } as const;
  assert.equal(judge(twice, [0.009, 0.014, 0.015], 'noisy').held, true);
  assert.equal(judge(twice, [0.009, 0.016, 0.016], 'noisy').held, false);
  assert.equal(judge(twice, [0.009, 0.011, 0.011], 'typical').held, false);
});

test('a bar for every round is missed by the worst, however good the others are', () => {
  const own = { figure: 'ofOwn', atLeast: 0.98, rounds: 'every' } as const;
  assert.deepEqual(judge(own, [1.05, 1.02, 0.97, 1.04, 1.02], 'typical'), {
    figure: 'ofOwn',
    bar: '>= 0.98 in every round',
    value: 0.97,
    held: false,
  });
  assert.equal(judge(own, [1.05, 1.02, 0.98], 'typical').held, true);
  assert.equal(judge(own, [1.05, 1.02, 0.94], 'noisy').held, true);
  assert.equal(judge(own, [1.05, 1.02, 0.93], 'noisy').held, false);
});

test('what was not measured is missed by any rule', () => {
  for (const strictness of ['typical', 'noisy'] as const)
    assert.deepEqual(judge(floor, [], strictness), {
      figure: 'efficiency',
      bar: '>= 0.97',
      value: null,
      held: false,
    });
});
