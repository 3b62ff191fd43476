/**
 * Leases: what a borrower signs before a lender moves a byte for it. A compact JWS (RFC 7515) over Ed25519 (RFC 8037)
 * that names both parties, one origin, and how many bytes until when. Signed by the borrower's LeaseSigner, read by
 * the lender's LeaseBook; sent in the header `Linepool-Lease`. No clock and no I/O: the time is handed in.
 *
 *     {"alg":"EdDSA","typ":"linepool-lease"} . {iss, aud, org, byt, iat, exp, jti} . signature
 *
 * It must never accept an algorithm, type or key other than the one that is expected.
 */
import type { KeyObject } from 'node:crypto';
import { LinepoolError } from '../core/errors.ts';
import { formatAuthority, type Origin } from '../core/target.ts';
import type { Bytes, Milliseconds } from '../core/units.ts';
import { openJws } from '../ledger/jws.ts';
import { LEASE_HEADER_TEXT, type LeaseTerms, leasePayload, readTerms } from '../ledger/terms.ts';

/** The header that carries a lease, in lower case. */
export const LEASE_HEADER = 'linepool-lease';

const ALGORITHM = 'EdDSA';
const TYPE = 'linepool-lease';

/** Longest token that is looked at, in characters: it is kept for years. The longest that has no white space is some 920. */
export const LEASE_TOKEN_MAX = 1024;

/** How far two households' clocks may be apart by default. A lease lives this much longer than it says, never more. */
export const CLOCK_SKEW_MS: Milliseconds = 5 * 60_000;

/** Its origin is as `leaseOrigin` writes it. */
export type Lease = LeaseTerms;

export interface LeaseLimits {
  readonly maxBytes: Bytes;
  /** From `issuedAt` to `expiresAt`. */
  readonly maxTime: Milliseconds;
  readonly clockSkew: Milliseconds;
}

export interface LeaseExpected {
  readonly publicKey: KeyObject;
  readonly borrower: string;
  readonly lender: string;
  readonly origin: string;
  readonly nowWall: Milliseconds;
  readonly limits: LeaseLimits;
}

/** How an origin is named in a lease: scheme, host and port, the port always there. */
export const leaseOrigin = (origin: Origin): string => `${origin.scheme}://${formatAuthority(origin)}`;

/** The token. Times are cut to whole seconds. */
export async function signLease(lease: Lease, privateKey: KeyObject): Promise<string> {
  const { CompactSign } = await import('jose');
  return new CompactSign(Buffer.from(leasePayload(lease)))
    .setProtectedHeader({ alg: ALGORITHM, typ: TYPE })
    .sign(privateKey);
}

/**
 * The lease in a token, when it is one of that borrower for this lender and origin, within the limits and alive.
 * @throws LinepoolError `lease_invalid`, `lease_expired`
 */
export async function readLease(token: string, expected: LeaseExpected): Promise<Lease> {
  const payload = await verifiedPayload(token, expected.publicKey);
  const lease = readTerms(Buffer.from(payload).toString('utf8'));
  checkParties(lease, expected);
  checkLimits(lease, expected.limits);
  checkTime(lease, expected);
  return lease;
}

async function verifiedPayload(token: string, publicKey: KeyObject): Promise<Uint8Array> {
  if (token.length > LEASE_TOKEN_MAX) throw invalid(`It is longer than ${LEASE_TOKEN_MAX} characters.`);
  // To the letter: what the ledger would not take for a lease must not become one here.
  if (openJws(token)?.header !== LEASE_HEADER_TEXT) throw invalid(`Its header is not ${LEASE_HEADER_TEXT}.`);
  const { compactVerify, errors } = await import('jose');
  try {
    const { payload } = await compactVerify(token, publicKey, { algorithms: [ALGORITHM] });
    return payload;
  } catch (error) {
    if (error instanceof errors.JOSEError) {
      throw new LinepoolError('lease_invalid', `The signature does not hold (${error.code}).`, {
        cause: error,
      });
    }
    throw error;
  }
}

/** Whether the lease is between these two, for that origin. @throws LinepoolError `lease_invalid` */
export function checkParties(
  lease: Lease,
  expected: Pick<LeaseExpected, 'borrower' | 'lender' | 'origin'>,
): void {
  if (lease.borrower !== expected.borrower) throw invalid('It was issued by another household.');
  if (lease.lender !== expected.lender) throw invalid('It is made out to another lender.');
  if (lease.origin !== expected.origin)
    throw invalid(`It is for ${lease.origin}, the request for ${expected.origin}.`);
}

function checkLimits(lease: Lease, limits: LeaseLimits): void {
  if (lease.maxBytes > limits.maxBytes) {
    throw invalid(`It is for ${lease.maxBytes} bytes; ${limits.maxBytes} is the most that is accepted.`);
  }
  const time = lease.expiresAt - lease.issuedAt;
  if (time <= 0) throw invalid('It expires before it is issued.');
  if (time > limits.maxTime)
    throw invalid(`It is for ${time} ms; ${limits.maxTime} ms is the most that is accepted.`);
}

function checkTime(lease: Lease, { nowWall, limits }: LeaseExpected): void {
  const now = new Date(nowWall).toISOString();
  if (lease.expiresAt + limits.clockSkew <= nowWall) {
    throw new LinepoolError(
      'lease_expired',
      `It ended ${new Date(lease.expiresAt).toISOString()}; here it is ${now}.`,
    );
  }
  if (lease.issuedAt > nowWall + limits.clockSkew) {
    throw invalid(
      `It begins ${new Date(lease.issuedAt).toISOString()}; here it is ${now}: compare the clocks.`,
    );
  }
}

const invalid = (detail: string): LinepoolError => new LinepoolError('lease_invalid', detail);
