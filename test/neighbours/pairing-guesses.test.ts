/** A thousand guesses at an invitation: none gets in, few are looked at, and the invited household pairs all the same. */
import assert from 'node:assert/strict';
import { randomBytes } from 'node:crypto';
import { test } from 'node:test';
import { Book } from '../../src/neighbours/book.ts';
import { PROTOCOL, type ProvenPeer } from '../../src/neighbours/channel.ts';
import { makeIdentity } from '../../src/neighbours/identity.ts';
import { handleOf, proofOf } from '../../src/neighbours/pairing.ts';
import { type Caller, PairingDesk } from '../../src/neighbours/pairing-desk.ts';
import { TRIES_PER_ADDRESS, TRIES_TOTAL, TRIES_WINDOW_MS } from '../../src/neighbours/pairing-tries.ts';
import { FakeClock } from '../support/fake-clock.ts';
import { scratchDir } from './household.ts';

const GUESSES = 1_000;
const HOUR = 3_600_000;

async function peerOf(): Promise<ProvenPeer> {
  const { id, publicKey } = await makeIdentity();
  return { id, publicKey: Buffer.from(publicKey, 'base64url') };
}

const inviter = await makeIdentity();
const mallory = await peerOf();
const berta = await peerOf();
const callerFrom = (peer: ProvenPeer, from: string): Caller => ({ peer, from, binding: Buffer.alloc(32, 7) });

function request(secret: Uint8Array, handle: string, { peer, binding }: Caller) {
  const context = { secret, inviter: inviter.id, joiner: peer.id, binding };
  const about = { protocol: PROTOCOL, name: 'x', addresses: [] };
  return {
    pair: { ...about, handle, proof: proofOf('joiner', context) },
    confirm: { handle, proof: proofOf('confirm', context) },
  };
}

function codeOf(run: () => unknown): string {
  try {
    run();
    return 'accepted';
  } catch (error) {
    return (error as { code: string }).code;
  }
}

for (const { from, most, knows } of [
  { from: 'one address', most: TRIES_PER_ADDRESS, knows: 'nothing' },
  { from: 'one address', most: TRIES_PER_ADDRESS, knows: 'the handle' },
  { from: 'many addresses', most: TRIES_TOTAL, knows: 'nothing' },
  { from: 'many addresses', most: TRIES_TOTAL, knows: 'the handle' },
] as const) {
  test(`${GUESSES} guesses from ${from} that know ${knows}`, async () => {
    await using dir = await scratchDir();
    const clock = new FakeClock();
    const book = await Book.open(dir.path, clock);
    const desk = new PairingDesk({ id: inviter.id, name: 'Anna', clock, book });
    const { secret } = desk.invite(['192.0.2.1:7468'], HOUR);
    const codes = new Map<string, number>();
    const count = (code: string): void => void codes.set(code, (codes.get(code) ?? 0) + 1);
    for (let n = 0; n < GUESSES; n += 1) {
      const address = from === 'one address' ? '198.51.100.9' : `198.51.${n >> 8}.${n & 255}`;
      const caller = callerFrom(mallory, address);
      const guess = randomBytes(16);
      const { pair, confirm } = request(guess, handleOf(knows === 'nothing' ? guess : secret), caller);
      if (n % 2 === 0) count(codeOf(() => desk.pair(caller, pair)));
      else
        await desk.confirm(caller, confirm).then(
          () => count('accepted'),
          (error: unknown) => count((error as { code: string }).code),
        );
    }
    assert.equal(codes.get('accepted'), undefined);
    assert.equal(codes.get('invitation_refused'), most, 'only so many were looked at');
    assert.equal(codes.get('pairing_limited'), GUESSES - most);
    assert.equal(book.all().length, 0);
    // From another address the invited household is turned away only while all are; a minute later it pairs.
    const caller = callerFrom(berta, '203.0.113.5');
    const { pair, confirm } = request(secret, handleOf(secret), caller);
    if (from === 'many addresses') {
      assert.equal(
        codeOf(() => desk.pair(caller, pair)),
        'pairing_limited',
      );
      clock.advance(TRIES_WINDOW_MS);
    }
    desk.pair(caller, pair);
    await desk.confirm(caller, confirm);
    assert.deepEqual(
      book.all().map(({ id }) => id),
      [berta.id],
    );
  });
}

test('guessing for an hour: no more than the bound in any minute, and the invitation expires', async () => {
  await using dir = await scratchDir();
  const clock = new FakeClock();
  const book = await Book.open(dir.path, clock);
  const desk = new PairingDesk({ id: inviter.id, name: 'Anna', clock, book });
  const { secret } = desk.invite(['192.0.2.1:7468'], HOUR);
  let looked = 0;
  for (let n = 0; n < 3_600; n += 1) {
    const caller = callerFrom(mallory, `198.51.${(n >> 8) & 255}.${n & 255}`);
    const guess = randomBytes(16);
    if (
      codeOf(() => desk.pair(caller, request(guess, handleOf(guess), caller).pair)) === 'invitation_refused'
    ) {
      looked += 1;
    }
    clock.advance(1_000);
  }
  assert.ok(looked <= TRIES_TOTAL * 61, `${looked}`);
  clock.advance(TRIES_WINDOW_MS);
  const caller = callerFrom(berta, '203.0.113.5');
  assert.equal(
    codeOf(() => desk.pair(caller, request(secret, handleOf(secret), caller).pair)),
    'invitation_refused',
  );
});
