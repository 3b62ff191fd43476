/**
 * Rotation: a household changes its key, and its neighbours need not pair again. The old key signs a statement that names the
 * new one; statements form a chain, so that whoever slept through several changes can follow them all. A compact JWS
 * (RFC 7515) over Ed25519 (RFC 8037). Signed by identity.ts, sent and judged by rotation-desk.ts. No clock, no I/O.
 *
 *     {"alg":"EdDSA","typ":"linepool-rotation"} . {iss: old id, sub: new id, key: new public key, iat} . signature of the old key
 *
 * A chain proves nothing alone: its last key must be the one that TLS proved on the connection that it came over.
 */
import type { KeyObject } from 'node:crypto';
import { z } from 'zod';
import type { Milliseconds } from '../core/units.ts';
import { type FormerKey, FormerKeyEntry, publicKeyText } from './former-key.ts';
import type { HouseholdId } from './household-id.ts';

const ALGORITHM = 'EdDSA';
const TYPE = 'linepool-rotation';

/** Statements that are kept and sent; who has slept through more has to pair again. They fit into one message. */
export const ROTATIONS_MAX = 16;
/** Longest statement that is looked at, in characters. */
export const STATEMENT_MAX = 500;

const Claims = z.strictObject({
  iss: z.string().max(128),
  sub: z.string().max(128),
  key: publicKeyText,
  /** Seconds since 1970, for people: it decides nothing. */
  iat: z.int().min(0),
});

export interface Rotation {
  readonly from: HouseholdId;
  readonly to: FormerKey;
}

/** The statement, signed with the key of `from`. */
export async function signRotation(
  { from, to }: Rotation,
  privateKey: KeyObject,
  wall: Milliseconds,
): Promise<string> {
  const { CompactSign } = await import('jose');
  const claims: z.input<typeof Claims> = {
    iss: from,
    sub: to.id,
    key: to.publicKey,
    iat: Math.floor(wall / 1000),
  };
  return new CompactSign(Buffer.from(JSON.stringify(claims)))
    .setProtectedHeader({ alg: ALGORITHM, typ: TYPE })
    .sign(privateKey);
}

/** What a statement says, unproven; undefined when it is none. */
export function readRotation(statement: string): Rotation | undefined {
  if (statement.length > STATEMENT_MAX) return undefined;
  try {
    const payload = Buffer.from(statement.split('.')[1] ?? '', 'base64url').toString('utf8');
    const { iss, sub, key } = Claims.parse(JSON.parse(payload));
    return { from: iss, to: FormerKeyEntry.parse({ id: sub, publicKey: key }) };
  } catch {
    return undefined;
  }
}

/** Whose chain it was, and the keys that came since; the last one is its key now. */
export interface Followed {
  readonly id: HouseholdId;
  readonly keys: readonly FormerKey[];
}

/**
 * Follows a chain from the first household in it that is known. Undefined when nobody is, or when anything behind that does not
 * hold: a signature, an id that is not of its key, a link that does not join.
 */
export async function followRotations(
  statements: readonly string[],
  keyOf: (id: HouseholdId) => KeyObject | undefined,
  asKey: (publicKey: string) => KeyObject | undefined,
): Promise<Followed | undefined> {
  if (statements.length > ROTATIONS_MAX) return undefined;
  const rotations = statements.map(readRotation);
  const start = rotations.findIndex((one) => one !== undefined && keyOf(one.from) !== undefined);
  const id = rotations[start]?.from;
  let key = id === undefined ? undefined : keyOf(id);
  if (id === undefined || key === undefined) return undefined;
  const keys: FormerKey[] = [];
  for (let at = start; at < statements.length; at += 1) {
    const rotation = rotations[at];
    if (rotation?.from !== (keys.at(-1)?.id ?? id)) return undefined;
    if (key === undefined || !(await holds(statements[at] ?? '', key))) return undefined;
    keys.push(rotation.to);
    key = asKey(rotation.to.publicKey);
  }
  return { id, keys };
}

async function holds(statement: string, key: KeyObject): Promise<boolean> {
  const { compactVerify, errors } = await import('jose');
  try {
    const { protectedHeader } = await compactVerify(statement, key, { algorithms: [ALGORITHM] });
    return protectedHeader.typ === TYPE && Object.keys(protectedHeader).length === 2;
  } catch (error) {
    if (error instanceof errors.JOSEError) return false;
    throw error;
  }
}
