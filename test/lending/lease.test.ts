import assert from 'node:assert/strict';
import { createHmac, generateKeyPairSync, type KeyObject } from 'node:crypto';
import { test } from 'node:test';
import * as fc from 'fast-check';
import { CompactSign } from 'jose';
import { type ErrorCode, LinepoolError } from '../../src/core/errors.ts';
import { parseTarget } from '../../src/core/target.ts';
import {
  CLOCK_SKEW_MS,
  type Lease,
  type LeaseExpected,
  leaseOrigin,
  readLease,
  signLease,
} from '../../src/lending/lease.ts';

const NOW = Date.UTC(2026, 0, 1);
const HOUR_MS = 3_600_000;
const { publicKey, privateKey } = generateKeyPairSync('ed25519');
const other = generateKeyPairSync('ed25519');

const lease: Lease = {
  id: 'AAAAAAAAAAAAAAAAAAAAAA',
  borrower: 'borrower-id',
  lender: 'lender-id',
  origin: 'https://files.example:443',
  maxBytes: 1_000_000,
  issuedAt: NOW,
  expiresAt: NOW + 600_000,
};

const expected: LeaseExpected = {
  publicKey,
  borrower: lease.borrower,
  lender: lease.lender,
  origin: lease.origin,
  nowWall: NOW + 1_000,
  limits: { maxBytes: 2_000_000, maxTime: HOUR_MS, clockSkew: CLOCK_SKEW_MS },
};

const refusedAs = (code: ErrorCode) => (error: unknown) => {
  assert.ok(error instanceof LinepoolError, String(error));
  assert.equal(error.code, code, error.message);
  return true;
};

const signed = (change: Partial<Lease>, key: KeyObject = privateKey): Promise<string> =>
  signLease({ ...lease, ...change }, key);

const signedRaw = (claims: unknown, header: object = {}): Promise<string> =>
  new CompactSign(Buffer.from(typeof claims === 'string' ? claims : JSON.stringify(claims)))
    .setProtectedHeader({ alg: 'EdDSA', typ: 'linepool-lease', ...header })
    .sign(privateKey);

test('what was signed is read again', async () => {
  assert.deepEqual(await readLease(await signed({}), expected), lease);
});

test('an origin is named with its port, always', () => {
  assert.equal(leaseOrigin(parseTarget('https://Files.Example/x').origin), 'https://files.example:443');
  assert.equal(leaseOrigin(parseTarget('http://[2600::1]:8080/x').origin), 'http://[2600::1]:8080');
});

test('parties and origin must be those expected', async () => {
  for (const change of [
    { borrower: 'somebody' },
    { lender: 'somebody' },
    { origin: 'https://files.example:8443' },
    { origin: 'http://files.example:443' },
    { origin: 'https://files.example' },
  ]) {
    await assert.rejects(readLease(await signed(change), expected), refusedAs('lease_invalid'));
  }
});

test('bytes and time are held to the limits', async () => {
  assert.ok(await readLease(await signed({ maxBytes: 2_000_000 }), expected));
  assert.ok(await readLease(await signed({ expiresAt: NOW + HOUR_MS }), expected));
  for (const change of [
    { maxBytes: 2_000_001 },
    { maxBytes: 0 },
    { maxBytes: -5 },
    { maxBytes: 1.5 },
    { expiresAt: NOW + HOUR_MS + 1_000 },
    { expiresAt: NOW },
    { expiresAt: NOW - 1_000 },
    { id: 'short' },
    { id: 'with spaces in the middle' },
    { id: 'A'.repeat(65) },
  ]) {
    await assert.rejects(readLease(await signed(change), expected), refusedAs('lease_invalid'));
  }
});

test('clocks may be apart by the skew, and no more', async () => {
  const token = await signed({});
  const at = (nowWall: number) => readLease(token, { ...expected, nowWall });
  assert.ok(await at(lease.expiresAt + CLOCK_SKEW_MS - 1));
  await assert.rejects(at(lease.expiresAt + CLOCK_SKEW_MS), refusedAs('lease_expired'));
  assert.ok(await at(lease.issuedAt - CLOCK_SKEW_MS));
  await assert.rejects(at(lease.issuedAt - CLOCK_SKEW_MS - 1), refusedAs('lease_invalid'));
});

test('another key, another algorithm, another type, or none, is refused', async () => {
  const [head = '', payload = '', signature = ''] = (await signed({})).split('.');
  const encoded = (value: object): string => Buffer.from(JSON.stringify(value)).toString('base64url');
  const none = encoded({ alg: 'none', typ: 'linepool-lease' });
  const hs256 = encoded({ alg: 'HS256', typ: 'linepool-lease' });
  const mac = createHmac('sha256', publicKey.export({ type: 'spki', format: 'der' }))
    .update(`${hs256}.${payload}`)
    .digest('base64url');
  const claims = JSON.parse(Buffer.from(payload, 'base64url').toString()) as object;
  for (const token of [
    await signed({}, other.privateKey),
    `${none}.${payload}.`,
    `${none}.${payload}.${signature}`,
    `${hs256}.${payload}.${mac}`,
    await signedRaw(claims, { typ: 'linepool-receipt' }),
    await signedRaw(claims, { typ: undefined }),
    await signedRaw(claims, { crit: ['b64'], b64: true }),
    `${head}.${payload}`,
    `${head}.${payload}.${signature}.`,
    '',
    '..',
    'nonsense',
    `${head}.${payload}.${signature}${'A'.repeat(4096)}`,
  ]) {
    await assert.rejects(readLease(token, expected), refusedAs('lease_invalid'), token.slice(0, 80));
  }
});

test('a signed payload that is no lease is refused', async () => {
  const whole = {
    iss: 'borrower-id',
    aud: 'lender-id',
    org: lease.origin,
    byt: 5,
    iat: 1,
    exp: 2,
    jti: lease.id,
  };
  for (const claims of [
    'not json',
    '[]',
    'null',
    '{"__proto__":{}}',
    {},
    { ...whole, jti: undefined },
    { ...whole, byt: '5' },
    { ...whole, byt: 1e300 },
    { ...whole, exp: null },
    { ...whole, more: 1 },
    { ...whole, aud: ['lender-id'] },
  ]) {
    await assert.rejects(readLease(await signedRaw(claims), expected), refusedAs('lease_invalid'));
  }
});

test('a token with any character changed is refused', async () => {
  const token = await signed({});
  const characters = 'ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_.=~ ';
  await fc.assert(
    fc.asyncProperty(
      fc.nat(token.length - 1),
      fc.constantFrom(...characters.split('')),
      async (at, character) => {
        fc.pre(token[at] !== character);
        const forged = token.slice(0, at) + character + token.slice(at + 1);
        // The last character of a part has bits that mean nothing: only what decodes the same may be accepted.
        const same = token.split('.').every((part, i) => {
          const also = forged.split('.')[i] ?? '';
          return (
            /^[A-Za-z0-9_-]*$/.test(also) &&
            Buffer.from(part, 'base64url').equals(Buffer.from(also, 'base64url'))
          );
        });
        fc.pre(!same);
        await assert.rejects(readLease(forged, expected), refusedAs('lease_invalid'));
      },
    ),
    { numRuns: 1_000 },
  );
});
