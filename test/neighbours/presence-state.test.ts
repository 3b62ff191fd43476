/** Presence as a state machine: what is up, for how long it is believed, and how patiently it is called again. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import * as fc from 'fast-check';
import {
  CALL_MS,
  deadlineOf,
  NOTHING,
  type PresenceEvent,
  type PresenceState,
  presenceAtStart,
  RETRY_GROWTH_MAX,
  retryAfter,
  SILENCE_MS,
  stepPresence,
} from '../../src/neighbours/presence-state.ts';

const policy = { retry: 5_000 };
const offer = { bytesPerSecond: 1000, bufferBytes: 10 };
const trouble = { code: 'neighbour_unreachable', detail: 'test' } as const;
const due: PresenceEvent = { kind: 'due', jitter: 0.5 };
const opened: PresenceEvent = { kind: 'opened', roundTripMs: 8 };
const lost: PresenceEvent = { kind: 'lost', trouble, jitter: 0.5 };

const run = (...steps: readonly (readonly [number, PresenceEvent])[]): PresenceState =>
  steps.reduce((state, [at, event]) => stepPresence(state, event, at, policy), presenceAtStart(0));

test('called when due, up when answered, and offering what it said last', () => {
  assert.equal(run([0, due]).kind, 'calling');
  assert.deepEqual(run([0, due], [10, opened]), { kind: 'up', heardAt: 10, offer: NOTHING, roundTripMs: 8 });
  const up = run([0, due], [10, opened], [20, { kind: 'offer', offer }]);
  assert.deepEqual(up, { kind: 'up', heardAt: 20, offer, roundTripMs: 8 });
});

test('silence is death, and any line is life', () => {
  const up = run([0, due], [10, opened], [20, { kind: 'alive' }]);
  assert.equal(deadlineOf(up), 20 + SILENCE_MS);
  assert.equal(stepPresence(up, due, 19 + SILENCE_MS, policy).kind, 'up');
  const dead = stepPresence(up, due, 20 + SILENCE_MS, policy);
  assert.equal(dead.kind, 'away');
  assert.equal(dead.kind === 'away' && dead.trouble?.code, 'neighbour_unreachable');
});

test('a call that is not answered has failed', () => {
  const calling = run([0, due]);
  assert.equal(stepPresence(calling, due, CALL_MS - 1, policy).kind, 'calling');
  assert.equal(stepPresence(calling, due, CALL_MS, policy).kind, 'away');
});

test('the wait doubles with each failure up to its bound, and starts anew once it was up', () => {
  let state: PresenceState = presenceAtStart(0);
  const waits: number[] = [];
  for (let n = 0; n < 7; n += 1) {
    const now = deadlineOf(state);
    state = stepPresence(state, due, now, policy);
    state = stepPresence(state, lost, now, policy);
    waits.push(deadlineOf(state) - now);
  }
  assert.deepEqual(waits, [5_000, 10_000, 20_000, 40_000, 60_000, 60_000, 60_000]);
  const now = deadlineOf(state);
  for (const event of [due, opened, lost]) state = stepPresence(state, event, now, policy);
  assert.equal(deadlineOf(state) - now, 5_000);
});

test('the wait is spread, and never out of its bounds', () => {
  fc.assert(
    fc.property(
      fc.nat(2_000),
      fc.double({ min: 0, max: 1, maxExcluded: true, noNaN: true }),
      (failures, jitter) => {
        const wait = retryAfter(policy, failures, jitter);
        assert.ok(wait >= 0.75 * policy.retry && wait <= 1.25 * policy.retry * RETRY_GROWTH_MAX);
      },
    ),
  );
  assert.ok(retryAfter(policy, 1, 0) < retryAfter(policy, 1, 0.9));
});

test('hurry brings the next call forward, and disturbs nothing else', () => {
  const away = run([0, due], [0, lost]);
  assert.equal(deadlineOf(stepPresence(away, { kind: 'hurry' }, 100, policy)), 100);
  for (const state of [run([0, due]), run([0, due], [1, opened])]) {
    assert.equal(stepPresence(state, { kind: 'hurry' }, 100, policy), state);
  }
});

test('the round trip follows the measurements', () => {
  const slower = run(
    [0, due],
    [0, opened],
    ...Array.from({ length: 40 }, () => [1, { kind: 'measured', roundTripMs: 80 }] as const),
  );
  assert.ok(slower.kind === 'up' && Math.abs(slower.roundTripMs - 80) < 1);
});

test('whatever happens, only one that is up offers, and every state has a deadline in reach', () => {
  const event: fc.Arbitrary<PresenceEvent> = fc.oneof(
    fc.constantFrom<PresenceEvent>(
      due,
      opened,
      lost,
      { kind: 'alive' },
      { kind: 'hurry' },
      { kind: 'offer', offer },
    ),
    fc.nat(500).map((roundTripMs): PresenceEvent => ({ kind: 'measured', roundTripMs })),
  );
  fc.assert(
    fc.property(fc.array(fc.tuple(fc.nat(30_000), event), { maxLength: 60 }), (steps) => {
      let now = 0;
      let state = presenceAtStart(0);
      let answered = false;
      for (const [wait, e] of steps) {
        now += wait;
        const before = state;
        state = stepPresence(state, e, now, policy);
        if (e.kind === 'opened' && before.kind === 'calling') answered = true;
        if (state.kind !== 'up') answered = false;
        else assert.ok(answered);
        assert.ok(deadlineOf(state) <= now + policy.retry * RETRY_GROWTH_MAX * 1.25);
      }
    }),
  );
});
