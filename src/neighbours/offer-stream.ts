/**
 * The offers, as the lender streams them to one neighbour: lines of JSON, a hello and then what is offered now, at each
 * change, and again every few seconds as a sign of life. Used by the link server.
 * It must never hold more than one offer back: only the newest counts.
 */
import type { ServerResponse } from 'node:http';
import type { Clock } from '../core/clock.ts';
import { type Bytes, KIB, type Milliseconds } from '../core/units.ts';
import type { LinkOffer } from './channel.ts';
import type { Hello, OfferLine } from './messages.ts';

/** How often the offer is repeated when it doesn't change. */
export const OFFER_REPEAT_MS: Milliseconds = 3_000;
/** Offers that rise or fall follow each other no faster; one that falls to zero is sent at once. */
export const OFFER_SPACING_MS: Milliseconds = 100;
/** A neighbour that leaves this much unread is gone. */
export const OFFER_UNREAD_MAX: Bytes = 16 * KIB;

export interface OfferSource {
  readonly clock: Clock;
  readonly hello: Hello;
  offer(): LinkOffer;
  onOfferChange(listener: () => void): Disposable;
}

/** Streams until the connection ends. */
export function streamOffers(response: ServerResponse, source: OfferSource): void {
  const { clock } = source;
  let sent: LinkOffer | undefined;
  let sentAt: Milliseconds = 0;
  let soon: Disposable | undefined;

  const write = (): void => {
    soon?.[Symbol.dispose]();
    soon = undefined;
    if (response.writableLength > OFFER_UNREAD_MAX) {
      response.destroy();
      return;
    }
    const { bytesPerSecond, bufferBytes } = source.offer();
    sent = { bytesPerSecond, bufferBytes };
    sentAt = clock.now();
    const line: OfferLine = { kind: 'offer', bytesPerSecond, bufferBytes };
    response.write(`${JSON.stringify(line)}\n`);
  };
  const onChange = (): void => {
    const { bytesPerSecond, bufferBytes } = source.offer();
    if (bytesPerSecond === sent?.bytesPerSecond && bufferBytes === sent.bufferBytes) return;
    const wait = sentAt + OFFER_SPACING_MS - clock.now();
    if (bytesPerSecond === 0 || wait <= 0) write();
    else soon ??= clock.after(wait, write);
  };

  response.writeHead(200, ['Content-Type', 'application/x-ndjson', 'Cache-Control', 'no-store']);
  response.write(`${JSON.stringify({ kind: 'hello', ...source.hello })}\n`);
  write();
  const repeating = clock.every(OFFER_REPEAT_MS, write);
  const listening = source.onOfferChange(onChange);
  response.once('close', () => {
    repeating[Symbol.dispose]();
    listening[Symbol.dispose]();
    soon?.[Symbol.dispose]();
  });
}
