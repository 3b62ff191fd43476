/**
 * What the link to a borrower carries: the radio between the routers may be slower than what is lent. Pure: bytes and time
 * in, a rate out. Kept by the borrower, looked at once a second while it borrows; the lender offers no more than that.
 *
 * Where the borrower's connection takes no more for a while, what did pass is what the link carries, unless it is what the
 * shaper lets pass. It must never hold an offer down for long without being shown anew.
 */
import type { Bytes, BytesPerSecond, Milliseconds } from '../core/units.ts';

/** Looked at over so long. */
export const CARRY_OVER_MS: Milliseconds = 1_000;
/** What was seen is forgotten after so long: links change. */
export const CARRY_FADES_MS: Milliseconds = 30_000;
/** Who got so much of what it was held to was held by that. */
const HELD = 0.9;
/** How much of a new measurement counts. */
const NEWEST = 0.5;
/** So much more than it carried is offered: it may carry more by now. */
const ROOM = 1.1;

export interface LinkCarry {
  /** What the link was seen to carry; undefined while it is faster than what is lent, as far as is known. */
  readonly rate: BytesPerSecond | undefined;
  readonly seenAt: Milliseconds;
}

export const NEW_CARRY: LinkCarry = { rate: undefined, seenAt: 0 };

export interface CarrySample {
  readonly at: Milliseconds;
  readonly elapsed: Milliseconds;
  readonly bytes: Bytes;
  /** What the shaper held it to. */
  readonly held: BytesPerSecond;
  /** Its connection took no more for most of the time. */
  readonly wasFull: boolean;
}

export function carryStep(before: LinkCarry, { at, elapsed, bytes, held, wasFull }: CarrySample): LinkCarry {
  const rate = (bytes * 1000) / elapsed;
  if (wasFull && rate < held * HELD) {
    const was = before.rate ?? rate;
    return { rate: was + (rate - was) * NEWEST, seenAt: at };
  }
  if (before.rate !== undefined && (rate > before.rate || at - before.seenAt >= CARRY_FADES_MS))
    return NEW_CARRY;
  return before;
}

/** The most that is offered over that link; Infinity: as far as the link goes, all. */
export const mostOver = ({ rate, seenAt }: LinkCarry, at: Milliseconds): BytesPerSecond =>
  rate === undefined || at - seenAt >= CARRY_FADES_MS ? Number.POSITIVE_INFINITY : rate * ROOM;
