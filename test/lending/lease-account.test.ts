import assert from 'node:assert/strict';
import { test } from 'node:test';
import * as fc from 'fast-check';
import { LinepoolError } from '../../src/core/errors.ts';
import type { Lease } from '../../src/lending/lease.ts';
import {
  bytesOf,
  LeaseAccount,
  type LeaseEvent,
  type LeaseState,
  leaseStep,
} from '../../src/lending/lease-account.ts';

const lease: Lease = {
  id: 'AAAAAAAAAAAAAAAAAAAAAA',
  borrower: 'b',
  lender: 'l',
  origin: 'https://files.example:443',
  maxBytes: 1_000,
  issuedAt: 0,
  expiresAt: 1_000,
};

test('the transitions, one by one', () => {
  const opened: LeaseState = { kind: 'opened' };
  const active: LeaseState = { kind: 'active', bytes: 600 };
  const table: readonly (readonly [LeaseState, LeaseEvent, LeaseState])[] = [
    [opened, { kind: 'carry', bytes: 600 }, active],
    [opened, { kind: 'carry', bytes: 1_001 }, { kind: 'exhausted', bytes: 1_000 }],
    [opened, { kind: 'time_up' }, { kind: 'expired', bytes: 0 }],
    [opened, { kind: 'end', code: 'not_paired' }, { kind: 'ended', bytes: 0, code: 'not_paired' }],
    [active, { kind: 'carry', bytes: 400 }, { kind: 'active', bytes: 1_000 }],
    [active, { kind: 'carry', bytes: 401 }, { kind: 'exhausted', bytes: 1_000 }],
    [active, { kind: 'time_up' }, { kind: 'expired', bytes: 600 }],
    [active, { kind: 'end', code: 'lending_off' }, { kind: 'ended', bytes: 600, code: 'lending_off' }],
  ];
  for (const [before, event, after] of table) assert.deepEqual(leaseStep(before, event, 1_000), after);
  const events: readonly LeaseEvent[] = [
    { kind: 'carry', bytes: 1 },
    { kind: 'time_up' },
    { kind: 'end', code: 'not_paired' },
  ];
  for (const over of [
    { kind: 'exhausted', bytes: 5 },
    { kind: 'expired', bytes: 5 },
    { kind: 'ended', bytes: 5, code: 'not_paired' },
  ] as const) {
    for (const event of events) assert.equal(leaseStep(over, event, 1_000), over);
  }
});

test('what may pass is counted exactly, and the signal aborts when more is wanted', () => {
  const ended: LeaseAccount[] = [];
  const account = new LeaseAccount(lease, (one) => ended.push(one));
  assert.equal(account.carry(999), 999);
  assert.equal(account.carry(1), 1);
  assert.equal(account.signal.aborted, false);
  assert.equal(account.refusal()?.code, 'lease_exhausted');
  assert.equal(account.carry(1), 0);
  assert.equal(account.signal.aborted, true);
  assert.ok(account.signal.reason instanceof LinepoolError);
  assert.equal(account.signal.reason.code, 'lease_exhausted');
  assert.equal(account.bytes, 1_000);
  account.expire();
  account.end('not_paired');
  assert.equal(account.state.kind, 'exhausted');
  assert.deepEqual(ended, [account]);
});

test('the reason of the signal says why', () => {
  const expired = new LeaseAccount(lease, () => undefined);
  expired.expire();
  assert.equal((expired.signal.reason as LinepoolError).code, 'lease_expired');
  assert.equal(expired.refusal()?.code, 'lease_expired');
  const parted = new LeaseAccount(lease, () => undefined);
  parted.end('not_paired');
  assert.equal((parted.signal.reason as LinepoolError).code, 'not_paired');
  assert.equal(parted.refusal()?.code, 'lease_invalid');
  for (const code of ['lending_off', 'receipt_missing', 'ledger_failed', 'cut_off'] as const) {
    const ended = new LeaseAccount(lease, () => undefined);
    ended.end(code);
    assert.equal(ended.refusal()?.code, 'lease_expired', code);
  }
  const paused = new LeaseAccount(lease, () => undefined);
  paused.end('lending_off');
  assert.equal((paused.signal.reason as LinepoolError).code, 'lending_off');
  assert.equal(paused.refusal()?.code, 'lease_expired', 'another is all that it takes');
  assert.equal(parted.carry(5), 0);
});

test('never a byte over the limit, whatever happens', () => {
  const event = fc.oneof(
    {
      weight: 20,
      arbitrary: fc.record({ kind: fc.constant('carry' as const), bytes: fc.integer({ min: 1, max: 400 }) }),
    },
    { weight: 1, arbitrary: fc.constant({ kind: 'time_up' } as const) },
    { weight: 1, arbitrary: fc.constant({ kind: 'end', code: 'lending_off' } as const) },
  );
  fc.assert(
    fc.property(fc.array(event, { maxLength: 40 }), (events) => {
      const account = new LeaseAccount(lease, () => undefined);
      let passed = 0;
      for (const each of events) {
        const wasOver = account.signal.aborted;
        if (each.kind === 'carry') {
          const allowed = account.carry(each.bytes);
          assert.ok(allowed >= 0 && allowed <= each.bytes);
          if (wasOver) assert.equal(allowed, 0);
          if (allowed < each.bytes) assert.ok(account.signal.aborted);
          passed += allowed;
        } else if (each.kind === 'time_up') account.expire();
        else account.end(each.code);
        assert.equal(bytesOf(account.state), passed);
        assert.ok(passed <= lease.maxBytes);
        if (wasOver) assert.ok(account.signal.aborted);
      }
    }),
  );
});
