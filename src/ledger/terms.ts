/**
 * Terms: what a recorded lease and its receipts say, read without their signatures, and whether they fit each other. Used when an
 * entry is appended and when a chain is verified, so that nothing is recorded that would not hold. Pure.
 */
import { z } from 'zod';
import { LinepoolError } from '../core/errors.ts';
import type { Bytes, Milliseconds } from '../core/units.ts';
import type { ContentOf, Role } from './entry.ts';
import { numericDate, openJws } from './jws.ts';
import { type Receipt, sameText } from './receipt.ts';

export const LEASE_HEADER_TEXT = '{"alg":"EdDSA","typ":"linepool-lease"}';

/** A lease as its token has it. Lending's `readLease` is what decides whether one is good; this is for what was. */
export interface LeaseTerms {
  /** Unique among the borrower's leases. */
  readonly id: string;
  readonly borrower: string;
  readonly lender: string;
  /** `https://host:port`. */
  readonly origin: string;
  /** How many bytes may be carried under it, both directions together. */
  readonly maxBytes: Bytes;
  /** By the borrower's clock, since 1970; a token has whole seconds. */
  readonly issuedAt: Milliseconds;
  readonly expiresAt: Milliseconds;
}

const Claims = z.strictObject({
  iss: z.string().min(1).max(128),
  aud: z.string().min(1).max(128),
  org: z.string().min(1).max(300),
  byt: z.int().min(1),
  iat: numericDate,
  exp: numericDate,
  jti: z.string().regex(/^[A-Za-z0-9_-]{16,64}$/),
});

/** The payload of a lease, to the byte as lending signs it. Times are cut to whole seconds. */
export function leasePayload(terms: LeaseTerms): string {
  const claims: z.input<typeof Claims> = {
    iss: terms.borrower,
    aud: terms.lender,
    org: terms.origin,
    byt: terms.maxBytes,
    iat: Math.floor(terms.issuedAt / 1000),
    exp: Math.floor(terms.expiresAt / 1000),
    jti: terms.id,
  };
  return JSON.stringify(claims);
}

/** What a lease's payload says. @throws LinepoolError `lease_invalid` */
export function readTerms(payload: string): LeaseTerms {
  let raw: unknown;
  try {
    raw = JSON.parse(payload);
  } catch (error) {
    throw new LinepoolError('lease_invalid', 'Its payload is not JSON.', { cause: error });
  }
  const parsed = Claims.safeParse(raw);
  if (!parsed.success) {
    const [issue] = parsed.error.issues;
    const what = issue?.message ?? 'not in the form of a lease';
    throw new LinepoolError('lease_invalid', `${issue?.path.join('.') ?? ''}: ${what}`);
  }
  const { iss, aud, org, byt, iat, exp, jti } = parsed.data;
  return {
    id: jti,
    borrower: iss,
    lender: aud,
    origin: org,
    maxBytes: byt,
    issuedAt: iat * 1000,
    expiresAt: exp * 1000,
  };
}

/** Undefined when the token is not in the form of a lease. */
export function leaseTerms(token: string): LeaseTerms | undefined {
  const parts = openJws(token);
  if (parts?.header !== LEASE_HEADER_TEXT) return undefined;
  try {
    return readTerms(parts.payload);
  } catch {
    // No lease: the caller says so.
    return undefined;
  }
}

/** The borrower and the lender, as our role in a lease has it. */
export const partiesOf = (role: Role, household: string, neighbour: string) =>
  role === 'borrower'
    ? { borrower: household, lender: neighbour }
    : { borrower: neighbour, lender: household };

/** Why a lease does not fit those who are said to be its parties. */
export function leaseComplaint(
  terms: LeaseTerms,
  parties: { readonly borrower: string; readonly lender: string },
): string | undefined {
  if (terms.borrower !== parties.borrower) return `the lease was issued by ${terms.borrower}`;
  if (terms.lender !== parties.lender) return `the lease is made out to ${terms.lender}`;
  return undefined;
}

/** Why the two tokens of a receipt are not under one text. */
export const textComplaint = ({ borrower, lender }: ContentOf<'receipt'>): string | undefined =>
  lender === null || sameText(borrower, lender) ? undefined : 'borrower and lender signed different texts';

/** Why a receipt does not fit its lease, or falls behind the one before. */
export function receiptComplaint(
  receipt: Receipt,
  lease: LeaseTerms,
  totalBefore: Bytes,
): string | undefined {
  if (receipt.lease !== lease.id) return `the receipt is for the lease ${receipt.lease}`;
  if (receipt.borrower !== lease.borrower) return `the receipt was issued by ${receipt.borrower}`;
  if (receipt.lender !== lease.lender) return `the receipt is made out to ${receipt.lender}`;
  if (receipt.total < totalBefore) return `the total falls from ${totalBefore} to ${receipt.total} bytes`;
  if (receipt.total > lease.maxBytes)
    return `the total, ${receipt.total} bytes, is above the ${lease.maxBytes} of the lease`;
  return undefined;
}
