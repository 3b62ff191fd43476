/** Pairing over real TLS on the loopback interface: what works, and everything that must not. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { channelBinding, PATHS, PROTOCOL } from '../../src/neighbours/channel.ts';
import { makeIdentity } from '../../src/neighbours/identity.ts';
import { encodeInvitation, parseInvitation } from '../../src/neighbours/invitation.ts';
import { LinkExchange } from '../../src/neighbours/link-exchange.ts';
import { handleOf, proofOf } from '../../src/neighbours/pairing.ts';
import { INVITATIONS_MAX } from '../../src/neighbours/pairing-desk.ts';
import { TRIES_PER_ADDRESS, TRIES_WINDOW_MS } from '../../src/neighbours/pairing-tries.ts';
import { FakeClock } from '../support/fake-clock.ts';
import { eventOf, type Household, household, pair } from './household.ts';

const TEN_MINUTES = 10 * 60_000;

/** A household asks the other over a connection of its own, as the protocol says, but with what the test puts in. */
async function asking(
  asker: Household,
  asked: Household,
  use: (exchange: LinkExchange, binding: Buffer) => Promise<unknown>,
): Promise<void> {
  const socket = await asker.room.client.connect({ id: asked.room.id, addresses: [asked.address] });
  await using exchange = new LinkExchange(socket);
  await use(exchange, channelBinding(socket));
}

test('two households pair, each has the other in its book, and sees its offer', async () => {
  await using anna = await household('Anna');
  await using berta = await household('Berta');
  const neighbour = await berta.room.join(anna.room.invite().text);
  assert.equal(neighbour.name, 'Anna');
  assert.equal(neighbour.id, anna.room.id);
  assert.equal(neighbour.publicKey, anna.room.identity.publicKey);
  const [known] = anna.room.neighbours();
  assert.equal(known?.name, 'Berta');
  assert.equal(known.id, berta.room.id);
  await eventOf(anna.events, 'neighbour_up');
  await eventOf(berta.events, 'offer', (e) => e.bytesPerSecond === 1_000_000);
  assert.deepEqual(berta.room.presence.offer(anna.room.id), {
    bytesPerSecond: 1_000_000,
    bufferBytes: 65_536,
  });
});

test('a joiner that nobody can call pairs too; it is the one who calls', async () => {
  await using anna = await household('Anna');
  await using berta = await household('Berta', { listen: [] });
  await pair(anna, berta);
  await eventOf(berta.events, 'neighbour_up');
  assert.deepEqual(anna.room.neighbours()[0]?.addresses, []);
  assert.throws(() => berta.room.invite(), { code: 'config_invalid' });
});

test('names: two of one name are told apart, and a chosen name must be free', async () => {
  await using anna = await household('Anna');
  await using first = await household('Third floor');
  await using second = await household('Third floor');
  await pair(anna, first);
  await pair(anna, second);
  assert.deepEqual(
    anna.room.neighbours().map((n) => n.name),
    ['Third floor', 'Third floor 2'],
  );
  await using carla = await household('Carla');
  const { text } = carla.room.invite();
  await assert.rejects(anna.room.join(text, { name: 'Third floor' }), { code: 'neighbour_name_taken' });
  assert.equal(carla.room.neighbours().length, 0, 'asked before the other side heard of it');
  assert.equal((await anna.room.join(text, { name: 'C' })).name, 'C');
});

test('an invitation works once', async () => {
  await using anna = await household('Anna');
  await using berta = await household('Berta');
  await using carla = await household('Carla');
  const { text } = anna.room.invite();
  await berta.room.join(text);
  await assert.rejects(carla.room.join(text), { code: 'invitation_refused' });
  assert.deepEqual(
    anna.room.neighbours().map((n) => n.name),
    ['Berta'],
  );
  assert.equal(carla.room.neighbours().length, 0);
});

test('the same joiner may repeat it, as when the last answer was lost; but not once it was parted', async () => {
  await using anna = await household('Anna');
  await using berta = await household('Berta');
  const { text } = anna.room.invite();
  await berta.room.join(text);
  await berta.room.join(text);
  assert.equal(anna.room.neighbours().length, 1);
  await anna.room.part('Berta');
  await eventOf(berta.events, 'neighbour_parted');
  await assert.rejects(berta.room.join(text), { code: 'invitation_refused' });
  assert.equal(anna.room.neighbours().length, 0);
});

test('an invitation expires, by the monotonic clock of the inviter', async () => {
  const clock = new FakeClock();
  await using anna = await household('Anna', { clock });
  await using berta = await household('Berta');
  const early = anna.room.invite({ ttlMs: TEN_MINUTES });
  const late = anna.room.invite({ ttlMs: 2 * TEN_MINUTES });
  assert.equal(early.expiresAt, clock.wall() + TEN_MINUTES);
  clock.stepWall(86_400_000);
  clock.advance(TEN_MINUTES);
  await assert.rejects(berta.room.join(early.text), { code: 'invitation_refused' });
  await berta.room.join(late.text);
});

