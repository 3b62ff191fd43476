/**
 * The quality of the link to one neighbour: how often contact was lost of late, and how its round trip is against what it
 * usually is. Pure: the time is handed in. Presence keeps one for each neighbour; what a neighbour offers over a link that is
 * likely to cut out counts for less, or for nothing. How much a link carries is measured by the lender: lending/link-carry.ts.
 */
import { formatDuration, type Milliseconds } from '../core/units.ts';

/** Losses of contact count for so long. */
export const LOSSES_FOR_MS: Milliseconds = 300_000;
/** With so many of them it is offered less by half; a restart or two are no sign of a bad link. */
export const SHAKY_LOSSES = 3;
/** With so many it is not used. */
export const UNFIT_LOSSES = 5;
/** Round trips that are so many times the usual are slow. */
export const SLOW_TIMES = 8;
/** Less is not slow, whatever is usual: what is borrowed makes a queue, too. */
export const SLOW_LEAST_MS: Milliseconds = 400;
/** Of so many the middle one counts. */
const ROUND_TRIPS = 3;
/** The usual follows quicker ones soon, and slower ones late. */
const USUAL_DOWN = 0.25;
const USUAL_UP = 0.02;
export const SHAKY_FACTOR = 0.5;

export interface LinkHistory {
  /** Oldest first, at most `UNFIT_LOSSES`. */
  readonly lostAt: readonly Milliseconds[];
  /** Oldest first, at most `ROUND_TRIPS`. */
  readonly roundTrips: readonly Milliseconds[];
  readonly usualMs: Milliseconds | undefined;
}

export const NEW_LINK: LinkHistory = { lostAt: [], roundTrips: [], usualMs: undefined };

export interface LinkQuality {
  readonly kind: 'good' | 'shaky' | 'unfit';
  /** How much of what it offers counts. */
  readonly factor: number;
  /** For people; empty when it is good. */
  readonly words: string;
}

const GOOD: LinkQuality = { kind: 'good', factor: 1, words: '' };

/** It was there, and is gone. */
export const linkLost = (history: LinkHistory, at: Milliseconds): LinkHistory => ({
  ...history,
  lostAt: [...history.lostAt, at].slice(-UNFIT_LOSSES),
});

export function roundTripTook(history: LinkHistory, ms: Milliseconds): LinkHistory {
  const { usualMs = ms } = history;
  const follows = ms < usualMs ? USUAL_DOWN : USUAL_UP;
  return {
    ...history,
    roundTrips: [...history.roundTrips, ms].slice(-ROUND_TRIPS),
    usualMs: usualMs + (ms - usualMs) * follows,
  };
}

export function qualityOf({ lostAt, roundTrips, usualMs }: LinkHistory, at: Milliseconds): LinkQuality {
  const losses = lostAt.filter((one) => at - one < LOSSES_FOR_MS).length;
  if (losses >= SHAKY_LOSSES) {
    const words = `contact was lost ${losses} times in ${LOSSES_FOR_MS / 60_000} min`;
    return losses >= UNFIT_LOSSES
      ? { kind: 'unfit', factor: 0, words: `not used: ${words}` }
      : { kind: 'shaky', factor: SHAKY_FACTOR, words: `used less: ${words}` };
  }
  const middle = roundTrips.toSorted((a, b) => a - b)[Math.floor(ROUND_TRIPS / 2)];
  if (roundTrips.length < ROUND_TRIPS || middle === undefined || usualMs === undefined) return GOOD;
  if (middle < Math.max(SLOW_LEAST_MS, usualMs * SLOW_TIMES)) return GOOD;
  const words = `a round trip takes ${formatDuration(middle)}, usually ${formatDuration(usualMs)}`;
  return { kind: 'shaky', factor: SHAKY_FACTOR, words: `used less: ${words}` };
}
