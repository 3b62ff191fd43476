/**
 * What a borrower owes signatures for: the bytes of each lease as the borrower counts them, and which of them is to be signed
 * next. Kept by the receipt writer. Pure: the time is handed in.
 *
 *     due: so much is unsigned with one lender ─► the lease with most of it
 *          or a lease came to rest, or has been under way without a word for a while
 *
 * It must never let more be signed than what arrived here, and of what was sent what the lender says that it passed on.
 */
import { type Bytes, MIB, type Milliseconds } from '../core/units.ts';
import type { Lease } from './lease.ts';

/** Half of what a lender carries unsigned, so that the answer is there before it would wait. */
export const SIGN_EVERY: Bytes = 2 * MIB;
/** A lease at rest for so long is signed for: between two spans there may be a moment. */
export const REST_MS: Milliseconds = 250;
/** While something is under way the lender hears of us so often, though nothing comes: it may be held up by us. */
export const WORD_MS: Milliseconds = 4_000;
/** What is late by so much goes before what is due because of its bytes. */
const LATE_MS: Milliseconds = 1_000;

export interface Owed {
  readonly lease: Lease;
  readonly token: string;
  /** Arrived from the lender, and sent to it. */
  down: Bytes;
  up: Bytes;
  /** Of what was sent, what the lender says that it passed on. */
  upPassed: Bytes;
  /** By both. */
  signed: Bytes;
  /** Our signature under `signed`. */
  receipt: string | undefined;
  /** What was signed last, whether or not it was answered. */
  sent: { readonly total: Bytes; readonly last: boolean; readonly receipt: string } | undefined;
  transfers: number;
  /** When the last transfer ended, or the first began. */
  restedAt: Milliseconds;
  /** When the lender was last told anything. */
  toldAt: Milliseconds;
  /** It knows that nothing is under way, and signed all there was. */
  atRest: boolean;
  /** Nothing more is to be carried under it. */
  over: boolean;
}

export const owedAtStart = (lease: Lease, token: string, now: Milliseconds): Owed => ({
  lease,
  token,
  down: 0,
  up: 0,
  upPassed: 0,
  signed: 0,
  receipt: undefined,
  sent: undefined,
  transfers: 0,
  restedAt: now,
  toldAt: now,
  atRest: true,
  over: false,
});

/** The total that can be signed now. */
export const signable = ({ down, up, upPassed }: Owed): Bytes => down + Math.min(up, upPassed);

export const unsigned = (owed: Owed): Bytes => Math.max(0, signable(owed) - owed.signed);

/** Nothing is under way, all is signed for, and the lender knows. */
export const isSettled = (owed: Owed): boolean => owed.transfers === 0 && owed.atRest && unsigned(owed) === 0;

export type Due =
  /** Now, for this lease. */
  | { readonly kind: 'sign'; readonly owed: Owed }
  /** Not before then, unless something comes. */
  | { readonly kind: 'wait'; readonly until: Milliseconds }
  | { readonly kind: 'nothing' };

/** Which of the leases with one lender is to be signed for next. */
export function dueOf(all: Iterable<Owed>, now: Milliseconds): Due {
  let total: Bytes = 0;
  let most: Owed | undefined;
  let soonest: { readonly at: Milliseconds; readonly owed: Owed } | undefined;
  for (const owed of all) {
    const bytes = unsigned(owed);
    total += bytes;
    if (bytes > 0 && (most === undefined || bytes > unsigned(most))) most = owed;
    const at = dueAt(owed);
    if (at !== undefined && (soonest === undefined || at < soonest.at)) soonest = { at, owed };
  }
  // A lender that is to hear of a lease must, however fast others go on.
  if (soonest !== undefined && now - soonest.at >= LATE_MS) return { kind: 'sign', owed: soonest.owed };
  if (most !== undefined && total >= SIGN_EVERY) return { kind: 'sign', owed: most };
  if (soonest === undefined) return { kind: 'nothing' };
  return soonest.at <= now ? { kind: 'sign', owed: soonest.owed } : { kind: 'wait', until: soonest.at };
}

function dueAt(owed: Owed): Milliseconds | undefined {
  if (owed.transfers > 0) return owed.toldAt + WORD_MS;
  // Not sooner after the last word either: what the lender says that it passed on may grow by a byte with each.
  return isSettled(owed) ? undefined : Math.max(owed.restedAt, owed.toldAt) + REST_MS;
}
