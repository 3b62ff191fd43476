/**
 * The roster: which path has lately failed for which origin, and until when it is left out. Pure: a value and
 * functions on it. The daemon keeps one; downloads ask it before they use a path. It must never grow without a bound.
 */
import type { ErrorCode } from '../core/errors.ts';
import { formatOrigin, type Origin } from '../core/target.ts';
import type { Milliseconds } from '../core/units.ts';
import type { PathId } from './path.ts';

interface Entry {
  readonly until: Milliseconds;
  readonly code: ErrorCode;
}

/** Path and origin to why and until when; the oldest first. */
export type Roster = ReadonlyMap<string, Entry>;

export const EMPTY_ROSTER: Roster = new Map();

/** Entries that are remembered; the oldest go first. */
export const ROSTER_ENTRIES = 1_000;
/** Longest that an origin's Retry-After is believed. */
export const LONGEST_OUT_MS: Milliseconds = 3_600_000;

const MINUTE: Milliseconds = 60_000;

/** How long a path is left out for an origin after an error; 0 means not at all. */
export function outFor(code: ErrorCode, retryAfterMs: Milliseconds | undefined): Milliseconds {
  if (retryAfterMs !== undefined) return Math.min(LONGEST_OUT_MS, Math.max(1_000, retryAfterMs));
  switch (code) {
    // The origin and this path do not fit together, and soon will not either.
    case 'span_status':
    case 'span_range':
    case 'span_validator':
    case 'span_coding':
    case 'address_refused':
    case 'port_refused':
    case 'method_refused':
    case 'tls_certificate':
    case 'tls_failed':
      return 10 * MINUTE;
    case 'not_paired':
    case 'identity_mismatch':
    case 'lease_invalid':
      return MINUTE;
    case 'dns_failed':
    case 'dns_timeout':
    case 'connect_refused':
    case 'connect_unreachable':
    case 'connect_timeout':
    case 'neighbour_unreachable':
    case 'overloaded':
      return 5_000;
    case 'lending_off':
      // When it is on again, the neighbour's offer says so.
      return 1_000;
    default:
      return 0;
  }
}

const keyOf = (path: PathId, origin: Origin): string => `${path} ${formatOrigin(origin)}`;

export function leaveOut(
  roster: Roster,
  path: PathId,
  origin: Origin,
  code: ErrorCode,
  forMs: Milliseconds,
  now: Milliseconds,
): Roster {
  if (forMs <= 0) return roster;
  const next = new Map(roster);
  const key = keyOf(path, origin);
  next.delete(key);
  next.set(key, { until: now + forMs, code });
  for (const [oldest] of next) {
    if (next.size <= ROSTER_ENTRIES) break;
    next.delete(oldest);
  }
  return next;
}

/** Why the path is left out for the origin now; undefined when it is not. */
export function leftOutFor(
  roster: Roster,
  path: PathId,
  origin: Origin,
  now: Milliseconds,
): ErrorCode | undefined {
  const entry = roster.get(keyOf(path, origin));
  return entry !== undefined && entry.until > now ? entry.code : undefined;
}
