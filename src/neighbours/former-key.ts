/**
 * Former keys: what a household was known by before it changed its key. Kept with our own identity and with each
 * neighbour in the book, so that what was signed in those days can still be checked. Pure.
 */
import { z } from 'zod';
import { type HouseholdId, idOfPublicKey } from './household-id.ts';

export interface FormerKey {
  readonly id: HouseholdId;
  /** Ed25519, SPKI in DER, as base64url. */
  readonly publicKey: string;
}

/** How many are kept of one household; the oldest go. */
export const FORMER_KEYS_MAX = 64;

export const publicKeyText = z.base64url().max(128);

/** As it stands in a file: the id must be that of the key. */
export const FormerKeyEntry = z
  .strictObject({ id: z.string(), publicKey: publicKeyText })
  .refine(({ id, publicKey }) => id === formerKeyOf(publicKey).id, {
    message: 'the id is not that of the public key',
  });

export const formerKeyOf = (publicKey: string): FormerKey => ({
  id: idOfPublicKey(Buffer.from(publicKey, 'base64url')),
  publicKey,
});
