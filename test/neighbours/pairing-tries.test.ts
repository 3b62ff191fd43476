/** Guessing is bounded, per address and in total, and forgotten after a while. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import * as fc from 'fast-check';
import {
  afterFailure,
  type FailedTry,
  mayTry,
  sourceOf,
  TRIES_PER_ADDRESS,
  TRIES_TOTAL,
  TRIES_WINDOW_MS,
} from '../../src/neighbours/pairing-tries.ts';

test('within any window no address gets more tries than its share, nor all together more than theirs', () => {
  const attempts = fc.array(fc.tuple(fc.nat(5_000), fc.nat(9)), { maxLength: 200 });
  fc.assert(
    fc.property(attempts, (steps) => {
      let tries: readonly FailedTry[] = [];
      let now = 0;
      const made: { readonly from: string; readonly at: number }[] = [];
      for (const [wait, host] of steps) {
        now += wait;
        const from = `192.0.2.${host}`;
        if (!mayTry(tries, from, now)) continue;
        tries = afterFailure(tries, from, now);
        made.push({ from, at: now });
        assert.ok(tries.length <= TRIES_TOTAL);
        const recent = made.filter(({ at }) => now - at < TRIES_WINDOW_MS);
        assert.ok(recent.length <= TRIES_TOTAL);
        assert.ok(recent.filter((m) => m.from === from).length <= TRIES_PER_ADDRESS);
      }
    }),
  );
});

test('after the window a household may try again', () => {
  let tries: readonly FailedTry[] = [];
  for (let i = 0; i < TRIES_PER_ADDRESS; i += 1) tries = afterFailure(tries, '192.0.2.1', 0);
  assert.equal(mayTry(tries, '192.0.2.1', TRIES_WINDOW_MS - 1), false);
  assert.equal(mayTry(tries, '192.0.2.2', 0), true);
  assert.equal(mayTry(tries, '192.0.2.1', TRIES_WINDOW_MS), true);
});

test('IPv6 addresses of one network, and spellings of one address, are one source', () => {
  assert.equal(sourceOf('2001:db8:1:2::1'), sourceOf('2001:db8:1:2:ffff::9'));
  assert.notEqual(sourceOf('2001:db8:1:2::1'), sourceOf('2001:db8:1:3::1'));
  assert.equal(sourceOf('::ffff:192.0.2.1'), '192.0.2.1');
  assert.equal(sourceOf('fe80::1%eth0'), sourceOf('fe80::2'));
  assert.equal(sourceOf('::1'), '0:0:0:0::/64');
});
