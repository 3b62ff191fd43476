/**
 * Messages: what routers say to each other besides carrying bytes, as JSON. Every number's name says its unit. Used by the
 * link server, pairing and presence. Unknown fields are ignored, so that a later version can add some; sizes are bounded.
 */
import { z } from 'zod';
import { LinepoolError } from '../core/errors.ts';
import { parseAuthority } from '../core/target.ts';
import { type Bytes, KIB } from '../core/units.ts';
import { ADDRESSES_MAX } from './book-file.ts';
import { NAME_MAX, tidyName } from './neighbour-name.ts';
import { ROTATIONS_MAX, STATEMENT_MAX } from './rotation.ts';

/** Longest message, and longest line of the offers. */
export const MESSAGE_MAX_BYTES: Bytes = 8 * KIB;

const name = z
  .string()
  .max(4 * NAME_MAX)
  .transform(tidyName);

/** host:port; an IPv6 address in brackets. */
export const address = z.string().max(262).refine(isAddress, 'must be host:port');

function isAddress(text: string): boolean {
  try {
    parseAuthority(text);
    return true;
  } catch {
    return false;
  }
}

const addresses = z.array(address).max(ADDRESSES_MAX);
/** HMAC-SHA256. */
const proof = z.base64url().length(43);
/** Which invitation is meant: derived from its secret, without telling it. */
const handle = z.base64url().length(22);

/** Who we are and what we speak; answer to GET hello, and first line of the offers. */
export const Hello = z.object({
  name,
  /** Of the program, for people. */
  version: z.string().max(64),
  /** Of what is said; another number is another language. */
  protocol: z.int().nonnegative(),
});
export type Hello = z.output<typeof Hello>;

/** One line of the offers. Lines of kinds that are not known are skipped. */
export const OfferLine = z.object({
  kind: z.literal('offer'),
  bytesPerSecond: z.number().nonnegative().max(1e12),
  bufferBytes: z.int().nonnegative().max(1e12),
});
export type OfferLine = z.output<typeof OfferLine>;

/** POST pair: the joiner shows that it has the invitation. */
export const PairRequest = z.object({ protocol: z.int(), handle, proof, name, addresses });
export type PairRequest = z.output<typeof PairRequest>;

/** The inviter shows that it made it. */
export const PairAnswer = z.object({ proof, name });
export type PairAnswer = z.output<typeof PairAnswer>;

/** POST confirm: the joiner is convinced. The inviter answers 204 once the joiner is in its book. */
export const ConfirmRequest = z.object({ handle, proof });
export type ConfirmRequest = z.output<typeof ConfirmRequest>;

/** Of a comparison: SHA-256, or 32 random bytes. */
const nonce = z.base64url().length(43);

/** POST compare: somebody wants to pair without an invitation, and has chosen its nonce. Answered with a CompareNonce. */
export const CompareAsk = z.object({ protocol: z.int(), commitment: nonce });
export type CompareAsk = z.output<typeof CompareAsk>;

/** Answer to compare; and POST reveal: the nonce that was committed to, answered with 204. */
export const CompareNonce = z.object({ nonce });
export type CompareNonce = z.output<typeof CompareNonce>;

/** POST say, and its answer: what the person there says to the number. Who agrees says also who it is. */
export const CompareSay = z.object({
  says: z.enum(['wait', 'agree', 'reject']),
  name: name.optional(),
  addresses: addresses.optional(),
});
export type CompareSay = z.output<typeof CompareSay>;

/** POST rotation, and its answer: how our key came to be the one that TLS proves; the oldest statement first. */
export const RotationNotice = z.object({
  statements: z.array(z.string().max(STATEMENT_MAX)).max(ROTATIONS_MAX),
});
export type RotationNotice = z.output<typeof RotationNotice>;

/** POST part: we are neighbours no longer. Answered with 204. */
export const PartNotice = z.object({ kind: z.literal('part') });
export type PartNotice = z.output<typeof PartNotice>;

const jws = z
  .string()
  .max(2048)
  .regex(/^[\w-]+\.[\w-]+\.[\w-]+$/, 'must be a compact JWS');
const bytes = z.int().nonnegative();

/** POST receipt: the borrower has signed how much a lease has carried. Its text is that of ledger/receipt.ts. */
export const ReceiptMessage = z.object({
  receipt: jws,
  /** Nothing is under way under that lease on the borrower's side: what it did not sign for did not arrive. */
  idle: z.boolean(),
});
export type ReceiptMessage = z.output<typeof ReceiptMessage>;

/** The lender has signed the same text. */
export const ReceiptAnswer = z.object({
  receipt: jws,
  /** By its own count, both directions together, and towards the origin alone: the borrower can't know what got there. */
  carriedBytes: bytes,
  carriedUpBytes: bytes,
});
export type ReceiptAnswer = z.output<typeof ReceiptAnswer>;

/**
 * A message that came as text.
 * @throws LinepoolError `message_invalid`, saying which field is wrong
 */
export function parseMessage<T extends z.ZodType>(schema: T, text: string): z.output<T> {
  let raw: unknown;
  try {
    raw = JSON.parse(text);
  } catch (cause) {
    throw new LinepoolError('message_invalid', 'The message is not JSON.', { cause });
  }
  const result = schema.safeParse(raw);
  if (result.success) return result.data;
  const issue = result.error.issues[0];
  throw new LinepoolError(
    'message_invalid',
    `In the message: ${issue?.path.map(String).join('.') ?? ''}: ${issue?.message ?? ''}`,
  );
}
