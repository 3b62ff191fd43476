import assert from 'node:assert/strict';
import { test } from 'node:test';
import { IdleWatch } from '../../src/lending/idle-watch.ts';
import { FakeClock } from '../support/fake-clock.ts';

test('it tells once that nothing moved for the limit, counted from the last movement', () => {
  const clock = new FakeClock();
  let told = 0;
  const watch = new IdleWatch(clock, 100, () => {
    told += 1;
  });
  clock.advance(99);
  watch.moved();
  clock.advance(99);
  assert.equal(told, 0);
  clock.advance(1);
  assert.equal(told, 1);
  assert.equal(clock.pending, 0);
  clock.advance(1_000);
  assert.equal(told, 1);
});

test('after its disposal it tells nothing and keeps no timer', () => {
  const clock = new FakeClock();
  const watch = new IdleWatch(clock, 100, () => assert.fail('told'));
  clock.advance(50);
  watch.moved();
  clock.advance(60);
  watch[Symbol.dispose]();
  assert.equal(clock.pending, 0);
  clock.advance(1_000);
});
