/**
 * The roster: which path has lately failed for which origin, and until when it is left out: longer each time in a row. Pure:
 * a value and functions on it. The daemon keeps one; downloads ask it before they use a path. It must never grow without a bound.
 */
import type { ErrorCode } from '../core/errors.ts';
import { formatOrigin, type Origin } from '../core/target.ts';
import type { Milliseconds } from '../core/units.ts';
import type { PathId } from './path.ts';

export interface Entry {
  readonly path: PathId;
  /** As `formatOrigin` writes it. */
  readonly origin: string;
  /** Monotonic, as `until` is. */
  readonly since: Milliseconds;
  readonly until: Milliseconds;
  readonly code: ErrorCode;
  /** What the origin said. */
  readonly detail: string;
  /** How often in a row; each time doubles how long. */
  readonly times: number;
}

/** By path and origin; the oldest first. */
export type Roster = ReadonlyMap<string, Entry>;

export const EMPTY_ROSTER: Roster = new Map();

/** Entries that are remembered; the oldest go first. */
export const ROSTER_ENTRIES = 1_000;
/** Longest that a path is left out, whatever an origin asks for in Retry-After. */
export const LONGEST_OUT_MS: Milliseconds = 3_600_000;
/** A path that did well for so long after it was left out begins anew. */
export const PARDON_MS: Milliseconds = 3_600_000;
/** So many lines that an origin refuses are no matter of their addresses: it has enough of all of them. */
export const WIDE_PATHS = 2;
/** Longest detail that is kept. */
const DETAIL_CHARS = 100;

const MINUTE: Milliseconds = 60_000;
/** Least time for an origin that asked for fewer requests. */
const BUSY_OUT_MS: Milliseconds = 30_000;

/** How long a path is left out for an origin after an error; 0 means not at all. */
export function outFor(code: ErrorCode, retryAfterMs: Milliseconds | undefined): Milliseconds {
  // What refuses more than one connection now will not take more in a second, whatever it asks for.
  const leastMs = code === 'origin_busy' ? BUSY_OUT_MS : 1_000;
  if (retryAfterMs !== undefined) return Math.min(LONGEST_OUT_MS, Math.max(leastMs, retryAfterMs));
  switch (code) {
    case 'origin_busy':
      return BUSY_OUT_MS;
    case 'parallel_refused':
      return 5 * MINUTE;
    // The origin and this path do not fit together, and soon will not either.
    case 'span_status':
    case 'span_range':
    case 'span_validator':
    case 'span_coding':
    case 'address_refused':
    case 'port_refused':
    case 'host_refused':
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
    case 'cut_off':
      return 10_000;
    case 'lending_off':
      // When it is on again, the neighbour's offer says so.
      return 1_000;
    default:
      return 0;
  }
}

const keyOf = (path: PathId, origin: Origin): string => `${path} ${formatOrigin(origin)}`;

/** True when the origin itself said no; what a line could not reach tells nothing of the next time. */
const isRefusal = (code: ErrorCode): boolean =>
  code.startsWith('span_') || code === 'origin_busy' || code === 'parallel_refused';

/** For so long as `forMs`, or longer where it is not the first time. */
export function leaveOut(
  roster: Roster,
  out: Pick<Entry, 'path' | 'code'> & { readonly detail?: string; readonly forMs: Milliseconds },
  origin: Origin,
  now: Milliseconds,
): Roster {
  if (out.forMs <= 0) return roster;
  const { path, code } = out;
  const next = new Map(roster);
  const key = keyOf(path, origin);
  const before = roster.get(key);
  // What fails while it is left out was asked before: it does not count again.
  const again = before !== undefined && now < before.until + PARDON_MS;
  const times = again ? before.times + Number(now >= before.until) : 1;
  const factor = isRefusal(code) ? 2 ** Math.min(30, times - 1) : 1;
  const until = now + Math.min(LONGEST_OUT_MS, out.forMs * factor);
  const detail = (out.detail ?? '').slice(0, DETAIL_CHARS);
  next.delete(key);
  // Who asked for longer is not to be asked sooner because something else went wrong besides.
  if (before !== undefined && before.until > until) next.set(key, before);
  else next.set(key, { path, origin: formatOrigin(origin), since: now, until, code, detail, times });
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
): Entry | undefined {
  const entry = roster.get(keyOf(path, origin));
  return entry !== undefined && entry.until > now ? entry : undefined;
}

/** What says that the origin wants less of all lines: what it asked of several of them. */
export function isWide(roster: Roster, paths: Iterable<PathId>, origin: Origin, now: Milliseconds): boolean {
  let busy = 0;
  for (const path of paths) {
    if (leftOutFor(roster, path, origin, now)?.code === 'origin_busy') busy += 1;
  }
  return busy >= WIDE_PATHS;
}

/** All that are left out now; the newest first. */
export const leftOut = (roster: Roster, now: Milliseconds): readonly Entry[] =>
  [...roster.values()].filter(({ until }) => until > now).reverse();

/** The neighbour answers again: that it could not be reached says no more of it. */
export const reached = (roster: Roster, path: PathId): Roster =>
  new Map([...roster].filter(([, entry]) => entry.path !== path || entry.code !== 'neighbour_unreachable'));

/** Without what is remembered of origins that `matches`. */
export const without = (roster: Roster, matches: (origin: string) => boolean): Roster =>
  new Map([...roster].filter(([, { origin }]) => !matches(origin)));

/** Why an origin is left alone, in the words of a verdict. */
export function wordsFor(code: ErrorCode): string {
  switch (code) {
    case 'origin_busy':
      return 'origin asked for fewer requests';
    case 'parallel_refused':
      return 'origin breaks off parallel connections';
    case 'dns_failed':
    case 'dns_timeout':
    case 'connect_refused':
    case 'connect_unreachable':
    case 'connect_timeout':
      return 'origin could not be reached a moment ago';
    case 'connection_lost':
      return 'origin breaks off connections';
    default:
      return isRefusal(code) ? 'origin refused ranges' : 'the neighbours could not be used a moment ago';
  }
}
