/** Keys that change between real households: nobody pairs again, and the old key is good for nothing. */
import assert from 'node:assert/strict';
import { copyFile } from 'node:fs/promises';
import { join } from 'node:path';
import { test } from 'node:test';
import { PATHS } from '../../src/neighbours/channel.ts';
import { loadIdentity, rotateIdentity } from '../../src/neighbours/identity.ts';
import { LinkExchange } from '../../src/neighbours/link-exchange.ts';
import { TRIES_PER_ADDRESS } from '../../src/neighbours/pairing-tries.ts';
import { freePort } from '../support/free-port.ts';
import { eventOf, type Household, household, pair, scratchDir, until } from './household.ts';

/** A household that ends and comes again at the same address, with the same state folder. */
class Returning implements AsyncDisposable {
  readonly #name: string;
  readonly #folder: Awaited<ReturnType<typeof scratchDir>>;
  readonly #listen: readonly string[];
  now: Household;

  private constructor(
    name: string,
    folder: Awaited<ReturnType<typeof scratchDir>>,
    listen: readonly string[],
    now: Household,
  ) {
    this.#name = name;
    this.#folder = folder;
    this.#listen = listen;
    this.now = now;
  }

  static async open(name: string, addresses?: readonly string[]): Promise<Returning> {
    const folder = await scratchDir();
    const listen = addresses ?? [`127.0.0.1:${await freePort()}`];
    const now = await household(name, { stateDir: folder.path, listen });
    return new Returning(name, folder, listen, now);
  }

  get stateDir(): string {
    return this.#folder.path;
  }

  async leave(): Promise<void> {
    await this.now[Symbol.asyncDispose]();
  }

