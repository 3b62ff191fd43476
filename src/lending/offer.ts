/**
 * Offers: what a neighbour is told that it can borrow now. Pure. Asked by the link for each neighbour, at each change.
 * An offer is what the neighbour would get, never more: a borrower plans with it.
 */
import type { Bytes } from '../core/units.ts';
import { NO_OFFER, type Offer } from '../paths/path.ts';
import type { Share } from './share.ts';

/** What a neighbour is offered: its fair part when it borrows already, else what it would get if it began. */
export function offerOf(share: Share, active: boolean, bufferBytes: Bytes): Offer {
  const bytesPerSecond = Math.floor(active ? share.fair : share.ifBegun);
  return bytesPerSecond > 0 ? { bytesPerSecond, bufferBytes } : NO_OFFER;
}
