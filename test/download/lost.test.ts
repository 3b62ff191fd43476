/**
 * What was brought and lost again: it is asked for anew, wherever the running response is.
 */
import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { covers, span, union } from '../../src/core/span.ts';
import { startPlan, step } from '../../src/download/plan.ts';
import type { PlanEvent, PlanState } from '../../src/download/plan-state.ts';
import { SETTINGS } from './simulation.ts';

const whole = span(0, 10_000_000);
const OWN = { path: 'own', rate: 1e6, latencyMs: 20 };

function started(running: boolean): PlanState {
  const state = startPlan(
    { settings: SETTINGS, whole, horizon: whole.end, ...(running && { running: OWN }) },
    0,
  );
  const paths = [{ path: 'n', rate: 1e6, latencyMs: 20 }, ...(running ? [] : [OWN])];
  return step(state, { kind: 'joined', paths }, 1).state;
}

/** Everything that somebody is to bring, or that is a hole. */
const awaited = (state: PlanState): ReturnType<typeof union> =>
  state.paths
    .flatMap(({ asks }) => asks)
    .reduce((set, ask) => union(set, span(ask.at, ask.end)), state.holes);

const tell = (state: PlanState, events: readonly PlanEvent[]): PlanState =>
  events.reduce((now, event, i) => step(now, event, 100 + i).state, state);

describe('what is lost', () => {
  it('is asked for anew', () => {
    const before = tell(started(false), [{ kind: 'left', path: 'n' }]);
    const brought = span(0, 100_000);
    // As if the neighbour had brought it.
    const state = { ...before, holes: [], paths: before.paths.map((path) => ({ ...path, asks: [] })) };
    const after = tell(state, [{ kind: 'lost', spans: [brought] }]);
    assert.ok(covers(awaited(after), brought));
  });

  it('behind the running response is asked for once that is over, and before it by whoever comes there', () => {
    let state = started(true);
    for (let at = 1_000_000; at <= 4_000_000; at += 1_000_000) state = tell(state, [{ kind: 'ran', at }]);
    assert.ok(state.running !== undefined && state.running.at >= 4_000_000);
    const behind = span(3_000_000, 3_100_000);
    state = tell(state, [
      { kind: 'lost', spans: [behind] },
      { kind: 'left', path: 'n' },
      { kind: 'ran', at: 4_500_000 },
      { kind: 'tick' },
    ]);
    assert.ok(state.running === undefined || !covers(awaited(state), behind), 'it can not bring that');
    state = tell(state, [{ kind: 'run_failed' }, { kind: 'tick' }]);
    assert.ok(covers(awaited(state), behind));
  });
});
