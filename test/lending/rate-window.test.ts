import assert from 'node:assert/strict';
import { test } from 'node:test';
import { RateWindow } from '../../src/lending/rate-window.ts';

test('the rate is what was carried in the last second', () => {
  const window = new RateWindow();
  for (let at = 5_000; at < 7_000; at += 50) window.add(1_000, at);
  assert.equal(window.rate(6_999), 20_000);
  assert.equal(window.rate(7_499), 10_000);
  assert.equal(window.rate(7_950), 0);
  window.add(500, 1_000_000);
  assert.equal(window.rate(1_000_900), 500);
  assert.equal(window.rate(1_001_000), 0);
});
