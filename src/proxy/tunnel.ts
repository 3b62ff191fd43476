/**
 * CONNECT: a blind tunnel to an origin (RFC 9110 section 9.3.6). Called by server.ts; upgrade.ts joins connections
 * with it too. It must never look into the bytes, lose one that came with the request, or outlive both ends.
 *
 *     client ──pipe──► origin     each direction ends by itself: the end of one is passed on,
 *     client ◄──pipe── origin     the other goes on; an error, or silence of both, ends the two
 */
import type { IncomingMessage } from 'node:http';
import type { Socket } from 'node:net';
import { asLinepoolError, LinepoolError } from '../core/errors.ts';
import { reset } from '../core/reset.ts';
import { type Authority, formatAuthority, parseAuthority } from '../core/target.ts';
import type { Milliseconds } from '../core/units.ts';
import { type DialOptions, dial } from '../paths/dial.ts';
import { refuseSocket, type Voice } from './refusal.ts';
import { isLoop, readFraming } from './request-head.ts';

export interface TunnelOptions extends Voice {
  readonly dial: DialOptions;
  /** True for what must not be reached through the proxy. */
  readonly forbidden: (authority: Authority) => boolean;
  readonly idleTimeout: Milliseconds;
  /** Why this client is not served, if so. */
  readonly refused: LinepoolError | undefined;
}

/** Answers a CONNECT; `first` is what came along with it. Never rejects. */
export async function openTunnel(
  request: IncomingMessage,
  client: Socket,
  first: Buffer,
  options: TunnelOptions,
): Promise<void> {
  // At once: after an end of the client's nothing could be put back any more.
  if (first.length > 0) client.unshift(first);
  const gone = new AbortController();
  const onGone = (): void => gone.abort(new LinepoolError('interrupted'));
  client.on('error', onGone).on('close', onGone);
  try {
    if (options.refused !== undefined) throw options.refused;
    if (readFraming(request).content !== 'none')
      throw new LinepoolError('bad_request', 'A CONNECT request has no content.');
    if (isLoop(request.rawHeaders, options.pseudonym)) throw new LinepoolError('loop');
    const authority = parseAuthority(request.url ?? '');
    if (options.forbidden(authority))
      throw new LinepoolError('destination_refused', formatAuthority(authority));
    const origin = await dial(authority, options.dial, gone.signal);
    if (client.destroyed) {
      origin.destroy();
      return;
    }
    client.write('HTTP/1.1 200 Connection established\r\n\r\n');
    join(client, origin, options.idleTimeout);
  } catch (error) {
    refuseSocket(client, asLinepoolError(error), options);
  }
}

/** Joins two connections until both directions have ended, one fails, or neither brings a byte for `idle`. */
export function join(client: Socket, origin: Socket, idle: Milliseconds): void {
  endWith(client, origin);
  endWith(origin, client);
  // A byte in either direction is read or written here, so one timer sees both.
  client.setTimeout(idle, () => client.destroy());
  client.pipe(origin);
  origin.pipe(client);
}

/** What breaks one end breaks the other: by a reset, which nobody takes for an orderly end. */
function endWith(one: Socket, other: Socket): void {
  let broken = false;
  one.on('error', () => {
    broken = true;
  });
  one.on('close', () => {
    if (broken || !one.readableEnded || !one.writableFinished) reset(other);
  });
}