test('open invitations are bounded, and make room when they expire', async () => {
  const clock = new FakeClock();
  await using anna = await household('Anna', { clock });
  for (let i = 0; i < INVITATIONS_MAX; i += 1) anna.room.invite({ ttlMs: TEN_MINUTES });
  assert.throws(() => anna.room.invite(), { code: 'overloaded' });
  clock.advance(TEN_MINUTES);
  anna.room.invite();
});

test('a wrong secret pairs nobody, and guessing is limited', async () => {
  const clock = new FakeClock();
  await using anna = await household('Anna', { clock });
  await using mallory = await household('Mallory');
  const invitation = parseInvitation(anna.room.invite().text);
  for (let i = 0; i < TRIES_PER_ADDRESS; i += 1) {
    const guess = encodeInvitation({ ...invitation, secret: new Uint8Array(16).fill(i) });
    await assert.rejects(mallory.room.join(guess), { code: 'invitation_refused' });
  }
  await assert.rejects(mallory.room.join(encodeInvitation(invitation)), { code: 'pairing_limited' });
  assert.equal(anna.room.neighbours().length, 0);
  clock.advance(TRIES_WINDOW_MS);
  await mallory.room.join(encodeInvitation(invitation));
});

test('somebody who knows which invitation is meant, but not its secret, gets nothing', async () => {
  await using anna = await household('Anna');
  await using mallory = await household('Mallory');
  const { secret } = anna.room.invite();
  await asking(mallory, anna, async (exchange, binding) => {
    const context = { secret: new Uint8Array(16), inviter: anna.room.id, joiner: mallory.room.id, binding };
    const ask = {
      protocol: PROTOCOL,
      handle: handleOf(secret),
      proof: proofOf('joiner', context),
      name: 'M',
      addresses: [],
    };
    await assert.rejects(exchange.send(PATHS.pair, ask), { code: 'invitation_refused' });
    const confirm = { handle: handleOf(secret), proof: proofOf('confirm', context) };
    await assert.rejects(exchange.send(PATHS.confirm, confirm), { code: 'connection_lost' });
  });
  assert.equal(anna.room.neighbours().length, 0);
});

test('a proof made for one connection does not hold on another', async () => {
  await using anna = await household('Anna');
  await using berta = await household('Berta');
  const { secret } = anna.room.invite();
  let overheard: object = {};
  await asking(berta, anna, async (_exchange, binding) => {
    const context = { secret, inviter: anna.room.id, joiner: berta.room.id, binding };
    overheard = {
      protocol: PROTOCOL,
      handle: handleOf(secret),
      proof: proofOf('joiner', context),
      name: 'B',
      addresses: [],
    };
    await Promise.resolve();
  });
  await asking(berta, anna, (exchange) =>
    assert.rejects(exchange.send(PATHS.pair, overheard), { code: 'invitation_refused' }),
  );
});

test('somebody in the middle, with another certificate, is not even asked', async () => {
  await using anna = await household('Anna');
  await using mallory = await household('Mallory');
  await using berta = await household('Berta');
  const invitation = parseInvitation(anna.room.invite().text);
  const bent = encodeInvitation({ ...invitation, addresses: [mallory.address] });
  await assert.rejects(berta.room.join(bent), { code: 'identity_mismatch' });
  assert.equal(mallory.events.since(0).length, 0, 'nothing was said to it');
  assert.equal(mallory.room.neighbours().length + berta.room.neighbours().length, 0);
});

test('somebody in the middle who passes messages on to the inviter gets neither side to pin', async () => {
  await using anna = await household('Anna');
  await using mallory = await household('Mallory');
  await using berta = await household('Berta');
  const { secret } = anna.room.invite();
  // Berta is brought to talk to Mallory by an invitation with Mallory's id: her proof names Mallory, not Anna.
  await asking(berta, mallory, async (_exchange, binding) => {
    const context = { secret, inviter: mallory.room.id, joiner: berta.room.id, binding };
    const ask = {
      protocol: PROTOCOL,
      handle: handleOf(secret),
      proof: proofOf('joiner', context),
      name: 'B',
      addresses: [],
    };
    await asking(mallory, anna, (exchange) =>
      assert.rejects(exchange.send(PATHS.pair, ask), { code: 'invitation_refused' }),
    );
  });
  assert.equal(anna.room.neighbours().length, 0);
});

test('our own invitation, and an inviter that is away, are told apart', async () => {
  await using anna = await household('Anna');
  const { text } = anna.room.invite();
  await assert.rejects(anna.room.join(text), { code: 'invitation_invalid' });
  const stranger = await makeIdentity();
  const nobody = encodeInvitation({
    id: stranger.id,
    addresses: ['127.0.0.1:9'],
    secret: new Uint8Array(16),
    expiresAt: 0,
  });
  await assert.rejects(anna.room.join(nobody), { code: 'neighbour_unreachable' });
});

test('the signal ends joining', async () => {
  await using anna = await household('Anna');
  await using berta = await household('Berta');
  const gone = new Error('no longer wanted');
  await assert.rejects(berta.room.join(anna.room.invite().text, { signal: AbortSignal.abort(gone) }), gone);
});
