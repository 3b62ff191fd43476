/**
 * Pairing: how two households become neighbours by an invitation. Both sides as literal state machines; the shells are
 * pairing-desk.ts (inviter) and pairing-join.ts (joiner). Pure: no clock, socket, file or randomness.
 *
 *     joiner                                        inviter
 *     asking      ── pair: joiner's proof ────────►  issued ─► claimed
 *     confirming  ◄─ inviter's proof ───────────────
 *                 ── confirm: another proof ──────►  claimed ─► confirmed   the inviter pins
 *     paired      ◄─ done ──────────────────────────                        the joiner pins
 *
 * The inviter's person agreed by handing the invitation out, the joiner's by entering it. Each message may be lost and is
 * then sent again: the same joiner gets the same answer; nobody else gets one.
 */
import { createHmac } from 'node:crypto';
import type { ErrorCode } from '../core/errors.ts';
import type { Milliseconds } from '../core/units.ts';
import { type HouseholdId, hashOfId } from './household-id.ts';

// ---- The inviter, one machine for each invitation ----

export type InvitationState =
  | { readonly kind: 'issued'; readonly expiresAt: Milliseconds }
  | { readonly kind: 'claimed'; readonly joiner: HouseholdId; readonly expiresAt: Milliseconds }
  /** Kept until `forgetAt`, for a joiner that didn't hear that it is done. */
  | { readonly kind: 'confirmed'; readonly joiner: HouseholdId; readonly forgetAt: Milliseconds }
  /** Withdrawn by our person. */
  | { readonly kind: 'refused' }
  | { readonly kind: 'expired' };

export type InvitationEvent =
  /** `proved`: the proof that came with it holds. */
  | { readonly kind: 'claim'; readonly joiner: HouseholdId; readonly proved: boolean }
  | { readonly kind: 'confirm'; readonly joiner: HouseholdId; readonly proved: boolean }
  | { readonly kind: 'withdraw' };

export type InvitationAnswer =
  | { readonly kind: 'prove' }
  /** Put the joiner into the book, then say that it is done. */
  | { readonly kind: 'pin' }
  /** Say again that it is done, if it still is. */
  | { readonly kind: 'repeat' }
  /** `guess`: it counts as a failed try. */
  | { readonly kind: 'refuse'; readonly guess: boolean }
  | { readonly kind: 'nothing' };

export interface InvitationStep {
  readonly state: InvitationState;
  readonly answer: InvitationAnswer;
}

/** How long after its expiry a used invitation still answers the joiner that used it. */
export const REPEAT_MS: Milliseconds = 10 * 60_000;

const REFUSE: InvitationAnswer = { kind: 'refuse', guess: false };
const GUESS: InvitationAnswer = { kind: 'refuse', guess: true };

/** One step of an invitation. Times are of the monotonic clock. */
export function stepInvitation(
  before: InvitationState,
  event: InvitationEvent,
  now: Milliseconds,
): InvitationStep {
  const state = aged(before, now);
  if (event.kind === 'withdraw') {
    const open = state.kind === 'issued' || state.kind === 'claimed';
    return { state: open ? { kind: 'refused' } : state, answer: { kind: 'nothing' } };
  }
  if (!event.proved) return { state, answer: GUESS };
  switch (state.kind) {
    case 'issued':
      return event.kind === 'claim'
        ? {
            state: { kind: 'claimed', joiner: event.joiner, expiresAt: state.expiresAt },
            answer: { kind: 'prove' },
          }
        : { state, answer: REFUSE };
    case 'claimed':
      if (event.joiner !== state.joiner) return { state, answer: REFUSE };
      return event.kind === 'claim'
        ? { state, answer: { kind: 'prove' } }
        : {
            state: { kind: 'confirmed', joiner: state.joiner, forgetAt: state.expiresAt + REPEAT_MS },
            answer: { kind: 'pin' },
          };
    case 'confirmed':
      if (event.joiner !== state.joiner) return { state, answer: REFUSE };
      return { state, answer: { kind: event.kind === 'claim' ? 'prove' : 'repeat' } };
    case 'refused':
    case 'expired':
      return { state, answer: REFUSE };
  }
}

