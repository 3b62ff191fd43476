/**
 * What tunnels and fetches have in common: what they are given, and what is checked before a packet leaves for an
 * origin. The doing is in relay-tunnel.ts and relay-fetch.ts; the lender hands requests to them.
 *
 *     request ─► one lease header ─► port, host ─► lease ─► permitted address ─► origin
 */
import { createHash } from 'node:crypto';
import type { Clock } from '../core/clock.ts';
import { type ErrorCode, LinepoolError } from '../core/errors.ts';
import { fieldValues, type RawHeaders } from '../core/http.ts';
import { formatAuthority, type Origin } from '../core/target.ts';
import type { Bytes, Milliseconds } from '../core/units.ts';
import type { DialOptions } from '../paths/dial.ts';
import type { Borrower } from './borrower.ts';
import { type Destinations, destinationRefusal } from './destinations.ts';
import { LEASE_HEADER, leaseOrigin } from './lease.ts';
import type { LeaseAccount } from './lease-account.ts';
import type { LeaseOffice } from './lease-office.ts';
import type { OriginBound } from './origin-bound.ts';
import type { SignSpan } from './span-statement.ts';

/** Requests of one connection that wait for their answer, a few more than a borrower queues; a further one is refused. */
export const OUTSTANDING_MAX = 40;
/** Origins that one connection's fetches go to at a time; a further one is refused. */
export const ORIGINS_PER_CONNECTION = 4;
/** How long an origin may be silent before or within a response; then the fetch fails. */
export const ORIGIN_SILENCE_MS: Milliseconds = 30_000;
/** How long a tunnel, or a fetch under way, may move no byte; then it is cut. */
export const TRANSFER_IDLE_MS: Milliseconds = 120_000;

export interface RelayOptions {
  /** Signs what was fetched, in our name; undefined: nothing is signed. */
  readonly sign?: SignSpan;
  readonly ownId: string;
  /** As the policy has them now. */
  readonly destinations: () => Destinations;
  /** Its `permit` lets only public addresses through. */
  readonly dial: DialOptions;
  /** How far ahead of the borrower one connection reads. */
  readonly bufferBytes: Bytes;
  readonly originSilence: Milliseconds;
  readonly transferIdle: Milliseconds;
  readonly leases: LeaseOffice;
  readonly origins: OriginBound;
  readonly clock: Clock;
  /** A request was refused, or a transfer was cut. */
  readonly onRefused: (borrower: Borrower, error: LinepoolError) => void;
}

/**
 * The account under which this request may be carried.
 * @throws LinepoolError `port_refused`, `host_refused`, `lease_missing`, `lease_invalid`, `lease_expired`, `lease_exhausted`, `receipt_missing`,
 *   `ledger_failed`, `overloaded`
 */
export async function admitted(
  relay: RelayOptions,
  borrower: Borrower,
  origin: Origin,
  headers: RawHeaders,
): Promise<LeaseAccount> {
  const refusal = destinationRefusal(origin, relay.destinations());
  if (refusal !== undefined) throw new LinepoolError(refusal, formatAuthority(origin));
  const [token, ...more] = fieldValues(headers, LEASE_HEADER);
  if (token === undefined) throw new LinepoolError('lease_missing', 'Header Linepool-Lease.');
  if (more.length > 0) throw new LinepoolError('lease_invalid', 'There is more than one.');
  return relay.leases.book.open(token, borrower.neighbour, leaseOrigin(origin));
}

/** Which of these it is would say which names there are in this home. */
const LED_NOWHERE: ReadonlySet<ErrorCode> = new Set(['dns_failed', 'address_refused']);

/** What the borrower is told; the household itself learns what it was. */
export const toldOf = (error: LinepoolError): LinepoolError =>
  LED_NOWHERE.has(error.code) ? new LinepoolError('address_refused') : error;

/**
 * The borrower as origins see it (RFC 7239 section 6.3): always the same over one lender, so that it can be told
 * apart and, by the lender alone, traced; another one over another lender.
 */
export function borrowerPseudonym(lenderId: string, borrowerId: string): string {
  const hash = createHash('sha256').update(`linepool forwarded\n${lenderId}\n${borrowerId}`);
  return `_${hash.digest('base64url').slice(0, 22)}`;
}
