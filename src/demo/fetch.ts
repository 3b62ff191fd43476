/**
 * A plain HTTP client, as any program is one: node:http, one request, one connection, straight to a line or
 * through a household's proxy. Used by the demo to measure; it must know nothing of linepool.
 */
import { createHash } from 'node:crypto';
import { request as httpRequest, type IncomingMessage, type RequestOptions } from 'node:http';
import { request as httpsRequest } from 'node:https';
import type { Clock } from '../core/clock.ts';
import { LinepoolError } from '../core/errors.ts';
import type { Authority } from '../core/target.ts';
import type { Bytes, Milliseconds } from '../core/units.ts';

export interface PlainFetch {
  /** Where the connection goes: the line, or the proxy. */
  readonly to: Authority;
  /** The origin's name and port. */
  readonly origin: Authority;
  readonly path: string;
  /** `proxied`: absolute-form. `tls`: with this authority's certificate, PEM. */
  readonly kind: { readonly plain: true } | { readonly proxied: true } | { readonly tls: string };
  readonly clock: Clock;
  readonly signal: AbortSignal;
}

export interface Fetched {
  readonly ms: Milliseconds;
  readonly bytes: Bytes;
  readonly sha256: string;
}

/**
 * Downloads and hashes; the time is from before the connection until the last byte.
 * @throws LinepoolError `origin_refused`, `response_incomplete`; what node:http throws
 */
export async function fetchPlain(fetch: PlainFetch): Promise<Fetched> {
  const { clock } = fetch;
  const begin = clock.now();
  const response = await respond(fetch);
  if (response.statusCode !== 200) {
    response.resume();
    throw new LinepoolError('origin_refused', `status ${response.statusCode} from ${fetch.origin.host}`);
  }
  const hash = createHash('sha256');
  let bytes = 0;
  await new Promise<void>((resolve, reject) => {
    response.on('data', (piece: Buffer) => {
      bytes += piece.length;
      hash.update(piece);
    });
    response.once('error', reject);
    response.once('close', () => {
      if (response.complete) resolve();
      else reject(new LinepoolError('response_incomplete', `after ${bytes} bytes`));
    });
  });
  return { ms: clock.now() - begin, bytes, sha256: hash.digest('hex') };
}

function respond({ to, origin, path, kind, signal }: PlainFetch): Promise<IncomingMessage> {
  const named = `${origin.host}:${origin.port}`;
  const options: RequestOptions = {
    ...to,
    path: 'proxied' in kind ? `http://${named}${path}` : path,
    headers: { host: named },
    agent: false,
    signal,
  };
  return new Promise((resolve, reject) => {
    const request =
      'tls' in kind
        ? httpsRequest({ ...options, ca: kind.tls, servername: origin.host }, resolve)
        : httpRequest(options, resolve);
    request.once('error', reject);
    request.end();
  });
}
