/** How often a neighbour may change its key. */
import assert from 'node:assert/strict';
import { generateKeyPairSync } from 'node:crypto';
import { test } from 'node:test';
import { type FormerKey, formerKeyOf } from '../../src/neighbours/former-key.ts';
import {
  afterRekey,
  mayRekey,
  REKEYS_MAX,
  REKEYS_WINDOW_MS,
  type Rekeys,
} from '../../src/neighbours/rekeys.ts';
import { signRotation } from '../../src/neighbours/rotation.ts';
import { RotationDesk } from '../../src/neighbours/rotation-desk.ts';
import { FakeClock } from '../support/fake-clock.ts';
import { household } from './household.ts';

test('changes are counted for a day, whatever ids they lead through, and forgotten after it', () => {
  let rekeys: Rekeys = new Map();
  for (let n = 0; n < REKEYS_MAX; n += 1) {
    assert.equal(mayRekey(rekeys, `id ${n}`, n), true);
    rekeys = afterRekey(rekeys, `id ${n}`, `id ${n + 1}`, n);
  }
  const last = `id ${REKEYS_MAX}`;
  assert.equal(rekeys.size, 1);
  assert.equal(mayRekey(rekeys, last, REKEYS_WINDOW_MS - 1), false);
  assert.equal(mayRekey(rekeys, 'another', REKEYS_WINDOW_MS - 1), true);
  assert.equal(mayRekey(rekeys, last, REKEYS_WINDOW_MS), true);
  assert.deepEqual([...afterRekey(rekeys, 'another', 'renewed', 2 * REKEYS_WINDOW_MS).keys()], ['renewed']);
});

test('a neighbour that changes its key again and again is told that it is too often, and stays who it was', async () => {
  await using berta = await household('Berta');
  const { identity, book, client } = berta.room;
  const clock = new FakeClock();
  const desk = new RotationDesk({ identity, book, client, clock });
  const made = (): { readonly key: FormerKey; readonly privateKey: Parameters<typeof signRotation>[1] } => {
    const { privateKey, publicKey } = generateKeyPairSync('ed25519');
    return {
      key: formerKeyOf(publicKey.export({ type: 'spki', format: 'der' }).toString('base64url')),
      privateKey,
    };
  };
  let now = made();
  await book.add({ ...now.key, addresses: [], name: 'Anna', ours: true });
  const change = async (): Promise<void> => {
    const next = made();
    const statements = [await signRotation({ from: now.key.id, to: next.key }, now.privateKey, 0)];
    const peer = { id: next.key.id, publicKey: Buffer.from(next.key.publicKey, 'base64url') };
    await desk.told({ peer, from: '192.0.2.1', binding: Buffer.alloc(0) }, { statements });
    now = next;
  };
  for (let n = 0; n < REKEYS_MAX; n += 1) await change();
  await assert.rejects(change(), { code: 'rotation_limited' });
  assert.equal(book.find('Anna').id, now.key.id);
  clock.advance(REKEYS_WINDOW_MS);
  await change();
  assert.equal(book.find('Anna').id, now.key.id);
});
