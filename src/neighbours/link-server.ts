/**
 * The link server: where neighbours reach us. It proves who calls, lets strangers do nothing but pair, and hands what
 * paired neighbours ask for to the relay. Opened by the neighbourhood.
 *
 *     TCP ─► TLS, certificate ─► stranger   ─► link-strangers.ts; anything else: 403 not_paired, closed
 *                            └─► neighbour  ─► hello, offers, part; fetches and tunnels ─► LinkHandlers
 *
 * Whether somebody is a neighbour is asked of the book at every request, so that parting holds at once.
 */
import type { IncomingMessage, ServerResponse } from 'node:http';
import { createServer, type Server } from 'node:https';
import type { AddressInfo, Socket } from 'node:net';
import type { Duplex } from 'node:stream';
import type { SecureContextOptions, TLSSocket } from 'node:tls';
import type { Clock } from '../core/clock.ts';
import { asLinepoolError, type ErrorCode, LinepoolError } from '../core/errors.ts';
import { formatAuthority, parseAuthority } from '../core/target.ts';
import type { Milliseconds } from '../core/units.ts';
import type { Neighbour } from './book.ts';
import { channelBinding, LINK_TLS, type LinkHandlers, PATHS } from './channel.ts';
import type { HouseholdId } from './household-id.ts';
import type { Identity } from './identity.ts';
import { answering, onClientError, readAsStream, readBody, sendJson } from './link-http.ts';
import { LINK_LIMITS, type LinkLimits } from './link-limits.ts';
import { type Linked, LinkSockets } from './link-sockets.ts';
import type { StrangersAsk } from './link-strangers.ts';
import { type Hello, PartNotice, parseMessage, ReceiptMessage } from './messages.ts';
import { streamOffers } from './offer-stream.ts';
import { refuse, refuseConnect } from './refusal.ts';

export interface LinkServerOptions {
  /** address:port, port 0 for any; IPv6 in brackets. */
  readonly listen: readonly string[];
  readonly identity: Identity;
  readonly clock: Clock;
  readonly limits?: Partial<LinkLimits>;
}

/** What the link server asks of the neighbourhood. */
export interface LinkDoor {
  /** The neighbour with that id, as the book has it now. */
  paired(id: HouseholdId): Neighbour | undefined;
  hello(): Hello;
  /** What strangers may ask. */
  readonly strangers: ReadonlyMap<string, StrangersAsk>;
  /** Nothing of it is listened to. */
  blocked(id: HouseholdId): boolean;
  /** A stranger that is pairing, with people who take their time. */
  mayStay(id: HouseholdId): boolean;
  /** That neighbour says that it is ours no longer. */
  parted(neighbour: Neighbour): Promise<void>;
  /** That neighbour called us for our offers: it is there. */
  called(neighbour: Neighbour): void;
  /** Somebody was turned away. May be called as often as strangers like. */
  refused(address: string, code: ErrorCode): void;
}

export class LinkServer implements AsyncDisposable {
  readonly #clock: Clock;
  readonly #limits: LinkLimits;
  readonly #door: LinkDoor;
  readonly #handlers: LinkHandlers;
  readonly #sockets: LinkSockets;
  readonly #servers: Server[] = [];
  /** When each neighbour last asked something. */
  readonly #heardAt = new Map<HouseholdId, Milliseconds>();
  /** Connections over which a request came. */
  readonly #asked = new WeakSet<object>();
  /** The offers that each neighbour holds open: one, the newest. */
  readonly #offers = new Map<HouseholdId, ServerResponse>();

