/** That verify names the first entry that does not hold, and why. */
import assert from 'node:assert/strict';
import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { LinepoolError } from '../../src/core/errors.ts';
import type { Content, ContentOf } from '../../src/ledger/entry.ts';
import { countersign, parseReceipt, signReceipt } from '../../src/ledger/receipt.ts';
import { openSource } from '../../src/ledger/source.ts';
import { verify } from '../../src/ledger/verify.ts';
import { chained, entriesOf, exported, type Said, verdictOn } from './forged.ts';
import { fill, folder, household, jws, type Keys, leaseId, leaseToken, openLedger } from './written.ts';

const LEASES = 6;
const neighbours = [household(), household()] as const;

/** One that holds, and its export. */
async function sound(): Promise<{ readonly us: Keys; readonly lines: string[] }> {
  using dir = folder();
  const opened = openLedger(dir.path);
  fill(opened, LEASES, [...neighbours]);
  opened.ledger[Symbol.dispose]();
  await using source = await openSource(opened.file);
  assert.equal((await verify(source)).fault, undefined);
  return { us: opened.us, lines: await exported(opened.file) };
}

const { us, lines } = await sound();
const [header = ''] = lines;
const whole = `${lines.join('\n')}\n`;

test('an export holds elsewhere, with the keys that are in it', async () => {
  const result = await verdictOn(whole);
  assert.equal(result.fault, undefined);
  assert.equal(result.household, us.id);
  assert.deepEqual([...result.neighbours].sort(), neighbours.map(({ id }) => id).sort());
  assert.equal(result.entries, lines.length - 2);
  assert.equal(result.leases, LEASES);
  assert.equal(result.signatures.unchecked, 0);
  const quick = await verdictOn(whole, { all: false });
  assert.ok(quick.signatures.unchecked > quick.signatures.checked);
});

test('keys that are handed in must have every neighbour', async () => {
  const [one, two] = neighbours;
  const both = new Map([one, two].map(({ id, publicKey }) => [id, publicKey]));
  assert.equal((await verdictOn(whole, { keys: both })).fault, undefined);
  const { fault } = await verdictOn(whole, { keys: new Map([[one.id, one.publicKey]]) });
  assert.match(fault?.why ?? '', /not among those/);
});

/** Without any key: the text altered. The number is that of the entry that must be named. */
const ALTERED: readonly (readonly [string, (lines: string[]) => string[], number, RegExp])[] = [
  [
    'an entry edited',
    (l) => l.with(5, l[5]?.replace('192.0.2.7', '192.0.2.8').replace('"at":1', '"at":2') ?? ''),
    5,
    /hash/,
  ],
  ['an entry left out', (l) => l.toSpliced(5, 1), 5, /missing/],
  ['the first entry left out', (l) => l.toSpliced(1, 1), 1, /missing/],
  ['an entry twice', (l) => l.toSpliced(5, 0, l[5] ?? ''), 5, /stands behind/],
  ['two entries exchanged', (l) => l.with(5, l[6] ?? '').with(6, l[5] ?? ''), 5, /missing/],
  ['the last entry cut off', (l) => l.toSpliced(-2, 1), lines.length - 2, /missing/],
  ['all but the first cut off', (l) => l.toSpliced(2, l.length - 3), 2, /missing/],
  ['the head cut off', (l) => l.slice(0, -1), lines.length - 1, /head is missing/],
  ['something behind the head', (l) => [...l, l[3] ?? ''], lines.length - 1, /behind the head/],
  ['white space in a line', (l) => l.with(4, `${l[4]} `), 4, /line/],
  ['a member more', (l) => l.with(4, l[4]?.replace('"hash"', '"more":1,"hash"') ?? ''), 4, /line/],
  [
    'an entry said to be removed',
    (l) => l.with(4, `{"removed":4,${/"hash":"[^"]*"/.exec(l[4] ?? '')?.[0]}}`),
    4,
    /too young/,
  ],
  [
    'a neighbour more in the header',
    (l) => l.with(0, header.replace('"neighbours":{', `"neighbours":{"${us.id}":"AAAA",`)),
    0,
    /header/,
  ],
  [
    'a removal in the header',
    (l) => l.with(0, header.replace('"prunedThrough":0', '"prunedThrough":4')),
    0,
    /said to be removed/,
  ],
  ['another household in the header', (l) => l.with(0, header.replace(us.id, neighbours[0].id)), 0, /header/],
];

