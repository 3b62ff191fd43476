/** What the ledger answers: for whom our line reached an address, and what was carried for whom. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { balance } from '../../src/ledger/balance.ts';
import { explain } from '../../src/ledger/explain.ts';
import { openSource } from '../../src/ledger/source.ts';
import { Dealings, folder, household, ISSUED_AT, leaseId, openLedger } from './written.ts';

const MINUTE = 60_000;

/** Two neighbours borrow from us within an hour, and one lends to us. */
function dealt(path: string) {
  const opened = openLedger(path);
  const { ledger, clock, us } = opened;
  const [anna, bert] = [household(), household()];
  const lent = [new Dealings(us, anna, 'lender'), new Dealings(us, bert, 'lender')] as const;
  const borrowed = new Dealings(us, anna, 'borrower');
  const [one, two] = lent;
  const at = (minutes: number): number => ISSUED_AT + minutes * MINUTE;
  ledger.append(one.lease({ id: leaseId(1), origin: 'https://files.example:443', issuedAt: at(0) }));
  ledger.append(one.contact(leaseId(1), '192.0.2.7', at(0), at(3)));
  ledger.append(one.contact(leaseId(1), '2001:db8::7', at(3)));
  ledger.append(one.receipt(leaseId(1), 4_000_000));
  ledger.append(borrowed.lease({ id: leaseId(1), origin: 'https://files.example:443', issuedAt: at(0) }));
  ledger.append(borrowed.receipt(leaseId(1), 900));
  clock.advance(30 * MINUTE);
  ledger.append(two.lease({ id: leaseId(2), origin: 'http://192.0.2.9:80', issuedAt: at(30) }));
  ledger.append(two.contact(leaseId(2), '192.0.2.7', at(30)));
  ledger.append(two.receipt(leaseId(2), 3_000_000, { last: true }));
  ledger.append(one.receipt(leaseId(1), 7_000_000, { last: true }));
  return { ...opened, anna, bert, at };
}

test('an address and a time lead to the lease, its borrower and its proof', async () => {
  using dir = folder();
  const { ledger, file, anna, bert, at } = dealt(dir.path);
  const ask = async (minutes: number, address: string, slack = 0) => {
    await using source = await openSource(file);
    return await explain(source, { when: at(minutes), slack, address });
  };
  const [found, ...more] = await ask(2, '192.0.2.7');
  assert.deepEqual(more, []);
  assert.equal(found?.neighbour, anna.id);
  assert.equal(found.terms.origin, 'https://files.example:443');
  assert.equal(found.contacts.length, 1);
  assert.equal(found.receipt?.total, 7_000_000);
  assert.equal(found.token.split('.').length, 3);
  const who = async (...question: Parameters<typeof ask>) =>
    (await ask(...question)).map((one) => one.neighbour);
  // Only while it was connected there; a little before and after when the clocks may differ.
  assert.deepEqual(await who(5, '192.0.2.7'), []);
  assert.deepEqual(await who(5, '192.0.2.7', 3 * MINUTE), [anna.id]);
  assert.deepEqual(await who(31, '192.0.2.7'), [bert.id]);
  assert.deepEqual(await who(25, '192.0.2.7', 30 * MINUTE), [anna.id, bert.id]);
  // Where the end is not known, the lease bounds it.
  assert.deepEqual(await who(10, '2001:db8::7'), [anna.id]);
  assert.deepEqual(await who(21, '2001:db8::7'), []);
  assert.deepEqual(await who(10, '[2001:0DB8:0::7]'), [anna.id]);
  assert.deepEqual(await who(31, '::ffff:192.0.2.7'), [bert.id]);
  // By name, and a server that is named by its address.
  assert.deepEqual(await who(10, 'FILES.example'), [anna.id]);
  assert.deepEqual(
    (await ask(2, 'files.example'))[0]?.contacts.map((one) => one.address),
    ['192.0.2.7'],
  );
  assert.deepEqual(await who(31, '192.0.2.9'), [bert.id]);
  assert.deepEqual(await who(10, 'other.example'), []);
  ledger[Symbol.dispose]();
});

test('what was carried is summed up from the last receipts, both ways, in all and since', async () => {
  using dir = folder();
  const { ledger, file, anna, bert, at } = dealt(dir.path);
  const since = async (minutes: number) => {
    await using source = await openSource(file);
    return await balance(source, minutes === 0 ? 0 : at(minutes));
  };
  assert.deepEqual(await since(0), [
    { neighbour: bert.id, lentBytes: 3_000_000, lentLeases: 1, borrowedBytes: 0, borrowedLeases: 0 },
    { neighbour: anna.id, lentBytes: 7_000_000, lentLeases: 1, borrowedBytes: 900, borrowedLeases: 1 },
  ]);
  assert.deepEqual(await since(20), [
    { neighbour: bert.id, lentBytes: 3_000_000, lentLeases: 1, borrowedBytes: 0, borrowedLeases: 0 },
    { neighbour: anna.id, lentBytes: 3_000_000, lentLeases: 1, borrowedBytes: 0, borrowedLeases: 0 },
  ]);
  assert.deepEqual(await since(40), []);
  ledger[Symbol.dispose]();
});
