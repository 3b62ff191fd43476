/**
 * The head: the household's signature under the number and the hash of the last entry of its ledger, so that a chain that was cut
 * at its end is told from a whole one. Signed with each append, in the same transaction. Pure but for the signature.
 *
 *     {"alg":"EdDSA","typ":"linepool-ledger-head"} . {iss, seq, hash, iat} . signature
 */
import type { KeyObject } from 'node:crypto';
import { z } from 'zod';
import type { Milliseconds } from '../core/units.ts';
import { openJws, signJws } from './jws.ts';

const HEADER = '{"alg":"EdDSA","typ":"linepool-ledger-head"}';

export interface Head {
  readonly household: string;
  readonly seq: number;
  readonly hash: Uint8Array;
  readonly signedAt: Milliseconds;
}

const Claims = z.strictObject({
  iss: z.string().min(1).max(128),
  seq: z.int().min(1),
  hash: z.string().regex(/^[A-Za-z0-9_-]{43}$/),
  iat: z.int().min(0),
});

export function signHead({ household, seq, hash, signedAt }: Head, privateKey: KeyObject): string {
  const claims: z.input<typeof Claims> = {
    iss: household,
    seq,
    hash: Buffer.from(hash).toString('base64url'),
    iat: Math.max(0, Math.floor(signedAt / 1000)),
  };
  return signJws(HEADER, JSON.stringify(claims), privateKey);
}

/** What a head says; its signature is the caller's to check. Undefined when it is not in the form of one. */
export function parseHead(token: string): Head | undefined {
  const parts = openJws(token);
  if (parts?.header !== HEADER) return undefined;
  let raw: unknown;
  try {
    raw = JSON.parse(parts.payload);
  } catch {
    // Not JSON: not a head.
    return undefined;
  }
  const parsed = Claims.safeParse(raw);
  if (!parsed.success) return undefined;
  const { iss, seq, hash, iat } = parsed.data;
  return { household: iss, seq, hash: Buffer.from(hash, 'base64url'), signedAt: iat * 1000 };
}
