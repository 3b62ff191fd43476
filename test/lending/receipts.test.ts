import assert from 'node:assert/strict';
import { test } from 'node:test';
import { type ErrorCode, LinepoolError } from '../../src/core/errors.ts';
import { parseReceipt, RECEIPT_HEADER, receiptPayload, signReceipt } from '../../src/ledger/receipt.ts';
import type { LeaseAccount } from '../../src/lending/lease-account.ts';
import { RECEIPT_WAIT_MS } from '../../src/lending/lease-receipts.ts';
import { REST_MS, SIGN_EVERY, WORD_MS } from '../../src/lending/owed.ts';
import { LAST_RECEIPT_MS } from '../../src/lending/receipt-desk.ts';
import {
  ANSWER_MS,
  DISPUTE_BYTES,
  LAST_WORD_MS,
  LEFT_ALONE_MS,
  RETRY_MS,
} from '../../src/lending/receipt-writer.ts';
import {
  FORGIVEN_STEP_MS,
  NEW_CONTACTS_MAX,
  NEW_CONTACTS_PER_SECOND,
  RECEIPT_STEP,
  SMALL_RECEIPT,
  SMALL_RECEIPTS_MAX,
  STEPS_MAX,
} from '../../src/lending/standing.ts';
import { jws } from '../ledger/written.ts';
import { ORIGIN, ORIGIN_TEXT, party, type ReceiptPair, receiptPair } from './receipt-pair.ts';

const refusedAs = (code: ErrorCode) => (error: unknown) =>
  error instanceof LinepoolError && error.code === code;

/** A lease of the writer's, opened at the lender, with a transfer under way on both sides. */
async function underWay(pair: ReceiptPair, bytes = 1e9) {
  const token = await pair.writer.lease(pair.lender.id, ORIGIN, bytes);
  const account = await pair.open(token);
  const { receipts } = account;
  assert.ok(receipts !== undefined);
  const transfer = receipts.begin();
  const meter = pair.writer.carrying(token);
  const carry = (amount: number): void => {
    assert.equal(account.carry(amount), amount);
    receipts.down(amount);
    meter.down(amount);
  };
  const end = (): void => {
    transfer[Symbol.dispose]();
    meter[Symbol.dispose]();
  };
  return { token, account, receipts, meter, carry, end };
}

const totals = (pair: ReceiptPair, of: 'lent' | 'borrowed'): number[] =>
  pair[of].of('receipt').map(({ borrower }) => parseReceipt(borrower).total);

test('a lease is on record before it carries, and its receipts are on record on both sides, to the byte', async () => {
  const pair = receiptPair();
  const { account, carry, end } = await underWay(pair);
  assert.deepEqual(
    pair.lent.entries.map(({ kind }) => kind),
    ['lease'],
  );
  for (let i = 0; i < 5; i += 1) {
    carry(SIGN_EVERY);
    await pair.advance(1);
  }
  carry(5);
  end();
  await pair.advance(REST_MS);
  const expected = [1, 2, 3, 4, 5].map((i) => i * SIGN_EVERY);
  assert.deepEqual(totals(pair, 'lent'), [...expected, 5 * SIGN_EVERY + 5]);
  assert.deepEqual(totals(pair, 'borrowed'), totals(pair, 'lent'));
  assert.equal(account.receipts?.signed, 5 * SIGN_EVERY + 5);
  assert.equal(pair.writer.signedFor(pair.lender.id), pair.office.signedBy(pair.borrower.id));
  await pair.advance(60_000);
  assert.equal(pair.posted.length, 6, 'at rest, and all signed: nothing more is said');
});

test('what was sent is signed for as soon as the lender says that it passed it on', async () => {
  const pair = receiptPair();
  const { account, receipts, meter, end } = await underWay(pair);
  meter.up(900);
  account.carry(700);
  receipts.up(700);
  end();
  await pair.advance(REST_MS);
  await pair.advance(REST_MS);
  assert.deepEqual(totals(pair, 'borrowed'), [0, 700]);
});

