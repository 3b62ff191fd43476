import assert from 'node:assert/strict';
import { test } from 'node:test';
import * as fc from 'fast-check';
import { Carriage, HELD_BYTES } from '../../src/lending/carriage.ts';
import { LeaseAccount } from '../../src/lending/lease-account.ts';
import type { Gate } from '../../src/lending/shaper.ts';
import { FakeClock } from '../support/fake-clock.ts';

/** A carriage between a source and a sink that do what the test says, and a gate that it opens by hand. */
function setUp(maxBytes: number) {
  const seen = { paused: false, ended: false, room: true, wanted: 0, carried: 0, gateGone: false };
  const written: Buffer[] = [];
  let pass: (bytes: number) => void = () => undefined;
  const account = new LeaseAccount(
    {
      id: 'AAAAAAAAAAAAAAAAAAAAAA',
      borrower: 'b',
      lender: 'l',
      origin: 'http://o:80',
      maxBytes,
      issuedAt: 0,
      expiresAt: 1,
    },
    () => undefined,
  );
  const carriage = new Carriage({
    gate: (opened): Gate => {
      pass = opened;
      return {
        ask: (bytes) => {
          seen.wanted = bytes;
        },
        [Symbol.dispose]: () => {
          seen.gateGone = true;
        },
      };
    },
    account,
    clock: new FakeClock(),
    source: {
      pause: () => {
        seen.paused = true;
      },
      resume: () => {
        seen.paused = false;
      },
    },
    sink: {
      write: (chunk) => written.push(chunk),
      hasRoom: () => seen.room,
      end: () => {
        seen.ended = true;
      },
    },
    carried: (bytes) => {
      seen.carried += bytes;
    },
  });
  /** The gate lets so many of the wanted bytes pass. */
  const open = (bytes: number): void => {
    const granted = Math.min(bytes, seen.wanted);
    seen.wanted = 0;
    if (granted > 0) pass(granted);
  };
  const bytes = (): Buffer => Buffer.concat(written);
  return { carriage, account, seen, open, bytes };
}

test('nothing passes before the gate, and the source waits while enough is held', () => {
  const { carriage, seen, open, bytes } = setUp(1e9);
  carriage.push(Buffer.alloc(HELD_BYTES - 1));
  assert.equal(seen.paused, false);
  carriage.push(Buffer.alloc(2));
  assert.equal(seen.paused, true);
  assert.equal(bytes().length, 0);
  assert.equal(seen.wanted, HELD_BYTES + 1);
  open(1);
  assert.equal(seen.paused, true);
  open(1);
  assert.equal(seen.paused, false);
  assert.equal(bytes().length, 2);
});

test('a sink without room holds the gate and the source back, also when nothing is held', () => {
  const { carriage, seen, open } = setUp(1e9);
  carriage.push(Buffer.alloc(HELD_BYTES));
  seen.room = false;
  open(HELD_BYTES);
  assert.equal(carriage.heldBytes, 0);
  assert.equal(seen.paused, true);
  seen.room = true;
  carriage.drained();
  assert.equal(seen.paused, false);
  seen.room = false;
  carriage.push(Buffer.alloc(10));
  assert.equal(seen.wanted, 0);
  seen.room = true;
  carriage.drained();
  assert.equal(seen.wanted, 10);
});

test('half a byte does not pass, nor hold anything up for ever', () => {
  const { carriage, account, seen, open, bytes } = setUp(1e9);
  let room = 0.5;
  account.room = () => room;
  carriage.push(Buffer.from('abc'));
  open(3);
  assert.equal(bytes().length, 0);
  room = 2.5;
  carriage.drained();
  open(3);
  assert.equal(bytes().toString(), 'ab');
  assert.equal(seen.carried, 2);
});

test('the end comes behind the last byte; after it nothing is taken', () => {
  const { carriage, seen, open, bytes } = setUp(1e9);
  carriage.push(Buffer.from('abc'));
  carriage.end();
  carriage.push(Buffer.from('late'));
  assert.equal(seen.ended, false);
  open(2);
  assert.equal(seen.ended, false);
  open(2);
  assert.equal(seen.ended, true);
  assert.equal(seen.gateGone, true);
  assert.equal(bytes().toString(), 'abc');
});

test('what the lease does not allow never reaches the sink', () => {
  const { carriage, account, seen, open, bytes } = setUp(5);
  carriage.push(Buffer.from('abcdefgh'));
  open(8);
  assert.equal(bytes().toString(), 'abcde');
  assert.equal(account.signal.aborted, true);
  assert.equal(seen.carried, 5);
  assert.equal(seen.wanted, 0);
  open(8);
  assert.equal(bytes().length, 5);
});

test('after its disposal it holds and passes nothing', () => {
  const { carriage, seen, open, bytes } = setUp(1e9);
  carriage.push(Buffer.from('abc'));
  carriage[Symbol.dispose]();
  open(3);
  carriage.drained();
  assert.equal(carriage.heldBytes, 0);
  assert.equal(bytes().length, 0);
  assert.equal(seen.ended, false);
});

test('bytes keep their order and number, whatever the pieces', () => {
  const step = fc.oneof(
    fc.record({ kind: fc.constant('push' as const), size: fc.integer({ min: 0, max: 50 }) }),
    fc.record({ kind: fc.constant('open' as const), size: fc.integer({ min: 1, max: 60 }) }),
    fc.record({ kind: fc.constant('room' as const), size: fc.integer({ min: 0, max: 1 }) }),
  );
  fc.assert(
    fc.property(fc.array(step, { maxLength: 60 }), fc.integer({ min: 1, max: 800 }), (steps, maxBytes) => {
      const { carriage, account, seen, open, bytes } = setUp(maxBytes);
      let next = 0;
      for (const { kind, size } of steps) {
        if (kind === 'push') carriage.push(Buffer.from(Array.from({ length: size }, () => next++ & 0xff)));
        else if (kind === 'open') open(size);
        else {
          seen.room = size === 1;
          if (seen.room) carriage.drained();
        }
      }
      seen.room = true;
      carriage.drained();
      carriage.end();
      for (let i = 0; i < 2_000 && seen.wanted > 0; i += 1) open(7);
      const passed = bytes();
      assert.equal(passed.length, Math.min(next, maxBytes));
      assert.ok(passed.every((byte, at) => byte === (at & 0xff)));
      assert.equal(account.bytes, passed.length);
      assert.equal(seen.ended, next <= maxBytes);
    }),
  );
});
