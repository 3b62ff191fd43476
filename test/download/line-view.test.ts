import assert from 'node:assert/strict';
import { test } from 'node:test';
import { span } from '../../src/core/span.ts';
import { linesOf } from '../../src/download/line-view.ts';
import { startPlan, step } from '../../src/download/plan.ts';
import { SETTINGS } from './simulation.ts';

test('what the running response brings is among what its line has in hand, until the download has ended', () => {
  const whole = span(0, 40_000_000);
  const running = { path: 'own', rate: 1e6, latencyMs: 20 };
  const begun = startPlan({ settings: SETTINGS, whole, horizon: 8_000_000, running }, 0);
  const { state } = step(begun, { kind: 'ran', at: 300_000 }, 100);
  const view = (ended: boolean) => linesOf(state, new Map([['own', 300_000]]), new Map(), ended);
  assert.deepEqual(view(false)[0]?.asks, [{ start: 0, end: 40_000_000, at: 300_000 }]);
  assert.deepEqual(view(true)[0]?.asks, []);
});