  async comeBack(): Promise<void> {
    this.now = await household(this.#name, { stateDir: this.stateDir, listen: this.#listen });
  }

  /** Ends, changes its key so many times, comes again. */
  async rotate(times = 1): Promise<void> {
    await this.leave();
    for (let i = 0; i < times; i += 1) await rotateIdentity(this.stateDir, 1_700_000_000_000 + i);
    await this.comeBack();
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.leave();
    await this.#folder[Symbol.asyncDispose]();
  }
}

const both = (a: Household, b: Household): Promise<void> =>
  until(() => a.room.presence.isUp(b.room.id) && b.room.presence.isUp(a.room.id));

test('a new key is taken over the link: name and history stay, and both see each other again', async () => {
  await using anna = await Returning.open('Anna');
  await using berta = await household('Berta');
  await pair(anna.now, berta);
  await berta.room.rename('Anna', 'Second floor');
  await both(anna.now, berta);
  const before = anna.now.room.identity;
  const { pairedAt } = berta.room.book.find('Second floor');
  await anna.rotate();
  assert.notEqual(anna.now.room.id, before.id);
  await both(anna.now, berta);
  const known = berta.room.book.find('Second floor');
  assert.equal(known.id, anna.now.room.id);
  assert.equal(known.publicKey, anna.now.room.identity.publicKey);
  assert.equal(known.pairedAt, pairedAt);
  assert.deepEqual(known.formerKeys, [{ id: before.id, publicKey: before.publicKey }]);
  assert.deepEqual(anna.now.room.identity.formerKeys, known.formerKeys);
  const event = await eventOf(berta.events, 'neighbour_rekeyed');
  assert.deepEqual([event.id, event.before], [known.id, before.id]);
});

test('who slept through several changes follows them all, and the one who slept may have changed too', async () => {
  await using anna = await Returning.open('Anna');
  await using berta = await Returning.open('Berta');
  await pair(anna.now, berta.now);
  await berta.leave();
  await anna.rotate(3);
  await anna.rotate();
  await rotateIdentity(berta.stateDir, 0);
  await rotateIdentity(berta.stateDir, 0);
  await berta.comeBack();
  await both(anna.now, berta.now);
  assert.equal(anna.now.room.book.find('Berta').formerKeys.length, 2);
  assert.equal(berta.now.room.book.find('Anna').formerKeys.length, 4);
});

test('a household that nobody can call tells of its new key; one that can only call finds it out', async () => {
  await using anna = await Returning.open('Anna');
  await using berta = await Returning.open('Berta', []);
  await pair(anna.now, berta.now);
  await until(() => berta.now.room.presence.isUp(anna.now.room.id));
  await berta.rotate();
  await until(() => anna.now.room.book.find('Berta').id === berta.now.room.id);
  await until(() => berta.now.room.presence.isUp(anna.now.room.id));
  await anna.rotate(2);
  await until(() => berta.now.room.book.find('Anna').id === anna.now.room.id);
  await until(() => berta.now.room.presence.isUp(anna.now.room.id));
});

test('the old key is refused afterwards, and can not sign itself back in', async () => {
  await using anna = await Returning.open('Anna');
  await using berta = await household('Berta');
  await using thief = await scratchDir();
  await pair(anna.now, berta);
  await copyFile(join(anna.stateDir, 'identity.json'), join(thief.path, 'identity.json'));
  await anna.rotate();
  await both(anna.now, berta);
  // A copy of the old key, and what it can sign now.
  const old = await loadIdentity(thief.path);
  await using asOld = await household('Thief', { stateDir: thief.path });
  const target = { id: berta.room.id, addresses: [berta.address] };
  {
    await using exchange = new LinkExchange(await asOld.room.client.connect(target));
    await assert.rejects(exchange.send(PATHS.part, { kind: 'part' }), { code: 'not_paired' });
  }
  await using elsewhere = await scratchDir();
  await copyFile(join(thief.path, 'identity.json'), join(elsewhere.path, 'identity.json'));
  const { statements } = await rotateIdentity(elsewhere.path, 0);
  await using asNew = await household('Thief', { stateDir: elsewhere.path });
  await using exchange = new LinkExchange(await asNew.room.client.connect(target));
  await assert.rejects(exchange.send(PATHS.rotation, { statements }), { code: 'not_paired' });
  assert.equal(berta.room.book.find('Anna').id, anna.now.room.id);
  assert.notEqual(old.id, anna.now.room.id);
});

test("somebody else's chain, and a neighbour's address taken by another, change nothing", async () => {
  await using anna = await Returning.open('Anna');
  await using berta = await household('Berta');
  await using mallory = await Returning.open('Mallory');
  await pair(anna.now, berta);
  await mallory.rotate();
  await anna.leave();
  await rotateIdentity(anna.stateDir, 0);
  const { statements } = await loadIdentity(anna.stateDir);
  const target = { id: berta.room.id, addresses: [berta.address] };
  {
    // The true chain, over a connection that proves another key.
    await using exchange = new LinkExchange(await mallory.now.room.client.connect(target));
    await assert.rejects(exchange.send(PATHS.rotation, { statements }), { code: 'not_paired' });
  }
  assert.equal(berta.room.book.find('Anna').formerKeys.length, 0);
  // Mallory sits where Anna was: it answers with its own chain, which leads from nobody that Berta knows.
  await berta.room.book.prefer(berta.room.book.find('Anna').id, mallory.now.address);
  await until(() => berta.room.neighbours()[0]?.lastError?.code === 'identity_mismatch');
  assert.equal(berta.room.book.find('Anna').formerKeys.length, 0);
  assert.equal(berta.room.book.all().length, 1);
});

test('guessing chains is limited for each address', async () => {
  await using berta = await household('Berta');
  await using mallory = await household('Mallory');
  for (let i = 0; i <= TRIES_PER_ADDRESS; i += 1) {
    const target = { id: berta.room.id, addresses: [berta.address] };
    await using exchange = new LinkExchange(await mallory.room.client.connect(target));
    const code = i < TRIES_PER_ADDRESS ? 'not_paired' : 'pairing_limited';
    await assert.rejects(exchange.send(PATHS.rotation, { statements: ['a.b.c'] }), { code });
  }
});
