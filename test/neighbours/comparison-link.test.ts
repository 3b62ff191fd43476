/** Pairing without an invitation, between real households over TLS; and everything that must not pair. */
import assert from 'node:assert/strict';
import { randomBytes } from 'node:crypto';
import { test } from 'node:test';
import { channelBinding, PATHS, PROTOCOL } from '../../src/neighbours/channel.ts';
import { COMPARE_MS, commitmentOf, NONCE_BYTES } from '../../src/neighbours/comparison.ts';
import { LinkExchange } from '../../src/neighbours/link-exchange.ts';
import { TRIES_PER_ADDRESS, TRIES_WINDOW_MS } from '../../src/neighbours/pairing-tries.ts';
import { FakeClock } from '../support/fake-clock.ts';
import { eventOf, type Household, household, until } from './household.ts';

const TEN_MINUTES = 10 * 60_000;

const numberAt = ({ room }: Household): string => {
  const state = room.introductions.desk.meeting?.state;
  assert.ok(state !== undefined && 'number' in state, `no number: ${state?.kind}`);
  return state.number;
};
const stateAt = ({ room }: Household): string => room.introductions.desk.meeting?.state.kind ?? 'none';
const whyAt = ({ room }: Household): string => {
  const state = room.introductions.desk.meeting?.state;
  return state?.kind === 'ended' ? state.why : `not ended: ${state?.kind}`;
};

async function comparing(anna: Household, berta: Household): Promise<string> {
  await anna.room.introductions.show(TEN_MINUTES);
  await berta.room.introductions.ask(anna.address);
  assert.equal(numberAt(anna), numberAt(berta));
  return numberAt(anna);
}

test('both see one number, both confirm it, both are neighbours', async () => {
  await using anna = await household('Anna');
  await using berta = await household('Berta');
  const number = await comparing(anna, berta);
  await eventOf(anna.events, 'pairing_asked');
  assert.equal(anna.room.neighbours().length + berta.room.neighbours().length, 0, 'nobody agreed yet');
  await anna.room.introductions.desk.confirm(number, 'The one above');
  assert.equal(berta.room.neighbours().length, 0);
  await berta.room.introductions.desk.confirm(`${number.slice(0, 3)} ${number.slice(3)}`);
  await until(() => anna.room.neighbours().length + berta.room.neighbours().length === 2);
  assert.equal(anna.room.book.find('The one above').id, berta.room.id);
  assert.equal(berta.room.book.find('Anna').id, anna.room.id);
  await eventOf(anna.events, 'neighbour_up');
  await eventOf(berta.events, 'neighbour_up');
});

test('in the other order too, and a household that nobody can call may ask', async () => {
  await using anna = await household('Anna');
  await using berta = await household('Berta', { listen: [] });
  const number = await comparing(anna, berta);
  await berta.room.introductions.desk.confirm(number);
  await until(() => stateAt(anna) === 'they_agreed');
  assert.equal(anna.room.neighbours().length, 0);
  await anna.room.introductions.desk.confirm(number);
  await until(() => stateAt(berta) === 'paired');
  await eventOf(berta.events, 'neighbour_up');
  assert.throws(() => berta.room.introductions.show(1_000), { code: 'config_invalid' });
});

test('who is not visible can not be asked, and is told no name', async () => {
  await using anna = await household('Anna');
  await using berta = await household('Berta');
  await assert.rejects(berta.room.introductions.ask(anna.address), { code: 'pairing_closed' });
  await anna.room.introductions.show(TEN_MINUTES);
  await anna.room.introductions.hide();
  await assert.rejects(berta.room.introductions.ask(anna.address), { code: 'pairing_closed' });
  assert.equal(stateAt(anna), 'none');
});

