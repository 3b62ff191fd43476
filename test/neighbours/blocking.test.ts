/** Blocking between real households: at once, and until it is taken back. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { eventOf, household, pair, until } from './household.ts';

test('a blocked neighbour loses its connections at once, and no invitation brings it back', async () => {
  await using anna = await household('Anna');
  await using berta = await household('Berta');
  await pair(anna, berta);
  await eventOf(anna.events, 'neighbour_up');
  const { text } = anna.room.invite();
  const { id } = anna.room.book.find('Berta');
  await anna.room.block('Berta');
  assert.deepEqual(
    anna.room.book.blocked().map(({ name }) => name),
    ['Berta'],
  );
  assert.equal(anna.room.client.connections(id), 0);
  await eventOf(berta.events, 'neighbour_parted', (e) => e.by === 'them');
  await assert.rejects(berta.room.join(text));
  assert.equal(anna.room.neighbours().length + berta.room.neighbours().length, 0);
  await eventOf(anna.events, 'neighbour_refused', (e) => e.code === 'neighbour_blocked');
  // Our own person can't do it by mistake either.
  await assert.rejects(anna.room.join(berta.room.invite().text), { code: 'neighbour_blocked' });
  await anna.room.unblock('Berta');
  assert.equal(anna.room.neighbours().length, 0, 'unblocked is not paired');
  await berta.room.join(text);
  await until(() => anna.room.neighbours().length === 1);
});

test('a stranger that is about to pair is cut too', async () => {
  await using anna = await household('Anna');
  await using berta = await household('Berta');
  await anna.room.introductions.show(60_000);
  await berta.room.introductions.ask(anna.address);
  await anna.room.block(berta.room.id);
  await until(() => anna.room.introductions.desk.meeting?.state.kind === 'ended');
  await until(() => berta.room.introductions.desk.meeting?.state.kind === 'ended');
  assert.equal(anna.room.neighbours().length, 0);
});
