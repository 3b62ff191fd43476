/**
 * Comparison: how two households pair without an invitation. Both routers show one number, and each person says whether the other
 * side shows the same. One literal state machine for either side; the shells are comparison-desk.ts (who was asked) and
 * comparison-ask.ts (who asks). Pure: no clock, socket, file or randomness.
 *
 *     asking                                       asked
 *                ── commitment to nonce A ──────►
 *     committed  ◄─ nonce B ────────────────────    committed
 *                ── nonce A ────────────────────►   checked against the commitment
 *     comparing      the number of both keys, both nonces and the connection      comparing
 *       │ agree (our person)                               agree (our person) │
 *     we_agreed  ── agree ──────────────────────►   they_agreed or paired
 *     paired     ◄─ agree, once it has pinned us     paired
 *
 * Who is in the middle has keys of its own, so the two numbers are of different things. It is bound by a commitment before it
 * knows the other side's nonce, on either side, so it can't choose either number: it is right once in a million tries, and each
 * try needs two people who compare.
 */
import { createHash, timingSafeEqual } from 'node:crypto';
import type { Milliseconds } from '../core/units.ts';
import { type HouseholdId, hashOfId } from './household-id.ts';

/** How a comparison came to nothing. */
export type Why =
  /** By our person, who may have seen another number there. */
  | 'rejected_here'
  | 'rejected_there'
  /** Its nonce is not the one that it had committed to. */
  | 'commitment'
  | 'time'
  | 'lost';

export type Comparison =
  | { readonly kind: 'committed'; readonly until: Milliseconds }
  | { readonly kind: 'comparing'; readonly number: string; readonly until: Milliseconds }
  | { readonly kind: 'we_agreed'; readonly number: string; readonly until: Milliseconds }
  | { readonly kind: 'they_agreed'; readonly number: string; readonly until: Milliseconds }
  | { readonly kind: 'paired' }
  | { readonly kind: 'ended'; readonly why: Why };

export type ComparisonEvent =
  /** All nonces are known. `number` is undefined when the commitment does not hold. */
  | { readonly kind: 'revealed'; readonly number: string | undefined }
  /** Our person typed the number that the other side shows. */
  | { readonly kind: 'agree'; readonly typed: string }
  | { readonly kind: 'reject' }
  | { readonly kind: 'they_agree' }
  | { readonly kind: 'they_reject' }
  | { readonly kind: 'lost' };

/** For the messages before people are asked. */
export const COMMIT_MS: Milliseconds = 10_000;
/** For the people. */
export const COMPARE_MS: Milliseconds = 120_000;

export const NONCE_BYTES = 32;
const NUMBER_DIGITS = 6;

export const comparisonAtStart = (now: Milliseconds): Comparison => ({
  kind: 'committed',
  until: now + COMMIT_MS,
});

/** True while it occupies the one place that there is. */
export const isOpen = (state: Comparison): boolean => state.kind !== 'paired' && state.kind !== 'ended';

const ended = (why: Why): Comparison => ({ kind: 'ended', why });

/** What time alone makes of it. */
export function agedComparison(state: Comparison, now: Milliseconds): Comparison {
  return 'until' in state && now >= state.until ? ended('time') : state;
}

/** One step. An event that makes no sense in a state leaves it as it is. Times are of the monotonic clock. */
export function stepComparison(before: Comparison, event: ComparisonEvent, now: Milliseconds): Comparison {
  const state = agedComparison(before, now);
  switch (state.kind) {
    case 'paired':
    case 'ended':
      return state;
    case 'committed':
      if (event.kind !== 'revealed') return endedBy(event) ?? state;
      return event.number === undefined
        ? ended('commitment')
        : { kind: 'comparing', number: event.number, until: now + COMPARE_MS };
    case 'comparing':
    case 'they_agreed':
      if (event.kind === 'agree') {
        // Who typed another number has seen another number: there may be somebody in the middle.
        if (digitsOf(event.typed) !== state.number) return ended('rejected_here');
        return state.kind === 'they_agreed' ? { kind: 'paired' } : { ...state, kind: 'we_agreed' };
      }
      if (event.kind === 'they_agree') return { ...state, kind: 'they_agreed' };
      return endedBy(event) ?? state;
    case 'we_agreed':
      return event.kind === 'they_agree' ? { kind: 'paired' } : (endedBy(event) ?? state);
  }
}

function endedBy(event: ComparisonEvent): Comparison | undefined {
  switch (event.kind) {
    case 'reject':
      return ended('rejected_here');
    case 'they_reject':
      return ended('rejected_there');
    case 'lost':
      return ended('lost');
    default:
      return undefined;
  }
}

/** Digits alone, however they were grouped. */
export const digitsOf = (text: string): string => text.replace(/\D/g, '');

/** `123 456`: as people read it aloud. */
export const spokenNumber = (number: string): string => `${number.slice(0, 3)} ${number.slice(3)}`;

// ---- What is computed ----

/** Between whom, over which connection. */
export interface ComparisonContext {
  readonly asking: HouseholdId;
  readonly asked: HouseholdId;
  /** Of the TLS connection: `channelBinding`. */
  readonly binding: Uint8Array;
}

/** What the asking side is bound by before it sees the other's nonce: SHA-256, as base64url. */
export function commitmentOf(nonce: Uint8Array, context: ComparisonContext): string {
  return hashed('commitment', context).update(nonce).digest('base64url');
}

/** Whether the nonce is the one that was committed to. */
export function commitmentHolds(commitment: string, nonce: Uint8Array, context: ComparisonContext): boolean {
  const left = Buffer.from(commitment, 'base64url');
  const right = Buffer.from(commitmentOf(nonce, context), 'base64url');
  return left.length === right.length && timingSafeEqual(left, right);
}

/**
 * The number to compare, six digits: SHA-256("linepool compare 1" 00 "number" 00, both ids' hashes, binding, both nonces), its first 64 bits
 * modulo a million. The ids are hashes of the keys that TLS proved.
 */
export function numberOf(
  askingNonce: Uint8Array,
  askedNonce: Uint8Array,
  context: ComparisonContext,
): string {
  const digest = hashed('number', context).update(askingNonce).update(askedNonce).digest();
  return String(digest.readBigUInt64BE() % 10n ** BigInt(NUMBER_DIGITS)).padStart(NUMBER_DIGITS, '0');
}

function hashed(
  purpose: string,
  { asking, asked, binding }: ComparisonContext,
): ReturnType<typeof createHash> {
  const hash = createHash('sha256').update(`linepool compare 1\0${purpose}\0`, 'latin1');
  for (const id of [asking, asked]) {
    const bytes = hashOfId(id);
    if (bytes === undefined) throw new RangeError('not a household id');
    hash.update(bytes);
  }
  // All parts are of fixed length, so that no two different sets of them read the same.
  if (binding.length !== 32) throw new RangeError('a binding has 32 bytes');
  return hash.update(binding);
}