test('being visible ends by itself', async () => {
  const clock = new FakeClock();
  await using anna = await household('Anna', { clock });
  await using berta = await household('Berta');
  const first = await anna.room.introductions.show(TEN_MINUTES);
  assert.equal(first.until, clock.wall() + TEN_MINUTES);
  clock.advance(TEN_MINUTES);
  await until(() => anna.room.introductions.visible === undefined);
  await assert.rejects(berta.room.introductions.ask(anna.address), { code: 'pairing_closed' });
  const second = await anna.room.introductions.show(TEN_MINUTES);
  assert.notEqual(second.name, first.name, 'a new name each time');
});

test('one person rejects: nobody is paired, and both are told', async () => {
  for (const rejecting of ['asking', 'asked'] as const) {
    await using anna = await household('Anna');
    await using berta = await household('Berta');
    const number = await comparing(anna, berta);
    const [one, other] = rejecting === 'asked' ? [anna, berta] : [berta, anna];
    await other.room.introductions.desk.confirm(number);
    one.room.introductions.desk.reject();
    await until(() => stateAt(other) === 'ended');
    assert.deepEqual([whyAt(one), whyAt(other)], ['rejected_here', 'rejected_there']);
    assert.equal(anna.room.neighbours().length + berta.room.neighbours().length, 0);
    if (rejecting === 'asked') await until(() => anna.room.introductions.visible === undefined);
  }
});

test('typing another number than the one shown ends it on both sides', async () => {
  await using anna = await household('Anna');
  await using berta = await household('Berta');
  const number = await comparing(anna, berta);
  const other = number === '000000' ? '000001' : '000000';
  await assert.rejects(anna.room.introductions.desk.confirm(other), { code: 'pairing_rejected' });
  await until(() => stateAt(berta) === 'ended');
  await assert.rejects(anna.room.introductions.desk.confirm(number), { code: 'not_found' });
  assert.equal(anna.room.neighbours().length + berta.room.neighbours().length, 0);
});

test('one at a time, bounded in time, and a lost connection frees the place', async () => {
  const clock = new FakeClock();
  await using anna = await household('Anna', { clock });
  await using carla = await household('Carla');
  {
    await using berta = await household('Berta');
    await comparing(anna, berta);
    await assert.rejects(carla.room.introductions.ask(anna.address), { code: 'pairing_busy' });
    await assert.rejects(berta.room.introductions.ask(anna.address), { code: 'pairing_busy' });
  }
  await until(() => stateAt(anna) === 'ended');
  assert.equal(whyAt(anna), 'lost');
  await carla.room.introductions.ask(anna.address);
  clock.advance(COMPARE_MS);
  assert.equal(whyAt(anna), 'time');
  await until(() => stateAt(carla) === 'ended');
  await assert.rejects(anna.room.introductions.desk.confirm('000000'), { code: 'not_found' });
});

test('asking is limited for each address, whatever comes of it', async () => {
  const clock = new FakeClock();
  await using anna = await household('Anna', { clock });
  await using berta = await household('Berta');
  await anna.room.introductions.show(TEN_MINUTES);
  for (let i = 0; i < TRIES_PER_ADDRESS; i += 1) {
    await berta.room.introductions.ask(anna.address);
    berta.room.introductions.desk.reject();
    await until(() => stateAt(anna) === 'ended');
  }
  await assert.rejects(berta.room.introductions.ask(anna.address), { code: 'pairing_limited' });
  clock.advance(TRIES_WINDOW_MS);
  await berta.room.introductions.ask(anna.address);
});

test('somebody in the middle: two numbers that differ, and neither side pairs', async () => {
  await using anna = await household('Anna');
  await using berta = await household('Berta');
  // Mallory is two routers back to back: she relays what people would see.
  await using mallory = await household('Mallory');
  await using mallorysOther = await household('Mallory 2');
  await anna.room.introductions.show(TEN_MINUTES);
  await mallory.room.introductions.show(TEN_MINUTES);
  await berta.room.introductions.ask(mallory.address);
  await mallorysOther.room.introductions.ask(anna.address);
  assert.notEqual(numberAt(anna), numberAt(berta));
  // The people read their numbers to each other, and type what the other says.
  const [annas, bertas] = [numberAt(anna), numberAt(berta)];
  await assert.rejects(anna.room.introductions.desk.confirm(bertas), { code: 'pairing_rejected' });
  await assert.rejects(berta.room.introductions.desk.confirm(annas), { code: 'pairing_rejected' });
  assert.equal(anna.room.neighbours().length + berta.room.neighbours().length, 0);
});

