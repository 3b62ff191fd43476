/**
 * Offers: what a neighbour is told that it can borrow now. Pure. Asked by the link for each neighbour, at each change.
 * An offer is what the neighbour would get, never more: a borrower plans with it.
 */
import type { Bytes, BytesPerSecond } from '../core/units.ts';
import { NO_OFFER, type Offer } from '../paths/path.ts';

/** What a neighbour is offered that can count on so much. */
export function offerOf(part: BytesPerSecond, bufferBytes: Bytes): Offer {
  const bytesPerSecond = Math.floor(part);
  return bytesPerSecond > 0 ? { bytesPerSecond, bufferBytes } : NO_OFFER;
}
