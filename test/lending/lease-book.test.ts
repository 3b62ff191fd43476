import assert from 'node:assert/strict';
import { generateKeyPairSync, randomBytes } from 'node:crypto';
import { test } from 'node:test';
import { type ErrorCode, LinepoolError } from '../../src/core/errors.ts';
import { CLOCK_SKEW_MS, type Lease, signLease } from '../../src/lending/lease.ts';
import type { LeaseAccount } from '../../src/lending/lease-account.ts';
import { LEASES_PER_BORROWER, LeaseBook, LONGEST_LEASE_MS } from '../../src/lending/lease-book.ts';
import { ReceiptDesk } from '../../src/lending/receipt-desk.ts';
import { NEW_LEASES_MAX, NEW_LEASES_PER_SECOND } from '../../src/lending/standing.ts';
import { FakeClock } from '../support/fake-clock.ts';
import { MemoryRecord } from '../support/record.ts';

const ORIGIN = 'https://files.example:443';
const TIME_MS = 600_000;

function household(id: string) {
  const { publicKey, privateKey } = generateKeyPairSync('ed25519');
  return {
    id,
    privateKey,
    publicKey: publicKey.export({ type: 'spki', format: 'der' }).toString('base64url'),
  };
}

function setUp(maxTime = 3_600_000) {
  const clock = new FakeClock();
  const opened: string[] = [];
  const record = new MemoryRecord();
  const over: LeaseAccount[] = [];
  const book = new LeaseBook({
    ownId: 'lender',
    limits: { maxBytes: 1_000_000, maxTime, clockSkew: CLOCK_SKEW_MS },
    clock,
    desk: new ReceiptDesk({
      ownId: 'lender',
      privateKey: household('lender').privateKey,
      record,
      clock,
      step: Number.POSITIVE_INFINITY,
    }),
    onOpened: ({ lease }) => opened.push(lease.id),
    onOver: (account) => over.push(account),
  });
  const borrower = household('borrower');
  const token = (change: Partial<Lease> = {}, from = borrower): Promise<string> =>
    signLease(
      {
        id: randomBytes(16).toString('base64url'),
        borrower: from.id,
        lender: 'lender',
        origin: ORIGIN,
        maxBytes: 1_000,
        issuedAt: clock.wall(),
        expiresAt: clock.wall() + TIME_MS,
        ...change,
      },
      from.privateKey,
    );
  return { clock, book, borrower, token, opened, over };
}

const refusedAs = (code: ErrorCode) => (error: unknown) =>
  error instanceof LinepoolError && error.code === code;

test('one lease has one account, over any number of connections', async () => {
  const { book, borrower, token, opened } = setUp();
  const lease = await token();
  const accounts = await Promise.all([1, 2, 3].map(() => book.open(lease, borrower, ORIGIN)));
  accounts.push(await book.open(lease, borrower, ORIGIN));
  assert.equal(new Set(accounts).size, 1);
  assert.equal(opened.length, 1);
  for (const account of accounts) account.carry(300);
  assert.equal(accounts[0]?.bytes, 1_000);
  await assert.rejects(book.open(lease, borrower, ORIGIN), refusedAs('lease_exhausted'));
});

test('a verified token is still for its own borrower and origin only', async () => {
  const { book, borrower, token } = setUp();
  const lease = await token();
  await book.open(lease, borrower, ORIGIN);
  await assert.rejects(book.open(lease, household('thief'), ORIGIN), refusedAs('lease_invalid'));
  await assert.rejects(book.open(lease, { ...borrower, id: 'thief' }, ORIGIN), refusedAs('lease_invalid'));
  await assert.rejects(book.open(lease, borrower, 'https://other.example:443'), refusedAs('lease_invalid'));
});

test('the same id under another token is refused, for as long as the first is remembered', async () => {
  const { book, borrower, token, clock } = setUp();
  const id = 'BBBBBBBBBBBBBBBBBBBBBB';
  const account = await book.open(await token({ id }), borrower, ORIGIN);
  account.carry(1_001);
  for (const change of [{ maxBytes: 999_999 }, { expiresAt: clock.wall() + TIME_MS + 5_000 }]) {
    await assert.rejects(
      book.open(await token({ id, ...change }), borrower, ORIGIN),
      refusedAs('lease_invalid'),
    );
  }
  // Another borrower's ids are its own.
  const second = household('second');
  assert.ok(await book.open(await token({ id }, second), second, ORIGIN));
});

test('a used-up lease is remembered until the token itself could not be used', async () => {
  const { book, borrower, token, clock } = setUp();
  const lease = await token();
  (await book.open(lease, borrower, ORIGIN)).carry(2_000);
  for (let shown = 0; shown < 10; shown += 1) {
    await assert.rejects(book.open(lease, borrower, ORIGIN), refusedAs('lease_exhausted'));
    clock.advance((TIME_MS + CLOCK_SKEW_MS) / 10 - 1);
  }
  assert.equal(book.size, 1);
  clock.advance(20);
  assert.equal(book.size, 0);
  await assert.rejects(book.open(lease, borrower, ORIGIN), refusedAs('lease_expired'));
  assert.equal(clock.pending, 0);
});

