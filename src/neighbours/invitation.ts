/**
 * Invitations: the text by which a person brings two routers together. It carries where the inviter is, who it is, and a
 * secret that works once. Made by the inviter's neighbourhood, read by the joiner's. Pure.
 *
 *     LP1-  base32 of   addresses  id  secret  expiry  CRC-32
 *
 * Whoever has the text can pair: it must never be logged. CRC-32 finds every single wrong character; it protects
 * against slips, not against people, which the secret does.
 */
import { crc32 } from 'node:zlib';
import { LinepoolError } from '../core/errors.ts';
import type { Milliseconds } from '../core/units.ts';
import { ADDRESSES_MAX } from './book-file.ts';
import { fromBase32, type HouseholdId, hashOfId, idOfHash, tidyBase32, toBase32 } from './household-id.ts';
import { address as Address } from './messages.ts';

export interface Invitation {
  /** The inviter. */
  readonly id: HouseholdId;
  /** host:port where the inviter can be reached; at least one. */
  readonly addresses: readonly string[];
  /** 128 random bits. */
  readonly secret: Uint8Array;
  /** Milliseconds since 1970, whole seconds, by the inviter's wall clock. For people: the inviter decides. */
  readonly expiresAt: Milliseconds;
}

export const SECRET_BYTES = 16;
/** Longest text that is looked at, in characters. */
export const INVITATION_MAX = 2048;

const PREFIX = 'LP1-';
const ID_BYTES = 32;
const EXPIRY_BYTES = 5;
const CRC_BYTES = 4;

/** @throws RangeError when a part is out of its bounds: the caller made it */
export function encodeInvitation(invitation: Invitation): string {
  const { id, addresses, secret, expiresAt } = invitation;
  const hash = hashOfId(id);
  if (hash === undefined || secret.length !== SECRET_BYTES) throw new RangeError('not an invitation');
  if (addresses.length < 1 || addresses.length > ADDRESSES_MAX)
    throw new RangeError('an invitation needs an address');
  const expiry = Buffer.alloc(EXPIRY_BYTES);
  expiry.writeUIntBE(Math.floor(expiresAt / 1000), 0, EXPIRY_BYTES);
  const places = addresses.map((text) => {
    const bytes = Buffer.from(Address.parse(text), 'latin1');
    if (bytes.length > 255) throw new RangeError('an address is too long');
    return Buffer.concat([Buffer.of(bytes.length), bytes]);
  });
  const body = Buffer.concat([Buffer.of(addresses.length), ...places, hash, secret, expiry]);
  return PREFIX + toBase32(Buffer.concat([body, crcOf(body)]));
}

/**
 * Reads an invitation as a person pasted or typed it: case, white space and dashes don't matter.
 * @throws LinepoolError `invitation_invalid`
 */
export function parseInvitation(text: string): Invitation {
  const trimmed = text.trim();
  if (trimmed.length > INVITATION_MAX || !/^LP1[\s-]/i.test(trimmed))
    return refuse('It does not begin with LP1-.');
  const bytes = fromBase32(tidyBase32(trimmed.slice(PREFIX.length)));
  if (bytes === undefined || bytes.length < CRC_BYTES) return refuse('It has characters that do not belong.');
  const whole = Buffer.from(bytes);
  const body = whole.subarray(0, -CRC_BYTES);
  if (!crcOf(body).equals(whole.subarray(-CRC_BYTES))) return refuse('A character is wrong or missing.');
  return readBody(body);
}

function readBody(body: Buffer): Invitation {
  let at = 0;
  const next = (length: number): Buffer => {
    if (at + length > body.length) return refuse('It is too short.');
    at += length;
    return body.subarray(at - length, at);
  };
  const count = next(1).readUInt8();
  if (count < 1 || count > ADDRESSES_MAX) return refuse('It has no usable address.');
  const addresses = Array.from({ length: count }, () => {
    const address = Address.safeParse(next(next(1).readUInt8()).toString('latin1'));
    return address.success ? address.data : refuse('It has no usable address.');
  });
  const id = idOfHash(next(ID_BYTES));
  const secret = Uint8Array.from(next(SECRET_BYTES));
  const expiresAt = next(EXPIRY_BYTES).readUIntBE(0, EXPIRY_BYTES) * 1000;
  // A later version may say more behind this; what is read here would still hold.
  return { id, addresses, secret, expiresAt };
}

function crcOf(body: Buffer): Buffer {
  const crc = Buffer.alloc(CRC_BYTES);
  crc.writeUInt32BE(crc32(Buffer.concat([Buffer.from(PREFIX, 'latin1'), body])));
  return crc;
}

function refuse(why: string): never {
  throw new LinepoolError('invitation_invalid', why);
}