test('the lender carries one step unsigned, waits, and ends the lease of who stays silent', async () => {
  const pair = receiptPair();
  const token = await pair.lease();
  const account = await pair.open(token);
  const { receipts } = account;
  assert.ok(receipts !== undefined);
  assert.equal(account.room(), RECEIPT_STEP);
  account.carry(RECEIPT_STEP);
  receipts.down(RECEIPT_STEP);
  let woken = 0;
  using _ = receipts.onRoom(() => {
    woken += 1;
  });
  assert.equal(account.room(), 0);
  pair.clock.advance(RECEIPT_WAIT_MS - 1);
  assert.equal(account.signal.aborted, false);
  pair.clock.advance(1);
  assert.equal(account.signal.aborted, true);
  assert.deepEqual(account.state, { kind: 'ended', bytes: RECEIPT_STEP, code: 'receipt_missing' });
  assert.equal(woken, 0);
  await assert.rejects(
    pair.lease().then((token) => pair.open(token)),
    refusedAs('receipt_missing'),
  );
  const ended = pair.lenderEvents.since(0).map(({ event }) => event);
  assert.deepEqual(ended.at(-1), {
    kind: 'lease_ended',
    borrower: pair.borrower.id,
    lease: account.lease.id,
    bytes: RECEIPT_STEP,
    signedBytes: 0,
    code: 'receipt_missing',
  });
});

test('many leases of one that never signs carry no more than one', async () => {
  const pair = receiptPair();
  let carried = 0;
  for (let i = 0; i < 20; i += 1) {
    const account = await pair.open(await pair.lease());
    const bytes = Math.min(account.room(), RECEIPT_STEP / 4);
    account.carry(bytes);
    account.receipts?.down(bytes);
    carried += bytes;
  }
  assert.equal(carried, RECEIPT_STEP);
});

test('a receipt makes room, and whoever waits is told', async () => {
  const pair = receiptPair();
  const { account, receipts, meter } = await underWay(pair);
  let woken = 0;
  using _ = receipts.onRoom(() => {
    woken += 1;
  });
  account.carry(RECEIPT_STEP);
  receipts.down(RECEIPT_STEP);
  assert.equal(account.room(), 0);
  meter.down(RECEIPT_STEP);
  await pair.advance(1);
  assert.ok(woken > 0);
  assert.equal(account.room(), RECEIPT_STEP);
  await pair.advance(RECEIPT_WAIT_MS * 2);
  assert.equal(account.signal.aborted, false);
});

test('a borrower that is held up by its own client is heard of, and its lease goes on', async () => {
  const pair = receiptPair();
  const { account, receipts } = await underWay(pair);
  // All of it is in the kernel: nothing has arrived.
  account.carry(RECEIPT_STEP);
  receipts.down(RECEIPT_STEP);
  for (let ms = 0; ms < 5 * RECEIPT_WAIT_MS; ms += WORD_MS) {
    assert.equal(account.room(), 0);
    await pair.advance(WORD_MS);
  }
  assert.equal(account.signal.aborted, false);
  assert.deepEqual(totals(pair, 'lent'), [0], 'the same receipt again is recorded once');
});

test('what did not arrive when connections broke is lost, not owed', async () => {
  const pair = receiptPair();
  const { account, receipts, carry, end } = await underWay(pair);
  carry(1_000);
  account.carry(3_000_000);
  receipts.down(3_000_000);
  end();
  await pair.advance(REST_MS);
  assert.deepEqual(totals(pair, 'lent'), [1_000]);
  assert.equal(receipts.carried, 1_000);
  assert.equal(receipts.isSettled, true);
});

test('bytes that never left are nobody’s', async () => {
  const pair = receiptPair();
  const account = await pair.open(await pair.lease());
  account.carry(1_000_000);
  assert.equal(account.bytes, 1_000_000);
  assert.equal(account.receipts?.carried, 0);
  assert.equal(account.room(), RECEIPT_STEP);
});

test('a full ledger lends nothing, and ends what runs at its next receipt', async () => {
  const pair = receiptPair();
  const { account, carry } = await underWay(pair);
  carry(SIGN_EVERY - 1);
  pair.lent.full = true;
  await assert.rejects(
    pair.lease().then((token) => pair.open(token)),
    refusedAs('ledger_failed'),
  );
  assert.throws(() =>
    pair.office.contacted(account, { remoteAddress: '192.0.2.1', remotePort: 80 } as never),
  );
  carry(1);
  await pair.advance(WORD_MS);
  assert.deepEqual(account.state, { kind: 'ended', bytes: SIGN_EVERY, code: 'ledger_failed' });
});

