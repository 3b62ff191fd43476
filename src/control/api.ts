/**
 * The control API's server, on loopback only. The daemon opens it; the command line, Prometheus and
 * `linepool get` are its clients. It settles access, reads bodies and answers; what there is to see and to do is the
 * desk's (routes.ts), what goes over a path is the gateway's.
 *
 *     request ─► sender ok? ─► absolute-form or CONNECT ─► token (407) ─► gateway
 *                    │ └─► /healthz, /metrics (no token: they name nobody)
 *                    └───► token (401) ─► route (404) ─► method (405) ─► body (413) ─► desk
 */
import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http';
import type { Socket } from 'node:net';
import type { Clock } from '../core/clock.ts';
import { asLinepoolError, LinepoolError } from '../core/errors.ts';
import { formatAuthority, splitListen } from '../core/target.ts';
import type { Bytes, Milliseconds } from '../core/units.ts';
import { bears, isLoopbackHost, refusalOfSender } from './access.ts';
import type { Desk, Gateway } from './desk.ts';
import { EventStreams } from './event-stream.ts';
import { serveGatewayConnect, serveGatewayFetch } from './gate.ts';
import { refuseUnreadable, sendJson, sendProblem } from './problem.ts';
import { findRoute, sinceOf } from './routes.ts';
import { Tally } from './tally.ts';

/** Connections at once; more are closed as they come. `get` holds a few for each path. */
const CONNECTIONS_MAX = 256;
/** Requests through the gateway may carry the headers that a person gave. */
const HEADER_BYTES_MAX: Bytes = 64 * 1024;
/** No request of this API is anywhere near it. */
export const BODY_BYTES_MAX: Bytes = 16 * 1024;
/** For a request to arrive whole; answers may take longer. */
const REQUEST_TIMEOUT_MS: Milliseconds = 15_000;
/** How long open answers get at the end. */
const END_GRACE_MS: Milliseconds = 1_000;

export interface ControlOptions {
  /** `host:port`, loopback; port 0 takes a free one. */
  readonly listen: string;
  readonly token: string;
  readonly desk: Desk;
  readonly gateway: Gateway;
  readonly clock: Clock;
}

export interface ControlServer extends AsyncDisposable {
  /** `host:port` as it listens. */
  readonly address: string;
}

/** @throws LinepoolError `port_taken`, `config_invalid` */
export async function openControl(options: ControlOptions): Promise<ControlServer> {
  const { listen, desk, clock } = options;
  const { host, port } = splitListen(listen);
  if (!isLoopbackHost(listen)) {
    throw new LinepoolError('config_invalid', `control.listen = "${listen}" must be a loopback address`);
  }
  const streams = new EventStreams(desk.events, clock);
  const tally = new Tally(desk.events);
  const api = new Api(options, streams, tally);
  const server = createServer(
    {
      maxHeaderSize: HEADER_BYTES_MAX,
      headersTimeout: REQUEST_TIMEOUT_MS,
      requestTimeout: REQUEST_TIMEOUT_MS,
    },
    (request, response) => void api.serve(request, response),
  );
  server.maxConnections = CONNECTIONS_MAX;
  const sockets = new Set<Socket>();
  server.on('connection', (socket) => {
    sockets.add(socket);
    socket.once('close', () => sockets.delete(socket));
  });
  server.on('connect', (request, socket, head) => serveGatewayConnect(options, request, socket, head));
  const asked = new WeakSet<object>();
  server.on('request', (request) => asked.add(request.socket));
  server.on('clientError', (error, socket) => refuseUnreadable(error, socket, asked.has(socket)));
  await listening(server, host, port, listen);
  const bound = server.address();
  const boundPort = typeof bound === 'object' && bound !== null ? bound.port : 0;
  let ended: Promise<void> | undefined;
  return {
    address: formatAuthority({ host, port: boundPort }),
    [Symbol.asyncDispose]: () => {
      ended ??= new Promise((resolve) => {
        const grace = clock.after(END_GRACE_MS, () => {
          for (const socket of sockets) socket.destroy();
        });
        server.close(() => {
          grace[Symbol.dispose]();
          tally[Symbol.dispose]();
          resolve();
        });
        streams[Symbol.dispose]();
        server.closeIdleConnections();
      });
      return ended;
    },
  };
}