test('time ends a lease by the monotonic clock, whatever the wall clock does meanwhile', async () => {
  const { book, borrower, token, clock, over } = setUp();
  const account = await book.open(await token(), borrower, ORIGIN);
  clock.stepWall(-86_400_000);
  clock.advance(TIME_MS + CLOCK_SKEW_MS - 1);
  assert.equal(account.signal.aborted, false);
  clock.advance(1);
  assert.equal(account.state.kind, 'expired');
  assert.deepEqual(over, [account]);
});

test('leases of one borrower, or all, are ended at once', async () => {
  const { book, borrower, token } = setUp();
  const second = household('second');
  const lease = await token();
  const first = await book.open(lease, borrower, ORIGIN);
  const other = await book.open(await token({}, second), second, ORIGIN);
  book.end('borrower', 'not_paired');
  assert.equal(first.signal.aborted, true);
  assert.equal(other.signal.aborted, false);
  await assert.rejects(book.open(lease, borrower, ORIGIN), refusedAs('lease_invalid'));
  book.end(undefined, 'lending_off');
  assert.equal(other.signal.aborted, true);
});

test('a borrower can not fill the book', async () => {
  const { book, borrower, token, clock } = setUp();
  const longest = 2 * LEASES_PER_BORROWER * 1_000;
  const long = () => token({ expiresAt: clock.wall() + longest });
  for (let i = 0; i < LEASES_PER_BORROWER; i += 1) {
    await book.open(await long(), borrower, ORIGIN);
    clock.advance(1_000 / NEW_LEASES_PER_SECOND);
  }
  await assert.rejects(book.open(await token(), borrower, ORIGIN), /not over yet/);
  const second = household('second');
  assert.ok(await book.open(await token({}, second), second, ORIGIN));
  clock.advance(longest + CLOCK_SKEW_MS);
  assert.ok(await book.open(await token(), borrower, ORIGIN));
  const late = book.open(await token({}, second), second, ORIGIN);
  book[Symbol.dispose]();
  await assert.rejects(late, refusedAs('lending_off'));
  assert.equal(clock.pending, 0);
});

test('what is put on record for a borrower is bounded in number, and earned back', async () => {
  const { book, borrower, token, clock } = setUp();
  // Made out for no time but the clocks' difference: it is over, and forgotten, at once.
  const open = async () => {
    const expiresAt = clock.wall() - CLOCK_SKEW_MS + 1_000;
    return book.open(await token({ issuedAt: expiresAt - 1, expiresAt }), borrower, ORIGIN);
  };
  for (let i = 0; i < NEW_LEASES_MAX; i += 1) await open();
  await assert.rejects(open(), /Too many new leases/);
  clock.advance(1_000 / NEW_LEASES_PER_SECOND);
  assert.ok(await open());
  await assert.rejects(open(), refusedAs('overloaded'));
});

test('a lease made out for more bytes than the policy has carries as many as the policy has', async () => {
  const { book, borrower, token } = setUp();
  const lease = await token({ maxBytes: 5_000_000 });
  const account = await book.open(lease, borrower, ORIGIN);
  assert.equal(account.carry(1_000_000), 1_000_000);
  assert.equal(account.carry(1), 0);
  await assert.rejects(book.open(lease, borrower, ORIGIN), refusedAs('lease_exhausted'));
  assert.ok(await book.open(await token({ maxBytes: 5_000_000 }), borrower, ORIGIN));
});

test('a lease made out for a longer time than the policy has ends by the policy, and is remembered', async () => {
  const { book, borrower, token, clock } = setUp(1_000);
  const lease = await token();
  const account = await book.open(lease, borrower, ORIGIN);
  clock.advance(999);
  assert.equal(account.signal.aborted, false);
  clock.advance(1);
  assert.equal(account.state.kind, 'expired');
  await assert.rejects(book.open(lease, borrower, ORIGIN), refusedAs('lease_expired'));
  assert.ok(await book.open(await token(), borrower, ORIGIN));
  clock.advance(TIME_MS + CLOCK_SKEW_MS);
  assert.equal(book.size, 0);
  assert.equal(clock.pending, 0);
});

test('no lease is for more time than a timer can wait, whatever the policy', async () => {
  const { book, borrower, token, clock } = setUp(Number.MAX_SAFE_INTEGER);
  const long = await token({ expiresAt: clock.wall() + LONGEST_LEASE_MS + 1_000 });
  await assert.rejects(book.open(long, borrower, ORIGIN), refusedAs('lease_invalid'));
  assert.ok(LONGEST_LEASE_MS + CLOCK_SKEW_MS < 2 ** 31);
});
