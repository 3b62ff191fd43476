/**
 * The gateway: the daemon's paths for `linepool get`, behind the control server's gate. https origins get a tunnel
 * through the neighbour, http origins a fetch by it; both under a lease that the daemon signs.
 * It must never see what a tunnel carries, nor keep a lane longer than the connection that asked for it.
 */
import type { IncomingMessage, ServerResponse } from 'node:http';
import type { Socket } from 'node:net';
import { type Duplex, pipeline } from 'node:stream';
import type { Dispatcher } from 'undici';
import { Bursts } from '../core/bursts.ts';
import type { Clock } from '../core/clock.ts';
import { asLinepoolError, ERRORS, LinepoolError } from '../core/errors.ts';
import { endToEnd, fieldValue, fromWire, type RawHeaders } from '../core/http.ts';
import { type Authority, formatAuthority, formatOrigin, type Origin, type Target } from '../core/target.ts';
import type { Bytes } from '../core/units.ts';
import type { OriginSeats } from '../download/origin-seats.ts';
import { hasCredentials } from '../download/verdict.ts';
import type { LinkClient } from '../neighbours/link-client.ts';
import { type Leases, spoils } from '../paths/neighbour-line.ts';
import type { Lane, Path, PathId } from '../paths/path.ts';
import { LENDER_ERROR, SPAN_TRAILER } from '../paths/range-fetch.ts';
import { type Gateway, PATH_HEADER } from './desk.ts';
import { endWithProblem, sendProblem } from './problem.ts';

export interface GatewayRooms {
  readonly link: Pick<LinkClient, 'tunnel'>;
  readonly leases: Leases;
  /** A neighbour's line; undefined when there is no such neighbour. */
  readonly path: (id: PathId) => Path | undefined;
  readonly clock: Clock;
  /** What each origin may have of connections. */
  readonly seats: Pick<OriginSeats, 'guest'>;
}

/** What a tunnel or a lane is assumed to want when it is opened; leases are renewed well before that is used up. */
const ONE_WANTS: Bytes = 64 * 1024 * 1024;

/** Of a fetch, these are between `get` and the daemon. */
const OURS = new Set(['host', 'proxy-authorization', PATH_HEADER]);

export class PathGateway implements Gateway {
  readonly #rooms: GatewayRooms;
  /** What came over each path, as it went through here. Bounded by the neighbours there have been. */
  readonly #brought = new Map<PathId, Bytes>();
  /** The lanes of each control connection, by path and origin; they end with it. */
  readonly #lanes = new WeakMap<Socket, Map<string, Lane>>();

  constructor(rooms: GatewayRooms) {
    this.#rooms = rooms;
  }

  /** Bytes by path since the daemon started, live ones included: of https as they are on the wire, of http bodies. */
  get brought(): ReadonlyMap<PathId, Bytes> {
    return this.#brought;
  }

  connect(id: PathId, authority: Authority, _request: IncomingMessage, socket: Duplex, head: Buffer): void {
    const ending = new AbortController();
    socket.once('close', () => ending.abort(new LinepoolError('interrupted')));
    void this.#tunnel(id, authority, socket, head, ending.signal);
  }

  async #tunnel(
    id: PathId,
    authority: Authority,
    socket: Duplex,
    head: Buffer,
    signal: AbortSignal,
  ): Promise<void> {
    const { link, leases, seats } = this.#rooms;
    const origin: Origin = { scheme: 'https', ...authority };
    let token: string | undefined;
    try {
      this.#path(id);
      const seat = seats.guest(origin, id);
      socket.once('close', () => seat[Symbol.dispose]());
      token = await leases.lease(id, origin, ONE_WANTS);
      const tunnel = await link.tunnel({ id }, formatAuthority(authority), [leases.header, token], signal);
      const meter = leases.carrying(token);
      tunnel.once('close', () => meter[Symbol.dispose]());
      socket.write('HTTP/1.1 200 Connection established\r\n\r\n');
      if (head.length > 0) tunnel.write(head);
      meter.up(head.length);
      flow(tunnel, socket, this.#rooms.clock, (bytes) => {
        meter.down(bytes);
        this.#count(id, bytes);
      });
      // It tears down both ends when one breaks; a half-close passes through.
      pipeline(socket, tunnel, () => undefined);
      socket.on('data', (chunk: Buffer) => meter.up(chunk.length));
    } catch (thrown) {
      const error = asLinepoolError(thrown);
      if (token !== undefined && spoils(error.code)) leases.spoiled(token);
      if (!signal.aborted)
        endWithProblem(socket, error, ERRORS[error.code].status, [`${LENDER_ERROR}: ${error.code}`]);
    }
  }

  fetch(id: PathId, target: Target, request: IncomingMessage, response: ServerResponse): void {
    try {
      const path = this.#path(id);
      const credentials = hasCredentials(endToEnd(request.rawHeaders));
      if (!path.carries(target.origin, { credentials })) throw new LinepoolError('http_not_let', path.name);
      const lane = this.#lane(path, target.origin, request.socket);
      const headers = endToEnd(request.rawHeaders);
      const kept: string[] = [];
      for (let i = 0; i + 1 < headers.length; i += 2) {
        if (!OURS.has((headers[i] ?? '').toLowerCase())) kept.push(headers[i] ?? '', headers[i + 1] ?? '');
      }
      lane.dispatch(
        target.path,
        kept,
        new Passing(
          request,
          response,
          path,
          target.origin,
          (bytes) => this.#count(id, bytes),
          this.#rooms.clock,
        ),
      );
    } catch (thrown) {
      sendProblem(request, response, thrown);
    }
  }

  #count(id: PathId, bytes: Bytes): void {
    this.#brought.set(id, (this.#brought.get(id) ?? 0) + bytes);
  }

  #path(id: PathId): Path {
    const path = this.#rooms.path(id);
    if (path === undefined) throw new LinepoolError('neighbour_unknown', id);
    return path;
  }

  #lane(path: Path, origin: Origin, socket: Socket): Lane {
    let lanes = this.#lanes.get(socket);
    if (lanes === undefined) {
      const made = new Map<string, Lane>();
      lanes = made;
      this.#lanes.set(socket, made);
      socket.once('close', () => {
        for (const lane of made.values()) lane.destroy(new LinepoolError('interrupted'));
      });
    }
    const key = `${path.id} ${formatOrigin(origin)}`;
    let lane = lanes.get(key);
    if (lane === undefined) {
      const seat = this.#rooms.seats.guest(origin, path.id);
      socket.once('close', () => seat[Symbol.dispose]());
      lane = path.lane(origin, { bytesWanted: ONE_WANTS });
      lanes.set(key, lane);
    }
    return lane;
  }
}