test('where the line connected is on record once for each lease and address', async () => {
  const pair = receiptPair();
  const account = await pair.open(await pair.lease());
  const to = (remoteAddress: string) => ({ remoteAddress, remotePort: 80 }) as never;
  for (const address of ['192.0.2.1', '192.0.2.1', '2001:db8::1', '192.0.2.1'])
    pair.office.contacted(account, to(address));
  const seen = pair.lent.of('contact').map(({ address, lease }) => [address, lease]);
  assert.deepEqual(seen, [
    ['192.0.2.1', account.lease.id],
    ['2001:db8::1', account.lease.id],
  ]);
});

test('the addresses that are put on record for a borrower are bounded in number over all its leases, and earned back', async () => {
  const pair = receiptPair();
  const to = (account: LeaseAccount, n: number): void =>
    pair.office.contacted(account, { remoteAddress: `2001:db8::${n.toString(16)}`, remotePort: 80 } as never);
  const account = await pair.open(await pair.lease());
  for (let n = 1; n <= NEW_CONTACTS_MAX; n += 1) to(account, n);
  assert.throws(() => to(account, NEW_CONTACTS_MAX + 1), refusedAs('overloaded'));
  to(account, NEW_CONTACTS_MAX);
  const next = await pair.open(await pair.lease());
  assert.throws(() => to(next, 1), refusedAs('overloaded'));
  assert.equal(pair.lent.of('contact').length, NEW_CONTACTS_MAX);
  pair.clock.advance(1_000 / NEW_CONTACTS_PER_SECOND);
  to(next, 1);
  assert.throws(() => to(next, 2), refusedAs('overloaded'));
  assert.equal(account.signal.aborted, false, 'what runs goes on');
});

test('after a restart of the lender a lease has carried what was signed, and a step more', async () => {
  const pair = receiptPair();
  const { token, carry, end } = await underWay(pair, 8 * RECEIPT_STEP);
  carry(SIGN_EVERY);
  await pair.advance(1);
  carry(1_000);
  pair.restart();
  // What the lender does not remember is signed for all the same.
  end();
  await pair.advance(REST_MS);
  assert.deepEqual(totals(pair, 'lent'), [SIGN_EVERY, SIGN_EVERY + 1_000]);
  const account = await pair.open(token);
  assert.equal(account.bytes, SIGN_EVERY + RECEIPT_STEP, 'a step in all');
  assert.equal(account.receipts?.signed, SIGN_EVERY + 1_000);
  assert.equal(account.room(), RECEIPT_STEP);
});

/** A receipt of the borrower's beside its writer, at the lender's desk. */
function post(pair: ReceiptPair, lease: string, total: number, last = false): unknown {
  const { borrower, lender, clock } = pair;
  const receipt = signReceipt(
    { borrower: borrower.id, lender: lender.id, lease, total, issuedAt: clock.wall(), last },
    borrower.privateKey,
  );
  return pair.office.receipt(borrower, { receipt, idle: false });
}

test('after a restart no more is signed for a lease than a step, however many receipts come', async () => {
  const pair = receiptPair();
  const { id } = (await pair.open(await pair.lease())).lease;
  pair.restart();
  post(pair, id, RECEIPT_STEP / 2);
  assert.throws(() => post(pair, id, RECEIPT_STEP + 1), refusedAs('receipt_invalid'));
  post(pair, id, RECEIPT_STEP);
  assert.throws(() => post(pair, id, 2 * RECEIPT_STEP), refusedAs('receipt_invalid'));
  assert.deepEqual(totals(pair, 'lent'), [RECEIPT_STEP / 2, RECEIPT_STEP]);
});

test('after a restart no more is signed for all leases of a borrower than was carried for it unsigned', async () => {
  const pair = receiptPair();
  const leases: string[] = [];
  for (let n = 0; n <= STEPS_MAX; n += 1) leases.push((await pair.open(await pair.lease())).lease.id);
  pair.restart();
  for (const id of leases.slice(0, STEPS_MAX)) post(pair, id, RECEIPT_STEP);
  assert.throws(() => post(pair, leases.at(-1) ?? '', RECEIPT_STEP), refusedAs('receipt_invalid'));
});

test('for a lease whose time is up no more is signed than was carried', async () => {
  const pair = receiptPair();
  const account = await pair.open(await pair.lease());
  account.carry(1_000_000);
  account.receipts?.down(1_000_000);
  pair.clock.advance(900_000);
  const { id } = account.lease;
  assert.equal(pair.office.book.find(pair.borrower.id, id), undefined, 'it is forgotten');
  assert.throws(() => post(pair, id, 1_000_001), refusedAs('receipt_invalid'));
  post(pair, id, 1_000_000);
  assert.throws(() => post(pair, id, 1_000_001), refusedAs('receipt_invalid'));
  post(pair, id, 1_000_000, true);
});

