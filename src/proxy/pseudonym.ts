/**
 * What this proxy calls itself in Via and Proxy-Status. Origins read it: it must say nothing of the household, and be
 * another after each start, so that nobody is known again by it. It only has to tell our own requests from others'.
 */
import { randomInt } from 'node:crypto';

const ALPHABET = 'abcdefghijklmnopqrstuvwxyz234567';
const CHARACTERS = 6;

/** `linepool-` and six random characters of base32. */
export function newPseudonym(): string {
  const random = Array.from({ length: CHARACTERS }, () => ALPHABET.charAt(randomInt(ALPHABET.length)));
  return `linepool-${random.join('')}`;
}
