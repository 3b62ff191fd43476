/** A ledger that somebody edited, at rest or under a running daemon: it must not be continued, nor signed again. */
import assert from 'node:assert/strict';
import { DatabaseSync } from 'node:sqlite';
import { test } from 'node:test';
import { type Event, Events } from '../../src/core/events.ts';
import { canonicalText, chainHash, HASH_BEFORE_FIRST } from '../../src/ledger/entry.ts';
import { LedgerFile } from '../../src/ledger/file.ts';
import { signHead } from '../../src/ledger/head.ts';
import { openSource, readEntries } from '../../src/ledger/source.ts';
import { verify } from '../../src/ledger/verify.ts';
import { signRotation } from '../../src/neighbours/rotation.ts';
import { FakeClock } from '../support/fake-clock.ts';
import {
  Dealings,
  fill,
  folder,
  household,
  ISSUED_AT,
  type Keys,
  leaseId,
  type Opened,
  openLedger,
} from './written.ts';

function heard(): { readonly events: Events; readonly damaged: string[] } {
  const events = new Events(() => ISSUED_AT);
  const damaged: string[] = [];
  events.listen(({ event }: { readonly event: Event }) => {
    if (event.kind === 'warning' && event.code === 'ledger_damaged') damaged.push(event.detail);
  });
  return { events, damaged };
}

/** Makes every hash from that entry on anew, as who has the file can, and puts that head there; by default the one that is there, for what is said now. */
function relink(file: string, seq: number, head?: (seq: number, hash: Uint8Array) => string): void {
  using opened = LedgerFile.write(file, new FakeClock(ISSUED_AT));
  const database = new DatabaseSync(file);
  let before = opened.row(seq - 1)?.hash ?? HASH_BEFORE_FIRST;
  let at = seq;
  for (let entry = opened.entry(at); entry !== undefined; entry = opened.entry(at)) {
    before = chainHash(before, canonicalText(at, entry.at, entry.content));
    database.prepare('UPDATE entries SET hash = ? WHERE seq = ?').run(before, at);
    at += 1;
  }
  if (head !== undefined) database.prepare('UPDATE head SET token = ?').run(head(at - 1, before));
  database.close();
}

function sql(file: string, text: string): void {
  const database = new DatabaseSync(file);
  database.exec(text);
  database.close();
}

const signedBy =
  (name: string, { privateKey }: Keys) =>
  (seq: number, hash: Uint8Array): string =>
    signHead({ household: name, seq, hash, signedAt: ISSUED_AT }, privateKey);

/** The last entry that has no token in it says another time; all hashes behind it are made anew. */
const EDIT = 'UPDATE entries SET at = at + 1 WHERE seq = 4';

async function causeOf(file: string): Promise<string> {
  await using source = await openSource(file);
  assert.equal((await verify(source, { all: true })).fault, undefined);
  await using again = await openSource(file);
  for await (const { content } of readEntries(again)) if (content.kind === 'begin') return content.cause;
  return '';
}

/** At its next entry a new file is begun, once, which says why. */
async function isSetAside({ ledger, us, file }: Opened, damaged: readonly string[]): Promise<void> {
  const deal = new Dealings(us, household(), 'lender');
  assert.ok(ledger.append(deal.lease({ id: leaseId(600) })));
  ledger[Symbol.dispose]();
  assert.equal(damaged.length, 1);
  assert.equal(await causeOf(file), 'damaged');
}

test('a chain whose hashes were all made anew is set aside, whoever signed its head', async () => {
  const thief = household();
  for (const head of [
    (us: Keys) => signedBy(us.id, thief),
    () => signedBy(thief.id, thief),
    // The payload of ours, under the signature that was there.
    (us: Keys, old: string) => (seq: number, hash: Uint8Array) => {
      const [header, payload] = signedBy(us.id, thief)(seq, hash).split('.');
      return `${header}.${payload}.${old.split('.')[2]}`;
    },
  ]) {
    using dir = folder();
    const opened = openLedger(dir.path);
    fill(opened, 6);
    opened.ledger[Symbol.dispose]();
    const read = LedgerFile.read(opened.file);
    const old = read.head() ?? '';
    read[Symbol.dispose]();
    sql(opened.file, EDIT);
    relink(opened.file, 4, head(opened.us, old));
    const { events, damaged } = heard();
    await isSetAside(openLedger(dir.path, { events }, opened.us), damaged);
    assert.match(damaged[0] ?? '', /head/i);
  }
});