test('a borrower that signs byte by byte is slowed down, in use and after a restart, and loses nothing by it', async () => {
  const pair = receiptPair();
  const { account, receipts, carry } = await underWay(pair);
  account.carry(2 * SMALL_RECEIPT);
  receipts.down(2 * SMALL_RECEIPT);
  const { id } = account.lease;
  for (let total = 1; total <= SMALL_RECEIPTS_MAX; total += 1) post(pair, id, total);
  assert.throws(() => post(pair, id, SMALL_RECEIPTS_MAX + 1), refusedAs('overloaded'));
  assert.equal(pair.lent.of('receipt').length, SMALL_RECEIPTS_MAX);
  assert.equal(account.signal.aborted, false);
  // What is due goes through at once, and a word for little as soon as one is earned back.
  post(pair, id, SMALL_RECEIPTS_MAX + SMALL_RECEIPT);
  carry(SMALL_RECEIPTS_MAX + SMALL_RECEIPT + 1);
  for (let ms = 0; ms < WORD_MS + RETRY_MS; ms += RETRY_MS) await pair.advance(RETRY_MS);
  assert.equal(totals(pair, 'borrowed').at(-1), SMALL_RECEIPTS_MAX + SMALL_RECEIPT + 1);
  pair.restart();
  const from = totals(pair, 'lent').at(-1) ?? 0;
  for (let n = 1; n <= SMALL_RECEIPTS_MAX; n += 1) post(pair, id, from + n);
  assert.throws(() => post(pair, id, from + SMALL_RECEIPTS_MAX + 1), refusedAs('overloaded'));
});

test('a receipt that is padded, or in another order, is not put on record', async () => {
  const pair = receiptPair();
  const account = await pair.open(await pair.lease());
  account.carry(10);
  account.receipts?.down(10);
  const { borrower, lender } = pair;
  const receipt = { borrower: borrower.id, lender: lender.id, lease: account.lease.id, total: 10 };
  const payload = receiptPayload({ ...receipt, issuedAt: pair.clock.wall(), last: false });
  const turned = JSON.stringify(Object.fromEntries(Object.entries(JSON.parse(payload) as object).reverse()));
  const sent = (text: string) =>
    pair.office.receipt(borrower, { receipt: jws(RECEIPT_HEADER, text, borrower.privateKey), idle: false });
  for (const text of [`${payload} `, payload.replace(':10,', ':10.0,'), turned])
    assert.throws(() => sent(text), refusedAs('receipt_invalid'));
  assert.equal(pair.lent.of('receipt').length, 0);
  assert.ok(sent(payload));
});

test('the id of a lease is not taken under another token, when its time is up or after a restart', async () => {
  const pair = receiptPair();
  const id = 'BBBBBBBBBBBBBBBBBBBBBB';
  const first = await pair.lease({ id });
  const { lease } = await pair.open(first);
  pair.restart();
  await assert.rejects(
    pair.lease({ id, maxBytes: 7 }).then((token) => pair.open(token)),
    refusedAs('lease_invalid'),
  );
  assert.ok(await pair.open(first));
  pair.clock.advance(900_000);
  assert.equal(pair.office.book.find(pair.borrower.id, lease.id), undefined, 'it is forgotten');
  await assert.rejects(
    pair.lease({ id }).then((token) => pair.open(token)),
    refusedAs('lease_invalid'),
  );
  assert.ok(pair.lent.of('lease').every(({ token }) => token === first));
});

test('a lease that was used up is used up after a restart', async () => {
  const pair = receiptPair();
  const token = await pair.lease({ maxBytes: RECEIPT_STEP });
  (await pair.open(token)).carry(1);
  pair.restart();
  await assert.rejects(pair.open(token), refusedAs('lease_exhausted'));
});

test('nothing can be signed behind the last receipt of a lease', async () => {
  const pair = receiptPair();
  const account = await pair.open(await pair.lease());
  account.carry(10);
  account.receipts?.down(10);
  const sign = (total: number, last: boolean): unknown => {
    const { borrower, lender, id } = account.lease;
    const receipt = signReceipt(
      { borrower, lender, lease: id, total, issuedAt: pair.clock.wall(), last },
      pair.borrower.privateKey,
    );
    return pair.office.receipt(pair.borrower, { receipt, idle: true });
  };
  sign(5, false);
  sign(5, true);
  sign(5, true);
  assert.throws(() => sign(9, false), refusedAs('receipt_invalid'));
  pair.restart();
  assert.throws(() => sign(9, false), refusedAs('receipt_invalid'));
});