/** What time alone makes of it. */
export function aged(state: InvitationState, now: Milliseconds): InvitationState {
  switch (state.kind) {
    case 'issued':
    case 'claimed':
      return now >= state.expiresAt ? { kind: 'expired' } : state;
    case 'confirmed':
      return now >= state.forgetAt ? { kind: 'expired' } : state;
    case 'refused':
    case 'expired':
      return state;
  }
}

// ---- The joiner ----

export type JoinState =
  /** Send pair. */
  | { readonly kind: 'asking'; readonly sendsLeft: number }
  /** Send confirm. */
  | { readonly kind: 'confirming'; readonly inviterName: string; readonly sendsLeft: number }
  /** Pin the inviter. */
  | { readonly kind: 'paired'; readonly inviterName: string }
  | { readonly kind: 'failed'; readonly code: ErrorCode; readonly detail: string };

export type JoinEvent =
  | { readonly kind: 'answered'; readonly proved: boolean; readonly inviterName: string }
  | { readonly kind: 'done' }
  | { readonly kind: 'refused'; readonly code: ErrorCode; readonly detail: string }
  /** No answer came; whether the message arrived is not known. */
  | { readonly kind: 'lost'; readonly code: ErrorCode; readonly detail: string };

/** How often each message is sent at most. */
export const SENDS_MAX = 3;

export const JOIN_START: JoinState = { kind: 'asking', sendsLeft: SENDS_MAX };

const failed = (code: ErrorCode, detail: string): JoinState => ({ kind: 'failed', code, detail });

/** One step of the joiner. An event that makes no sense in a state leaves it as it is. */
export function stepJoin(state: JoinState, event: JoinEvent): JoinState {
  switch (state.kind) {
    case 'asking':
    case 'confirming':
      switch (event.kind) {
        case 'refused':
          return failed(event.code, event.detail);
        case 'lost':
          if (state.sendsLeft > 1) return { ...state, sendsLeft: state.sendsLeft - 1 };
          return state.kind === 'asking'
            ? failed(event.code, event.detail)
            : failed(
                event.code,
                `${event.detail} It may know us already: join with the same invitation again.`,
              );
        case 'answered':
          if (state.kind === 'confirming') return state;
          return event.proved
            ? { kind: 'confirming', inviterName: event.inviterName, sendsLeft: SENDS_MAX }
            : failed('identity_mismatch', 'It does not know the secret of the invitation.');
        case 'done':
          return state.kind === 'confirming' ? { kind: 'paired', inviterName: state.inviterName } : state;
      }
    case 'paired':
    case 'failed':
      return state;
  }
}

// ---- Proofs ----

export type ProofRole = 'joiner' | 'inviter' | 'confirm';

export interface ProofContext {
  readonly secret: Uint8Array;
  readonly inviter: HouseholdId;
  readonly joiner: HouseholdId;
  /** Of the TLS connection that the proof is sent on: `channelBinding`. */
  readonly binding: Uint8Array;
}

/**
 * Shows knowledge of the secret without telling it, to one household, on one connection:
 * HMAC-SHA256(secret, "linepool pair 1" 00 role 00 inviter's hash, joiner's hash, binding), as base64url.
 * The ids are hashes of the keys that TLS proved, so somebody in the middle, who has another key, can't pass it on.
 */
export function proofOf(role: ProofRole, { secret, inviter, joiner, binding }: ProofContext): string {
  const hashes = [inviter, joiner].map((id) => {
    const hash = hashOfId(id);
    if (hash === undefined) throw new RangeError('not a household id');
    return hash;
  });
  const hmac = createHmac('sha256', secret).update(`linepool pair 1\0${role}\0`, 'latin1');
  for (const hash of hashes) hmac.update(hash);
  return hmac.update(binding).digest('base64url');
}

/** Names an invitation without telling its secret: 128 bits of HMAC-SHA256, as base64url. */
export function handleOf(secret: Uint8Array): string {
  return createHmac('sha256', secret)
    .update('linepool handle 1', 'latin1')
    .digest()
    .subarray(0, 16)
    .toString('base64url');
}
