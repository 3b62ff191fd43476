/**
 * Rotations as the ledger has them: our household changes its key, and the chain goes on under the new one because the old one said so.
 * Pure.
 */
import { type Rotation, readRotation } from '../neighbours/rotation.ts';
import type { ContentOf } from './entry.ts';
import { openJws } from './jws.ts';

const HEADER = '{"alg":"EdDSA","typ":"linepool-rotation"}';

/** What a statement says; its signature is the caller's to check. Undefined when it is none. */
export const rotationIn = (statement: string): Rotation | undefined =>
  openJws(statement)?.header === HEADER ? readRotation(statement) : undefined;

/**
 * The entries by which a chain of the household `from` becomes one of `to`; none when they are the same, undefined when the
 * statements do not lead there.
 */
export function changesTo(
  from: string,
  to: string,
  statements: readonly string[],
): readonly ContentOf<'self'>[] | undefined {
  const changes: ContentOf<'self'>[] = [];
  let household = from;
  for (const statement of statements) {
    const rotation = rotationIn(statement);
    if (household === to || rotation?.from !== household) continue;
    household = rotation.to.id;
    changes.push({ kind: 'self', household, publicKey: rotation.to.publicKey, statement });
  }
  return household === to ? changes : undefined;
}
