/** Pairing as state machines: every order of events, without a socket. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import * as fc from 'fast-check';
import { idOfHash } from '../../src/neighbours/household-id.ts';
import {
  type InvitationEvent,
  type InvitationState,
  JOIN_START,
  type JoinEvent,
  type JoinState,
  type ProofContext,
  proofOf,
  REPEAT_MS,
  SENDS_MAX,
  stepInvitation,
  stepJoin,
} from '../../src/neighbours/pairing.ts';

const [INVITER, BERTA, CARLA, MALLORY] = [1, 2, 3, 4].map((n) => idOfHash(new Uint8Array(32).fill(n))) as [
  string,
  string,
  string,
  string,
];
const TTL = 15 * 60_000;
const issued = { kind: 'issued', expiresAt: TTL } as const satisfies InvitationState;
const claim = (joiner: string, proved = true): InvitationEvent => ({ kind: 'claim', joiner, proved });
const confirm = (joiner: string, proved = true): InvitationEvent => ({ kind: 'confirm', joiner, proved });

/** Runs events at their times; returns the last state and all the answers. */
function run(events: readonly (readonly [number, InvitationEvent])[]) {
  let state: InvitationState = issued;
  const answers: string[] = [];
  for (const [now, event] of events) {
    const step = stepInvitation(state, event, now);
    state = step.state;
    answers.push(step.answer.kind);
  }
  return { state, answers };
}

test('claimed, then confirmed: the joiner is pinned', () => {
  const { state, answers } = run([
    [1, claim(BERTA)],
    [2, confirm(BERTA)],
  ]);
  assert.deepEqual(answers, ['prove', 'pin']);
  assert.deepEqual(state, { kind: 'confirmed', joiner: BERTA, forgetAt: TTL + REPEAT_MS });
});

test('a lost answer: the same joiner is answered the same way', () => {
  const { answers } = run([
    [1, claim(BERTA)],
    [2, claim(BERTA)],
    [3, confirm(BERTA)],
    [4, confirm(BERTA)],
    [5, claim(BERTA)],
    [TTL + REPEAT_MS - 1, confirm(BERTA)],
    [TTL + REPEAT_MS, confirm(BERTA)],
  ]);
  assert.deepEqual(answers, ['prove', 'prove', 'pin', 'repeat', 'prove', 'repeat', 'refuse']);
});

test('it works once: a second joiner gets nothing, at any point', () => {
  assert.deepEqual(
    run([
      [1, claim(BERTA)],
      [2, claim(CARLA)],
      [3, confirm(CARLA)],
    ]).answers,
    ['prove', 'refuse', 'refuse'],
  );
  assert.deepEqual(
    run([
      [1, claim(BERTA)],
      [2, confirm(BERTA)],
      [3, claim(CARLA)],
      [4, confirm(CARLA)],
    ]).answers,
    ['prove', 'pin', 'refuse', 'refuse'],
  );
});

test('expired, withdrawn, or confirmed without a claim: refused', () => {
  assert.deepEqual(run([[TTL, claim(BERTA)]]), { state: { kind: 'expired' }, answers: ['refuse'] });
  assert.deepEqual(
    run([
      [TTL - 1, claim(BERTA)],
      [TTL, confirm(BERTA)],
    ]).answers,
    ['prove', 'refuse'],
  );
  assert.deepEqual(
    run([
      [1, { kind: 'withdraw' }],
      [2, claim(BERTA)],
    ]).answers,
    ['nothing', 'refuse'],
  );
  assert.deepEqual(run([[1, confirm(BERTA)]]).answers, ['refuse']);
});

test('a wrong proof counts as a guess and changes nothing', () => {
  for (const event of [claim(BERTA, false), confirm(BERTA, false)]) {
    assert.deepEqual(stepInvitation(issued, event, 1), {
      state: issued,
      answer: { kind: 'refuse', guess: true },
    });
  }
});

test('whatever happens, at most one household is pinned, and only after it proved itself twice', () => {
  const event = fc.oneof(
    fc.record({
      kind: fc.constantFrom('claim' as const, 'confirm' as const),
      joiner: fc.constantFrom(BERTA, CARLA, MALLORY),
      proved: fc.boolean(),
    }),
    fc.constant({ kind: 'withdraw' as const }),
  );
  fc.assert(
    fc.property(fc.array(fc.tuple(fc.nat(TTL / 10), event), { maxLength: 40 }), (steps) => {
      let now = 0;
      let state: InvitationState = issued;
      const pinned = new Set<string>();
      const claimed = new Set<string>();
      for (const [wait, e] of steps) {
        now += wait;
        const step = stepInvitation(state, e, now);
        state = step.state;
        if (e.kind === 'withdraw') continue;
        if (step.answer.kind === 'prove') claimed.add(e.joiner);
        if (step.answer.kind !== 'pin') continue;
        assert.ok(e.proved && claimed.has(e.joiner) && now < TTL);
        pinned.add(e.joiner);
      }
      assert.ok(pinned.size <= 1);
    }),
  );
});

const lost: JoinEvent = { kind: 'lost', code: 'connection_lost', detail: '' };
const answered = (proved = true): JoinEvent => ({ kind: 'answered', proved, inviterName: 'Anna' });
const joined = (...events: readonly JoinEvent[]): JoinState =>
  events.reduce((state, event) => stepJoin(state, event), JOIN_START);

test('the joiner asks, is convinced, confirms, and is paired', () => {
  assert.deepEqual(joined(answered(), { kind: 'done' }), { kind: 'paired', inviterName: 'Anna' });
});

test('the joiner sends a lost message again, a bounded number of times', () => {
  assert.equal(joined(lost, lost, answered(), lost, lost, { kind: 'done' }).kind, 'paired');
  assert.equal(joined(...Array.from({ length: SENDS_MAX }, () => lost)).kind, 'failed');
  const half = joined(answered(), lost, lost, lost);
  assert.ok(half.kind === 'failed' && half.detail.includes('same invitation again'));
});

test('the joiner does not pin an inviter that did not prove itself, or that never was asked', () => {
  assert.deepEqual(joined(answered(false)), {
    kind: 'failed',
    code: 'identity_mismatch',
    detail: 'It does not know the secret of the invitation.',
  });
  assert.equal(joined({ kind: 'done' }).kind, 'asking');
  assert.equal(
    joined({ kind: 'refused', code: 'invitation_refused', detail: '' }, answered(), { kind: 'done' }).kind,
    'failed',
  );
});

test('a proof holds for one secret, role, pair of households and connection only', () => {
  const context: ProofContext = {
    secret: new Uint8Array(16).fill(9),
    inviter: INVITER,
    joiner: BERTA,
    binding: new Uint8Array(32).fill(5),
  };
  const others = [
    proofOf('inviter', context),
    proofOf('confirm', context),
    proofOf('joiner', { ...context, secret: new Uint8Array(16).fill(8) }),
    proofOf('joiner', { ...context, inviter: MALLORY }),
    proofOf('joiner', { ...context, joiner: MALLORY }),
    proofOf('joiner', { ...context, inviter: BERTA, joiner: INVITER }),
    proofOf('joiner', { ...context, binding: new Uint8Array(32).fill(6) }),
  ];
  assert.equal(proofOf('joiner', context), proofOf('joiner', { ...context }));
  assert.equal(new Set([proofOf('joiner', context), ...others]).size, others.length + 1);
});
