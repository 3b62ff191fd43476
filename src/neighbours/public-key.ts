/**
 * Public keys of households as they are written, made ready to check signatures with. Making one ready takes longer than checking with it.
 */
import { createPublicKey, type KeyObject } from 'node:crypto';
import { LRUCache } from 'lru-cache';

const READY_MAX = 128;
const ready = new LRUCache<string, KeyObject>({ max: READY_MAX });

/** Of Ed25519, SPKI in DER, as base64url; undefined when it is none. */
export function publicKeyOf(text: string): KeyObject | undefined {
  const known = ready.get(text);
  if (known !== undefined) return known;
  try {
    const key = createPublicKey({ key: Buffer.from(text, 'base64url'), format: 'der', type: 'spki' });
    if (key.asymmetricKeyType !== 'ed25519') return undefined;
    ready.set(text, key);
    return key;
  } catch {
    return undefined;
  }
}
