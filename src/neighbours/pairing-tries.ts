/**
 * Failed tries to pair, counted so that guessing gets nowhere. Used by the pairing desk. Pure; it holds no more than
 * `TRIES_TOTAL` entries, whatever is thrown at it.
 */
import type { Milliseconds } from '../core/units.ts';

export interface FailedTry {
  readonly from: string;
  readonly at: Milliseconds;
}

/** How long a failed try counts. */
export const TRIES_WINDOW_MS: Milliseconds = 60_000;
/** Failed tries of one network address in that time. */
export const TRIES_PER_ADDRESS = 5;
/** Failed tries of all in that time. */
export const TRIES_TOTAL = 20;

const recent = (tries: readonly FailedTry[], now: Milliseconds): readonly FailedTry[] =>
  tries.filter((t) => now - t.at < TRIES_WINDOW_MS);

/** Whether another try from there is looked at. */
export function mayTry(tries: readonly FailedTry[], from: string, now: Milliseconds): boolean {
  const counted = recent(tries, now);
  const source = sourceOf(from);
  return counted.length < TRIES_TOTAL && counted.filter((t) => t.from === source).length < TRIES_PER_ADDRESS;
}

/** The tries with one more that failed. */
export function afterFailure(
  tries: readonly FailedTry[],
  from: string,
  now: Milliseconds,
): readonly FailedTry[] {
  return [...recent(tries, now), { from: sourceOf(from), at: now }].slice(-TRIES_TOTAL);
}

/** One IPv4 address, or one IPv6 network of 64 bits: who has one address of such a network has them all. */
export function sourceOf(address: string): string {
  const plain = address.replace(/^::ffff:(?=\d+\.)/i, '').replace(/%.*$/, '');
  if (!plain.includes(':')) return plain;
  const [head = '', tail = ''] = plain.toLowerCase().split('::');
  const front = head === '' ? [] : head.split(':');
  const back = tail === '' ? [] : tail.split(':');
  const zeros = plain.includes('::')
    ? Array.from({ length: Math.max(0, 8 - front.length - back.length) }, () => '0')
    : [];
  return `${[...front, ...zeros, ...back].slice(0, 4).join(':')}::/64`;
}
