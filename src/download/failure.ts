/**
 * What a failed span means for its path in this download: try again, rest a while, or leave it out. Pure.
 */
import type { LinepoolError } from '../core/errors.ts';

/** `renew`: again at once, but all that was asked of the path is asked anew, since it would fail in the same way. */
export type Next = 'retry' | 'renew' | 'bench' | 'out';

/** Failures in a row after which a path is left out, whatever they were. */
export const MOST_STRIKES = 6;
/** … and after which not even the own line is tried again when it is all there is: some four minutes. */
export const LAST_STRIKES = 12;

export function nextAfter(
  error: LinepoolError,
  path: { readonly strikes: number; readonly broughtSome: boolean; readonly isLastResort: boolean },
): Next {
  // The own line is never given up while it is all there is: a busy origin may have room in a moment.
  const out: Next = path.isLastResort ? 'bench' : 'out';
  if (path.strikes >= LAST_STRIKES) return 'out';
  if (path.strikes >= MOST_STRIKES) return out;
  switch (error.code) {
    case 'span_status':
      return out;
    case 'span_range':
    case 'span_validator':
    case 'span_coding':
    case 'address_refused':
    case 'destination_refused':
    case 'port_refused':
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