test('a lease that is over is signed for yet; what is not is lost, and shuts out who never does', async () => {
  const pair = receiptPair();
  const account = await pair.open(await pair.lease());
  account.carry(RECEIPT_STEP);
  account.receipts?.down(RECEIPT_STEP);
  account.end('lending_off');
  await pair.lease().then((token) => pair.open(token));
  pair.clock.advance(LAST_RECEIPT_MS);
  await assert.rejects(
    pair.lease().then((token) => pair.open(token)),
    refusedAs('receipt_missing'),
  );
});

test('another key does not wipe what was never signed for, and ends the leases of the one before', async () => {
  const pair = receiptPair();
  const { account, receipts } = await underWay(pair);
  account.carry(RECEIPT_STEP);
  receipts.down(RECEIPT_STEP);
  const renewed = party();
  pair.office.rekey(pair.borrower.id, renewed.id);
  assert.equal(account.signal.aborted, true);
  const open = async (): Promise<unknown> =>
    pair.office.book.open(await pair.lease({ borrower: renewed.id }, renewed), renewed, ORIGIN_TEXT);
  pair.clock.advance(LAST_RECEIPT_MS);
  await assert.rejects(open(), refusedAs('receipt_missing'));
  pair.clock.advance(FORGIVEN_STEP_MS);
  await open();
});

test('a lender that is there and does not sign is left alone for a while', async () => {
  const pair = receiptPair();
  const { carry } = await underWay(pair);
  pair.answer = () => Promise.reject(new LinepoolError('connection_lost'));
  carry(SIGN_EVERY);
  for (let ms = 0; ms <= ANSWER_MS; ms += RETRY_MS) await pair.advance(RETRY_MS);
  assert.equal(pair.writer.isLeftAlone(pair.lender.id), true);
  await assert.rejects(pair.writer.lease(pair.lender.id, ORIGIN, 1), refusedAs('receipt_unanswered'));
  const [kept] = pair.borrowed.of('receipt');
  assert.equal(kept?.lender, null, 'what we signed is on record, without its answer');
  assert.equal(pair.borrowerEvents.since(0).at(-1)?.event.kind, 'receipt_failed');
  pair.clock.advance(LEFT_ALONE_MS);
  assert.equal(pair.writer.isLeftAlone(pair.lender.id), false);
});

test('a receipt that was not answered is sent again however much is under way, and is the same one if nothing came', async () => {
  const pair = receiptPair();
  const { carry, token } = await underWay(pair);
  const lost = pair.answer;
  pair.answer = async (message) => {
    await lost(message);
    throw new LinepoolError('connection_lost');
  };
  carry(SIGN_EVERY);
  await pair.advance(0);
  assert.equal(pair.posted.length, 1);
  pair.answer = lost;
  // Spans that begin and end all the while, each of which is a reason to look what is due.
  for (let ms = 0; ms < RETRY_MS; ms += 50) {
    pair.writer.carrying(token)[Symbol.dispose]();
    await pair.advance(50);
  }
  assert.equal(pair.posted.length, 2);
  assert.equal(pair.posted[1]?.receipt, pair.posted[0]?.receipt);
  assert.deepEqual(totals(pair, 'borrowed'), [SIGN_EVERY]);
  pair.clock.advance(2_000);
  carry(SIGN_EVERY);
  await pair.advance(0);
  assert.deepEqual(totals(pair, 'borrowed'), [SIGN_EVERY, 2 * SIGN_EVERY]);
  assert.deepEqual(totals(pair, 'lent'), [SIGN_EVERY, 2 * SIGN_EVERY]);
});

test('a lender that is away is not at fault', async () => {
  const pair = receiptPair();
  const { carry, token } = await underWay(pair);
  pair.answer = () => Promise.reject(new LinepoolError('neighbour_unreachable'));
  pair.isUp = false;
  carry(SIGN_EVERY);
  for (let ms = 0; ms <= ANSWER_MS; ms += RETRY_MS) await pair.advance(RETRY_MS);
  assert.equal(pair.writer.isLeftAlone(pair.lender.id), false);
  assert.notEqual(await pair.writer.lease(pair.lender.id, ORIGIN, 1), token);
});