for (const [what, alter, seq, why] of ALTERED) {
  test(`${what} is named`, async () => {
    const { fault } = await verdictOn(`${alter(lines).join('\n')}\n`);
    assert.equal(fault?.seq, seq, fault?.why);
    assert.match(fault.why, why);
  });
}

test('a head of another key is not ours', async () => {
  const { fault } = await verdictOn(chained(header, entriesOf(lines), { ...household(), id: us.id }));
  assert.equal(fault?.seq, lines.length - 2);
  assert.match(fault.why, /the head does not hold/);
});

test('what is no ledger, or of another version, is refused', async () => {
  const version = header.replace('"version":1', '"version":2');
  const unread = [
    '',
    '\n',
    '{}\n',
    '[]',
    'SQLite format 3\0',
    `${version}\n`,
    header.slice(0, -1),
    ` ${whole}`,
  ];
  for (const text of unread) {
    await assert.rejects(
      verdictOn(text),
      (error) => (error as LinepoolError).code === 'ledger_unreadable',
      text,
    );
  }
  await assert.rejects(verdictOn(`${version}\n`), /version 2/);
  await assert.rejects(openSource('/nowhere/ledger'), LinepoolError);
});

/** A household that makes all hashes anew and signs the head: only its neighbours' signatures stand in its way. */
type Forgery = (entries: Said[]) => { readonly entries: Said[]; readonly seq: number };

const nth = (entries: readonly Said[], wanted: (content: Content) => boolean, n = 0): number =>
  entries.flatMap(({ content }, i) => (wanted(content) ? [i] : []))[n] ?? -1;
const isLent = (content: Content): content is ContentOf<'lease'> =>
  content.kind === 'lease' && content.role === 'lender';
const lastOf = (content: Content): content is ContentOf<'receipt'> =>
  content.kind === 'receipt' && parseReceipt(content.borrower).last;

function put(
  entries: Said[],
  at: number,
  content: Content,
): { readonly entries: Said[]; readonly seq: number } {
  return { entries: entries.with(at, { at: entries[at]?.at ?? 0, content }), seq: at + 1 };
}

/** A receipt of the same lease with another text, signed by `key` for both. */
function restated(content: ContentOf<'receipt'>, key: Keys, change: object): Content {
  const borrower = signReceipt({ ...parseReceipt(content.borrower), ...change }, key.privateKey);
  return { ...content, borrower, lender: countersign(borrower, key.privateKey) };
}

const ROTATION_HEADER = '{"alg":"EdDSA","typ":"linepool-rotation"}';
const rotationTo = ({ id, publicKey }: Keys): string =>
  JSON.stringify({ iss: us.id, sub: id, key: publicKey, iat: 1 });

