/**
 * An origin on the loopback interface, http and https: does what an Answer says. Used by the demo, the tests
 * and the benches. Bodies are slices of one table, so that the origin is never what a measurement measures.
 *
 *     request ──► respond(asked): Answer ──► head, then parts ◄── back-pressure: the next part waits for 'drain'
 *
 * This file must never decide what is answered: that is `respond`.
 */
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http';
import { createServer as createTlsServer } from 'node:https';
import type { AddressInfo, Server, Socket } from 'node:net';
import type { Writable } from 'node:stream';
import type { Clock } from '../core/clock.ts';
import { type Bytes, KIB, type Milliseconds } from '../core/units.ts';
import { type Answer, type Asked, answerFile, type Delivery, type Part, partLength } from './answer.ts';
import type { Credentials } from './certificate.ts';
import { patternAt } from './pattern.ts';

/** One request and its answer, while it goes on and after. */
export interface Exchange {
  readonly asked: Asked;
  readonly answer: Answer;
  /** Bytes of the body handed to the connection so far. */
  bodyBytes: Bytes;
  /** True once the answer is sent, or its connection has gone. */
  ended: boolean;
}

export interface OriginOptions {
  readonly clock: Clock;
  /** Default 127.0.0.1. */
  readonly host?: string;
  /** Default 0: any free port. */
  readonly port?: number;
  /** Present: https instead of http. */
  readonly tls?: Credentials;
  /** What is answered; default `answerFile`. */
  readonly respond?: (asked: Asked) => Answer;
  /** Told of each request when it has come. */
  readonly onExchange?: (exchange: Exchange) => void;
}

export interface RunningOrigin extends AsyncDisposable {
  readonly port: number;
  /** Connections open now. */
  readonly openConnections: number;
  /** Connections accepted since the start. */
  readonly connections: number;
}

interface Connection {
  readonly number: number;
  readonly socket: Socket;
  readonly tcp: Socket;
  /** True when it takes no more answers. */
  over: boolean;
  /** Those that have not ended. */
  readonly exchanges: Set<Exchange>;
}

/** Large enough that a core moves hundreds of MB/s, small enough that `bodyBytes` tells something. */
const PIECE_BYTES: Bytes = 256 * KIB;
const HIGH_WATER_BYTES: Bytes = 512 * KIB;
const IDLE_MS: Milliseconds = 75_000;
const TRICKLE_MS: Milliseconds = 10;
/** Paths whose requests are counted; the count of more of them is not kept. */
const PATHS_COUNTED = 10_000;

/** Listens; disposing of the result ends every connection at once. */
export async function startOrigin(options: OriginOptions): Promise<RunningOrigin> {
  const respond = options.respond ?? ((asked: Asked) => answerFile(asked));
  const connections = new WeakMap<Socket, Connection>();
  const open = new Set<Socket>();
  const counts = new Map<string, number>();
  let accepted = 0;

  const onRequest = (request: IncomingMessage, response: ServerResponse): void => {
    const connection = connections.get(request.socket);
    if (connection === undefined || connection.over) return;
    const path = request.url ?? '/';
    const nth = (counts.get(path) ?? 0) + 1;
    if (counts.size < PATHS_COUNTED || nth > 1) counts.set(path, nth);
    const { method = 'GET', rawHeaders: headers } = request;
    const asked = { method, path, headers, connection: connection.number, nth };
    const exchange = { asked, answer: respond(asked), bodyBytes: 0, ended: false };
    options.onExchange?.(exchange);
    connection.exchanges.add(exchange);
    response.once('close', () => {
      exchange.ended = true;
      connection.exchanges.delete(exchange);
    });
    request.resume();
    deliver(exchange, response, connection, options.clock);
  };

  const settings = { highWaterMark: HIGH_WATER_BYTES, keepAliveTimeout: IDLE_MS, requestTimeout: 0 };
  const server: Server =
    options.tls === undefined
      ? createServer(settings, onRequest)
      : createTlsServer({ ...settings, ...options.tls }, onRequest);
  const named = options.tls === undefined ? 'connection' : 'secureConnection';
  server.on('connection', (socket: Socket) => {
    open.add(socket);
    socket.once('close', () => open.delete(socket));
  });
  server.on(named, (socket: Socket) => {
    accepted += 1;
    // Beneath TLS there is another socket, the only one that can be reset.
    const tcp = [...open].find(({ remotePort }) => remotePort === socket.remotePort) ?? socket;
    const exchanges = new Set<Exchange>();
    connections.set(socket, { number: accepted, socket, tcp, over: false, exchanges });
    // An answer that still waits its turn behind another is not told that its connection is gone.
    socket.once('close', () => {
      for (const exchange of exchanges) exchange.ended = true;
    });
  });
  await new Promise<void>((resolve, reject) => {
    server.once('error', reject);
    server.listen(options.port ?? 0, options.host ?? '127.0.0.1', resolve);
  });
  return {
    port: (server.address() as AddressInfo).port,
    get openConnections() {
      return open.size;
    },
    get connections() {
      return accepted;
    },
    async [Symbol.asyncDispose]() {
      const closed = new Promise((resolve) => server.close(resolve));
      for (const socket of open) socket.destroy();
      await closed;
    },
  };
}

