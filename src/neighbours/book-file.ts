/**
 * The book's file: `neighbours.json` in the state folder, as it stands on disk. Used by the book and by backups. Pure.
 * What does not hold together (an id that is not that of its key, a name that stands twice) is refused as a whole.
 */
import { z } from 'zod';
import { LinepoolError } from '../core/errors.ts';
import type { Milliseconds } from '../core/units.ts';
import { FORMER_KEYS_MAX, type FormerKey, FormerKeyEntry, publicKeyText } from './former-key.ts';
import { type HouseholdId, idOfPublicKey } from './household-id.ts';
import { NAME_MAX } from './neighbour-name.ts';

/** A household that is paired with ours. A snapshot: a later change makes another one. */
export interface Neighbour {
  readonly id: HouseholdId;
  /** What we call it; no other neighbour has it. */
  readonly name: string;
  /** host:port, the last one that worked first. Empty: it can call us, we can't call it. */
  readonly addresses: readonly string[];
  /** Milliseconds since 1970. */
  readonly pairedAt: Milliseconds;
  /** Ed25519, SPKI in DER, as base64url: what its signatures are checked with. */
  readonly publicKey: string;
  /** What it was known by before it changed its key, the oldest first. */
  readonly formerKeys: readonly FormerKey[];
}

/** A household that may not be our neighbour, whatever invitation it has. */
export interface Blocked {
  readonly id: HouseholdId;
  /** What we called it. */
  readonly name: string;
  /** Milliseconds since 1970. */
  readonly blockedAt: Milliseconds;
  /** Those that it had, the last one last; none when it was never our neighbour. */
  readonly keys: readonly FormerKey[];
}

export const BOOK_FILE = 'neighbours.json';
/** How many neighbours a household can have. */
export const NEIGHBOURS_MAX = 256;
/** How many addresses are kept of one. */
export const ADDRESSES_MAX = 4;
/** How many households can be blocked. */
export const BLOCKED_MAX = 256;

const Entry = z
  .strictObject({
    id: z.string(),
    name: z.string().min(1).max(NAME_MAX),
    addresses: z.array(z.string().min(3).max(262)).max(ADDRESSES_MAX),
    pairedAt: z.number().nonnegative(),
    publicKey: publicKeyText,
    formerKeys: z.array(FormerKeyEntry).max(FORMER_KEYS_MAX).default([]),
  })
  .refine(({ id, publicKey }) => id === idOfPublicKey(Buffer.from(publicKey, 'base64url')), {
    message: 'the id is not that of the public key',
  });

const BlockedEntry = z.strictObject({
  id: z.string(),
  name: z.string().min(1).max(NAME_MAX),
  blockedAt: z.number().nonnegative(),
  keys: z.array(FormerKeyEntry).max(FORMER_KEYS_MAX + 1),
});

const File = z.strictObject({
  version: z.literal(1),
  neighbours: z.array(Entry).max(NEIGHBOURS_MAX),
  blocked: z.array(BlockedEntry).max(BLOCKED_MAX).default([]),
});

export interface BookPages {
  readonly neighbours: readonly Neighbour[];
  readonly blocked: readonly Blocked[];
}

/** The text of the file. */
export function writeBook({ neighbours, blocked }: BookPages): string {
  return `${JSON.stringify({ version: 1, neighbours, blocked }, null, 2)}\n`;
}

/** @throws LinepoolError `state_unusable`, naming the file and what is wrong with it */
export function parseBook(file: string, text: string): BookPages {
  const refuse = (why: string, cause?: unknown): never => {
    throw new LinepoolError(
      'state_unusable',
      `${file} is damaged (${why}). It was left as it is: restore it from a backup, or move it away and pair again.`,
      { cause },
    );
  };
  let raw: unknown;
  try {
    raw = JSON.parse(text);
  } catch (error) {
    return refuse('not JSON', error);
  }
  const result = File.safeParse(raw);
  if (!result.success) {
    const issue = result.error.issues[0];
    return refuse(`${issue?.path.map(String).join('.') ?? ''}: ${issue?.message ?? ''}`);
  }
  const { neighbours, blocked } = result.data;
  const ids = [...neighbours, ...blocked].map((one) => one.id);
  if (new Set(ids).size !== ids.length) return refuse('an id stands twice');
  if (new Set(neighbours.map((n) => n.name)).size !== neighbours.length) return refuse('a name stands twice');
  return { neighbours, blocked };
}
