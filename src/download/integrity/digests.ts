/**
 * Digests that an origin gives with a response: RFC 9530 (Repr-Digest, Content-Digest), RFC 3230 (Digest, which Metalink/HTTP,
 * RFC 6249, uses too) and Content-MD5 (RFC 1864). Pure. What can't be understood, or is of something else than the
 * bytes that the client gets, is as if it were not there.
 */
import { parseDictionary } from 'structured-headers';
import { fieldValues, type RawHeaders } from '../../core/http.ts';

export interface Digest {
  /** As RFC 9530 names it. */
  readonly algorithm: 'sha-256' | 'sha-512' | 'md5';
  readonly digest: Buffer;
}

/** The best first; nobody has found bytes for a given MD5 either. */
const BYTES = { 'sha-256': 32, 'sha-512': 64, md5: 16 } as const;
type Algorithm = keyof typeof BYTES;
const ALGORITHMS = Object.keys(BYTES) as readonly Algorithm[];

/** What the digest is to be of: the `content` of this response, and the `whole` representation, without a content coding. */
export interface Of {
  readonly content: boolean;
  readonly whole: boolean;
}

/** The best digest that the head gives of it. */
export function digestOf(headers: RawHeaders, of: Of): Digest | undefined {
  const found = new Map<Algorithm, Buffer>();
  const add = (name: string, digest: Uint8Array): void => {
    const algorithm = ALGORITHMS.find((one) => one === name);
    if (algorithm !== undefined && digest.byteLength === BYTES[algorithm] && !found.has(algorithm)) {
      found.set(algorithm, Buffer.from(digest));
    }
  };
  if (of.content) {
    structured(headers, 'content-digest', add);
    for (const value of fieldValues(headers, 'content-md5')) add('md5', Buffer.from(value.trim(), 'base64'));
  }
  if (of.whole) {
    structured(headers, 'repr-digest', add);
    for (const value of fieldValues(headers, 'digest').flatMap((text) => text.split(','))) {
      const [, name = '', base64 = ''] = /^\s*(?:id-)?([\w-]+)=([A-Za-z0-9+/]+={0,2})\s*$/.exec(value) ?? [];
      add(name.toLowerCase(), Buffer.from(base64, 'base64'));
    }
  }
  const algorithm = ALGORITHMS.find((one) => found.has(one));
  const digest = algorithm === undefined ? undefined : found.get(algorithm);
  return algorithm === undefined || digest === undefined ? undefined : { algorithm, digest };
}

/** A dictionary of byte sequences (RFC 9530 section 2, RFC 9651). */
function structured(
  headers: RawHeaders,
  field: string,
  add: (name: string, digest: Uint8Array) => void,
): void {
  const values = fieldValues(headers, field);
  if (values.length === 0) return;
  try {
    for (const [name, [value]] of parseDictionary(values.join(', '))) {
      if (value instanceof ArrayBuffer) add(name, new Uint8Array(value));
    }
  } catch {
    // Not a dictionary: it says nothing.
  }
}
