import assert from 'node:assert/strict';
import { test } from 'node:test';
import * as fc from 'fast-check';
import type { Lease } from '../../src/lending/lease.ts';
import {
  dueOf,
  type Owed,
  owedAtStart,
  REST_MS,
  SIGN_EVERY,
  signable,
  unsigned,
  WORD_MS,
} from '../../src/lending/owed.ts';

const lease: Lease = {
  id: 'AAAAAAAAAAAAAAAAAAAAAA',
  borrower: 'borrower',
  lender: 'lender',
  origin: 'http://files.example:80',
  maxBytes: 1e9,
  issuedAt: 0,
  expiresAt: 1e9,
};
const owed = (change: Partial<Owed> = {}): Owed => ({
  ...owedAtStart(lease, 'token', 0),
  atRest: false,
  ...change,
});

test('of what was sent, only what the lender says that it passed on is signed for', () => {
  assert.equal(signable(owed({ down: 10, up: 7, upPassed: 0 })), 10);
  assert.equal(signable(owed({ down: 10, up: 7, upPassed: 5 })), 15);
  assert.equal(signable(owed({ down: 10, up: 7, upPassed: 5000 })), 17);
});

test('what is signed is never more than what came and was sent', () => {
  const bytes = fc.nat(1e9);
  fc.assert(
    fc.property(bytes, bytes, bytes, bytes, (down, up, upPassed, signed) => {
      const one = owed({ down, up, upPassed, signed });
      assert.ok(signable(one) <= down + up);
      assert.ok(signable(one) <= down + upPassed);
      assert.equal(unsigned(one), Math.max(0, signable(one) - signed));
    }),
  );
});

test('the lease with most unsigned is due when all of one lender come to a half of its step', () => {
  const little = owed({ transfers: 1, down: SIGN_EVERY / 4 });
  const most = owed({ transfers: 1, down: SIGN_EVERY / 2 });
  assert.deepEqual(dueOf([little, most], 0), { kind: 'wait', until: WORD_MS });
  const last = owed({ transfers: 1, down: SIGN_EVERY / 4 });
  assert.deepEqual(dueOf([little, most, last], 0), { kind: 'sign', owed: most });
});

test('a lease that came to rest is signed for soon, and then no more', () => {
  const one = owed({ down: 5, restedAt: 100 });
  assert.deepEqual(dueOf([one], 100), { kind: 'wait', until: 100 + REST_MS });
  assert.deepEqual(dueOf([one], 100 + REST_MS), { kind: 'sign', owed: one });
  one.signed = 5;
  one.atRest = true;
  assert.deepEqual(dueOf([one], 1e6), { kind: 'nothing' });
  // The answer said that the lender passed on more.
  one.up = 3;
  one.upPassed = 3;
  assert.deepEqual(dueOf([one], 1e6), { kind: 'sign', owed: one });
});

test('while something is under way the lender hears of us now and then', () => {
  const one = owed({ transfers: 1, toldAt: 50 });
  assert.deepEqual(dueOf([one], 60), { kind: 'wait', until: 50 + WORD_MS });
  assert.deepEqual(dueOf([one], 50 + WORD_MS), { kind: 'sign', owed: one });
  assert.deepEqual(dueOf([], 60), { kind: 'nothing' });
});

test('what is late goes before what is due because of its bytes', () => {
  const fast = owed({ transfers: 1, down: SIGN_EVERY, toldAt: 10_000 });
  const held = owed({ transfers: 1, toldAt: 10_000 - WORD_MS });
  assert.deepEqual(dueOf([fast, held], 10_000), { kind: 'sign', owed: fast });
  assert.deepEqual(dueOf([fast, held], 11_000), { kind: 'sign', owed: held });
});

test('a lender that says it passed on a byte more each time is not answered at once each time', () => {
  const one = owed({ up: 100, upPassed: 1, restedAt: 0, toldAt: 5_000 });
  assert.deepEqual(dueOf([one], 5_000), { kind: 'wait', until: 5_000 + REST_MS });
});
