/**
 * Rows: entries as the file keeps them, in some 200 bytes instead of some 700. What other rows say already is referred to
 * (`ref`), and tokens of the usual form are kept as their numbers and raw signatures, from which they are made again to the byte;
 * any other token is kept whole; which of the two is tried, not guessed. docs/ledger.md has the layout. Pure.
 */
import { idOfPublicKey } from '../neighbours/household-id.ts';
import {
  type Content,
  type ContentOf,
  type Entry,
  FIELDS,
  KINDS,
  type Kind,
  leaseId,
  type Role,
} from './entry.ts';
import { closeJws, openJws } from './jws.ts';
import { parseReceipt, RECEIPT_HEADER, type Receipt, receiptPayload } from './receipt.ts';
import { LEASE_HEADER_TEXT, type LeaseTerms, leasePayload, leaseTerms, partiesOf } from './terms.ts';

/** As in the table `entries`. */
export interface Row {
  readonly seq: number;
  readonly at: number;
  /** `PRUNED_ROW`, or 1 and up as in `KINDS`. */
  readonly kind: number;
  /** Of a lease or proof: the row of its party. Of a contact or receipt: the row of its lease. */
  readonly ref: number | null;
  /** Of a lease: its id. Of a party: the household's. */
  readonly id: string | null;
  readonly body: Uint8Array;
  readonly hash: Uint8Array;
}

/** What is left of the last entry before a gap that retention made: its hash. */
export const PRUNED_ROW = 0;

export const kindNumber = (kind: Kind): number => KINDS.indexOf(kind) + 1;

/** A lease on record, as far as rows that refer to it need it. */
export interface RecordedLease {
  readonly seq: number;
  readonly role: Role;
  readonly neighbour: string;
  readonly terms: LeaseTerms;
}

/** What a row refers to. Undefined: there is no such row. */
export interface References {
  /** Our household's id when the row was written. */
  household(seq: number): string;
  party(seq: number): string | undefined;
  lease(seq: number): RecordedLease | undefined;
}

/** An entry, and what its tokens say where that is known without reading them again. */
export interface ReadEntry extends Entry {
  readonly terms?: LeaseTerms | undefined;
  readonly receipt?: Receipt | undefined;
}

const WHOLE = 0;
const COMPACT = 1;
const COMPACT_WITHOUT_LENDER = 2;
const SIGNATURE_BYTES = 64;
const ROLES: readonly Role[] = ['borrower', 'lender'];

const bytes = (...parts: readonly (Uint8Array | string)[]): Uint8Array =>
  Buffer.concat(parts.map((part) => (typeof part === 'string' ? Buffer.from(part) : part)));
const textOf = (body: Uint8Array, from: number): string =>
  Buffer.from(body.buffer, body.byteOffset + from, body.byteLength - from).toString('utf8');

/** The body of an entry; `household` is our id now. */
export function packBody(content: Content, household: string): Uint8Array {
  switch (content.kind) {
    case 'lease':
      return packLease(content, household);
    case 'receipt':
      return packReceipt(content, household);
    case 'party':
      return bytes(JSON.stringify([content.publicKey]));
    case 'contact':
      return bytes(JSON.stringify([content.address, content.port, content.from, content.until]));
    case 'proof':
      return bytes(JSON.stringify([content.reason, content.statement]));
    case 'self':
      return bytes(JSON.stringify([content.household, content.publicKey, content.statement]));
    case 'begin':
      return bytes(
        JSON.stringify([
          content.version,
          content.household,
          content.publicKey,
          content.cause,
          content.before,
        ]),
      );
    case 'pruned': {
      const { through, hash, removed, kept } = content;
      return bytes(JSON.stringify([through, hash, removed, ...(kept === undefined ? [] : [kept])]));
    }
  }
}

/** What is kept in the column `id`. */
export function idOf(content: Content): string | null {
  if (content.kind === 'party') return content.neighbour;
  return content.kind === 'lease' ? (leaseTerms(content.token)?.id ?? null) : null;
}

/**
 * The entry again; undefined when the row is in no form that an entry has. Whether it holds, its hash says.
 */
