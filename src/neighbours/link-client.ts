/**
 * The link client: our side of every connection to a neighbour. Used by presence, pairing and the paths over
 * neighbours' lines. It decides nothing: it connects, asks, and says why not.
 *
 *     tunnel ──┐
 *     undici ──┼─► take ──► a warm connection, or a new one ──► pinned to the neighbour's id
 *     presence ┘
 *
 * It must never write to a household that is not in the book, pairing and changed keys aside, nor keep a connection to one that left it.
 */
import { request as httpRequest, type IncomingMessage } from 'node:http';
import type { Duplex } from 'node:stream';
import { createSecureContext, type TLSSocket } from 'node:tls';
import type { buildConnector } from 'undici';
import type { Clock } from '../core/clock.ts';
import { LinepoolError } from '../core/errors.ts';
import type { Milliseconds } from '../core/units.ts';
import { LINK_TLS, type LinkPeer } from './channel.ts';
import type { HouseholdId } from './household-id.ts';
import type { Identity } from './identity.ts';
import { type Dialled, dialNeighbour, type LinkDialOptions } from './link-dial.ts';
import { REFUSAL_MAX_BYTES, readRefusal } from './refusal.ts';
import { WarmConnections } from './warm-connections.ts';

export interface LinkClientOptions {
  readonly identity: Identity;
  readonly clock: Clock;
  /** For each address of a neighbour: TCP and TLS together. */
  readonly connectTimeout: Milliseconds;
  /** The neighbour as the book has it now; undefined for whoever is not in it. */
  readonly paired: (id: HouseholdId) => LinkPeer | undefined;
  /** Told of each connection made, and over which address. */
  readonly onConnected?: (id: HouseholdId, dialled: Dialled) => void;
}

/** How long a lender may take to answer CONNECT; its own connecting to the origin is in it. */
export const TUNNEL_ANSWER_MS: Milliseconds = 15_000;

export class LinkClient implements AsyncDisposable {
  readonly #options: LinkClientOptions;
  readonly #dialling: LinkDialOptions;
  readonly #warm: WarmConnections;
  readonly #open = new Map<HouseholdId, Set<TLSSocket>>();
  readonly #ending = new AbortController();

