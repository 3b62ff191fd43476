import assert from 'node:assert/strict';
import { createHmac, generateKeyPairSync, type KeyObject } from 'node:crypto';
import { test } from 'node:test';
import * as fc from 'fast-check';
import { type ErrorCode, LinepoolError } from '../../src/core/errors.ts';
import { signJws } from '../../src/core/jws.ts';
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

const signed = (change: Partial<Lease>, key: KeyObject = privateKey): string =>
  signLease({ ...lease, ...change }, key);

const signedRaw = (claims: unknown, header: object = {}): string =>
  signJws(
    JSON.stringify({ alg: 'EdDSA', typ: 'linepool-lease', ...header }),
    typeof claims === 'string' ? claims : JSON.stringify(claims),
    privateKey,
  );

test('what was signed is read again', () => {
  assert.deepEqual(readLease(signed({}), expected), lease);
});

test('an origin is named with its port, always', () => {
  assert.equal(leaseOrigin(parseTarget('https://Files.Example/x').origin), 'https://files.example:443');
  assert.equal(leaseOrigin(parseTarget('http://[2600::1]:8080/x').origin), 'http://[2600::1]:8080');
});

test('parties and origin must be those expected', () => {
  for (const change of [
    { borrower: 'somebody' },
    { lender: 'somebody' },
    { origin: 'https://files.example:8443' },
    { origin: 'http://files.example:443' },
    { origin: 'https://files.example' },
  ]) {
    assert.throws(() => readLease(signed(change), expected), refusedAs('lease_invalid'));
  }
});

test('bytes and time are held to the limits', () => {
  assert.ok(readLease(signed({ maxBytes: 2_000_000 }), expected));
  assert.ok(readLease(signed({ expiresAt: NOW + HOUR_MS }), expected));
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
    assert.throws(() => readLease(signed(change), expected), refusedAs('lease_invalid'));
  }
});

test('clocks may be apart by the skew, and no more', () => {
  const token = signed({});
  const at = (nowWall: number) => readLease(token, { ...expected, nowWall });
  assert.ok(at(lease.expiresAt + CLOCK_SKEW_MS - 1));
  assert.throws(() => at(lease.expiresAt + CLOCK_SKEW_MS), refusedAs('lease_expired'));
  assert.ok(at(lease.issuedAt - CLOCK_SKEW_MS));
  assert.throws(() => at(lease.issuedAt - CLOCK_SKEW_MS - 1), refusedAs('lease_invalid'));
});

test('another key, another algorithm, another type, or none, is refused', () => {
  const [head = '', payload = '', signature = ''] = signed({}).split('.');
  const encoded = (value: object): string => Buffer.from(JSON.stringify(value)).toString('base64url');
  const none = encoded({ alg: 'none', typ: 'linepool-lease' });
  const hs256 = encoded({ alg: 'HS256', typ: 'linepool-lease' });
  const mac = createHmac('sha256', publicKey.export({ type: 'spki', format: 'der' }))
    .update(`${hs256}.${payload}`)
    .digest('base64url');
  const claims = JSON.parse(Buffer.from(payload, 'base64url').toString()) as object;
  for (const token of [
    signed({}, other.privateKey),
    `${none}.${payload}.`,
    `${none}.${payload}.${signature}`,
    `${hs256}.${payload}.${mac}`,
    signedRaw(claims, { typ: 'linepool-receipt' }),
    signedRaw(claims, { typ: undefined }),
    signedRaw(claims, { crit: ['b64'], b64: true }),
    // What it says is right, but it is not to the letter what the ledger takes.
    signJws('{"typ":"linepool-lease","alg":"EdDSA"}', JSON.stringify(claims), privateKey),
    `${head}.${payload}`,
    `${head}.${payload}.${signature}.`,
    '',
    '..',
    'nonsense',
    `${head}.${payload}.${signature}${'A'.repeat(4096)}`,
  ]) {
    assert.throws(() => readLease(token, expected), refusedAs('lease_invalid'), token.slice(0, 80));
  }
});

test('a signed payload that is no lease is refused', () => {
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
    assert.throws(() => readLease(signedRaw(claims), expected), refusedAs('lease_invalid'));
  }
});

test('a token with any character changed is refused', () => {
  const token = signed({});
  const characters = 'ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_.=~ ';
  fc.assert(
    fc.property(fc.nat(token.length - 1), fc.constantFrom(...characters.split('')), (at, character) => {
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
      assert.throws(() => readLease(forged, expected), refusedAs('lease_invalid'));
    }),
    { numRuns: 1_000 },
  );
});