export function unpack(row: Row, refs: References): ReadEntry | undefined {
  const { seq, at, hash } = row;
  const kind = KINDS[row.kind - 1];
  if (kind === undefined) return undefined;
  if (kind === 'lease') {
    const neighbour = row.ref === null ? undefined : refs.party(row.ref);
    const read = neighbour === undefined ? undefined : unpackLease(row, refs.household(seq), neighbour);
    return read && { seq, at, hash, ...read };
  }
  if (kind === 'receipt') {
    const lease = row.ref === null ? undefined : refs.lease(row.ref);
    const read = lease && unpackReceipt(row.body, refs.household(seq), lease);
    return read && { seq, at, hash, ...read };
  }
  const content = unpackPlain(kind, row, refs);
  return content && { seq, at, hash, content };
}

function packLease({ role, neighbour, token }: ContentOf<'lease'>, household: string): Uint8Array {
  const head = ROLES.indexOf(role);
  const signature = openJws(token)?.signature;
  const terms = leaseTerms(token);
  if (signature !== undefined && terms !== undefined) {
    const { id, origin, maxBytes, issuedAt, expiresAt } = terms;
    const numbers = JSON.stringify([origin, maxBytes, issuedAt / 1000, expiresAt / 1000]);
    const body = bytes(Uint8Array.from([COMPACT, head]), signature, numbers);
    if (unpackLease({ id, body }, household, neighbour)?.content.token === token) return body;
  }
  return bytes(Uint8Array.from([WHOLE, head]), token);
}

function unpackLease(
  { body, id }: Pick<Row, 'body' | 'id'>,
  household: string,
  neighbour: string,
): { readonly content: ContentOf<'lease'>; readonly terms: LeaseTerms } | undefined {
  const role = ROLES[body[1] ?? ROLES.length];
  if (role === undefined) return undefined;
  if (body[0] === WHOLE) {
    const token = textOf(body, 2);
    const terms = leaseTerms(token);
    const parsed = FIELDS.lease.safeParse({ role, neighbour, token });
    // The id is what leases are looked up by: it must be that of the token.
    if (!parsed.success || terms?.id !== id) return undefined;
    return { content: { kind: 'lease', ...parsed.data }, terms };
  }
  const numbers = jsonArray(textOf(body, 2 + SIGNATURE_BYTES));
  const [origin, maxBytes, issued, expires] = numbers ?? [];
  if (body[0] !== COMPACT || !leaseId.safeParse(id).success || id === null || typeof origin !== 'string')
    return undefined;
  if (!isCount(maxBytes) || !isCount(issued) || !isCount(expires)) return undefined;
  const terms: LeaseTerms = {
    id,
    ...partiesOf(role, household, neighbour),
    origin,
    maxBytes,
    issuedAt: issued * 1000,
    expiresAt: expires * 1000,
  };
  const signature = body.subarray(2, 2 + SIGNATURE_BYTES);
  const token = closeJws({ header: LEASE_HEADER_TEXT, payload: leasePayload(terms), signature });
  return { content: { kind: 'lease', role, neighbour, token }, terms };
}

function packReceipt(content: ContentOf<'receipt'>, household: string): Uint8Array {
  const { role, neighbour, lease, borrower, lender } = content;
  const one = openJws(borrower);
  const other = lender === null ? undefined : openJws(lender);
  if (one?.header === RECEIPT_HEADER) {
    const { total, issuedAt, last } = parseReceipt(borrower);
    const form = lender === null ? COMPACT_WITHOUT_LENDER : COMPACT;
    const numbers = JSON.stringify([total, issuedAt / 1000, last ? 1 : 0]);
    const body = bytes(Uint8Array.from([form]), one.signature, other?.signature ?? '', numbers);
    const again = unpackReceipt(body, household, { role, neighbour, terms: { id: lease } })?.content;
    if (again?.borrower === borrower && again.lender === lender) return body;
  }
  return bytes(Uint8Array.from([WHOLE]), JSON.stringify([borrower, lender]));
}