/** A household that says what the test puts in, as the protocol has it. */
async function asking(
  asker: Household,
  asked: Household,
  use: (exchange: LinkExchange, commit: (nonce: Buffer) => object) => Promise<unknown>,
): Promise<void> {
  const socket = await asker.room.client.connect({ id: asked.room.id, addresses: [asked.address] });
  await using exchange = new LinkExchange(socket);
  const context = { asking: asker.room.id, asked: asked.room.id, binding: channelBinding(socket) };
  await use(exchange, (nonce) => ({ protocol: PROTOCOL, commitment: commitmentOf(nonce, context) }));
}

test('a nonce that was not committed to ends it before a number is shown', async () => {
  await using anna = await household('Anna');
  await using mallory = await household('Mallory');
  await anna.room.introductions.show(TEN_MINUTES);
  await asking(mallory, anna, async (exchange, commit) => {
    await exchange.send(PATHS.compare, commit(randomBytes(NONCE_BYTES)));
    const other = { nonce: randomBytes(NONCE_BYTES).toString('base64url') };
    await assert.rejects(exchange.send(PATHS.reveal, other), { code: 'pairing_rejected' });
  });
  assert.equal(whyAt(anna), 'commitment');
});

test('agreeing without the person here, or before there is a number, or over another connection, pairs nobody', async () => {
  await using anna = await household('Anna');
  await using mallory = await household('Mallory');
  await anna.room.introductions.show(TEN_MINUTES);
  const agree = { says: 'agree', name: 'M', addresses: [] };
  await asking(mallory, anna, async (exchange, commit) => {
    const nonce = randomBytes(NONCE_BYTES);
    await exchange.send(PATHS.compare, commit(nonce));
    assert.deepEqual(JSON.parse(await exchange.send(PATHS.say, agree)), { says: 'wait' });
    await exchange.send(PATHS.reveal, { nonce: nonce.toString('base64url') });
    // Once the nonce is out, it can not be shown again.
    for (let i = 0; i < 3; i += 1) {
      assert.deepEqual(JSON.parse(await exchange.send(PATHS.say, agree)), { says: 'wait' });
    }
    await asking(mallory, anna, (second) =>
      assert.rejects(second.send(PATHS.say, agree), { code: 'pairing_rejected' }),
    );
    assert.equal(stateAt(anna), 'they_agreed');
  });
  assert.equal(anna.room.neighbours().length, 0);
});

test('a blocked household is not listened to, and we do not ask one', async () => {
  await using anna = await household('Anna');
  await using berta = await household('Berta');
  await anna.room.introductions.show(TEN_MINUTES);
  await anna.room.block(berta.room.id);
  await assert.rejects(berta.room.introductions.ask(anna.address));
  assert.equal(stateAt(anna), 'none');
  await berta.room.introductions.show(TEN_MINUTES);
  await assert.rejects(anna.room.introductions.ask(berta.address), { code: 'neighbour_blocked' });
});

test('our own address, and what is no address, are told apart', async () => {
  await using anna = await household('Anna');
  await anna.room.introductions.show(TEN_MINUTES);
  await assert.rejects(anna.room.introductions.ask(anna.address), { code: 'usage' });
  await assert.rejects(anna.room.introductions.ask('next door\u001b[2J'), { code: 'usage' });
  await assert.rejects(anna.room.introductions.ask('127.0.0.1:9'), { code: 'neighbour_unreachable' });
});
