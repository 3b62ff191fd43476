/**
 * Upgrade: a request to go on in another protocol, such as WebSocket (RFC 9110 section 7.8), is passed on; when
 * the origin agrees, the two connections are joined. Its other answers are ordinary responses. Called by server.ts.
 * It must never pass on a 101 that was not asked for.
 */
import type { IncomingMessage } from 'node:http';
import { Socket } from 'node:net';
import { LinepoolError } from '../core/errors.ts';
import { endToEnd, fieldValues } from '../core/http.ts';
import type { Milliseconds } from '../core/units.ts';
import { askAlone } from './alone.ts';
import type { ClientResponse } from './exchange.ts';
import type { Forwarder } from './forward.ts';
import { type RequestHead, type RequestLine, readFraming } from './request-head.ts';
import { cleaned } from './response-head.ts';
import { join } from './tunnel.ts';

const protocols = (values: readonly string[]): string[] =>
  values.flatMap((value) => value.split(',')).map((protocol) => protocol.trim().toLowerCase());

/**
 * True when an Upgrade field is to be passed on. HTTP/2 is not spoken here, and may be left unanswered; with
 * content the connection could not be handed over at a sure place.
 */
export function isUpgrade(request: RequestLine): boolean {
  if (request.method !== 'GET' || !/^http:\/\//i.test(request.url ?? '')) return false;
  const asked = protocols(fieldValues(request.rawHeaders, 'upgrade'));
  if (asked.length === 0 || asked.includes('h2c')) return false;
  try {
    return readFraming(request).content === 'none';
  } catch {
    // An ambiguous request is refused as an ordinary one.
    return false;
  }
}

/** Passes the request on; `first` is what the client sent along with it. */
export function passUpgrade(
  forwarder: Forwarder,
  head: RequestHead,
  request: IncomingMessage,
  response: ClientResponse,
  client: Socket,
  first: Buffer,
  idleTimeout: Milliseconds,
): void {
  // At once: after an end of the client's nothing could be put back any more.
  if (first.length > 0) client.unshift(first);
  const asked = fieldValues(request.rawHeaders, 'upgrade');
  const exchange = forwarder.exchange(head, request, response);
  const extra = ['Connection', 'Upgrade', 'Upgrade', asked.join(', ')];
  askAlone(exchange, forwarder.alone, extra, (answer, origin, early) => {
    const agreed = protocols(fieldValues(answer.rawHeaders, 'upgrade'));
    const wanted = protocols(asked);
    if (!(origin instanceof Socket) || agreed.length === 0 || !agreed.every((p) => wanted.includes(p))) {
      origin.destroy();
      exchange.fail(new LinepoolError('upgrade_failed', 'It switched to a protocol that was not asked for.'));
      return;
    }
    if (exchange.over || client.destroyed) {
      origin.destroy();
      return;
    }
    exchange.leave();
    response.detachSocket(client);
    const headers = cleaned(endToEnd(answer.rawHeaders));
    let text = 'HTTP/1.1 101 Switching Protocols\r\n';
    for (let i = 0; i + 1 < headers.length; i += 2) text += `${headers[i]}: ${headers[i + 1]}\r\n`;
    text += `Via: 1.1 ${forwarder.pseudonym}\r\nConnection: Upgrade\r\nUpgrade: ${agreed.join(', ')}\r\n\r\n`;
    client.write(text, 'latin1');
    if (early.length > 0) origin.unshift(early);
    join(client, origin, idleTimeout);
  });
}