test('a chain that names our household with another key is set aside', async () => {
  using dir = folder();
  const thief = household();
  const opened = openLedger(dir.path);
  fill(opened, 3);
  opened.ledger[Symbol.dispose]();
  const database = new DatabaseSync(opened.file);
  const { body } = database.prepare('SELECT body FROM entries WHERE seq = 1').get() as { body: Uint8Array };
  const said = Buffer.from(body).toString().replace(opened.us.publicKey, thief.publicKey);
  database.prepare('UPDATE entries SET body = ? WHERE seq = 1').run(Buffer.from(said));
  database.close();
  relink(opened.file, 1, signedBy(opened.us.id, thief));
  const { events, damaged } = heard();
  await isSetAside(openLedger(dir.path, { events }, opened.us), damaged);
});

test('a head of a key that was changed since holds, and one of that key after the change does not', async () => {
  using dir = folder();
  const opened = openLedger(dir.path);
  fill(opened, 3);
  opened.ledger[Symbol.dispose]();
  const next = household();
  const statement = await signRotation({ from: opened.us.id, to: next }, opened.us.privateKey, ISSUED_AT);
  const now = { ...next, statements: [statement] };
  const { events, damaged } = heard();
  const deal = new Dealings(next, household(), 'lender');
  for (let n = 0; n < 2; n += 1) {
    const again = openLedger(dir.path, { events, household: now });
    assert.ok(again.ledger.append(deal.lease({ id: leaseId(500 + n) })));
    again.ledger[Symbol.dispose]();
    assert.deepEqual(damaged, []);
  }
  sql(opened.file, EDIT);
  relink(opened.file, 4, signedBy(next.id, opened.us));
  await isSetAside(openLedger(dir.path, { events, household: now }, next), damaged);
});

test('a file that is edited under a running daemon is set aside at its next entry', async () => {
  const thief = household();
  const edits: readonly ((file: string, us: Keys) => void)[] = [
    (file, us) => {
      sql(file, EDIT);
      relink(file, 4, signedBy(us.id, thief));
    },
    (file) => sql(file, 'DELETE FROM entries WHERE seq = (SELECT max(seq) FROM entries)'),
    (file) => sql(file, 'DELETE FROM entries'),
    (file) =>
      sql(
        file,
        'INSERT INTO entries SELECT seq + 1, at, kind, ref, id, body, hash FROM entries ORDER BY seq DESC LIMIT 1',
      ),
  ];
  for (const edit of edits) {
    using dir = folder();
    const { events, damaged } = heard();
    const opened = openLedger(dir.path, { events });
    fill(opened, 4);
    edit(opened.file, opened.us);
    const deal = new Dealings(opened.us, household(), 'lender');
    assert.ok(opened.ledger.append(deal.lease({ id: leaseId(500) })));
    assert.equal(damaged.length, 1);
    // What is refused, or read only, changes nothing about where the chain ends.
    assert.equal(opened.ledger.append(deal.receipt(leaseId(7), 1)), undefined);
    assert.equal(
      opened.ledger.appendAll([deal.lease({ id: leaseId(501) }), deal.receipt(leaseId(7), 1)]),
      undefined,
    );
    assert.equal(opened.ledger.carried('lender', thief.id, leaseId(7)), undefined);
    assert.ok(opened.ledger.append(deal.lease({ id: leaseId(502) })));
    assert.equal(damaged.length, 1);
    opened.ledger[Symbol.dispose]();
    assert.equal(await causeOf(opened.file), 'damaged');
  }
});
