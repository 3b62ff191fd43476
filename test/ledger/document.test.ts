/** That docs/ledger.md is true: its example holds, by this program and by hand, and it names every field. */
import assert from 'node:assert/strict';
import { createHash, createPublicKey, verify as verifySignature } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { FIELDS, KINDS } from '../../src/ledger/entry.ts';
import { RECEIPT_HEADER } from '../../src/ledger/receipt.ts';
import { LEASE_HEADER_TEXT } from '../../src/ledger/terms.ts';
import { verdictOn } from './forged.ts';

const document = readFileSync(join(import.meta.dirname, '../../docs/ledger.md'), 'utf8');
const example = /```jsonl\n([^]*?)```/.exec(document)?.[1] ?? '';

test('the example holds', async () => {
  const { fault, entries, leases, receipts } = await verdictOn(example);
  assert.equal(fault, undefined);
  assert.deepEqual({ entries, leases, receipts }, { entries: 5, leases: 1, receipts: 1 });
});

test('the example can be verified by what the document says alone', () => {
  const [header = '', ...lines] = example.trimEnd().split('\n');
  const { publicKey } = JSON.parse(header) as { publicKey: string };
  let hash: Buffer = Buffer.alloc(32);
  for (const line of lines.slice(0, -1)) {
    const [, text = '', said] = /^\{"entry":(.*),"hash":"([\w-]{43})"\}$/.exec(line) ?? [];
    hash = createHash('sha256').update(hash).update(text, 'utf8').digest();
    assert.equal(hash.toString('base64url'), said);
  }
  const { head } = JSON.parse(lines.at(-1) ?? '') as { head: string };
  const [top = '', payload = '', signature = ''] = head.split('.');
  const key = createPublicKey({ key: Buffer.from(publicKey, 'base64url'), format: 'der', type: 'spki' });
  assert.ok(
    verifySignature(null, Buffer.from(`${top}.${payload}`), key, Buffer.from(signature, 'base64url')),
  );
  const claims = JSON.parse(Buffer.from(payload, 'base64url').toString()) as Record<string, unknown>;
  assert.deepEqual(Object.keys(claims), ['iss', 'seq', 'hash', 'iat']);
  assert.equal(claims['hash'], hash.toString('base64url'));
});

test('every kind stands in the table with its fields in order', () => {
  for (const kind of KINDS) {
    const row = document.split('\n').find((line) => line.startsWith(`| \`${kind}\` | \``)) ?? '';
    const fields = [...(row.split(' | ')[1] ?? '').matchAll(/`(\w+)`/g)].map(([, name]) => name);
    assert.deepEqual(fields, Object.keys(FIELDS[kind].shape), kind);
  }
  for (const header of [LEASE_HEADER_TEXT, RECEIPT_HEADER]) assert.ok(document.includes(header), header);
});