const FORGED: readonly (readonly [string, Forgery, RegExp])[] = [
  [
    'a lease that the borrower did not sign',
    (entries) => {
      const at = nth(entries, isLent, 1);
      const lease = entries[at]?.content;
      assert.ok(lease && isLent(lease));
      const borrower = { ...us, id: lease.neighbour };
      return put(entries, at, { ...lease, token: leaseToken(borrower, us, { id: leaseId(2) }) });
    },
    /does not hold: it is not by/,
  ],
  [
    'a last receipt with another total',
    (entries) => {
      const at = nth(entries, lastOf);
      const receipt = entries[at]?.content;
      assert.ok(receipt && lastOf(receipt));
      return put(entries, at, restated(receipt, us, { total: 13_000_000 }));
    },
    /does not hold: it is not by/,
  ],
  [
    'a total that falls',
    (entries) => {
      const at = nth(entries, lastOf);
      const receipt = entries[at]?.content;
      assert.ok(receipt && lastOf(receipt));
      return put(entries, at, restated(receipt, us, { total: 1 }));
    },
    /falls from 8000000 to 1/,
  ],
  [
    'a total above the lease',
    (entries) => {
      const at = nth(entries, lastOf);
      const receipt = entries[at]?.content;
      assert.ok(receipt && lastOf(receipt));
      return put(entries, at, restated(receipt, us, { total: 2 ** 40 }));
    },
    /above the 1073741824 of the lease/,
  ],
  [
    'texts that differ between borrower and lender',
    (entries) => {
      const at = nth(entries, lastOf, 1);
      const receipt = entries[at]?.content;
      assert.ok(receipt && lastOf(receipt));
      const other = restated(receipt, us, { total: 12_000_001 });
      return put(entries, at, { ...receipt, lender: other.kind === 'receipt' ? other.lender : null });
    },
    /different texts/,
  ],
  [
    'a receipt without its lease',
    (entries) => {
      const at = nth(entries, (content) => content.kind === 'lease', 2);
      const rest = entries.toSpliced(at, 1);
      return {
        entries: rest,
        seq:
          nth(
            rest.map((one, i) => (i < at ? { ...one, content: { kind: 'pruned' } as Content } : one)),
            ({ kind }) => kind === 'receipt' || kind === 'contact',
          ) + 1,
      };
    },
    /is not on record before it/,
  ],
  [
    'a key that is not that of the id',
    (entries) => {
      const at = nth(entries, ({ kind }) => kind === 'party');
      const party = entries[at]?.content;
      assert.ok(party?.kind === 'party');
      return put(entries, at, { ...party, publicKey: us.publicKey });
    },
    /not that of the key/,
  ],
  [
    'a beginning in the middle',
    (entries) => put(entries, 7, entries[0]?.content as Content),
    /begins with "begin"/,
  ],
  [
    'another key that the old one did not name',
    (entries) => {
      const next = household();
      const statement = jws(ROTATION_HEADER, rotationTo(next), next.privateKey);
      return put(entries, 7, { kind: 'self', household: next.id, publicKey: next.publicKey, statement });
    },
    /does not hold: it is not by/,
  ],
  [
    'a removal that did not happen',
    (entries) => put(entries, 7, { kind: 'pruned', through: 5, hash: 'A'.repeat(43), removed: 3 }),
    /nothing else does/,
  ],
];

for (const [what, forge, why] of FORGED) {
  test(`${what} is named, though all hashes were made anew`, async () => {
    const { entries, seq } = forge(entriesOf(lines));
    const { fault } = await verdictOn(chained(header, entries, us), { all: false });
    assert.equal(fault?.seq, seq, fault?.why);
    assert.match(fault.why, why);
  });
}

test('a chain of another household is not ours', async () => {
  using dir = folder();
  const other = openLedger(dir.path);
  fill(other, LEASES, [...neighbours]);
  other.ledger[Symbol.dispose]();
  const theirs = await exported(other.file);
  for (const at of [2, 5, 9]) {
    const { fault } = await verdictOn(`${[...lines.slice(0, at), ...theirs.slice(at)].join('\n')}\n`);
    assert.equal(fault?.seq, at);
  }
});

test('a file that was damaged within says where', async () => {
  using dir = folder();
  const opened = openLedger(dir.path);
  fill(opened, 40, [...neighbours]);
  opened.ledger[Symbol.dispose]();
  const bytes = readFileSync(opened.file);
  const at = bytes.indexOf('192.0.2.7', 20_000);
  assert.ok(at > 0);
  bytes[at + 1] = 0x38;
  const file = join(dir.path, 'altered');
  writeFileSync(file, bytes);
  await using source = await openSource(file);
  const { fault } = await verify(source);
  assert.match(fault?.why ?? '', /hash/);
});
