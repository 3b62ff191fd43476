/**
 * Offers: what a neighbour is told that it can borrow now. Pure. Asked by the link for each neighbour, at each change.
 * An offer is what the neighbour would get, never more: a borrower plans with it.
 */
import type { Bytes, BytesPerSecond } from '../core/units.ts';
import { NO_OFFER, type Offer } from '../paths/path.ts';

/** What was seen of a link holds an offer down to this part of it at most: a borrower that read slowly looks like a slow link. */
export const OVER_LINK_LEAST = 0.1;

/** What a neighbour is offered that can count on so much of what is lent, over a link that carries `overLink` at most. */
export function offerOf(
  part: BytesPerSecond,
  bufferBytes: Bytes,
  overLink: BytesPerSecond = Number.POSITIVE_INFINITY,
): Offer {
  const bytesPerSecond = Math.floor(Math.min(part, Math.max(overLink, part * OVER_LINK_LEAST)));
  return bytesPerSecond > 0 ? { bytesPerSecond, bufferBytes } : NO_OFFER;
}
