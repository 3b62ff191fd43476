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
import { z } from 'zod';
import { LinepoolError } from '../core/errors.ts';
import { formatAuthority, type Origin } from '../core/target.ts';
import type { Bytes, Milliseconds } from '../core/units.ts';

/** The header that carries a lease, in lower case. */
export const LEASE_HEADER = 'linepool-lease';

const ALGORITHM = 'EdDSA';
const TYPE = 'linepool-lease';

/** Longest token that is looked at, in characters. */
export const LEASE_TOKEN_MAX = 2048;

/** How far two households' clocks may be apart by default. A lease lives this much longer than it says, never more. */
export const CLOCK_SKEW_MS: Milliseconds = 5 * 60_000;

export interface Lease {
  /** Unique among the borrower's leases. */
  readonly id: string;
  readonly borrower: string;
  readonly lender: string;
  /** `https://host:port`, as `leaseOrigin` writes it. */
  readonly origin: string;
  /** How many bytes may be carried under it, both directions together. */
  readonly maxBytes: Bytes;
  /** By the borrower's clock, since 1970. */
  readonly issuedAt: Milliseconds;
  readonly expiresAt: Milliseconds;
}

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

const Claims = z.strictObject({
  iss: z.string().min(1).max(128),
  aud: z.string().min(1).max(128),
  org: z.string().min(1).max(300),
  byt: z.int().min(1),
  /** Seconds since 1970 (RFC 7519 section 2, NumericDate). */
  iat: z.int().min(0),
  exp: z.int().min(0),
  jti: z.string().regex(/^[A-Za-z0-9_-]{16,64}$/),
});

/** How an origin is named in a lease: scheme, host and port, the port always there. */
export const leaseOrigin = (origin: Origin): string => `${origin.scheme}://${formatAuthority(origin)}`;

/** The token. Times are cut to whole seconds. */
export async function signLease(lease: Lease, privateKey: KeyObject): Promise<string> {
  const { CompactSign } = await import('jose');
  const claims: z.input<typeof Claims> = {
    iss: lease.borrower,
    aud: lease.lender,
    org: lease.origin,
    byt: lease.maxBytes,
    iat: Math.floor(lease.issuedAt / 1000),
    exp: Math.floor(lease.expiresAt / 1000),
    jti: lease.id,
  };
  return new CompactSign(Buffer.from(JSON.stringify(claims)))
    .setProtectedHeader({ alg: ALGORITHM, typ: TYPE })
    .sign(privateKey);
}

/**
 * The lease in a token, when it is one of that borrower for this lender and origin, within the limits and alive.
 * @throws LinepoolError `lease_invalid`, `lease_expired`
 */
export async function readLease(token: string, expected: LeaseExpected): Promise<Lease> {
  const claims = parseClaims(await verifiedPayload(token, expected.publicKey));
  const lease: Lease = {
    id: claims.jti,
    borrower: claims.iss,
    lender: claims.aud,
    origin: claims.org,
    maxBytes: claims.byt,
    issuedAt: claims.iat * 1000,
    expiresAt: claims.exp * 1000,
  };
  checkParties(lease, expected);
  checkLimits(lease, expected.limits);
  checkTime(lease, expected);
  return lease;
}

async function verifiedPayload(token: string, publicKey: KeyObject): Promise<Uint8Array> {
  if (token.length > LEASE_TOKEN_MAX) throw invalid(`It is longer than ${LEASE_TOKEN_MAX} characters.`);
  const { compactVerify, errors } = await import('jose');
  try {
    const { payload, protectedHeader } = await compactVerify(token, publicKey, { algorithms: [ALGORITHM] });
    if (protectedHeader.typ !== TYPE) throw invalid(`It is not of the type ${TYPE}.`);
    if (Object.keys(protectedHeader).length > 2) throw invalid('Its header says more than alg and typ.');
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

function parseClaims(payload: Uint8Array): z.output<typeof Claims> {
  let raw: unknown;
  try {
    raw = JSON.parse(Buffer.from(payload).toString('utf8'));
  } catch (error) {
    throw new LinepoolError('lease_invalid', 'Its payload is not JSON.', { cause: error });
  }
  const parsed = Claims.safeParse(raw);
  if (parsed.success) return parsed.data;
  const [issue] = parsed.error.issues;
  throw invalid(`${issue?.path.join('.') ?? ''}: ${issue?.message ?? 'not in the form of a lease'}`);
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
