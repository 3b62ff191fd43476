/**
 * The household's front door: the listeners of the explicit HTTP/1.1 forward proxy, and who and what is let in.
 * Opened by daemon.ts. It must never serve a client outside the household, nor go on reading from one that sends
 * what can't be framed.
 *
 *     connection ──► a client of ours? room left? ──► request ──► framing ──┬─ CONNECT ───► tunnel.ts
 *                                                                           ├─ Upgrade ───► upgrade.ts
 *                                                                           ├─ absolute ──► forward.ts
 *                                                                           └─ origin ────► itself.ts
 */
import { createServer, IncomingMessage, type Server } from 'node:http';
import type { Socket } from 'node:net';
import type { Duplex } from 'node:stream';
import type { Clock } from '../core/clock.ts';
import { LinepoolError } from '../core/errors.ts';
import type { Events } from '../core/events.ts';
import type { ReadInterfaces } from '../core/interfaces.ts';
import { type Authority, formatAuthority } from '../core/target.ts';
import type { Bytes, Milliseconds } from '../core/units.ts';
import type { DialOptions } from '../paths/dial.ts';
import { allowedClients } from './clients.ts';
import { Connection } from './connection.ts';
import { ClientResponse, type Totals } from './exchange.ts';
import { Forwarder } from './forward.ts';
import { answerItself, answerOptions, answerTrace } from './itself.ts';
import { linkSide, type Sides, sidesUnknown } from './link-side.ts';
import { listen, parseListen } from './listen.ts';
import { reach, THIS_MACHINE } from './reach.ts';
import { refuse, type Voice } from './refusal.ts';
import type { Refuted } from './refuted.ts';
import { type Framing, maxForwards, type RequestHead, readFraming, readRequestHead } from './request-head.ts';
import type { Consider } from './takeover.ts';
import { openTunnel } from './tunnel.ts';
import { isUpgrade, passUpgrade } from './upgrade.ts';

export interface ProxyOptions {
  /** Addresses to listen on: `127.0.0.1:3128`, `[::1]:0`. */
  readonly listen: readonly string[];
  /** Networks whose clients are served. */
  readonly clients: readonly string[];
  /** Hosts of link.listen: in their networks are strangers, not clients. Default: nowhere. */
  readonly linkHosts?: readonly string[];
  /** Default: those of this machine. */
  readonly readInterfaces?: ReadInterfaces;
  /** Networks of those on this machine, who may reach what only it can reach. Default: loopback. */
  readonly localClients?: readonly string[];
  /** Client connections at once; more are refused. */
  readonly maxConnections: number;
  /** Largest request head, and largest response head. */
  readonly maxHeaderBytes: Bytes;
  /** How long a client may take for a request head. */
  readonly headerTimeout: Milliseconds;
  /** How long an idle kept-alive client connection stays open. */
  readonly idleTimeout: Milliseconds;
  /** How long a tunnel, or a client in the middle of a response, may be silent. */
  readonly tunnelIdleTimeout: Milliseconds;
  /** How long an origin may be silent before and within a response. */
  readonly responseTimeout: Milliseconds;
  readonly dial: DialOptions;
  /** How this proxy calls itself in Via and Proxy-Status; a token, of its own for each daemon. */
  readonly pseudonym: string;
  /** True for what must not be reached through the proxy. Asked about names, and about each address before it is connected to. */
  readonly forbidden: (authority: Authority) => boolean;
}

export interface ProxyDeps {
  readonly clock: Clock;
  readonly events: Events;
  /** Who may take responses over; without, nothing is pooled. */
  readonly consider?: Consider;
  /** What clients may not go on with; without, whatever they ask for. */
  readonly refuted?: Refuted;
}

const sidesOf = ({ listen: proxy, linkHosts = [], readInterfaces }: ProxyOptions): Sides => ({
  link: linkHosts,
  proxy: proxy.map((address) => parseListen(address).host),
  readInterfaces,
});

type ProxyServer = Server<typeof IncomingMessage, typeof ClientResponse>;

/** Connections that are open only to be told no; yet more are closed without a word. */
const REFUSALS_AT_ONCE = 64;

