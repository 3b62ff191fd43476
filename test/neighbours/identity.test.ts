/** Identity: made once, kept, readable by the owner only, and never replaced behind anybody's back. */
import assert from 'node:assert/strict';
import { sign, verify, X509Certificate } from 'node:crypto';
import { readdir, readFile, stat, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { test } from 'node:test';
import { idOfPublicKey } from '../../src/neighbours/household-id.ts';
import { loadIdentity, makeIdentity } from '../../src/neighbours/identity.ts';
import { scratchDir } from './household.ts';

test('it is made once and then kept', async () => {
  await using dir = await scratchDir();
  const state = join(dir.path, 'state');
  const made = await loadIdentity(state);
  const again = await loadIdentity(state);
  assert.equal(again.id, made.id);
  assert.equal(again.certificate, made.certificate);
  assert.deepEqual(await readdir(state), ['identity.json']);
  assert.equal((await stat(state)).mode & 0o777, 0o700);
  assert.equal((await stat(join(state, 'identity.json'))).mode & 0o777, 0o600);
});

test('the certificate is self-signed with the key that the id is the hash of', async () => {
  const identity = await makeIdentity();
  const certificate = new X509Certificate(identity.certificate);
  assert.ok(certificate.verify(certificate.publicKey));
  const spki = certificate.publicKey.export({ type: 'spki', format: 'der' });
  assert.equal(idOfPublicKey(spki), identity.id);
  assert.equal(spki.toString('base64url'), identity.publicKey);
  assert.equal(certificate.publicKey.asymmetricKeyType, 'ed25519');
  assert.ok(Date.parse(certificate.validTo) > Date.UTC(2100, 0));
  const signature = sign(null, Buffer.from('lease'), identity.privateKey);
  assert.ok(verify(null, Buffer.from('lease'), certificate.publicKey, signature));
});

test('two households differ', async () => {
  const [a, b] = [await makeIdentity(), await makeIdentity()];
  assert.notEqual(a.id, b.id);
  assert.notEqual(
    new X509Certificate(a.certificate).serialNumber,
    new X509Certificate(b.certificate).serialNumber,
  );
});

test('a damaged one is refused, named, and left as it is', async () => {
  await using dir = await scratchDir();
  const file = join(dir.path, 'identity.json');
  await loadIdentity(dir.path);
  const good = JSON.parse(await readFile(file, 'utf8')) as Record<string, unknown>;
  const other = await makeIdentity();
  const damaged = [
    '',
    'not JSON',
    JSON.stringify(good).slice(0, 200),
    JSON.stringify({ ...good, version: 2 }),
    JSON.stringify({ ...good, id: other.id }),
    JSON.stringify({ ...good, certificate: other.certificate }),
    JSON.stringify({ ...good, privateKey: other.privateKeyPem }),
    JSON.stringify({ ...good, privateKey: 'no key' }),
  ];
  for (const text of damaged) {
    await writeFile(file, text);
    await assert.rejects(loadIdentity(dir.path), (error: { code?: string; detail?: string }) => {
      assert.equal(error.code, 'state_unusable');
      assert.ok(error.detail?.includes(file) && error.detail.includes('backup'));
      return true;
    });
    assert.equal(await readFile(file, 'utf8'), text);
  }
});

test('a folder that can not be written is said so', async () => {
  await using dir = await scratchDir();
  await writeFile(join(dir.path, 'file'), '');
  await assert.rejects(loadIdentity(join(dir.path, 'file', 'state')), { code: 'state_unusable' });
});