  constructor(options: LinkClientOptions) {
    const { identity, clock, connectTimeout } = options;
    this.#options = options;
    this.#dialling = {
      secureContext: createSecureContext({
        ...LINK_TLS,
        key: identity.privateKeyPem,
        cert: identity.certificate,
      }),
      clock,
      connectTimeout,
    };
    this.#warm = new WarmConnections(clock, (id) => this.connect(this.#paired(id)));
  }

  /**
   * A new connection to the household with that id, paired or not; the caller owns it. The signal ends the attempt only.
   * @throws LinepoolError `neighbour_unreachable`, `identity_mismatch`; or the signal's reason
   */
  async connect(peer: LinkPeer, signal?: AbortSignal): Promise<TLSSocket> {
    return (await this.dial(peer, signal)).socket;
  }

  /** As `connect`, with the key that was proved. */
  async dial(peer: LinkPeer, signal?: AbortSignal): Promise<Dialled> {
    const ended = this.#ending.signal;
    const dialled = await dialNeighbour(
      peer,
      this.#dialling,
      signal === undefined ? ended : AbortSignal.any([signal, ended]),
    );
    this.#track(dialled.id, dialled.socket);
    this.#options.onConnected?.(dialled.id, dialled);
    return dialled;
  }

  /**
   * A connection to a paired neighbour on which nothing was sent yet: a warm one, or a new one. The caller owns it.
   * @throws LinepoolError `not_paired`, and as `connect`
   */
  async take(neighbour: { readonly id: HouseholdId }, signal?: AbortSignal): Promise<TLSSocket> {
    return (await this.#take(neighbour.id, signal)).socket;
  }

  /** Gets warm connections ready, because one will be wanted soon. */
  warm(neighbour: { readonly id: HouseholdId }): void {
    if (!this.#ending.signal.aborted) this.#warm.fill(neighbour.id);
  }

  /**
   * A tunnel through the neighbour to `authority` (host:port): CONNECT, RFC 9110 section 9.3.6. Bytes that came with the answer
   * are read first. `headers` are flat: name, value, name, value; Host is added. The signal ends the attempt only.
   * @throws LinepoolError the lender's code, `response_timeout`, `connection_lost`, and as `take`
   */
  async tunnel(
    neighbour: { readonly id: HouseholdId },
    authority: string,
    headers: readonly string[],
    signal?: AbortSignal,
  ): Promise<Duplex> {
    const { socket, warm } = await this.#take(neighbour.id, signal);
    try {
      return await this.#ask(socket, authority, headers, signal);
    } catch (error) {
      // A warm connection may have been cut while it waited; a new one tells whether the neighbour is there.
      if (!warm || !(error instanceof LinepoolError) || error.code !== 'connection_lost') throw error;
      return await this.#ask(
        await this.connect(this.#paired(neighbour.id), signal),
        authority,
        headers,
        signal,
      );
    }
  }

  /**
   * The `connect` of an undici Client whose requests are to go to this neighbour: `new Client('http://link', {connect})`.
   * `warm`: others will follow, so keep some ready.
   */
  undiciConnector(
    neighbour: { readonly id: HouseholdId },
    { warm } = { warm: true },
  ): buildConnector.connector {
    const takeFor = async (callback: buildConnector.Callback): Promise<void> => {
      let socket: TLSSocket;
      try {
        socket = warm ? await this.take(neighbour) : await this.connect(this.#paired(neighbour.id));
      } catch (error) {
        callback(error as Error, null);
        return;
      }
      callback(null, socket);
    };
    return (_request, callback) => void takeFor(callback);
  }

  /** Ends every connection to that household at once. */
  drop(id: HouseholdId): void {
    this.#warm.drop(id);
    for (const socket of this.#open.get(id) ?? []) socket.destroy();
  }

  /** Ends its unused connections: they are not to be trusted any more, because the link was down. */
  dropWarm(id: HouseholdId): void {
    this.#warm.drop(id);
  }

  /** Connections open to that household, warm ones included. */
  connections(id: HouseholdId): number {
    return this.#open.get(id)?.size ?? 0;
  }

  [Symbol.asyncDispose](): Promise<void> {
    this.#ending.abort(new LinepoolError('neighbour_unreachable', 'The daemon is stopping.'));
    this.#warm.drop();
    for (const sockets of this.#open.values()) for (const socket of sockets) socket.destroy();
    return Promise.resolve();
  }

  #paired(id: HouseholdId): LinkPeer {
    const peer = this.#options.paired(id);
    if (peer === undefined) throw new LinepoolError('not_paired', id);
    return peer;
  }

  async #take(
    id: HouseholdId,
    signal: AbortSignal | undefined,
  ): Promise<{ readonly socket: TLSSocket; readonly warm: boolean }> {
    const peer = this.#paired(id);
    const spare = this.#warm.take(id);
    const socket = spare ?? (await this.connect(peer, signal));
    if (this.#options.paired(id) === undefined) {
      socket.destroy();
      throw new LinepoolError('not_paired', id);
    }
    // Only once one is known to succeed, so that a neighbour that is away is not called three times.
    this.warm({ id });
    return { socket, warm: spare !== undefined };
  }

  #track(id: HouseholdId, socket: TLSSocket): void {
    let sockets = this.#open.get(id);
    if (sockets === undefined) {
      sockets = new Set();
      this.#open.set(id, sockets);
    }
    const tracked = sockets;
    tracked.add(socket);
    socket.once('close', () => {
      tracked.delete(socket);
      if (tracked.size === 0 && this.#open.get(id) === tracked) this.#open.delete(id);
    });
  }

  async #ask(
    socket: TLSSocket,
    authority: string,
    headers: readonly string[],
    signal: AbortSignal | undefined,
  ): Promise<Duplex> {
    const { promise, resolve, reject } = Promise.withResolvers<Duplex>();
    const request = httpRequest({
      method: 'CONNECT',
      path: authority,
      headers: ['Host', authority, ...headers],
      createConnection: () => socket,
    });
    const fail = (error: Error): void => {
      request.destroy();
      socket.destroy();
      reject(error);
    };
    const onAbort = (): void => fail(signal?.reason as Error);
    const timer = this.#options.clock.after(TUNNEL_ANSWER_MS, () =>
      fail(new LinepoolError('response_timeout')),
    );
    request.on('error', (cause) => fail(new LinepoolError('connection_lost', '', { cause })));
    request.on('response', (response) => {
      // Only an answer to CONNECT that is none reaches this: an informational one that Node takes for final.
      fail(new LinepoolError('bad_response', `It answered CONNECT with ${response.statusCode}.`));
    });
    request.once('connect', (response: IncomingMessage, connected: Duplex, head: Buffer) => {
      if (head.length > 0) connected.unshift(head);
      if (response.statusCode === 200) resolve(connected);
      else {
        refusalOf(response, connected).then(fail, (cause: unknown) =>
          fail(new LinepoolError('connection_lost', '', { cause })),
        );
      }
    });
    signal?.addEventListener('abort', onAbort, { once: true });
    if (signal?.aborted === true) onAbort();
    else request.end();
    try {
      return await promise;
    } finally {
      timer[Symbol.dispose]();
      signal?.removeEventListener('abort', onAbort);
    }
  }
}

/** The body of a refused CONNECT, which Node's parser leaves on the socket. The caller's time limit bounds the wait. */
async function refusalOf(response: IncomingMessage, socket: Duplex): Promise<LinepoolError> {
  const status = response.statusCode ?? 0;
  const length = Number(response.headers['content-length'] ?? 0);
  if (!(length > 0 && length <= REFUSAL_MAX_BYTES)) return readRefusal(status, '');
  const chunks: Buffer[] = [];
  let received = 0;
  for await (const chunk of socket as AsyncIterable<Buffer>) {
    chunks.push(chunk);
    received += chunk.length;
    if (received >= length) break;
  }
  return readRefusal(status, Buffer.concat(chunks).subarray(0, length).toString('utf8'));
}
