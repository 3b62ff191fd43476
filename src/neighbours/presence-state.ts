/**
 * Presence of one neighbour as a state machine: away, being called, or up with what it offers. Pure: time and chance come in
 * with the events. The shell is presence.ts.
 *
 *            due                 opened
 *     away ───────► calling ───────────────► up ──┐ offer, alive
 *      ▲               │ lost                │ ◄──┘
 *      └───────────────┴─────── lost, silent ┘
 */
import type { ErrorCode } from '../core/errors.ts';
import type { Milliseconds } from '../core/units.ts';
import type { LinkOffer } from './channel.ts';

export interface Trouble {
  readonly code: ErrorCode;
  readonly detail: string;
}

export type PresenceState =
  | {
      readonly kind: 'away';
      readonly retryAt: Milliseconds;
      /** Failures in a row. */
      readonly failures: number;
      readonly trouble: Trouble | undefined;
    }
  | {
      readonly kind: 'calling';
      readonly until: Milliseconds;
      readonly failures: number;
      readonly trouble: Trouble | undefined;
    }
  | {
      readonly kind: 'up';
      readonly heardAt: Milliseconds;
      readonly offer: LinkOffer;
      readonly roundTripMs: Milliseconds;
    };

export type PresenceEvent =
  /** The deadline of the state has come. */
  | { readonly kind: 'due'; readonly jitter: number }
  /** It answered; its offers begin to come. */
  | { readonly kind: 'opened'; readonly roundTripMs: Milliseconds }
  | { readonly kind: 'offer'; readonly offer: LinkOffer }
  /** Any other sign of life on the offers. */
  | { readonly kind: 'alive' }
  | { readonly kind: 'measured'; readonly roundTripMs: Milliseconds }
  | { readonly kind: 'lost'; readonly trouble: Trouble; readonly jitter: number }
  /** There is a reason to try now: a new address, or it called us. */
  | { readonly kind: 'hurry' };

export interface PresencePolicy {
  /** Wait before the second try; doubles with each failure. */
  readonly retry: Milliseconds;
}

export const NOTHING: LinkOffer = { bytesPerSecond: 0, bufferBytes: 0 };

/** A call that has not been answered for this long has failed; connecting to every address is in it. */
export const CALL_MS: Milliseconds = 20_000;
/** Offers that stay silent for this long are dead: more than three of the lender's signs of life. */
export const SILENCE_MS: Milliseconds = 10_000;
/** The longest wait, as a multiple of the first. */
export const RETRY_GROWTH_MAX = 12;
/** Weight of the newest measurement of the round trip. */
const NEWEST_WEIGHT = 0.25;

export const presenceAtStart = (firstCallAt: Milliseconds): PresenceState => ({
  kind: 'away',
  retryAt: firstCallAt,
  failures: 0,
  trouble: undefined,
});

/** `jitter` is from [0, 1): the wait is between 3/4 and 5/4 of what the failures ask for. */
export function retryAfter(policy: PresencePolicy, failures: number, jitter: number): Milliseconds {
  const growth = Math.min(RETRY_GROWTH_MAX, 2 ** Math.max(0, failures - 1));
  return policy.retry * growth * (0.75 + jitter / 2);
}

/** When the state wants a `due`. */
export function deadlineOf(state: PresenceState): Milliseconds {
  switch (state.kind) {
    case 'away':
      return state.retryAt;
    case 'calling':
      return state.until;
    case 'up':
      return state.heardAt + SILENCE_MS;
  }
}

/** One step. An event that makes no sense in a state leaves it as it is. */
export function stepPresence(
  state: PresenceState,
  event: PresenceEvent,
  now: Milliseconds,
  policy: PresencePolicy,
): PresenceState {
  switch (event.kind) {
    case 'due':
      return now < deadlineOf(state) ? state : due(state, event.jitter, now, policy);
    case 'lost':
      return state.kind === 'away' ? state : lost(state, event.trouble, event.jitter, now, policy);
    case 'hurry':
      return state.kind === 'away' ? { ...state, retryAt: Math.min(state.retryAt, now) } : state;
    case 'opened':
      return state.kind === 'calling'
        ? { kind: 'up', heardAt: now, offer: NOTHING, roundTripMs: event.roundTripMs }
        : state;
    case 'offer':
      return state.kind === 'up' ? { ...state, heardAt: now, offer: event.offer } : state;
    case 'alive':
      return state.kind === 'up' ? { ...state, heardAt: now } : state;
    case 'measured':
      return state.kind === 'up'
        ? {
            ...state,
            roundTripMs: state.roundTripMs + NEWEST_WEIGHT * (event.roundTripMs - state.roundTripMs),
          }
        : state;
  }
}

function due(state: PresenceState, jitter: number, now: Milliseconds, policy: PresencePolicy): PresenceState {
  switch (state.kind) {
    case 'away':
      return { kind: 'calling', until: now + CALL_MS, failures: state.failures, trouble: state.trouble };
    case 'calling':
      return lost(state, { code: 'neighbour_unreachable', detail: '' }, jitter, now, policy);
    case 'up': {
      const detail = `It was silent for ${SILENCE_MS / 1000} s.`;
      return lost(state, { code: 'neighbour_unreachable', detail }, jitter, now, policy);
    }
  }
}

function lost(
  state: Exclude<PresenceState, { readonly kind: 'away' }>,
  trouble: Trouble,
  jitter: number,
  now: Milliseconds,
  policy: PresencePolicy,
): PresenceState {
  const failures = state.kind === 'up' ? 1 : state.failures + 1;
  return { kind: 'away', retryAt: now + retryAfter(policy, failures, jitter), failures, trouble };
}