class Api {
  readonly #options: ControlOptions;
  readonly #streams: EventStreams;
  readonly #tally: Tally;
  #metrics: Promise<{ metrics(): Promise<string>; contentType: string }> | undefined;

  constructor(options: ControlOptions, streams: EventStreams, tally: Tally) {
    this.#options = options;
    this.#streams = streams;
    this.#tally = tally;
  }

  /** Answers in every case; never rejects. */
  async serve(request: IncomingMessage, response: ServerResponse): Promise<void> {
    try {
      if (!(request.url ?? '').startsWith('/')) {
        serveGatewayFetch(this.#options, request, response);
        return;
      }
      const refusal = refusalOfSender(request);
      if (refusal !== undefined) throw new LinepoolError(refusal);
      await this.#answer(request, response);
    } catch (error) {
      this.#fail(request, response, error);
    }
  }

  async #answer(request: IncomingMessage, response: ServerResponse): Promise<void> {
    const [path = '', ...rest] = (request.url ?? '').split('?');
    const method = request.method === 'HEAD' ? 'GET' : (request.method ?? '');
    if (path === '/healthz' || path === '/metrics') {
      if (method !== 'GET') throw notAllowed(response, ['GET']);
      if (path === '/healthz') sendJson(response, 200, { status: 'ok' });
      else await this.#sendMetrics(response);
      return;
    }
    if (!bears(request.headers.authorization, this.#options.token)) {
      response.setHeader('www-authenticate', 'Bearer realm="linepool"');
      throw new LinepoolError('token_refused');
    }
    const found = findRoute(path);
    if (found === undefined) throw new LinepoolError('not_found', `(${path.slice(0, 120)})`);
    const handler = Object.hasOwn(found.route.methods, method) ? found.route.methods[method] : undefined;
    if (handler === undefined) throw notAllowed(response, Object.keys(found.route.methods));
    const query = new URLSearchParams(rest.join('?'));
    if (path === '/v1/events' && request.method === 'GET' && query.get('follow') !== 'no') {
      const last = request.headers['last-event-id'];
      this.#streams.serve(sinceOf(query, typeof last === 'string' ? last : undefined), request, response);
      return;
    }
    const body = await readBody(request);
    const answer = await handler({ desk: this.#options.desk, name: found.name, query, body });
    sendJson(response, answer.status, answer.body, answer.afterwards);
  }

  async #sendMetrics(response: ServerResponse): Promise<void> {
    this.#metrics ??= import('./metrics.ts').then(({ openMetrics }) =>
      openMetrics(this.#options.desk, this.#tally),
    );
    const registry = await this.#metrics;
    const text = await registry.metrics();
    response.writeHead(200, { 'content-type': registry.contentType, 'cache-control': 'no-store' });
    response.end(text);
  }

  #fail(request: IncomingMessage, response: ServerResponse, thrown: unknown): void {
    const error = asLinepoolError(thrown);
    if (error.code === 'internal') {
      this.#options.desk.events.report({ kind: 'warning', code: 'internal', detail: error.detail });
    }
    sendProblem(request, response, error);
  }
}

function notAllowed(response: ServerResponse, methods: readonly string[]): LinepoolError {
  response.setHeader('allow', methods.flatMap((m) => (m === 'GET' ? ['GET', 'HEAD'] : [m])).join(', '));
  return new LinepoolError('method_not_allowed');
}

/** The body as JSON; an empty object when there is none. Bounded before it is parsed. */
async function readBody(request: IncomingMessage): Promise<unknown> {
  const chunks: Buffer[] = [];
  let size = 0;
  for await (const chunk of request as AsyncIterable<Buffer>) {
    size += chunk.length;
    if (size > BODY_BYTES_MAX) throw new LinepoolError('body_too_large', `(at most ${BODY_BYTES_MAX} bytes)`);
    chunks.push(chunk);
  }
  if (size === 0) return {};
  try {
    return JSON.parse(Buffer.concat(chunks).toString('utf8')) as unknown;
  } catch (error) {
    throw new LinepoolError('bad_request', 'the body is not JSON', { cause: error });
  }
}

function listening(server: Server, host: string, port: number, listen: string): Promise<void> {
  return new Promise((resolve, reject) => {
    server.once('error', (error) => {
      reject(
        new LinepoolError(asLinepoolError(error).code, `control.listen = "${listen}"`, { cause: error }),
      );
    });
    server.listen(port, host, () => resolve());
  });
}
