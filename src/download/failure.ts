/**
 * What a failed span means for its path: in this download try again, rest a while, or leave it out; and for how long the path is
 * left out for that origin afterwards. Pure.
 */
import { type ErrorCode, LinepoolError } from '../core/errors.ts';
import { formatDuration, type Milliseconds } from '../core/units.ts';
import { OWN, type PathId } from '../paths/path.ts';
import { outFor } from '../paths/roster.ts';
import type { PathState } from './plan-state.ts';

/** `renew`: again at once, but all that was asked of the path is asked anew, since it would fail in the same way. */
export type Next = 'retry' | 'renew' | 'bench' | 'out';

/** Failures in a row after which a path is left out, whatever they were. */
export const MOST_STRIKES = 6;
/** … and after which not even the own line is tried again when it is all there is: some four minutes. */
export const LAST_STRIKES = 12;
/** Refused connections in a row after which there is nothing there: some three seconds. */
const GONE_STRIKES = 3;
/** Longest rest that an origin is granted by a download that runs; one that asks for more does without it. */
export const LONGEST_REST_MS: Milliseconds = 30_000;
/** How long a path that failed so often in a row is left out for others, where no error says more. */
const STRUCK_OUT_MS: Milliseconds = 60_000;
/** Connections that break before they brought anything, beside a response that goes on: they are refused, not lost. */
const PARALLEL_STRIKES = 2;

/** Of the path that failed. */
export interface FailedPath {
  /** Failures in a row before this one. */
  readonly strikes: number;
  readonly broughtSome: boolean;
  /** True for the own line when no response runs. */
  readonly isLastResort: boolean;
  /** True when it brought a part in this download. */
  readonly isProven: boolean;
  /** True for the own line while the response runs on beside it. */
  readonly isBeside: boolean;
}

/** `running`: a response runs still, on the own line. */
export function failedPath(
  known: PathState | undefined,
  id: PathId,
  broughtSome: boolean,
  running: boolean,
): FailedPath {
  return {
    strikes: known?.strikes ?? 0,
    isProven: known?.proven === true,
    broughtSome,
    isLastResort: id === OWN && !running,
    isBeside: id === OWN && running,
  };
}

export interface Judgement {
  /** What it comes to: an origin that breaks off what is beside a response has refused that. */
  readonly error: LinepoolError;
  readonly next: Next;
  /** On the bench at least for so long. */
  readonly restMs: Milliseconds;
  /** Left out for this origin, for other downloads too; 0: not at all. */
  readonly forMs: Milliseconds;
}

/** `waitMs` is the origin's Retry-After, if it gave one. */
export function judge(failed: LinepoolError, waitMs: Milliseconds | undefined, path: FailedPath): Judgement {
  const error = named(failed, waitMs, path);
  const next = nextAfter(error, waitMs, path);
  // A path that was never seen to work is not to be tried anew by the next download, of a small file perhaps.
  const fruitless =
    error.code === 'connection_lost' && !path.isProven && path.strikes + 1 >= PARALLEL_STRIKES;
  const struckOut = next === 'out' || (fruitless && !path.isLastResort);
  return {
    error,
    next,
    restMs: Math.min(LONGEST_REST_MS, waitMs ?? 0),
    forMs: outFor(error.code, waitMs) || (struckOut ? STRUCK_OUT_MS : 0),
  };
}

/** True when the own line was refused only because a response ran beside it: when that is over, it may be asked again. */
export const isOneTooMany = (code: ErrorCode | undefined): boolean =>
  code === 'origin_busy' || code === 'parallel_refused';

function named(error: LinepoolError, waitMs: Milliseconds | undefined, path: FailedPath): LinepoolError {
  switch (error.code) {
    case 'origin_busy':
      return waitMs === undefined
        ? error
        : new LinepoolError(
            'origin_busy',
            `${error.detail} It asks to wait ${formatDuration(waitMs)}.`.trim(),
          );
    case 'connection_lost':
    case 'connect_refused':
    case 'connect_timeout':
      return path.isBeside && !path.broughtSome && path.strikes + 1 >= PARALLEL_STRIKES
        ? new LinepoolError('parallel_refused', `(${error.code})`, { cause: error })
        : error;
    default:
      return error;
  }
}

function nextAfter(error: LinepoolError, waitMs: Milliseconds | undefined, path: FailedPath): Next {
  if (error.code === 'parallel_refused') return 'out';
  if (error.code === 'connect_refused' && path.strikes + 1 >= GONE_STRIKES) return 'out';
  if (error.code === 'origin_busy' && (waitMs ?? 0) > LONGEST_REST_MS) return 'out';
  // The own line is never given up while it is all there is: a busy origin may have room in a moment.
  const out: Next = path.isLastResort ? 'bench' : 'out';
  if (path.strikes >= LAST_STRIKES) return 'out';
  if (path.strikes >= MOST_STRIKES) return out;
  switch (error.code) {
    case 'span_status':
    case 'origin_busy':
      return out;
    case 'span_range':
    case 'span_validator':
    case 'span_coding':
    case 'address_refused':
    case 'destination_refused':
    case 'port_refused':
    case 'host_refused':
    case 'method_refused':
    case 'not_paired':
    case 'identity_mismatch':
    case 'lease_invalid':
    case 'tls_certificate':
    case 'tls_failed':
      return 'out';
    case 'lease_exhausted':
    case 'lease_expired':
      // Every request that waits behind this one carries the same lease.
      return 'renew';
    default:
      // A connection that broke after it brought something is worth another try at once; one that did not, later.
      return path.broughtSome ? 'retry' : 'bench';
  }
}
