/**
 * Span statements: what a lender signs of each span that it fetched, so that altered bytes prove who altered them. A compact
 * JWS (RFC 7515) over Ed25519 (RFC 8037) in the trailer `Linepool-Span` of the answer, when the request asked for it with
 * `Linepool-Sign: span`. Made by the fetch exchange, read by the download that got the span.
 *
 *     {"alg":"EdDSA","typ":"linepool-span"} . {iss, lse, beg, end, tot, val, sha, iat} . signature
 *
 * It must never name a path or a query: which lease, which bytes of how many, of which version, and their hash.
 */
import { createHash, type Hash, type KeyObject } from 'node:crypto';
import { z } from 'zod';
import { LinepoolError } from '../core/errors.ts';
import { fieldValue, parseContentRange, type RawHeaders, type Validator } from '../core/http.ts';
import type { Span } from '../core/span.ts';
import type { Bytes, Milliseconds } from '../core/units.ts';
import { holds, openJws, signJws } from '../ledger/jws.ts';

const HEADER = '{"alg":"EdDSA","typ":"linepool-span"}';
/** Longest token that is looked at, in characters. */
export const STATEMENT_MAX = 2048;

export interface SpanStatement {
  readonly lender: string;
  /** The lease that it was fetched under. */
  readonly lease: string;
  readonly span: Span;
  readonly total: Bytes;
  /** Of the version that it is of: see `validatorHash`. */
  readonly validator: string;
  /** SHA-256 of the bytes, base64url. */
  readonly sha256: string;
}

const hash = z.string().regex(/^[A-Za-z0-9_-]{43}$/);
const Claims = z.strictObject({
  iss: z.string().min(1).max(128),
  lse: z.string().regex(/^[A-Za-z0-9_-]{16,64}$/),
  beg: z.int().min(0),
  end: z.int().min(1),
  tot: z.int().min(1),
  val: hash,
  sha: hash,
  /** Seconds since 1970. */
  iat: z.int().min(0),
});

/** SHA-256 of kind and value: an ETag may say more than a statement should. */
export const validatorHash = ({ kind, value }: Validator): string =>
  createHash('sha256').update(`${kind} ${value}`).digest('base64url');

/** Signs in the name of our household. */
export type SignSpan = (statement: Omit<SpanStatement, 'lender'>) => string;

/** Hashes a span while it passes, and signs at its end. */
export class SpanSeal {
  readonly #lease: string;
  readonly #sign: SignSpan;
  readonly #hash: Hash = createHash('sha256');
  #of: Pick<SpanStatement, 'span' | 'total' | 'validator'> | undefined;

  constructor(lease: string, sign: SignSpan) {
    this.#lease = lease;
    this.#sign = sign;
  }

  /** The origin's head is here. */
  begin(wanted: Span, headers: RawHeaders): void {
    const total = parseContentRange(fieldValue(headers, 'content-range') ?? '')?.total;
    const validator = statedValidator(headers);
    if (total === undefined || validator === undefined) return;
    this.#of = { span: wanted, total, validator: validatorHash(validator) };
  }

  update(chunk: Buffer): void {
    this.#hash.update(chunk);
  }

  /** The trailer's value. Only once. @throws LinepoolError `span_unsigned` when the head did not say of what it is */
  end(): string {
    if (this.#of === undefined) throw unsigned('The origin names no version.');
    return this.#sign({ ...this.#of, lease: this.#lease, sha256: this.#hash.digest('base64url') });
  }
}

/** What the borrower goes by: the ETag, or Last-Modified where there is none. */
function statedValidator(headers: RawHeaders): Validator | undefined {
  for (const kind of ['etag', 'last-modified'] as const) {
    const value = fieldValue(headers, kind);
    if (value !== undefined) return { kind, value };
  }
  return undefined;
}

export function signSpan(statement: SpanStatement, privateKey: KeyObject, wall: Milliseconds): string {
  const claims: z.input<typeof Claims> = {
    iss: statement.lender,
    lse: statement.lease,
    beg: statement.span.start,
    end: statement.span.end,
    tot: statement.total,
    val: statement.validator,
    sha: statement.sha256,
    iat: Math.floor(wall / 1000),
  };
  return signJws(HEADER, JSON.stringify(claims), privateKey);
}

/**
 * What that lender signed.
 * @throws LinepoolError `span_unsigned` when the signature is not its, or what is signed is no statement
 */
export function readSpanStatement(
  token: string,
  lender: { readonly id: string; readonly publicKey: KeyObject },
): SpanStatement {
  if (token.length > STATEMENT_MAX) throw unsigned(`It is longer than ${STATEMENT_MAX} characters.`);
  const parts = openJws(token);
  if (parts?.header !== HEADER) throw unsigned(`It is no JWS with the header ${HEADER}.`);
  if (!holds(token, lender.publicKey)) throw unsigned('The signature does not hold.');
  const claims = claimsOf(parts.payload);
  if (claims.iss !== lender.id) throw unsigned('It is signed in the name of another household.');
  return {
    lender: claims.iss,
    lease: claims.lse,
    span: { start: claims.beg, end: claims.end },
    total: claims.tot,
    validator: claims.val,
    sha256: claims.sha,
  };
}

function claimsOf(payload: string): z.output<typeof Claims> {
  try {
    return Claims.parse(JSON.parse(payload));
  } catch (error) {
    throw unsigned('What is signed is no statement.', error);
  }
}

const unsigned = (why: string, cause?: unknown): LinepoolError =>
  new LinepoolError('span_unsigned', why, { cause });