/** What a receipt's row leaves to that of its lease. */
type ReceiptOf = Pick<RecordedLease, 'role' | 'neighbour'> & { readonly terms: Pick<LeaseTerms, 'id'> };

function unpackReceipt(
  body: Uint8Array,
  household: string,
  { role, neighbour, terms }: ReceiptOf,
): { readonly content: ContentOf<'receipt'>; readonly receipt?: Receipt } | undefined {
  const about = { kind: 'receipt', role, neighbour, lease: terms.id } as const;
  if (body[0] === WHOLE) {
    const [borrower, lender] = jsonArray(textOf(body, 1)) ?? [];
    const parsed = FIELDS.receipt.safeParse({ role, neighbour, lease: terms.id, borrower, lender });
    return parsed.success ? { content: { ...about, ...parsed.data } } : undefined;
  }
  if (body[0] !== COMPACT && body[0] !== COMPACT_WITHOUT_LENDER) return undefined;
  const numbersAt = 1 + SIGNATURE_BYTES * (body[0] === COMPACT ? 2 : 1);
  const [total, issued, last] = jsonArray(textOf(body, numbersAt)) ?? [];
  if (!isCount(total) || !isCount(issued) || (last !== 0 && last !== 1)) return undefined;
  const receipt: Receipt = {
    ...partiesOf(role, household, neighbour),
    lease: terms.id,
    total,
    issuedAt: issued * 1000,
    last: last === 1,
  };
  const input = `${RECEIPT_PREFIX}${Buffer.from(receiptPayload(receipt)).toString('base64url')}.`;
  const token = (from: number): string =>
    input + Buffer.from(body.subarray(from, from + SIGNATURE_BYTES)).toString('base64url');
  const lender = body[0] === COMPACT ? token(1 + SIGNATURE_BYTES) : null;
  return { content: { ...about, borrower: token(1), lender }, receipt };
}

const RECEIPT_PREFIX = `${Buffer.from(RECEIPT_HEADER).toString('base64url')}.`;

/** Those whose body is a JSON array of their fields. */
function unpackPlain(
  kind: Exclude<Kind, 'lease' | 'receipt'>,
  row: Row,
  refs: References,
): Content | undefined {
  const values = jsonArray(textOf(row.body, 0));
  if (values === undefined) return undefined;
  const [a, b, c, d, e] = values;
  const checked = (name: Kind, fields: Record<string, unknown>): Content | undefined => {
    const parsed = FIELDS[name].safeParse(fields);
    return parsed.success ? ({ kind: name, ...parsed.data } as Content) : undefined;
  };
  switch (kind) {
    case 'party':
      return checked(kind, { neighbour: row.id, publicKey: a });
    case 'self':
      return checked(kind, { household: a, publicKey: b, statement: c });
    case 'begin':
      return checked(kind, { version: a, household: b, publicKey: c, cause: d, before: e });
    case 'pruned':
      return checked(kind, { through: a, hash: b, removed: c, ...(d === undefined ? {} : { kept: d }) });
    case 'proof':
      return checked(kind, { neighbour: partyOf(row, refs), reason: a, statement: b });
    case 'contact': {
      const lease = row.ref === null ? undefined : refs.lease(row.ref);
      const about = { neighbour: lease?.neighbour, lease: lease?.terms.id };
      return checked(kind, { ...about, address: a, port: b, from: c, until: d });
    }
  }
}

const partyOf = (row: Row, refs: References): string | undefined =>
  row.ref === null ? undefined : refs.party(row.ref);

const isCount = (value: unknown): value is number => Number.isSafeInteger(value) && (value as number) >= 0;

function jsonArray(text: string): readonly unknown[] | undefined {
  try {
    const value: unknown = JSON.parse(text);
    return Array.isArray(value) ? value : undefined;
  } catch {
    // A damaged body: the caller says which entry it is.
    return undefined;
  }
}

/** Whether an id is that of a key: then nobody needs to be asked for it. */
export const isKeyOf = (id: string, publicKey: string): boolean =>
  idOfPublicKey(Buffer.from(publicKey, 'base64url')) === id;
