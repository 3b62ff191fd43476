/**
 * A connection of its own for one request, by node:http: for requests with content, which can't be repeated when a
 * kept-alive connection turns out to be dead; for Expect, Upgrade and `OPTIONS *`, which undici doesn't send; and for
 * the second try of a request that met a dead connection. Called by forward.ts and upgrade.ts.
 * It calls the exchange back exactly as undici does, and must never keep a connection after its response.
 *
 *     client's content ──pipe──► origin        the two directions are independent: an origin that
 *     client ◄──Exchange──────── origin        answers early is heard, and the content is left alone
 */
import { type ClientRequest, request as httpRequest, type IncomingMessage } from 'node:http';
import type { Duplex } from 'node:stream';
import type { buildConnector, Dispatcher } from 'undici';
import { LinepoolError } from '../core/errors.ts';
import { formatHost } from '../core/target.ts';
import type { Bytes, Milliseconds } from '../core/units.ts';
import type { Exchange } from './exchange.ts';
import { readTrailers } from './response-head.ts';

export interface AloneOptions {
  readonly connect: buildConnector.connector;
  readonly responseTimeout: Milliseconds;
  readonly maxHeaderBytes: Bytes;
}

/** What happens when the origin switches protocols: the response head, its connection, and the first bytes on it. */
export type Upgraded = (response: IncomingMessage, socket: Duplex, first: Buffer) => void;

/** undici's controller over a node:http request and its response. */
class Controller implements Dispatcher.DispatchController {
  readonly #request: ClientRequest;
  response: IncomingMessage | undefined;
  rawHeaders: string[] | null = null;
  rawTrailers: string[] | null = null;
  aborted = false;
  paused = false;
  reason: Error | null = null;

  constructor(request: ClientRequest) {
    this.#request = request;
  }

  abort(reason: Error): void {
    if (this.aborted) return;
    this.aborted = true;
    this.reason = reason;
    this.#request.destroy(reason);
  }

  pause(): void {
    this.paused = true;
    this.response?.pause();
  }

  resume(): void {
    this.paused = false;
    this.response?.resume();
  }
}

/**
 * Sends the request of an exchange, with its content; the answer, or the error, reaches the exchange.
 * @param extra fields of this hop, such as Upgrade
 */
export function askAlone(
  exchange: Exchange,
  options: AloneOptions,
  extra: readonly string[] = [],
  upgraded?: Upgraded,
): void {
  try {
    send(exchange, options, extra, upgraded);
  } catch (error) {
    // node:http checks the head of a request at once, and throws.
    exchange.fail(error);
  }
}

function send(
  exchange: Exchange,
  options: AloneOptions,
  extra: readonly string[],
  upgraded: Upgraded | undefined,
): void {
  const { head, request: client } = exchange;
  const { scheme, host, port } = head.target.origin;
  const headers = ['Host', formatHost(head.target.origin), ...head.headers, ...extra];
  if (head.content === 'chunked') headers.push('Transfer-Encoding', 'chunked');
  // Without content node:http would still announce chunks for the methods that usually have some.
  else if (head.content === 'none' && !/^(GET|HEAD|OPTIONS|TRACE)$/.test(head.method))
    headers.push('Content-Length', '0');
  const upstream = httpRequest({
    method: head.method,
    path: head.target.path,
    headers,
    setHost: false,
    maxHeaderSize: options.maxHeaderBytes,
    createConnection: (_options, callback) => {
      const authority = host.includes(':') ? `[${host}]` : host;
      const params = { hostname: authority, host: authority, protocol: `${scheme}:`, port: String(port) };
      options.connect(params, (...[error, socket]) => {
        if (error !== null) callback(error, undefined as never);
        else if (upstream.destroyed) socket.destroy();
        else callback(null, socket);
      });
      return undefined;
    },
  });
  // The option of that name would only be for connections that node:http makes itself.
  upstream.setTimeout(options.responseTimeout);
  const controller = new Controller(upstream);
  const stopSending = (): void => {
    client.unpipe(upstream);
    client.off('end', finish);
    // What is still coming has nowhere to go; server.ts bounds for how long it is read.
    if (!client.complete) client.resume();
  };
  const finish = (): void => {
    if (head.content === 'chunked' && client.rawTrailers.length > 0)
      upstream.addTrailers(readTrailers(client.rawTrailers));
    upstream.end();
  };
  upstream.on('error', (error) => {
    if (controller.response === undefined || !controller.response.complete)
      exchange.onResponseError(controller, controller.reason ?? error);
  });
  upstream.on('close', stopSending);
  upstream.on('timeout', () => {
    // The client's silence is not the origin's: one that doesn't read, or whose content is still to come.
    if (controller.paused || (!upstream.writableFinished && upstream.writableLength === 0)) return;
    controller.abort(new LinepoolError('response_timeout'));
  });
  upstream.on('information', (interim) => {
    controller.rawHeaders = interim.rawHeaders;
    exchange.onResponseStart(controller, interim.statusCode, {});
  });
  upstream.on('response', (response) => {
    controller.response = response;
    controller.rawHeaders = response.rawHeaders;
    response.on('data', (chunk: Buffer) => exchange.onResponseData(controller, chunk));
    response.on('error', (error) => exchange.onResponseError(controller, controller.reason ?? error));
    response.on('end', () => {
      controller.rawTrailers = response.rawTrailers;
      exchange.onResponseEnd(controller);
      // The answer is whole; whatever of the request is not sent yet does not matter any more.
      if (!upstream.writableFinished) upstream.destroy();
    });
    exchange.onResponseStarted();
    exchange.onResponseStart(controller, response.statusCode ?? 0, {}, response.statusMessage);
  });
  const unasked: Upgraded = (_response, socket) => {
    socket.destroy();
    exchange.onResponseError(controller, new LinepoolError('bad_response', 'It switched protocols unasked.'));
  };
  upstream.on('upgrade', upgraded ?? unasked);
  exchange.onRequestStart(controller);
  if (controller.aborted) return;
  if (head.content === 'none') {
    upstream.end();
    return;
  }
  upstream.flushHeaders();
  client.pipe(upstream, { end: false });
  client.on('end', finish);
}
