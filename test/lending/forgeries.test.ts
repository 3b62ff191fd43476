/**
 * A thousand mutations of a lease and of a receipt, through the code that reads them from the link: none is taken.
 */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { LinepoolError } from '../../src/core/errors.ts';
import { signReceipt } from '../../src/ledger/receipt.ts';
import { LEASE_HEADER } from '../../src/lending/lease.ts';
import { RECEIPT_STEP } from '../../src/lending/standing.ts';
import { parseMessage, ReceiptMessage } from '../../src/neighbours/messages.ts';
import { Dice, mutated } from '../support/mutations.ts';
import { party, receiptPair } from './receipt-pair.ts';

const TRIES = 1_000;

test('1,000 mutated leases: none opens an account', async () => {
  const pair = receiptPair();
  const { lender, borrower, clock } = pair;
  const other = party();
  const token = await pair.lease();
  assert.ok(await pair.open(token), `the honest ${LEASE_HEADER} is taken`);
  const seconds = Math.floor(clock.wall() / 1000);
  const claims = {
    iss: [other.id, lender.id, '', 5],
    aud: [other.id, borrower.id, null],
    org: ['http://other.example:80', 'https://files.example:443', 'http://files.example:8080', ''],
    byt: [0, -1, 1.5, 1e300, '5'],
    iat: [seconds + 86_400, -1, 'now'],
    exp: [seconds - 86_400, seconds - 301, seconds + 400 * 86_400, 0],
    jti: ['short', 'with spaces in the middle', 'A'.repeat(65), ''],
  } as const;
  const dice = new Dice(1);
  for (let i = 0; i < TRIES; i += 1) {
    const mutation = mutated(token, dice, { own: borrower.privateKey, other: other.privateKey }, claims);
    await assert.rejects(
      pair.open(mutation.token),
      (error) => error instanceof LinepoolError && error.code.startsWith('lease_'),
      `${i}: ${mutation.says}`,
    );
  }
  assert.equal(pair.office.active(borrower.id), 1);
});

test('1,000 mutated receipts: none is signed, and nothing is on record but the honest one', async () => {
  const pair = receiptPair();
  const { lender, borrower, clock } = pair;
  const other = party();
  const account = await pair.open(await pair.lease());
  const { receipts } = account;
  assert.ok(receipts !== undefined);
  account.carry(1_000_000);
  receipts.down(1_000_000);
  const { id } = account.lease;
  const honest = (total: number): string =>
    signReceipt(
      { borrower: borrower.id, lender: lender.id, lease: id, total, issuedAt: clock.wall(), last: false },
      borrower.privateKey,
    );
  const post = (receipt: string): unknown =>
    pair.office.receipt(borrower, parseMessage(ReceiptMessage, JSON.stringify({ receipt, idle: false })));
  post(honest(400_000));
  const token = honest(600_000);
  const claims = {
    iss: [other.id, lender.id, '', 5],
    aud: [other.id, borrower.id, null],
    lea: ['BBBBBBBBBBBBBBBBBBBBBB', 'short', ''],
    // Less than is signed for, and more than was carried.
    byt: [0, 399_999, 1_000_001, RECEIPT_STEP * 100, -1, 1.5, '600000'],
    iat: [-1, 'now', 1.5],
    end: ['no', 1, null],
  } as const;
  const dice = new Dice(2);
  const before = pair.lent.entries.length;
  for (let i = 0; i < TRIES; i += 1) {
    const mutation = mutated(token, dice, { own: borrower.privateKey, other: other.privateKey }, claims);
    assert.throws(
      () => post(mutation.token),
      (error) =>
        error instanceof LinepoolError && ['receipt_invalid', 'message_invalid'].includes(error.code),
      `${i}: ${mutation.says}`,
    );
  }
  assert.equal(pair.lent.entries.length, before);
  assert.equal(receipts.signed, 400_000);
  post(token);
  assert.equal(receipts.signed, 600_000);
});

test('1,000 mutated countersignatures: the borrower takes none, and leaves the lender alone', async () => {
  const other = party();
  const dice = new Dice(3);
  for (let i = 0; i < TRIES; i += 1) {
    const pair = receiptPair();
    const token = await pair.writer.lease(
      pair.lender.id,
      { scheme: 'http', host: 'files.example', port: 80 },
      1,
    );
    const account = await pair.open(token);
    account.carry(100);
    account.receipts?.down(100);
    let says = '';
    pair.answer = (message) => {
      const answer = pair.office.receipt(pair.borrower, message);
      const keys = { own: pair.lender.privateKey, other: other.privateKey };
      const claims = { byt: [99, 101], end: [true], iat: [1], lea: ['BBBBBBBBBBBBBBBBBBBBBB'] } as const;
      const mutation = mutated(answer.receipt, dice, keys, claims);
      ({ says } = mutation);
      return Promise.resolve(JSON.stringify({ ...answer, receipt: mutation.token }));
    };
    const meter = pair.writer.carrying(token);
    meter.down(100);
    meter[Symbol.dispose]();
    await pair.advance(1_000);
    assert.equal(pair.writer.signedFor(pair.lender.id), 0, says);
    assert.deepEqual(pair.borrowed.of('receipt'), [], says);
    const failed = pair.borrowerEvents.since(0).map(({ event }) => event.kind);
    assert.ok(failed.includes('receipt_failed'), says);
    pair.writer[Symbol.dispose]();
    pair.office[Symbol.dispose]();
  }
});