  private constructor(options: LinkServerOptions, door: LinkDoor, handlers: LinkHandlers) {
    this.#clock = options.clock;
    this.#limits = { ...LINK_LIMITS, ...options.limits };
    this.#door = door;
    this.#handlers = handlers;
    this.#sockets = new LinkSockets({
      clock: options.clock,
      limits: this.#limits,
      isPaired: (id) => door.paired(id) !== undefined,
      isBlocked: (id) => door.blocked(id),
      mayStay: (id) => door.mayStay(id),
      onRefused: (address, code) => door.refused(address, code),
    });
  }

  /** @throws LinepoolError `port_taken`, `config_invalid`, naming the address */
  static async open(options: LinkServerOptions, door: LinkDoor, handlers: LinkHandlers): Promise<LinkServer> {
    const link = new LinkServer(options, door, handlers);
    try {
      for (const address of options.listen) await link.#listen(address, options.identity);
    } catch (error) {
      await link[Symbol.asyncDispose]();
      throw error;
    }
    return link;
  }

  /** @see LinkSockets.linked */
  linked(): Linked {
    return this.#sockets.linked();
  }

  /** Where it listens, with the port that was given out. */
  addresses(): readonly string[] {
    return this.#servers.map((server) => {
      const { address, port } = server.address() as AddressInfo;
      return formatAuthority({ host: address, port });
    });
  }

  /** Ends every connection of that household at once, tunnels included. */
  dropConnections(id: HouseholdId): void {
    this.#heardAt.delete(id);
    this.#sockets.drop(id);
  }

  /** Connections of that household now. */
  connections(id: HouseholdId): number {
    return this.#sockets.count(id);
  }

  /** Connections now that have not proved to be a neighbour's. */
  get strangers(): number {
    return this.#sockets.strangers;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    const closed = this.#servers.map(
      (server) =>
        new Promise<void>((resolve) => {
          server.close(() => resolve());
        }),
    );
    this.#sockets.dropAll();
    await Promise.all(closed);
  }

  async #listen(address: string, identity: Identity): Promise<void> {
    const { host, port } = listenAuthority(address);
    const limits = this.#limits;
    const server = createServer({
      ...(LINK_TLS satisfies SecureContextOptions),
      key: identity.privateKeyPem,
      cert: identity.certificate,
      requestCert: true,
      // Everybody is self-signed: who it is, and whether we know it, is asked of the book.
      rejectUnauthorized: false,
      handshakeTimeout: limits.handshakeMs,
      maxHeaderSize: limits.headBytes,
      headersTimeout: limits.headMs,
      requestTimeout: limits.headMs,
      connectionsCheckingInterval: Math.min(5_000, limits.headMs),
      keepAliveTimeout: limits.idleMs,
      keepAlive: true,
      keepAliveInitialDelay: 15_000,
    });
    server.on('connection', (socket: Socket) => this.#sockets.onConnection(socket));
    server.on('secureConnection', (socket: TLSSocket) => {
      readAsStream(socket);
      this.#sockets.onSecure(socket);
    });
    server.on('request', (request, response) => this.#onRequest(request, response));
    server.on('connect', (request, socket, head) => this.#onConnect(request, socket, head));
    server.on('clientError', (error, socket) => onClientError(error, socket, this.#asked.has(socket)));
    server.on('tlsClientError', (_error, socket) => socket.destroy());
    const { promise, resolve, reject } = Promise.withResolvers<void>();
    server.once('error', reject);
    server.listen({ host, port, exclusive: true }, resolve);
    try {
      await promise;
    } catch (error) {
      const code = asLinepoolError(error).code === 'port_taken' ? 'port_taken' : 'config_invalid';
      throw new LinepoolError(code, `link.listen: ${address} (${(error as NodeJS.ErrnoException).code}).`, {
        cause: error,
      });
    }
    server.off('error', reject);
    // Of accept(), for want of file descriptors: the server goes on when there are some again.
    server.on('error', (error) => this.#door.refused(address, asLinepoolError(error).code));
    this.#servers.push(server);
  }

  /** The neighbour at the other end, noted as alive; undefined for a stranger. */
  #neighbour(socket: object): Neighbour | undefined {
    const peer = this.#sockets.peer(socket);
    const neighbour = peer === undefined ? undefined : this.#door.paired(peer.id);
    if (neighbour !== undefined) this.#heardAt.set(neighbour.id, this.#clock.now());
    return neighbour;
  }

  #onConnect(request: IncomingMessage, socket: Duplex, head: Buffer): void {
    const neighbour = this.#neighbour(socket);
    if (neighbour !== undefined) {
      this.#handlers.connect(neighbour, request, socket, head);
      return;
    }
    this.#door.refused((socket as TLSSocket).remoteAddress ?? '', 'not_paired');
    refuseConnect(socket, new LinepoolError('not_paired'));
  }

  #onRequest(request: IncomingMessage, response: ServerResponse): void {
    this.#asked.add(request.socket);
    response.on('error', () => response.destroy());
    const neighbour = this.#neighbour(request.socket);
    const { method, url } = request;
    const ask = method === 'POST' ? this.#door.strangers.get(url ?? '') : undefined;
    if (ask !== undefined) {
      void answering(response, () => this.#onStranger(request, response, ask));
    } else if (neighbour === undefined) {
      this.#door.refused(request.socket.remoteAddress ?? '', 'not_paired');
      refuse(response, new LinepoolError('not_paired'));
    } else if (url?.startsWith('/') !== true) {
      this.#handlers.request(neighbour, request, response);
    } else if (method === 'GET' && url === PATHS.hello) {
      sendJson(response, this.#door.hello());
    } else if (method === 'GET' && url === PATHS.offers) {
      this.#onOffers(neighbour, response);
    } else if (method === 'POST' && url === PATHS.part) {
      void answering(response, () => this.#onPart(neighbour, request, response));
    } else if (method === 'POST' && url === PATHS.receipt) {
      void answering(response, async () => {
        const message = parseMessage(ReceiptMessage, await readBody(request));
        sendJson(response, this.#handlers.receipt(neighbour, message));
      });
    } else {
      refuse(response, new LinepoolError('not_found'));
    }
  }

  async #onStranger(request: IncomingMessage, response: ServerResponse, ask: StrangersAsk): Promise<void> {
    const text = await readBody(request);
    const { socket } = request;
    const peer = this.#sockets.peer(socket);
    if (peer === undefined) throw new LinepoolError('identity_mismatch');
    const from = socket.remoteAddress ?? '';
    const binding = channelBinding(socket as TLSSocket);
    const onClosed = (listener: () => void): void => void socket.once('close', listener);
    try {
      const answer = await ask({ peer, from, binding, onClosed }, text);
      if (answer === undefined) response.writeHead(204).end();
      else sendJson(response, answer);
    } catch (error) {
      const refusal = asLinepoolError(error);
      this.#door.refused(from, refusal.code);
      throw refusal;
    }
  }

  #onOffers(neighbour: Neighbour, response: ServerResponse): void {
    const { id } = neighbour;
    // A neighbour that lost its link and called again has left the old connection hanging.
    this.#offers.get(id)?.destroy();
    this.#offers.set(id, response);
    const watching = this.#clock.every(this.#limits.silentMs / 4, () => {
      const heardAt = this.#heardAt.get(id) ?? 0;
      if (this.#clock.now() - heardAt >= this.#limits.silentMs) this.dropConnections(id);
    });
    response.once('close', () => {
      watching[Symbol.dispose]();
      if (this.#offers.get(id) === response) this.#offers.delete(id);
    });
    this.#door.called(neighbour);
    streamOffers(response, {
      clock: this.#clock,
      hello: this.#door.hello(),
      // Asked of the book each time, so that a new name or policy of ours for it counts.
      offer: () => this.#handlers.offer(this.#door.paired(id) ?? neighbour),
      onOfferChange: (listener) => this.#handlers.onOfferChange(listener),
    });
  }

  async #onPart(neighbour: Neighbour, request: IncomingMessage, response: ServerResponse): Promise<void> {
    parseMessage(PartNotice, await readBody(request));
    const answered = new Promise<void>((resolve) => {
      response.once('close', resolve);
    });
    response.writeHead(204, ['Connection', 'close']).end();
    await answered;
    await this.#door.parted(neighbour);
  }
}

function listenAuthority(address: string): { readonly host: string; readonly port: number } {
  // Port 0, any free one, is for listening only; as an address to call it is none.
  const any = /^(.*):0$/.exec(address);
  try {
    return any === null ? parseAuthority(address) : { ...parseAuthority(`${any[1]}:1`), port: 0 };
  } catch (cause) {
    throw new LinepoolError('config_invalid', `link.listen: ${address} is not address:port.`, { cause });
  }
}