export class Proxy implements AsyncDisposable {
  readonly #options: ProxyOptions;
  readonly #voice: Voice;
  /** For clients on this machine. */
  readonly #forHere: Forwarder;
  /** For all others: with connections of its own, since one that is kept is not asked about again. */
  readonly #forOthers: Forwarder;
  readonly #totals: Totals = { requests: 0, passedBytes: 0 };
  readonly #isClient: (address: string | undefined) => boolean;
  readonly #isHere: (address: string | undefined) => boolean;
  readonly #servers: ProxyServer[] = [];
  readonly #connections = new Map<Duplex, Connection>();
  #addresses: readonly Authority[] = [];
  #served = 0;
  #refused = 0;

  private constructor(options: ProxyOptions, deps: ProxyDeps) {
    this.#options = options;
    const { forbidden, dial, responseTimeout, maxHeaderBytes } = options;
    const { permit } = dial;
    this.#voice = { pseudonym: options.pseudonym, clock: deps.clock };
    this.#isClient = allowedClients(options.clients, linkSide(sidesOf(options)));
    this.#isHere = allowedClients(options.localClients ?? THIS_MACHINE);
    const forwarder = (fromHere: boolean): Forwarder =>
      new Forwarder({
        ...this.#voice,
        dial: { ...dial, permit: reach({ fromHere, forbidden, permit }) },
        totals: this.#totals,
        responseTimeout,
        maxHeaderBytes,
        consider: deps.consider,
        refuted: deps.refuted,
      });
    this.#forHere = forwarder(true);
    this.#forOthers = forwarder(false);
  }

  /**
   * Listens on every address. A loopback address that this machine doesn't have is left out, with a warning.
   * @throws LinepoolError `port_taken` or `config_invalid`, naming the address
   */
  static async open(options: ProxyOptions, deps: ProxyDeps): Promise<Proxy> {
    const proxy = new Proxy(options, deps);
    try {
      const addresses: Authority[] = [];
      for (const address of options.listen) {
        const server = proxy.#server();
        const at = await listen(server, address, deps.events);
        if (at === undefined) continue;
        proxy.#servers.push(server);
        addresses.push(at);
      }
      proxy.#addresses = addresses;
      const detail = sidesUnknown(sidesOf(options));
      if (detail !== undefined) deps.events.report({ kind: 'warning', code: 'config_invalid', detail });
      return proxy;
    } catch (error) {
      await proxy[Symbol.asyncDispose]();
      throw error;
    }
  }

  /** Where it listens, with the ports that were given. */
  get addresses(): readonly Authority[] {
    return this.#addresses;
  }

  /** What has gone through since it was opened. */
  get totals(): Readonly<Totals> {
    return this.#totals;
  }

  /** Client connections that are open. */
  get connections(): number {
    return this.#connections.size;
  }

