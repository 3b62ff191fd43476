/**
 * A thousand mutations of a lease and of a receipt, through the code that reads them from the link: none is taken.
 */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { Dice, mutated } from '../support/mutations.ts';
import { forgedLeases, forgedReceipts } from './forged-runs.ts';
import { party, receiptPair } from './receipt-pair.ts';

const TRIES = 1_000;

test('1,000 mutated leases: none opens an account', async () => {
  assert.deepEqual(await forgedLeases(TRIES, 1), { tried: TRIES, taken: [] });
});

test('1,000 mutated receipts: none is signed, and nothing is on record but the honest one', async () => {
  assert.deepEqual(await forgedReceipts(TRIES, 2), { tried: TRIES, taken: [] });
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
    await pair.writer[Symbol.asyncDispose]();
    pair.office[Symbol.dispose]();
  }
});
