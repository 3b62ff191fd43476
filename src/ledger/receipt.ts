/**
 * Receipts: what both parties sign under how many bytes a lease has carried so far. The borrower makes the text and signs it; the
 * lender signs the very same text. Two compact JWS (RFC 7515) over Ed25519 (RFC 8037), which differ in their signature only.
 * Made and read by lending and paths; read again by verify. No clock and no I/O: the time is handed in.
 *
 *     {"alg":"EdDSA","typ":"linepool-receipt"} . {iss, aud, lea, byt, iat, end} . signature
 *
 * It must never accept an algorithm or type other than the one that is expected. What is on record already may be in another order, or have
 * white space; new ones may not.
 */
import type { KeyObject } from 'node:crypto';
import { z } from 'zod';
import { LinepoolError } from '../core/errors.ts';
import type { Bytes, Milliseconds } from '../core/units.ts';
import { holds, numericDate, openJws, signAgain, signJws } from './jws.ts';

export const RECEIPT_HEADER = '{"alg":"EdDSA","typ":"linepool-receipt"}';

export interface Receipt {
  readonly borrower: string;
  readonly lender: string;
  /** The id of the lease. */
  readonly lease: string;
  /** Carried under it so far, both directions together: a running total, which never falls. */
  readonly total: Bytes;
  /** By the borrower's clock, whole seconds, since 1970. */
  readonly issuedAt: Milliseconds;
  /** No byte is carried under the lease any more. */
  readonly last: boolean;
}

const Claims = z.strictObject({
  iss: z.string().min(1).max(128),
  aud: z.string().min(1).max(128),
  lea: z.string().regex(/^[A-Za-z0-9_-]{16,64}$/),
  byt: z.int().min(0),
  iat: numericDate,
  end: z.boolean(),
});

/** The payload, to the byte as it is signed: JSON, in which ids need no escaping. */
export function receiptPayload({ borrower, lender, lease, total, issuedAt, last }: Receipt): string {
  const seconds = Math.floor(issuedAt / 1000);
  return `{"iss":"${borrower}","aud":"${lender}","lea":"${lease}","byt":${total},"iat":${seconds},"end":${last}}`;
}

/** The borrower's token. */
export const signReceipt = (receipt: Receipt, borrowerKey: KeyObject): string =>
  signJws(RECEIPT_HEADER, receiptPayload(receipt), borrowerKey);

/** The lender's token, under the same text as the borrower's, which must have been read by `readReceipt` before. */
export const countersign = (borrowerToken: string, lenderKey: KeyObject): string =>
  signAgain(borrowerToken, lenderKey);

/** Whether two tokens are signatures under the same text. */
export const sameText = (one: string, other: string): boolean =>
  one.slice(0, one.lastIndexOf('.')) === other.slice(0, other.lastIndexOf('.'));

/**
 * The receipt in a token, when `publicKey` signed it. The caller compares the parties, the lease and the total.
 * @throws LinepoolError `receipt_invalid`
 */
export function readReceipt(token: string, publicKey: KeyObject): Receipt {
  const receipt = parseReceipt(token);
  // To the letter: each is kept for years, and in any other form it would be kept whole, as long as its maker likes.
  if (openJws(token)?.payload !== receiptPayload(receipt))
    throw new LinepoolError('receipt_invalid', 'Its payload is not in the order, or has white space.');
  if (!holds(token, publicKey)) throw new LinepoolError('receipt_invalid', 'The signature does not hold.');
  return receipt;
}

/** A payload as `receiptPayload` writes it, read without JSON: verify reads them by the million. */
const USUAL =
  /^\{"iss":"([\w-]{1,128})","aud":"([\w-]{1,128})","lea":"([\w-]{16,64})","byt":(0|[1-9]\d{0,15}),"iat":(0|[1-9]\d{0,11}),"end":(true|false)\}$/;

/** The same without its signature and order checked. @throws LinepoolError `receipt_invalid` */
export function parseReceipt(token: string): Receipt {
  const parts = openJws(token);
  if (parts === undefined) throw new LinepoolError('receipt_invalid', 'It is not a compact JWS.');
  if (parts.header !== RECEIPT_HEADER)
    throw new LinepoolError('receipt_invalid', `Its header is not ${RECEIPT_HEADER}.`);
  const quick = USUAL.exec(parts.payload);
  if (quick !== null) {
    const [, borrower = '', lender = '', lease = '', byt, iat, end] = quick;
    const numbers = { total: Number(byt), issuedAt: Number(iat) * 1000 };
    if (Number.isSafeInteger(numbers.total))
      return { borrower, lender, lease, ...numbers, last: end === 'true' };
  }
  let raw: unknown;
  try {
    raw = JSON.parse(parts.payload);
  } catch (error) {
    throw new LinepoolError('receipt_invalid', 'Its payload is not JSON.', { cause: error });
  }
  const parsed = Claims.safeParse(raw);
  if (!parsed.success) {
    const [issue] = parsed.error.issues;
    throw new LinepoolError('receipt_invalid', `${issue?.path.join('.') ?? ''}: ${issue?.message ?? ''}`);
  }
  const { iss, aud, lea, byt, iat, end } = parsed.data;
  return { borrower: iss, lender: aud, lease: lea, total: byt, issuedAt: iat * 1000, last: end };
}
