/**
 * Household ids: who a household is, as people and files write it. An id is the SHA-256 of the household's
 * public key in base32, with a check character after each 13, in eight groups of seven:
 *
 *     MFZWI3D-BONSGYC-YLTMRWG-C43ENR5-QXGZDMM-FZWI3DP-BONSGYY-LTMRWAD
 *
 * Read tolerantly (case, dashes, 0 1 8 for O I B), always written in this one canonical form. Pure.
 */
import { createHash } from 'node:crypto';

/** The canonical form; two ids are the same household exactly when the strings are equal. */
export type HouseholdId = string;

const ALPHABET = 'ABCDEFGHIJKLMNOPQRSTUVWXYZ234567';
/** Characters of the hash before each check character. */
const CHUNK = 13;
const GROUP = 7;
const HASH_BYTES = 32;
/** Base32 characters of the hash; the last one carries a single bit. */
const HASH_CHARACTERS = 52;

/** What is typed and read for another character. */
const CONFUSED: Readonly<Record<string, string>> = { '0': 'O', '1': 'I', '8': 'B' };

/** Base32 (RFC 4648 section 6), upper case, without padding. */
export function toBase32(bytes: Uint8Array): string {
  let out = '';
  let bits = 0;
  let held = 0;
  for (const byte of bytes) {
    held = (held << 8) | byte;
    bits += 8;
    while (bits >= 5) {
      bits -= 5;
      out += ALPHABET.charAt((held >> bits) & 31);
    }
    held &= (1 << bits) - 1;
  }
  return bits === 0 ? out : out + ALPHABET.charAt((held << (5 - bits)) & 31);
}

/** The bytes again; undefined when a character is foreign or bits behind the last byte are set. */
export function fromBase32(text: string): Uint8Array | undefined {
  const out = new Uint8Array(Math.floor((text.length * 5) / 8));
  let at = 0;
  let bits = 0;
  let held = 0;
  for (const character of text) {
    const value = ALPHABET.indexOf(character);
    if (value === -1) return undefined;
    held = (held << 5) | value;
    bits += 5;
    if (bits >= 8) {
      bits -= 8;
      out[at] = held >> bits;
      at += 1;
      held &= (1 << bits) - 1;
    }
  }
  return held === 0 && bits < 5 ? out : undefined;
}

/** As people type base32: lower case, dashes and white space, and 0 1 8 for O I B. */
export function tidyBase32(text: string): string {
  return text
    .toUpperCase()
    .replace(/[\s-]/g, '')
    .replace(/[018]/g, (character) => CONFUSED[character] ?? character);
}

/**
 * Luhn's check character over 32 symbols. Each symbol's contribution is a permutation of the 32 values, so
 * every single wrong character changes the sum; exchanged neighbours are found except `A7` and `7A`.
 */
function checkCharacter(chunk: string): string {
  let sum = 0;
  for (let i = 0; i < chunk.length; i += 1) {
    const value = ALPHABET.indexOf(chunk.charAt(i));
    const doubled = value * 2;
    // Counted so that the character next to the check character is doubled, or their exchange would go unseen.
    sum += i % 2 === 1 ? value : doubled < 32 ? doubled : doubled - 31;
  }
  return ALPHABET.charAt((32 - (sum % 32)) % 32);
}

const pieces = (text: string, length: number): string[] =>
  Array.from({ length: Math.ceil(text.length / length) }, (_, i) => text.slice(i * length, (i + 1) * length));

/** The id that a 32-byte hash spells. */
export function idOfHash(hash: Uint8Array): HouseholdId {
  if (hash.length !== HASH_BYTES) throw new RangeError(`a household id needs ${HASH_BYTES} bytes`);
  const checked = pieces(toBase32(hash), CHUNK)
    .map((chunk) => chunk + checkCharacter(chunk))
    .join('');
  return pieces(checked, GROUP).join('-');
}

/** The id of the household with this public key, given as SPKI in DER. */
export function idOfPublicKey(spki: Uint8Array): HouseholdId {
  return idOfHash(createHash('sha256').update(spki).digest());
}

/** The hash that an id spells. Undefined when it is not an id, or a check character does not hold. */
export function hashOfId(text: string): Uint8Array | undefined {
  const checked = tidyBase32(text);
  if (checked.length !== HASH_CHARACTERS + HASH_CHARACTERS / CHUNK) return undefined;
  let plain = '';
  for (const piece of pieces(checked, CHUNK + 1)) {
    const chunk = piece.slice(0, CHUNK);
    if (fromAlphabet(chunk) && checkCharacter(chunk) === piece.slice(CHUNK)) plain += chunk;
  }
  return plain.length === HASH_CHARACTERS ? fromBase32(plain) : undefined;
}

const fromAlphabet = (text: string): boolean => /^[A-Z2-7]*$/.test(text);

/** The first group: enough for people to tell neighbours apart, never enough to trust one. */
export function shortId(id: HouseholdId): string {
  return id.slice(0, GROUP);
}
