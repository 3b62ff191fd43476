/** What a ledger records, refuses and survives. */
import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { chmodSync, existsSync, mkdirSync, readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { DatabaseSync } from 'node:sqlite';
import { test } from 'node:test';
import { array, assert as assertProperty, asyncProperty, nat, tuple } from 'fast-check';
import { type Event, Events } from '../../src/core/events.ts';
import { Ledger } from '../../src/ledger/ledger.ts';
import { countersign } from '../../src/ledger/receipt.ts';
import { openSource, readEntries } from '../../src/ledger/source.ts';
import { verify } from '../../src/ledger/verify.ts';
import { signLease } from '../../src/lending/lease.ts';
import { signRotation } from '../../src/neighbours/rotation.ts';
import { Dealings, fill, folder, household, ISSUED_AT, jws, leaseId, openLedger } from './written.ts';

const A_LEASE = leaseId(1);

async function contents(file: string) {
  await using source = await openSource(file);
  const all = [];
  for await (const { content } of readEntries(source)) all.push(content);
  return all;
}

async function faultOf(file: string) {
  await using source = await openSource(file);
  return (await verify(source, { all: true })).fault;
}

function heard(): { readonly events: Events; readonly warnings: Event[] } {
  const events = new Events(() => ISSUED_AT);
  const warnings: Event[] = [];
  events.listen(({ event }) => warnings.push(event));
  return { events, warnings };
}

const codes = (warnings: readonly Event[]): unknown[] =>
  warnings.map((event) => 'code' in event && event.code);

test('what is appended comes out again to the byte, tokens of any form included', async () => {
  using dir = folder();
  const opened = openLedger(dir.path);
  fill(opened, 4);
  const them = household();
  const deal = new Dealings(opened.us, them, 'lender');
  const token = await signLease(
    {
      id: leaseId(50),
      borrower: them.id,
      lender: opened.us.id,
      origin: 'http://[2001:db8::1]:80',
      maxBytes: 5,
      issuedAt: ISSUED_AT,
      expiresAt: ISSUED_AT + 1000,
    },
    them.privateKey,
  );
  const usual = { ...deal.lease({ id: leaseId(50) }), token } as const;
  // The same claims in another order: kept whole, since the usual form would not give the same bytes.
  const [header, payload = ''] = token.split('.');
  const claims = JSON.parse(Buffer.from(payload, 'base64url').toString()) as Record<string, unknown>;
  const turned = JSON.stringify(
    Object.fromEntries(Object.entries({ ...claims, jti: leaseId(51) }).reverse()),
  );
  const odd = `${header}.${Buffer.from(turned).toString('base64url')}.${Buffer.alloc(64, 7).toString('base64url')}`;
  const given = [usual, { ...usual, token: odd }] as const;
  for (const entry of given) assert.ok(opened.ledger.append(entry));
  const leases = (await contents(opened.file)).filter(({ kind }) => kind === 'lease');
  assert.deepEqual(
    leases.slice(-2),
    given.map(({ kind, role, neighbour, token: signed }) => ({ kind, role, neighbour, token: signed })),
  );
  opened.ledger[Symbol.dispose]();
});

test('a time that a number can not hold in milliseconds is not recorded, and harms nothing', async () => {
  using dir = folder();
  const { ledger, us, file } = openLedger(dir.path);
  const them = household();
  const deal = new Dealings(us, them, 'lender');
  // Times 1000, and divided by it again, it is a fraction more.
  const inexact = 3_000_000_000_000_096;
  const lease = deal.lease({ id: A_LEASE });
  const receipt = deal.receipt(A_LEASE, 5);
  const late = (token: string, claim: 'iat' | 'exp'): string => {
    const [header = '', payload = ''] = token
      .split('.')
      .map((part) => Buffer.from(part, 'base64url').toString());
    return jws(
      header,
      payload.replace(new RegExp(`"${claim}":\\d+`), `"${claim}":${inexact}`),
      them.privateKey,
    );
  };
  const borrower = late(receipt.borrower, 'iat');
  assert.equal(ledger.append({ ...lease, token: late(lease.token, 'iat') }), undefined);
  assert.equal(ledger.append({ ...lease, token: late(lease.token, 'exp') }), undefined);
  assert.ok(ledger.append(lease));
  const lender = countersign(borrower, us.privateKey);
  assert.equal(ledger.append({ ...receipt, borrower, lender }), undefined);
  assert.ok(ledger.append(receipt));
  assert.equal(ledger.carried('lender', them.id, A_LEASE)?.total, 5);
  ledger[Symbol.dispose]();
  assert.equal(await faultOf(file), undefined);
});

test('an entry is on disk when append returns, and the file is made by the first one only', async () => {
  using dir = folder();
  const opened = openLedger(dir.path);
  assert.equal(existsSync(opened.file), false);
  const deal = new Dealings(opened.us, household(), 'lender');
  const entry = opened.ledger.append(deal.lease({ id: A_LEASE }));
  assert.equal(entry?.seq, 3);
  assert.equal((await contents(opened.file)).length, 3);
  assert.equal(await faultOf(opened.file), undefined);
  opened.ledger[Symbol.dispose]();
  assert.equal(opened.clock.pending, 0);
  assert.equal(opened.ledger.append(deal.lease({ id: leaseId(2) })), undefined);
});

test('a lease that is on record is not recorded twice, and no other one of the same name', () => {
  using dir = folder();
  const { events, warnings } = heard();
  const { ledger, us } = openLedger(dir.path, { events });
  const deal = new Dealings(us, household(), 'lender');
  const first = ledger.append(deal.lease({ id: A_LEASE }));
  assert.equal(ledger.append(deal.lease({ id: A_LEASE }))?.seq, first?.seq);
  assert.equal(ledger.append(deal.lease({ id: A_LEASE, maxBytes: 7 })), undefined);
  assert.deepEqual(codes(warnings), ['lease_invalid']);
  // Another neighbour's ids are its own.
  assert.ok(ledger.append(new Dealings(us, household(), 'lender').lease({ id: A_LEASE, maxBytes: 7 })));
  ledger[Symbol.dispose]();
});

test('what a lease has carried is known after a restart', () => {
  using dir = folder();
  const one = openLedger(dir.path);
  const them = household();
  const deal = new Dealings(one.us, them, 'lender');
  const lease = deal.lease({ id: A_LEASE });
  one.ledger.append(lease);
  const nothing = { token: lease.token, total: 0, receipt: undefined };
  assert.deepEqual(one.ledger.carried('lender', them.id, A_LEASE), nothing);
  one.ledger.append(deal.receipt(A_LEASE, 4_000_000));
  one.ledger.append(deal.receipt(A_LEASE, 8_000_000, { countersigned: false }));
  one.ledger[Symbol.dispose]();
  const two = openLedger(dir.path, {}, one.us);
  assert.equal(two.ledger.carried('lender', them.id, A_LEASE)?.total, 8_000_000);
  assert.equal(two.ledger.carried('lender', them.id, A_LEASE)?.receipt?.lender, null);
  assert.equal(two.ledger.carried('borrower', them.id, A_LEASE), undefined);
  assert.equal(two.ledger.carried('lender', household().id, A_LEASE), undefined);
  two.ledger[Symbol.dispose]();
});

test('what would not hold is not recorded, and the ledger goes on', async () => {
  using dir = folder();
  const { events, warnings } = heard();
  const { ledger, us, file } = openLedger(dir.path, { events });
  const deal = new Dealings(us, household(), 'lender');
  const other = new Dealings(household(), household(), 'lender');
  assert.ok(ledger.append(deal.lease({ id: A_LEASE, maxBytes: 10_000_000 })));
  assert.ok(ledger.append(deal.receipt(A_LEASE, 4_000_000)));
  const refused = [
    deal.receipt(A_LEASE, 3_999_999),
    deal.receipt(A_LEASE, 10_000_001),
    deal.receipt(leaseId(2), 1),
    deal.contact(leaseId(2), '192.0.2.1', ISSUED_AT),
    deal.contact(A_LEASE, 'files.example', ISSUED_AT),
    other.lease({ id: leaseId(3) }),
    { ...deal.lease({ id: leaseId(3) }), publicKey: us.publicKey, neighbour: household().id } as const,
    { ...deal.proof('x'), reason: 'two\nlines' } as const,
  ];
  for (const entry of refused) assert.equal(ledger.append(entry), undefined, JSON.stringify(entry));
  assert.equal(ledger.appendAll([deal.receipt(A_LEASE, 5_000_000), deal.receipt(A_LEASE, 1)]), undefined);
  assert.equal(ledger.append(deal.receipt(A_LEASE, 5_000_000))?.seq, 5);
  assert.ok(codes(warnings).includes('receipt_invalid'));
  ledger[Symbol.dispose]();
  assert.equal(await faultOf(file), undefined);
});

test('a full disk refuses entries, says so once, and takes them again when it has room', async () => {
  using dir = folder();
  const { events, warnings } = heard();
  const opened = openLedger(dir.path, { events, maxBytes: 14 * 4096 });
  const deal = new Dealings(opened.us, household(), 'lender');
  let full = 0;
  for (let n = 0; full < 20 && n < 2_000; n += 1) {
    if (opened.ledger.append(deal.lease({ id: leaseId(n) })) === undefined) full += 1;
  }
  assert.equal(full, 20);
  assert.deepEqual(codes(warnings), ['ledger_failed']);
  opened.ledger[Symbol.dispose]();
  assert.equal(await faultOf(opened.file), undefined);
  const roomy = openLedger(dir.path, { events }, opened.us);
  assert.ok(roomy.ledger.append(deal.lease({ id: leaseId(9_999) })));
  roomy.ledger[Symbol.dispose]();
  assert.equal(await faultOf(opened.file), undefined);
});

const root = process.getuid?.() === 0;
test('a disk that is really full', { skip: root ? false : 'mounting a small disk needs root' }, async (t) => {
  using dir = folder();
  const disk = join(dir.path, 'disk');
  mkdirSync(disk);
  try {
    execFileSync('mount', ['-t', 'tmpfs', '-o', 'size=320k', 'tmpfs', disk], { stdio: 'pipe' });
  } catch (error) {
    t.skip(`no small disk can be mounted here: ${(error as Error).message.split('\n')[0]}`);
    return;
  }
  try {
    const { events, warnings } = heard();
    const { ledger, us, file } = openLedger(disk, { events });
    const deal = new Dealings(us, household(), 'lender');
    let full = 0;
    for (let n = 0; full < 20 && n < 5_000; n += 1) {
      if (ledger.append(deal.lease({ id: leaseId(n) })) === undefined) full += 1;
    }
    assert.equal(full, 20);
    assert.deepEqual(codes(warnings), ['ledger_failed']);
    assert.equal(await faultOf(file), undefined);
    ledger[Symbol.dispose]();
  } finally {
    execFileSync('umount', [disk]);
  }
});

test('a folder that can not be written stops nothing', () => {
  const { events, warnings } = heard();
  const { ledger, us } = openLedger('/proc/no-such-folder', { events });
  const deal = new Dealings(us, household(), 'lender');
  for (let n = 0; n < 3; n += 1) assert.equal(ledger.append(deal.lease({ id: leaseId(n) })), undefined);
  assert.equal(ledger.carried('lender', us.id, A_LEASE), undefined);
  assert.deepEqual(codes(warnings), ['ledger_failed']);
  ledger[Symbol.dispose]();
});

/** Each is done to a file at rest; the ledger that finds it must set it aside and say why. */
const DAMAGE: readonly {
  readonly what: string;
  readonly cause: string;
  readonly done: (file: string) => void;
}[] = [
  {
    what: 'text instead of it',
    cause: 'damaged',
    done: (file) => writeFileSync(file, 'not a ledger\n'.repeat(999)),
  },
  {
    what: 'its end cut off',
    cause: 'damaged',
    done: (file) => sql(file, 'DELETE FROM entries WHERE seq = (SELECT max(seq) FROM entries)'),
  },
  {
    what: 'its last entry edited',
    cause: 'damaged',
    done: (file) => sql(file, 'UPDATE entries SET at = at + 1 WHERE seq = (SELECT max(seq) FROM entries)'),
  },
  { what: 'its head removed', cause: 'damaged', done: (file) => sql(file, 'DELETE FROM head') },
  { what: 'every second page zeroed', cause: 'damaged', done: zeroPages },
  {
    what: 'tables of another program',
    cause: 'damaged',
    done: (file) => sql(file, 'PRAGMA application_id = 5'),
  },
  { what: 'a later version', cause: 'other_version', done: (file) => sql(file, 'PRAGMA user_version = 2') },
];

function sql(file: string, text: string): void {
  const database = new DatabaseSync(file);
  database.exec(text);
  database.close();
}

function zeroPages(file: string): void {
  const pages = readFileSync(file);
  for (let at = 4096; at < pages.length; at += 8192) pages.fill(0, at, at + 4096);
  writeFileSync(file, pages);
}

for (const { what, cause, done } of DAMAGE) {
  test(`a file with ${what} is set aside, and a new chain says so`, async () => {
    using dir = folder();
    const opened = openLedger(dir.path);
    fill(opened, 12);
    opened.ledger[Symbol.dispose]();
    done(opened.file);
    const before = readFileSync(opened.file);
    const { events, warnings } = heard();
    const again = openLedger(dir.path, { events }, opened.us);
    const deal = new Dealings(opened.us, household(), 'lender');
    assert.ok(again.ledger.append(deal.lease({ id: leaseId(500) })));
    assert.deepEqual(codes(warnings), ['ledger_damaged']);
    again.ledger[Symbol.dispose]();
    const [begin] = await contents(again.file);
    assert.ok(begin?.kind === 'begin');
    assert.equal(begin.cause, cause);
    assert.deepEqual(readFileSync(join(dir.path, begin.before)), before);
    assert.equal(await faultOf(again.file), undefined);
    // Beside the ledger itself, what was read just now leaves its log.
    const beside = readdirSync(dir.path).filter((name) => !/^ledger\.sqlite(?:-wal|-shm)?$/.test(name));
    assert.deepEqual(beside, [begin.before]);
  });
}

test('whatever the file holds, appending does not throw, and what it leaves is a ledger', async () => {
  using dir = folder();
  const opened = openLedger(dir.path);
  fill(opened, 6);
  opened.ledger[Symbol.dispose]();
  const whole = readFileSync(opened.file);
  const deal = new Dealings(opened.us, household(), 'lender');
  await assertProperty(
    asyncProperty(
      array(tuple(nat(whole.length - 1), nat(255)), { minLength: 1, maxLength: 40 }),
      async (changes) => {
        using place = folder();
        const bytes = Buffer.from(whole);
        for (const [at, value] of changes) bytes[at] = value;
        const file = join(place.path, 'ledger.sqlite');
        writeFileSync(file, bytes);
        const { ledger } = openLedger(place.path, {}, opened.us);
        const entry = ledger.append(deal.lease({ id: leaseId(700) }));
        ledger[Symbol.dispose]();
        const aside = readdirSync(place.path).length > 1;
        if (entry !== undefined && aside) assert.equal(await faultOf(file), undefined);
      },
    ),
    { numRuns: 60 },
  );
});

test('a household with a new key goes on with the same chain', async () => {
  using dir = folder();
  const opened = openLedger(dir.path);
  fill(opened, 2);
  const next = household();
  const statement = await signRotation({ from: opened.us.id, to: next }, opened.us.privateKey, ISSUED_AT);
  opened.ledger[Symbol.dispose]();
  const again = openLedger(dir.path, { household: { ...next, statements: [statement] } });
  const deal = new Dealings(next, household(), 'lender');
  assert.ok(again.ledger.append(deal.lease({ id: leaseId(77) })));
  again.ledger[Symbol.dispose]();
  await using source = await openSource(opened.file);
  const result = await verify(source, { all: true });
  assert.equal(result.fault, undefined);
  assert.equal(result.household, next.id);
});

test('a ledger of another household is not continued', async () => {
  using dir = folder();
  const opened = openLedger(dir.path);
  fill(opened, 2);
  const next = household();
  opened.ledger[Symbol.dispose]();
  const again = openLedger(dir.path, {}, next);
  const deal = new Dealings(next, household(), 'lender');
  assert.ok(again.ledger.append(deal.lease({ id: leaseId(77) })));
  again.ledger[Symbol.dispose]();
  const [begin] = await contents(opened.file);
  assert.ok(begin?.kind === 'begin');
  assert.equal(begin.cause, 'other_household');
  assert.equal(await faultOf(opened.file), undefined);
  assert.equal(await faultOf(join(dir.path, begin.before)), undefined);
});

test('the file is readable by its owner only', () => {
  using dir = folder();
  chmodSync(dir.path, 0o755);
  const opened = openLedger(dir.path);
  fill(opened, 1);
  for (const name of readdirSync(dir.path)) {
    const mode = execFileSync('stat', ['-c', '%a', join(dir.path, name)])
      .toString()
      .trim();
    assert.equal(mode, '600', name);
  }
  opened.ledger[Symbol.dispose]();
});

test('opening a ledger does not load what it needs for entries', () => {
  using dir = folder();
  const { ledger } = openLedger(dir.path);
  assert.ok(ledger instanceof Ledger);
  ledger[Symbol.dispose]();
  assert.deepEqual(readdirSync(dir.path), []);
});
