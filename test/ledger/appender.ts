/**
 * Appends to a ledger until it is killed, and says after each append which entry it was. A child of killed.ts.
 *
 *     node test/ledger/appender.ts FILE PRIVATE_KEY_PEM_FILE [ENTRIES]
 */
import { createPrivateKey, createPublicKey, randomBytes } from 'node:crypto';
import { readFileSync, writeSync } from 'node:fs';
import { systemClock } from '../../src/core/clock.ts';
import { Ledger } from '../../src/ledger/ledger.ts';
import { idOfPublicKey } from '../../src/neighbours/household-id.ts';
import { Dealings, household } from './written.ts';

const [file = '', keyFile = '', entries = 'Infinity'] = process.argv.slice(2);
const privateKey = createPrivateKey(readFileSync(keyFile));
const spki = createPublicKey(privateKey).export({ type: 'spki', format: 'der' });
const us = { id: idOfPublicKey(spki), publicKey: spki.toString('base64url'), privateKey };
const ledger = Ledger.open({ file, clock: systemClock, household: us });

function* work() {
  const deal = new Dealings(us, household(), 'lender');
  for (;;) {
    const id = randomBytes(16).toString('base64url');
    yield deal.lease({ id, issuedAt: Math.floor(systemClock.wall() / 1000) * 1000 });
    yield deal.contact(id, '203.0.113.7', Math.floor(systemClock.wall()));
    for (let step = 1; step <= 6; step += 1) yield deal.receipt(id, step * 4_194_304, { last: step === 6 });
  }
}

let done = 0;
for (const entry of work()) {
  if (done >= Number(entries)) break;
  done += 1;
  // Another process may hold the file for a moment: what is not on record is not said to be.
  const { seq } = ledger.append(entry) ?? {};
  writeSync(1, seq === undefined ? 'refused\n' : `${seq}\n`);
}
ledger[Symbol.dispose]();
