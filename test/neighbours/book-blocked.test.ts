/** Blocking and changed keys in the book: what holds at once, what is kept, and that old signatures can still be checked. */
import assert from 'node:assert/strict';
import { rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { test } from 'node:test';
import { Book, type BookChange } from '../../src/neighbours/book.ts';
import { BLOCKED_MAX } from '../../src/neighbours/book-file.ts';
import { FORMER_KEYS_MAX, type FormerKey, formerKeyOf } from '../../src/neighbours/former-key.ts';
import { FakeClock } from '../support/fake-clock.ts';
import { scratchDir } from './household.ts';

const keyNumbered = (n: number): FormerKey => {
  const key = Buffer.alloc(44, 7);
  key.writeUInt32BE(n, 40);
  return formerKeyOf(key.toString('base64url'));
};
const newcomer = (n: number, name: string) => ({
  ...keyNumbered(n),
  addresses: ['192.0.2.1:7468'],
  name,
  ours: false,
});

test('who is blocked is out, can not come back, and stays so over a restart', async () => {
  await using dir = await scratchDir();
  const clock = new FakeClock();
  const book = await Book.open(dir.path, clock);
  const anna = await book.add(newcomer(1, 'Anna'));
  const seen: BookChange[] = [];
  book.listen((change) => seen.push(change));
  const { blocked } = await book.block('Anna');
  assert.deepEqual(blocked, {
    id: anna.id,
    name: 'Anna',
    blockedAt: clock.wall(),
    keys: [keyNumbered(1)],
  });
  assert.deepEqual(seen, [{ kind: 'removed', neighbour: anna }]);
  assert.equal(book.byId(anna.id), undefined);
  await assert.rejects(book.add(newcomer(1, 'Anna again')), { code: 'neighbour_blocked' });
  const again = await Book.open(dir.path, clock);
  assert.ok(again.isBlocked(anna.id));
  assert.deepEqual(again.blocked(), [blocked]);
  await again.unblock('Anna');
  assert.equal((await again.add(newcomer(1, 'Anna again'))).name, 'Anna again');
});

test('a household that never was a neighbour is blocked by its whole id, and by nothing else', async () => {
  await using dir = await scratchDir();
  const book = await Book.open(dir.path, new FakeClock());
  const { id } = keyNumbered(1);
  await assert.rejects(book.block('Anna'), { code: 'neighbour_unknown' });
  await assert.rejects(book.block(id.slice(0, 7)), { code: 'neighbour_unknown' });
  await book.block(id.toLowerCase());
  assert.ok(book.isBlocked(id));
  await book.block(id);
  assert.equal(book.blocked().length, 1);
  await assert.rejects(book.unblock('Anna'), { code: 'neighbour_unknown' });
  await book.unblock(id.slice(0, 7));
  assert.ok(!book.isBlocked(id));
});

test('blocking holds even when the disk refuses, and is bounded', async () => {
  await using dir = await scratchDir();
  const clock = new FakeClock();
  const full = Array.from({ length: BLOCKED_MAX - 1 }, (_, n) => ({
    id: keyNumbered(n + 10).id,
    name: 'x',
    blockedAt: 0,
    keys: [],
  }));
  await writeFile(
    join(dir.path, 'neighbours.json'),
    JSON.stringify({ version: 1, neighbours: [], blocked: full }),
  );
  const book = await Book.open(dir.path, clock);
  await book.add(newcomer(1, 'Anna'));
  await rm(dir.path, { recursive: true });
  await writeFile(dir.path, 'not a folder');
  await assert.rejects(book.block('Anna'), { code: 'state_unusable' });
  assert.ok(book.isBlocked(keyNumbered(1).id));
  assert.equal(book.all().length, 0);
  await assert.rejects(book.block(keyNumbered(2).id), { code: 'overloaded' });
});

test('a neighbour with another key keeps its name, and all its former keys are found', async () => {
  await using dir = await scratchDir();
  const clock = new FakeClock();
  const book = await Book.open(dir.path, clock);
  const before = await book.add(newcomer(1, 'Anna'));
  await book.rename('Anna', 'Second floor');
  const seen: BookChange['kind'][] = [];
  book.listen(({ kind }) => seen.push(kind));
  const after = await book.rekey(before.id, [keyNumbered(2), keyNumbered(3)]);
  assert.deepEqual(seen, ['rekeyed']);
  assert.deepEqual(after, {
    ...before,
    ...keyNumbered(3),
    name: 'Second floor',
    formerKeys: [keyNumbered(1), keyNumbered(2)],
  });
  const again = await Book.open(dir.path, clock);
  assert.deepEqual(again.all(), [after]);
  assert.equal(again.byId(before.id), undefined, 'the old key is good for nothing else');
  assert.equal(again.byFormerId(before.id)?.id, after.id);
  // Blocked under any of its keys.
  await again.block('Second floor');
  for (const n of [1, 2, 3]) assert.ok(again.isBlocked(keyNumbered(n).id));
});

test("a key that is another neighbour's, or a blocked one's, is taken by nobody", async () => {
  await using dir = await scratchDir();
  const book = await Book.open(dir.path, new FakeClock());
  const anna = await book.add(newcomer(1, 'Anna'));
  await book.add(newcomer(2, 'Berta'));
  await book.add(newcomer(3, 'Carla'));
  await book.block('Carla');
  await assert.rejects(book.rekey(anna.id, [keyNumbered(2)]), { code: 'identity_mismatch' });
  await assert.rejects(book.rekey(anna.id, [keyNumbered(3)]), { code: 'identity_mismatch' });
  await assert.rejects(book.rekey(keyNumbered(9).id, [keyNumbered(8)]), { code: 'neighbour_unknown' });
  assert.equal(book.byId(anna.id), anna);
});

test('a key that was given up does not come in beside its owner', async () => {
  await using dir = await scratchDir();
  const book = await Book.open(dir.path, new FakeClock());
  const { id } = await book.add(newcomer(1, 'Anna'));
  await book.rekey(id, [keyNumbered(2)]);
  await assert.rejects(book.add(newcomer(1, 'Anna again')), { code: 'identity_mismatch' });
  await book.remove('Anna');
  assert.equal((await book.add(newcomer(1, 'Anna again'))).id, id);
});

test('former keys are bounded: the oldest go', async () => {
  await using dir = await scratchDir();
  const clock = new FakeClock();
  const book = await Book.open(dir.path, clock);
  let { id } = await book.add(newcomer(0, 'Anna'));
  for (let n = 1; n <= FORMER_KEYS_MAX + 2; n += 1) ({ id } = await book.rekey(id, [keyNumbered(n)]));
  assert.equal(book.byId(id)?.formerKeys.length, FORMER_KEYS_MAX);
  assert.equal(book.byFormerId(keyNumbered(1).id), undefined);
  assert.deepEqual((await Book.open(dir.path, clock)).all(), book.all());
});
