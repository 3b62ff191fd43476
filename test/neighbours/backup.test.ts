/** Backups: opened by their passphrase and nothing else; cut, changed or foreign ones are refused whole. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { openBackup, PASSPHRASE_MIN, sealBackup } from '../../src/neighbours/backup.ts';

const WALL = 1_700_000_000_000;
const PASSPHRASE = 'correct horse battery';
const CONTENT = { identity: '{"secret":"the key"}\n', neighbours: '{"neighbours":[]}\n' };
const sealed = await sealBackup(CONTENT, PASSPHRASE, WALL);
const invalid = { code: 'backup_invalid' };

test('what is sealed is opened again, a book or none', async () => {
  assert.deepEqual(await openBackup(sealed, PASSPHRASE), CONTENT);
  const alone = { identity: 'x', neighbours: undefined };
  assert.deepEqual(await openBackup(await sealBackup(alone, PASSPHRASE, WALL), PASSPHRASE), alone);
});

test('nothing of it can be read in the file, and no two files are alike', async () => {
  assert.ok(!sealed.includes('secret') && !sealed.includes('key"'));
  const again = JSON.parse(await sealBackup(CONTENT, PASSPHRASE, WALL)) as Record<string, unknown>;
  const first = JSON.parse(sealed) as Record<string, unknown>;
  for (const part of ['nonce', 'data', 'kdf']) assert.notDeepEqual(again[part], first[part]);
});

test('another passphrase is refused, and a short one is not taken', async () => {
  for (const other of ['', 'correct horse', `${PASSPHRASE} `, PASSPHRASE.toUpperCase()]) {
    await assert.rejects(openBackup(sealed, other), invalid);
  }
  await assert.rejects(sealBackup(CONTENT, 'x'.repeat(PASSPHRASE_MIN - 1), WALL), { code: 'usage' });
  // The same letters, composed and in parts.
  const accented = await sealBackup(CONTENT, 'r\u00e9sum\u00e9 r\u00e9sum\u00e9', WALL);
  assert.deepEqual(await openBackup(accented, 're\u0301sume\u0301 re\u0301sume\u0301'), CONTENT);
});

test('a file that is cut off anywhere is refused', async () => {
  for (let length = 0; length < sealed.length - 2; length += 37) {
    await assert.rejects(openBackup(sealed.slice(0, length), PASSPHRASE), invalid, `${length} characters`);
  }
});

test('a file of which any part is changed is refused', async () => {
  const file = JSON.parse(sealed) as {
    data: string;
    nonce: string;
    made: number;
    kdf: Record<string, unknown>;
  };
  const flipped = (text: string): string =>
    text.startsWith('A') ? `B${text.slice(1)}` : `A${text.slice(1)}`;
  const changes: readonly object[] = [
    { data: flipped(file.data) },
    { data: file.data.slice(0, -8) },
    { data: '' },
    { nonce: flipped(file.nonce) },
    { nonce: 'AAAA' },
    { made: file.made + 1 },
    { format: 'something' },
    { version: 2 },
    { cipher: 'aes-256-cbc' },
    { more: 1 },
    { kdf: { ...file.kdf, salt: flipped(String(file.kdf['salt'])) } },
    // It must not choose how much memory opening takes, nor how little guessing does.
    { kdf: { ...file.kdf, N: 2 ** 30 } },
    { kdf: { ...file.kdf, N: 2 } },
    { kdf: { ...file.kdf, r: 1 } },
  ];
  for (const change of changes) {
    await assert.rejects(
      openBackup(JSON.stringify({ ...file, ...change }), PASSPHRASE),
      invalid,
      JSON.stringify(change).slice(0, 60),
    );
  }
  for (const text of ['', 'null', '[]', '{}', 'LP1-AAAA'])
    await assert.rejects(openBackup(text, PASSPHRASE), invalid);
});