/** Sends the head and the body as the answer says; everything it starts ends with the response or the socket. */
function deliver(exchange: Exchange, response: ServerResponse, connection: Connection, clock: Clock): void {
  const { answer, asked } = exchange;
  const { socket, tcp } = connection;
  const begin = (): void => {
    if (answer.rawHead !== undefined) {
      // Past node:http, which would write a head of its own; nothing else may follow on this connection.
      connection.over = true;
      socket.write(answer.rawHead);
      pump(exchange, socket, clock, () => socket.end());
      return;
    }
    if (answer.closes) response.shouldKeepAlive = false;
    response.writeHead(answer.status, [...answer.headers]);
    if (asked.method === 'HEAD') response.end();
    else {
      response.flushHeaders();
      pump(exchange, response, clock, () => response.end());
    }
  };
  const { delivery } = answer;
  if (delivery.kind === 'cut') {
    // The bytes that were written go out first: end() queues the FIN behind them.
    connection.over = true;
    const after = (): void => {
      if (delivery.how === 'end') socket.end();
      else tcp.resetAndDestroy();
    };
    response.writeHead(answer.status, [...answer.headers]);
    response.flushHeaders();
    pump(exchange, response, clock, () => response.write('', after));
    return;
  }
  if (delivery.kind !== 'late') begin();
  else if (Number.isFinite(delivery.delay)) {
    const timer = clock.after(delivery.delay, begin);
    response.once('close', () => timer[Symbol.dispose]());
  }
}

/** How many bytes of the body come at all. */
function limitOf(delivery: Delivery): Bytes {
  return delivery.kind === 'cut' || delivery.kind === 'stall' ? delivery.afterBytes : Number.MAX_SAFE_INTEGER;
}

/** Writes the body as fast as the connection takes it, or as its delivery says; `done` unless it stalls. */
function pump(exchange: Exchange, sink: Writable, clock: Clock, done: () => void): void {
  const { body, delivery } = exchange.answer;
  const limit = limitOf(delivery);
  let index = 0;
  let offset = 0;
  /** The next piece of at most `most` bytes; undefined at the end. */
  const take = (most: Bytes): Uint8Array | undefined => {
    let part = body[index];
    while (part !== undefined && offset === partLength(part)) {
      index += 1;
      offset = 0;
      part = body[index];
    }
    const room = Math.min(most, limit - exchange.bodyBytes);
    if (part === undefined || room === 0) return undefined;
    const piece = pieceOf(part, offset, room);
    offset += piece.length;
    exchange.bodyBytes += piece.length;
    return piece;
  };
  const finish = (): void => {
    if (delivery.kind !== 'stall') done();
  };
  if (delivery.kind === 'trickle') {
    let before = clock.now();
    let owed = 0;
    const timer = clock.every(TRICKLE_MS, () => {
      owed += ((clock.now() - before) / 1000) * delivery.rate;
      before = clock.now();
      if (owed < 1 || sink.writableNeedDrain) return;
      const piece = take(Math.floor(owed));
      owed -= piece?.length ?? 0;
      if (piece !== undefined) sink.write(piece);
      else {
        timer[Symbol.dispose]();
        finish();
      }
    });
    sink.once('close', () => timer[Symbol.dispose]());
    return;
  }
  const step = (): void => {
    for (;;) {
      const piece = take(PIECE_BYTES);
      if (piece === undefined) {
        sink.off('drain', step);
        finish();
        return;
      }
      // False: the connection has enough; 'drain' calls back.
      if (!sink.write(piece)) return;
    }
  };
  sink.on('drain', step);
  step();
}

function pieceOf(part: Part, offset: Bytes, most: Bytes): Uint8Array {
  return part instanceof Uint8Array
    ? part.subarray(offset, offset + most)
    : patternAt(part.start + offset, Math.min(most, partLength(part) - offset));
}
