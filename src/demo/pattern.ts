/**
 * The deterministic file: byte n is a function of n alone, so any part can be made, and checked, anywhere.
 * The period is a prime, so that a part that is put in a wrong place does not look right by chance.
 */
import { createHash } from 'node:crypto';
import type { Bytes } from '../core/units.ts';

const PERIOD = 1_048_573;
/** Twice the period, so that any stretch of up to one period is one slice. */
const TABLE: Buffer = (() => {
  const table = Buffer.alloc(PERIOD * 2);
  let state = 0x2545f491;
  for (let i = 0; i < PERIOD; i += 1) {
    state ^= state << 13;
    state ^= state >>> 17;
    state ^= state << 5;
    table[i] = state & 0xff;
  }
  table.copy(table, PERIOD, 0, PERIOD);
  return table;
})();

/** The longest piece that `patternAt` gives. */
export const LARGEST_PIECE: Bytes = PERIOD;

/** The bytes [start, start + length) of the file, without copying; length at most `LARGEST_PIECE`. Not to be written to. */
export function patternAt(start: Bytes, length: Bytes): Buffer {
  const at = start % PERIOD;
  return TABLE.subarray(at, at + Math.min(length, PERIOD));
}

/** True when the bytes are those of the file at that place. */
export function isPattern(bytes: Uint8Array, start: Bytes): boolean {
  for (let done = 0; done < bytes.length; ) {
    const expected = patternAt(start + done, bytes.length - done);
    if (expected.compare(bytes, done, done + expected.length) !== 0) return false;
    done += expected.length;
  }
  return true;
}

/** SHA-256 of the first `size` bytes of the file, in hex. */
export function patternSha256(size: Bytes): string {
  const hash = createHash('sha256');
  for (let at = 0; at < size; ) {
    const piece = patternAt(at, size - at);
    hash.update(piece);
    at += piece.length;
  }
  return hash.digest('hex');
}