/** What comes down a tunnel, read in bursts. An end passes through; a break breaks the other side too. */
function flow(tunnel: Duplex, socket: Duplex, clock: Clock, came: (bytes: Bytes) => void): void {
  const bursts = new Bursts(tunnel, clock);
  tunnel.on('data', (chunk: Buffer) => {
    came(chunk.length);
    if (!socket.write(chunk)) bursts.pause();
    bursts.came(chunk.length);
  });
  socket.on('drain', () => bursts.resume());
  tunnel.once('end', () => socket.end());
  tunnel.once('close', () => {
    bursts[Symbol.dispose]();
    if (!tunnel.readableEnded) socket.destroy();
  });
  socket.once('close', () => tunnel.destroy());
}

/** Hands the lender's answer on as it is, with back-pressure. */
class Passing implements Dispatcher.DispatchHandler {
  readonly #request: IncomingMessage;
  readonly #response: ServerResponse;
  readonly #path: Path;
  readonly #origin: Origin;
  readonly #count: (bytes: Bytes) => void;
  readonly #clock: Clock;
  #bursts: Bursts | undefined;
  #refused = false;

  constructor(
    request: IncomingMessage,
    response: ServerResponse,
    path: Path,
    origin: Origin,
    count: (bytes: Bytes) => void,
    clock: Clock,
  ) {
    this.#clock = clock;
    this.#request = request;
    this.#response = response;
    this.#path = path;
    this.#origin = origin;
    this.#count = count;
  }

  onRequestStart(controller: Dispatcher.DispatchController): void {
    const bursts = new Bursts(controller, this.#clock);
    this.#bursts = bursts;
    this.#response.on('drain', () => bursts.resume());
  }

  onResponseStart(controller: Dispatcher.DispatchController, status: number): void {
    if (status < 200) return;
    const headers: RawHeaders = endToEnd(fromWire((controller.rawHeaders ?? []) as Buffer[]));
    const code = fieldValue(headers, LENDER_ERROR);
    this.#refused = code !== undefined;
    if (code !== undefined) this.#path.refused?.(this.#origin, LinepoolError.named(code, 'internal').code);
    this.#response.writeHead(status, [...headers]);
  }

  onResponseData(_controller: Dispatcher.DispatchController, chunk: Buffer): void {
    // The words of a refusal are the lender's own: nothing was borrowed for them.
    if (!this.#refused) this.#count(chunk.length);
    if (!this.#response.write(chunk)) this.#bursts?.pause();
    this.#bursts?.came(chunk.length);
  }

  onResponseEnd(controller: Dispatcher.DispatchController): void {
    this.#bursts?.[Symbol.dispose]();
    const signature = fieldValue(fromWire((controller.rawTrailers ?? []) as Buffer[]), SPAN_TRAILER);
    if (signature !== undefined) this.#response.addTrailers([[SPAN_TRAILER, signature]]);
    this.#response.end();
  }

  onResponseError(_controller: Dispatcher.DispatchController, thrown: Error): void {
    this.#bursts?.[Symbol.dispose]();
    const error = asLinepoolError(thrown);
    if (!this.#response.headersSent) this.#response.setHeader(LENDER_ERROR, error.code);
    sendProblem(this.#request, this.#response, error);
  }
}