  #server(): ProxyServer {
    const { headerTimeout, idleTimeout, tunnelIdleTimeout, responseTimeout, maxHeaderBytes } = this.#options;
    const server = createServer({
      IncomingMessage,
      ServerResponse: ClientResponse,
      insecureHTTPParser: false,
      maxHeaderSize: maxHeaderBytes,
      headersTimeout: headerTimeout,
      // A slow upload is not an error: only the head of a request has to come in time.
      requestTimeout: 0,
      connectionsCheckingInterval: Math.min(1_000, Math.max(20, Math.floor(headerTimeout / 4))),
      keepAliveTimeout: idleTimeout,
      // Host is checked in request-head.ts, with an answer that says what is wrong.
      requireHostHeader: false,
      optimizeEmptyRequests: true,
      noDelay: true,
      shouldUpgradeCallback: isUpgrade,
    });
    server.setTimeout(Math.max(tunnelIdleTimeout, 2 * responseTimeout));
    // Node drops repeats above this many without a word; the size of the head is bounded anyway.
    server.maxHeadersCount = 0;
    const onRequest = (request: IncomingMessage, response: ClientResponse): void =>
      this.#serve(request, response);
    server.on('connection', (socket) => this.#admit(socket));
    server.on('request', onRequest);
    server.on('checkContinue', onRequest);
    server.on('checkExpectation', onRequest);
    server.on('connect', (request, socket, first) => this.#connect(request, socket as Socket, first));
    server.on('upgrade', (request, socket, first) => this.#upgrade(request, socket as Socket, first));
    server.on('clientError', (error, socket) => {
      const connection = this.#connections.get(socket);
      if (connection === undefined) socket.destroy();
      else connection.broken(error);
    });
    return server;
  }

  /** Counts a connection in; one that is not to be served is told so when it asks. */
  #admit(socket: Socket): void {
    let refused: LinepoolError | undefined;
    if (!this.#isClient(socket.remoteAddress)) refused = new LinepoolError('client_refused');
    else if (this.#served >= this.#options.maxConnections) refused = new LinepoolError('overloaded');
    if (refused !== undefined && this.#refused >= REFUSALS_AT_ONCE) {
      socket.destroy();
      return;
    }
    const forwarder = this.#isHere(socket.remoteAddress) ? this.#forHere : this.#forOthers;
    const connection = new Connection(socket, forwarder, this.#voice, refused);
    this.#connections.set(socket, connection);
    if (refused === undefined) this.#served += 1;
    else this.#refused += 1;
    socket.on('close', () => {
      this.#connections.delete(socket);
      connection.closed();
      if (refused === undefined) this.#served -= 1;
      else this.#refused -= 1;
    });
  }

  /** Checks that come before everything else. @throws LinepoolError, the client's doing */
  #check(request: IncomingMessage, connection: Connection | undefined): Framing {
    if (connection?.refused !== undefined) throw connection.refused;
    return readFraming(request);
  }

  #head(request: IncomingMessage, framing: Framing): RequestHead {
    const head = readRequestHead(request, framing, this.#options.pseudonym);
    if (this.#options.forbidden(head.target.origin))
      throw new LinepoolError('destination_refused', formatAuthority(head.target.origin));
    return head;
  }

  #serve(request: IncomingMessage, response: ClientResponse): void {
    const connection = this.#connections.get(request.socket);
    const forwarder = connection?.forwarder ?? this.#forOthers;
    connection?.begin(response);
    try {
      const framing = this.#check(request, connection);
      const first = request.url?.charCodeAt(0);
      // "/" or "*": a request to the proxy itself.
      if (first === 0x2f || first === 0x2a) answerItself(request, response, this.#voice);
      else if (maxForwards(request) === 0) {
        if (request.method === 'TRACE') answerTrace(request, response);
        else answerOptions(request, response);
      } else forwarder.forward(this.#head(request, framing), request, response);
    } catch (error) {
      refuse(response, error as LinepoolError, this.#voice, true);
    }
  }

  #connect(request: IncomingMessage, client: Socket, first: Buffer): void {
    const connection = this.#connections.get(client);
    connection?.handOver();
    void openTunnel(request, client, first, {
      ...this.#voice,
      dial: (connection?.forwarder ?? this.#forOthers).dial,
      refused: connection?.refused,
      forbidden: this.#options.forbidden,
      idleTimeout: this.#options.tunnelIdleTimeout,
    });
  }

  #upgrade(request: IncomingMessage, client: Socket, first: Buffer): void {
    const connection = this.#connections.get(client);
    connection?.handOver();
    // Node has let go of the connection; for an ordinary answer it is taken up again, for this one response.
    const response = new ClientResponse(request);
    response.shouldKeepAlive = false;
    response.assignSocket(client);
    client.on('error', () => client.destroy());
    response.on('finish', () => {
      response.detachSocket(client);
      client.destroySoon();
    });
    try {
      const head = this.#head(request, this.#check(request, connection));
      const idle = this.#options.tunnelIdleTimeout;
      passUpgrade(connection?.forwarder ?? this.#forOthers, head, request, response, client, first, idle);
    } catch (error) {
      refuse(response, error as LinepoolError, this.#voice, true);
    }
  }

  /** Stops listening, and cuts every connection. */
  async [Symbol.asyncDispose](): Promise<void> {
    const closed = this.#servers.map(
      (server) => new Promise<void>((resolve) => void server.close(() => resolve())),
    );
    for (const socket of this.#connections.keys()) socket.destroy();
    await Promise.all([this.#forHere, this.#forOthers].map((one) => one[Symbol.asyncDispose]()));
    await Promise.all(closed);
  }
}
