import assert from 'node:assert/strict';
import { generateKeyPairSync } from 'node:crypto';
import { test } from 'node:test';
import { parseTarget } from '../../src/core/target.ts';
import { MIB } from '../../src/core/units.ts';
import { type Lease, leaseOrigin, readLease } from '../../src/lending/lease.ts';
import {
  LEASE_MAX_BYTES,
  LEASE_MIN_BYTES,
  LEASE_TIME_MS,
  LeaseSigner,
} from '../../src/lending/lease-signer.ts';
import { FakeClock } from '../support/fake-clock.ts';

const { origin } = parseTarget('https://files.example/big');

function setUp() {
  const clock = new FakeClock();
  const { publicKey, privateKey } = generateKeyPairSync('ed25519');
  const signer = new LeaseSigner({ ownId: 'borrower', privateKey, clock });
  const read = (token: string, lender = 'lender', to = origin): Promise<Lease> =>
    readLease(token, {
      publicKey,
      borrower: 'borrower',
      lender,
      origin: leaseOrigin(to),
      nowWall: clock.wall(),
      limits: { maxBytes: LEASE_MAX_BYTES, maxTime: LEASE_TIME_MS, clockSkew: 0 },
    });
  return { clock, signer, read };
}

test('many lanes share one lease; another lender or origin has its own', async () => {
  const { signer, read } = setUp();
  const [first, second] = await Promise.all([
    signer.lease('lender', origin, MIB),
    signer.lease('lender', origin, MIB),
  ]);
  assert.equal(first, second);
  assert.equal((await read(first)).maxBytes, LEASE_MIN_BYTES);
  const other = parseTarget('https://files.example:8443/big').origin;
  await read(await signer.lease('lender-2', origin, MIB), 'lender-2');
  await read(await signer.lease('lender', other, MIB), 'lender', other);
});

test('it is made out for more than is wanted, up to a limit', async () => {
  const { signer, read } = setUp();
  assert.ok((await read(await signer.lease('a', origin, 100 * MIB), 'a')).maxBytes > 100 * MIB);
  assert.equal((await read(await signer.lease('b', origin, 2 ** 50), 'b')).maxBytes, LEASE_MAX_BYTES);
  assert.equal(await signer.lease('b', origin, 2 ** 50), await signer.lease('b', origin, 2 ** 50));
});

test('a new one is signed when too little is left', async () => {
  const { signer } = setUp();
  const first = await signer.lease('lender', origin, 10 * MIB);
  signer.used(first, 9 * MIB);
  assert.equal(await signer.lease('lender', origin, 11 * MIB), first);
  signer.used(first, MIB);
  const second = await signer.lease('lender', origin, 11 * MIB);
  assert.notEqual(second, first);
  // What an older tunnel still carries is not counted against the new lease.
  signer.used(first, 10 * MIB);
  assert.equal(await signer.lease('lender', origin, 11 * MIB), second);
});

test('a new one is signed in the last quarter of its time', async () => {
  const { signer, read, clock } = setUp();
  const first = await signer.lease('lender', origin, MIB);
  clock.advance(LEASE_TIME_MS * 0.75 - 1);
  assert.equal(await signer.lease('lender', origin, MIB), first);
  clock.advance(1);
  const second = await signer.lease('lender', origin, MIB);
  assert.notEqual(second, first);
  assert.equal((await read(second)).issuedAt, Math.floor(clock.wall() / 1000) * 1000);
});

test('one that a lender does not take is not used again', async () => {
  const { signer } = setUp();
  const first = await signer.lease('lender', origin, MIB);
  signer.spoiled(first);
  const second = await signer.lease('lender', origin, MIB);
  assert.notEqual(second, first);
  signer.spoiled(first);
  assert.equal(await signer.lease('lender', origin, MIB), second);
});
