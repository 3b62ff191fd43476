/**
 * Compact JWS (RFC 7515 section 3.1) taken apart and checked, for the one algorithm that linepool signs with: EdDSA over Ed25519
 * (RFC 8037). For what is checked by the hundred thousand or must be checked at once; the link's tokens are read with jose.
 * The caller compares the header's text with the one it expects: no other algorithm or member is ever looked for here.
 */
import { type KeyObject, sign, verify } from 'node:crypto';
import { z } from 'zod';

/** Latest time that a token may name, in seconds since 1970: 12 digits, in milliseconds still a number that is exact. */
export const TOKEN_TIME_MAX = 999_999_999_999;

/** A claim: seconds since 1970 (RFC 7519 section 2, NumericDate). */
export const numericDate = z.int().min(0).max(TOKEN_TIME_MAX);

export interface JwsParts {
  /** Texts, as they are signed. */
  readonly header: string;
  readonly payload: string;
  readonly signature: Uint8Array;
}

/** Undefined when it is not one, or is not spelt in the one canonical way. */
export function openJws(token: string): JwsParts | undefined {
  const [header, payload, signature, ...more] = token.split('.');
  if (header === undefined || payload === undefined || signature === undefined || more.length > 0)
    return undefined;
  const parts: JwsParts = {
    header: Buffer.from(header, 'base64url').toString('utf8'),
    payload: Buffer.from(payload, 'base64url').toString('utf8'),
    signature: Buffer.from(signature, 'base64url'),
  };
  return closeJws(parts) === token ? parts : undefined;
}

/** The token again. */
export function closeJws({ header, payload, signature }: JwsParts): string {
  const { buffer, byteOffset, byteLength } = signature;
  const tail = Buffer.from(buffer, byteOffset, byteLength).toString('base64url');
  return `${Buffer.from(header).toString('base64url')}.${Buffer.from(payload).toString('base64url')}.${tail}`;
}

/** Whether this Ed25519 key made the token's signature. */
export function holds(token: string, publicKey: KeyObject): boolean {
  const dot = token.lastIndexOf('.');
  if (publicKey.asymmetricKeyType !== 'ed25519') return false;
  return verify(
    null,
    Buffer.from(token.slice(0, dot)),
    publicKey,
    Buffer.from(token.slice(dot + 1), 'base64url'),
  );
}

/** The token with that key's signature under this header and payload. */
export const signJws = (header: string, payload: string, privateKey: KeyObject): string =>
  signedInput(
    `${Buffer.from(header).toString('base64url')}.${Buffer.from(payload).toString('base64url')}`,
    privateKey,
  );

/** The same for the text of another token, which is all before its signature. */
export const signAgain = (token: string, privateKey: KeyObject): string =>
  signedInput(token.slice(0, token.lastIndexOf('.')), privateKey);

const signedInput = (input: string, privateKey: KeyObject): string =>
  `${input}.${sign(null, Buffer.from(input), privateKey).toString('base64url')}`;
