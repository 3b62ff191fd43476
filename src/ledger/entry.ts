/**
 * Entries: what a ledger holds, as values, and their one canonical text, which is what is hashed. Made by those who call
 * `Ledger.append`; read by verify, export, balance and explain. docs/ledger.md specifies the text to the byte. Pure.
 *
 * An entry must never hold a path, a query, a header, a byte of what was carried, or which client of a household it was for.
 */
import { hash } from 'node:crypto';
import { z } from 'zod';
import type { Bytes, Milliseconds } from '../core/units.ts';
import type { HouseholdId } from '../neighbours/household-id.ts';

/** Raised when an entry's text or fields change; a ledger of another version is recognised by it. */
export const LEDGER_VERSION = 1;

/** Where a household keeps its ledger, in the state folder. */
export const LEDGER_FILE = 'ledger.sqlite';

/** What our household is in a lease. */
export type Role = 'borrower' | 'lender';

/** Longest compact JWS that is recorded, in characters. */
export const TOKEN_MAX = 4096;
const STATEMENT_MAX = 16_384;

/** Printable ASCII without quote and backslash: what JSON writes in one way only. */
const plain = (most: number) =>
  z
    .string()
    .min(1)
    .max(most)
    .regex(/^[ !#-[\]-~]+$/);
const jws = (most: number) =>
  z
    .string()
    .max(most)
    .regex(/^[A-Za-z0-9_-]+\.[A-Za-z0-9_-]*\.[A-Za-z0-9_-]+$/, 'is not a compact JWS');
const householdId = z.string().regex(/^(?:[A-Z2-7]{7}-){7}[A-Z2-7]{7}$/, 'is not a household id');
const publicKey = z.base64url().min(1).max(128);
export const leaseId = z.string().regex(/^[A-Za-z0-9_-]{16,64}$/, 'is not the id of a lease');
const role = z.enum(['borrower', 'lender']);
const count = z.int().min(0);
const sha256 = z.string().regex(/^[A-Za-z0-9_-]{43}$/, 'is not a SHA-256 in base64url');

/** The fields of each kind, in the order of the canonical text. */
export const FIELDS = {
  /** The first entry of a chain. `before`: the file that was set aside, or empty. */
  begin: z.strictObject({
    version: z.literal(LEDGER_VERSION),
    household: householdId,
    publicKey,
    cause: z.enum(['new', 'damaged', 'other_version', 'other_household']),
    before: z.union([z.literal(''), plain(300)]),
  }),
  /** From here on our household has this key; the one before signed the statement (see neighbours/rotation.ts). */
  self: z.strictObject({ household: householdId, publicKey, statement: jws(TOKEN_MAX) }),
  /** The first time that a neighbour is named: its key, which its id is the hash of. */
  party: z.strictObject({ neighbour: householdId, publicKey }),
  /** `token`: as signed by the borrower. */
  lease: z.strictObject({ role, neighbour: householdId, token: jws(TOKEN_MAX) }),
  /** A lender connected, or tried to, for a lease, to this address. `until` is null while it is not known: the lease's end bounds it. */
  contact: z.strictObject({
    neighbour: householdId,
    lease: leaseId,
    address: z.union([z.ipv4(), z.ipv6()]),
    port: z.int().min(1).max(65_535),
    from: count,
    until: count.nullable(),
  }),
  /** A running total of a lease, signed by the borrower, and by the lender unless it has not answered. */
  receipt: z.strictObject({
    role,
    neighbour: householdId,
    lease: leaseId,
    borrower: jws(TOKEN_MAX),
    lender: jws(TOKEN_MAX).nullable(),
  }),
  /** A signed statement that shows how a neighbour misbehaved. */
  proof: z.strictObject({ neighbour: householdId, reason: plain(200), statement: jws(STATEMENT_MAX) }),
  /**
   * Retention removed `removed` entries up to and with the one numbered `through`, whose hash was `hash`. `kept`: what it left up to
   * there (see kept.ts); those that were written before there was this field lack it.
   */
  pruned: z.strictObject({ through: count, hash: sha256, removed: count, kept: sha256.optional() }),
} as const;

export type Kind = keyof typeof FIELDS;
export const KINDS = Object.keys(FIELDS) as readonly Kind[];

type FieldsOf<K extends Kind> = Readonly<z.output<(typeof FIELDS)[K]>>;
/** What an entry says, without its place in a chain. */
export type Content = { readonly [K in Kind]: { readonly kind: K } & FieldsOf<K> }[Kind];
export type ContentOf<K extends Kind> = Extract<Content, { kind: K }>;

/** What is handed to `append`: the ledger itself writes the other kinds. The key must be the one that the id is the hash of. */
export type NewEntry =
  | (ContentOf<'lease'> & { readonly publicKey: string })
  | ContentOf<'contact'>
  | ContentOf<'receipt'>
  | (ContentOf<'proof'> & { readonly publicKey: string });

export interface Entry {
  /** Counts up from 1 without a gap. */
  readonly seq: number;
  /** Milliseconds since 1970 by the household's wall clock; not proved by anybody, and may go back. */
  readonly at: Milliseconds;
  readonly content: Content;
  /** SHA-256 over the hash before and the canonical text. */
  readonly hash: Uint8Array;
}

/** What the hash of the first entry is computed from. */
export const HASH_BEFORE_FIRST: Uint8Array = new Uint8Array(32);

/**
 * The canonical text: JSON without white space, `seq`, `at` and `kind` first, then the fields in the order of `FIELDS`, those left out
 * that it lacks. Content that is as `FIELDS` says holds nothing that JSON would escape.
 */
export function canonicalText(seq: number, at: Milliseconds, content: Content): string {
  const named = content as unknown as Readonly<Record<string, string | number | null | undefined>>;
  let text = `{"seq":${seq},"at":${at},"kind":"${content.kind}"`;
  for (const [name, prefix] of MEMBERS.get(content.kind) ?? []) {
    const value = named[name];
    if (value === undefined) continue;
    text += typeof value === 'string' ? `${prefix}"${value}"` : prefix + String(value);
  }
  return `${text}}`;
}

/** The names of the fields of each kind, and as they stand in the text. */
const MEMBERS: ReadonlyMap<Kind, readonly (readonly [string, string])[]> = new Map(
  KINDS.map((kind) => [kind, Object.keys(FIELDS[kind].shape).map((name) => [name, `,"${name}":`] as const)]),
);

const HASH_BYTES = HASH_BEFORE_FIRST.length;

/** SHA-256 of the 32 bytes of the hash before, followed by the canonical text in UTF-8. */
export function chainHash(before: Uint8Array, text: string): Uint8Array {
  const input = Buffer.allocUnsafe(HASH_BYTES + Buffer.byteLength(text));
  input.set(before.length === HASH_BYTES ? before : HASH_BEFORE_FIRST);
  input.write(text, HASH_BYTES);
  return hash('sha256', input, 'buffer');
}

/** What a lease has carried, as far as the ledger has it on record. */
export interface Carried {
  /** The lease as it is on record. */
  readonly token: string;
  /** As the last receipt has it; 0 before the first. Both directions together. */
  readonly total: Bytes;
  readonly receipt: ContentOf<'receipt'> | undefined;
}

/** One of the households in a chain. */
export interface Party {
  readonly id: HouseholdId;
  /** Ed25519, SPKI in DER, as base64url. */
  readonly publicKey: string;
}
