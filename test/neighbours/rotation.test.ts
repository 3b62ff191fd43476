/** A chain of changed keys: it is followed from whatever key is known, and nothing in it can be bent. */
import assert from 'node:assert/strict';
import { generateKeyPairSync, type KeyObject } from 'node:crypto';
import { test } from 'node:test';
import { CompactSign } from 'jose';
import { type FormerKey, formerKeyOf } from '../../src/neighbours/former-key.ts';
import { MESSAGE_MAX_BYTES } from '../../src/neighbours/messages.ts';
import { publicKeyOf } from '../../src/neighbours/public-key.ts';
import {
  followRotations,
  ROTATIONS_MAX,
  readRotation,
  STATEMENT_MAX,
  signRotation,
} from '../../src/neighbours/rotation.ts';

interface Party {
  readonly key: FormerKey;
  readonly privateKey: KeyObject;
}

function party(): Party {
  const { privateKey, publicKey } = generateKeyPairSync('ed25519');
  const spki = publicKey.export({ type: 'spki', format: 'der' }).toString('base64url');
  return { key: formerKeyOf(spki), privateKey };
}

const WALL = 1_700_000_000_000;
const sign = (from: Party, to: Party): Promise<string> =>
  signRotation({ from: from.key.id, to: to.key }, from.privateKey, WALL);

async function chainOf(parties: readonly Party[]): Promise<string[]> {
  const statements: string[] = [];
  for (const [at, from] of parties.entries()) {
    const to = parties[at + 1];
    if (to !== undefined) statements.push(await sign(from, to));
  }
  return statements;
}

const follow = (statements: readonly string[], known: Party | undefined) =>
  followRotations(
    statements,
    (id) => (known !== undefined && id === known.key.id ? publicKeyOf(known.key.publicKey) : undefined),
    publicKeyOf,
  );

const parties = Array.from({ length: 4 }, party);
const [first, second, third, fourth] = parties as [Party, Party, Party, Party];
const chain = await chainOf(parties);

test('a chain is followed from whichever key is known, to the last', async () => {
  const keys = parties.map(({ key }) => key);
  for (const [at, known] of parties.slice(0, -1).entries()) {
    assert.deepEqual(await follow(chain, known), { id: known.key.id, keys: keys.slice(at + 1) });
  }
  assert.equal(await follow(chain, fourth), undefined, 'nothing led away from the last one');
  assert.equal(await follow(chain, party()), undefined);
  assert.equal(await follow([], first), undefined);
});

test('a chain with a gap, a foreign link or another order is refused', async () => {
  const [one = '', two = '', three = ''] = chain;
  assert.equal(await follow([one, three], first), undefined);
  assert.equal(await follow([two, one, three], first), undefined, 'one leads to two, not to three');
  assert.equal(await follow([one, two, await sign(first, fourth)], first), undefined);
  // Signed by somebody else in the name of the first.
  const forged = await signRotation({ from: first.key.id, to: fourth.key }, third.privateKey, WALL);
  assert.equal(await follow([forged], first), undefined);
  // What stands before the known link does not matter: it proves nothing, and nothing is taken from it.
  assert.deepEqual(await follow(['rubbish', two, three], second), {
    id: second.key.id,
    keys: [third.key, fourth.key],
  });
});

test('a statement of another type or form, or whose id is not that of its key, is none', async () => {
  const claims = {
    iss: first.key.id,
    sub: second.key.id,
    key: second.key.publicKey,
    iat: 1,
  };
  const made = (payload: object, header: object = {}): Promise<string> =>
    new CompactSign(Buffer.from(JSON.stringify(payload)))
      .setProtectedHeader({ alg: 'EdDSA', typ: 'linepool-rotation', ...header })
      .sign(first.privateKey);
  assert.ok(await follow([await made(claims)], first));
  assert.equal(await follow([await made(claims, { typ: 'linepool-lease' })], first), undefined);
  assert.equal(await follow([await made(claims, { kid: 'x' })], first), undefined);
  assert.equal(await follow([await made({ ...claims, sub: third.key.id })], first), undefined);
  assert.equal(await follow([await made({ ...claims, more: 1 })], first), undefined);
  assert.equal(await follow([await made({ ...claims, key: 'AAAA' })], first), undefined);
});

test('no single changed character of a statement is accepted', async () => {
  const [statement = ''] = chain;
  for (let at = 0; at < statement.length; at += 1) {
    const other = statement[at] === 'A' ? 'B' : 'A';
    const bent = statement.slice(0, at) + other + statement.slice(at + 1);
    // The last character of base64url may carry bits that mean nothing; then nothing was changed.
    const same = (text: string) =>
      text.split('.').map((part) => Buffer.from(part, 'base64url').toString('hex'));
    if (same(bent).join() === same(statement).join()) continue;
    assert.equal(await follow([bent], first), undefined, `character ${at}`);
  }
});

test('a full chain fits into one message; a longer one is not looked at', async () => {
  const many = await chainOf(Array.from({ length: ROTATIONS_MAX + 2 }, () => first));
  const full = many.slice(0, ROTATIONS_MAX);
  assert.ok(full.every((statement) => statement.length <= STATEMENT_MAX));
  assert.ok(JSON.stringify({ statements: full }).length <= MESSAGE_MAX_BYTES);
  assert.equal((await follow(full, first))?.keys.length, ROTATIONS_MAX);
  assert.equal(await follow(many, first), undefined);
  assert.equal(readRotation(`${full[0]}${'A'.repeat(STATEMENT_MAX)}`), undefined);
});
