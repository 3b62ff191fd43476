/**
 * The check of a whole pooled response against the digest that its head gave: hashed while it goes to the client, and
 * compared before the last bytes do. Made for each response in which checked neighbours take part.
 */
import { createHash } from 'node:crypto';
import { type Bytes, KIB } from '../core/units.ts';
import type { Digest } from '../download/integrity/digests.ts';

/** What the client gets last: without it, nothing looks complete. */
export const HELD_BACK_BYTES: Bytes = 16 * KIB;

export interface WholeCheck {
  /** Of all but what is held back, in order. */
  readonly passing: (chunk: Buffer) => void;
  /** With what is held back. Only once. */
  readonly holds: (heldBack: readonly Buffer[]) => boolean;
}

/** Without a digest, everything holds. */
export function wholeCheck(expected: Digest | undefined): WholeCheck {
  if (expected === undefined) return { passing: () => undefined, holds: () => true };
  const hash = createHash(expected.algorithm.replace('-', ''));
  return {
    passing: (chunk) => void hash.update(chunk),
    holds: (heldBack) => {
      for (const chunk of heldBack) hash.update(chunk);
      return hash.digest().equals(expected.digest);
    },
  };
}