test('an outage that is over does not count against a lender, nor hold its receipts up', async () => {
  const pair = receiptPair();
  const { carry, end } = await underWay(pair);
  carry(10);
  end();
  await pair.advance(1_000);
  assert.deepEqual(totals(pair, 'borrowed'), [10], 'it stays, and nothing is owed for it');
  const { answer } = pair;
  pair.answer = () => Promise.reject(new LinepoolError('neighbour_unreachable'));
  pair.isUp = false;
  const second = pair.writer.carrying(await pair.writer.lease(pair.lender.id, { ...ORIGIN, port: 81 }, 1e9));
  second.down(SIGN_EVERY);
  for (let ms = 0; ms <= ANSWER_MS; ms += RETRY_MS) await pair.advance(RETRY_MS);
  second[Symbol.dispose]();
  await pair.advance(3_600_000);
  pair.isUp = true;
  // The first answer is lost on the way: that is no reason to leave it alone.
  const again = await underWay(pair);
  again.carry(SIGN_EVERY);
  await pair.advance(0);
  assert.equal(pair.writer.isLeftAlone(pair.lender.id), false);
  pair.answer = answer;
  await pair.advance(RETRY_MS);
  assert.equal(pair.writer.signedFor(pair.lender.id), 10 + SIGN_EVERY);
});

test('a lease that is over and signed for is forgotten; of those kept, a settled one makes room', async () => {
  const pair = receiptPair();
  const { token, carry, end } = await underWay(pair);
  carry(10);
  end();
  pair.writer.spoiled(token);
  await pair.advance(1_000);
  const { borrower } = pair.lent.of('receipt').at(-1) ?? {};
  assert.equal(parseReceipt(borrower ?? '').last, true);
  const posted = pair.posted.length;
  await pair.writer[Symbol.asyncDispose]();
  assert.equal(pair.posted.length, posted);
});

test('a receipt for one lease makes room for the others of its borrower', async () => {
  const pair = receiptPair();
  const first = await underWay(pair);
  const second = await pair.open(await pair.lease());
  using _under = second.receipts?.begin();
  let woken = 0;
  second.receipts?.onRoom(() => (woken += 1));
  first.account.carry(RECEIPT_STEP);
  first.receipts.down(RECEIPT_STEP);
  assert.equal(second.room(), 0, 'a new borrower has one step under all its leases');
  first.meter.down(RECEIPT_STEP);
  await pair.advance(1);
  assert.ok(woken > 0);
  assert.ok(second.room() > 0);
  pair.clock.advance(RECEIPT_WAIT_MS);
  assert.equal(second.signal.aborted, false, 'it was not it that was silent');
});

test('a lender that claims far more than came is left alone, and the lease is over', async () => {
  const pair = receiptPair();
  const { carry, token } = await underWay(pair);
  pair.answer = (message) => {
    const answer = pair.office.receipt(pair.borrower, message);
    return Promise.resolve(
      JSON.stringify({ ...answer, carriedBytes: answer.carriedBytes + DISPUTE_BYTES + 1 }),
    );
  };
  carry(SIGN_EVERY);
  await pair.advance(1);
  const { event } = pair.borrowerEvents.since(0).at(-1) ?? {};
  assert.ok(event?.kind === 'receipt_failed' && event.code === 'receipt_disputed');
  assert.equal(pair.writer.isLeftAlone(pair.lender.id), true);
  pair.clock.advance(LEFT_ALONE_MS);
  assert.notEqual(await pair.writer.lease(pair.lender.id, ORIGIN, 1), token);
});

test('at its end the writer has what is owed signed, and leaves no timer', async () => {
  const pair = receiptPair();
  const { carry, end } = await underWay(pair);
  carry(10);
  await pair.advance(1);
  end();
  await pair.writer[Symbol.asyncDispose]();
  assert.deepEqual(totals(pair, 'lent'), [10]);
  assert.deepEqual(totals(pair, 'borrowed'), [10]);
  pair.office[Symbol.dispose]();
  assert.equal(pair.clock.pending, 0);
});

test('a lender that does not answer holds the end up for a second at most', async () => {
  const pair = receiptPair();
  const { carry } = await underWay(pair);
  pair.answer = () => new Promise(() => undefined);
  carry(10);
  const ended = pair.writer[Symbol.asyncDispose]();
  await pair.advance(LAST_WORD_MS);
  await ended;
  assert.equal(pair.posted.length, 1);
  pair.office[Symbol.dispose]();
  assert.equal(pair.clock.pending, 0);
});
