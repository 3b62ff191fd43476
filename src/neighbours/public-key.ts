/**
 * Public keys of households as they are written, made ready to check signatures with.
 */
import { createPublicKey, type KeyObject } from 'node:crypto';

/** Of Ed25519, SPKI in DER, as base64url; undefined when it is none. */
export function publicKeyOf(text: string): KeyObject | undefined {
  try {
    const key = createPublicKey({ key: Buffer.from(text, 'base64url'), format: 'der', type: 'spki' });
    return key.asymmetricKeyType === 'ed25519' ? key : undefined;
  } catch {
    return undefined;
  }
}
