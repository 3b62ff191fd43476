/**
 * A neighbour's line as `linepool get` reaches it: through the daemon's control server, which knows the neighbours.
 * TLS to an https origin ends here, in the household's own program: the daemon carries ciphertext, the neighbour too.
 *
 *     get ══TLS to the origin════════════════════════════════════════════╗
 *      └─ CONNECT, token, path ─► daemon ─ CONNECT, lease ─► neighbour ─► origin
 */

import { request as httpRequest } from 'node:http';
import { connect as connectTcp, type Socket } from 'node:net';
import { buildConnector, Client } from 'undici';
import { IN_BURSTS } from '../core/bursts.ts';
import type { Clock } from '../core/clock.ts';
import { LinepoolError } from '../core/errors.ts';
import { formatAuthority, formatHost, formatOrigin, type Origin } from '../core/target.ts';
import type { Milliseconds } from '../core/units.ts';
import { clientLane } from './client-lane.ts';
import type { Lane, Offer, Path, PathId } from './path.ts';
import { LENDER_ERROR } from './range-fetch.ts';
import { ReadyConnection } from './ready-connection.ts';

export interface GatewayLineOptions {
  readonly id: PathId;
  readonly name: string;
  readonly offer: () => Offer;
  /** How the line may be used for http now, as the daemon says; undefined: not at all. */
  readonly http: () => 'checked' | 'trusted' | undefined;
  /** Of the control server. */
  readonly host: string;
  readonly port: number;
  /** Headers that open it: the token, and which path. Flat. */
  readonly headers: readonly string[];
  readonly responseTimeout: Milliseconds;
  readonly clock: Clock;
  /** Certificates of authorities to trust besides the usual ones, PEM. */
  readonly ca: string | undefined;
}

export class GatewayLine implements Path, Disposable {
  readonly id: PathId;
  readonly name: string;
  readonly #options: GatewayLineOptions;
  #ready: ReadyConnection | undefined;

  constructor(options: GatewayLineOptions) {
    this.#options = options;
    this.id = options.id;
    this.name = options.name;
  }

  offer(): Offer {
    return this.#options.offer();
  }

  /** https hides everything from the neighbour; http is carried where it is let, and without credentials only. */
  carries(origin: Origin, request: { readonly credentials: boolean }): boolean {
    return origin.scheme === 'https' || (!request.credentials && this.#options.http() !== undefined);
  }

  isChecked(origin: Origin): boolean {
    return origin.scheme === 'http' && this.#options.http() === 'checked';
  }

  lane(origin: Origin): Lane {
    return origin.scheme === 'https' ? this.#tunnelled(origin) : this.#fetched(origin);
  }

  /**
   * Gets a connection to an https origin ready, which takes three round trips: the first lane then has it at once.
   * What is not used within `READY_MS` is closed.
   */
  prepare(origin: Origin): void {
    if (origin.scheme !== 'https' || this.#ready !== undefined) return;
    const ready = new ReadyConnection(formatOrigin(origin), this.#options.clock, () => {
      this.#ready = undefined;
    });
    this.#ready = ready;
    const { host, port } = origin;
    this.#secure(origin)({ hostname: host, host, protocol: 'https:', port: String(port) }, ready.settle);
  }

  /** Closes what was made ready and not used. */
  [Symbol.dispose](): void {
    this.#ready?.[Symbol.dispose]();
  }

  #tunnelled(origin: Origin): Lane {
    const { responseTimeout } = this.#options;
    const secure = this.#secure(origin);
    const connect: buildConnector.connector = (request, callback) => {
      if (this.#ready?.origin === formatOrigin(origin)) this.#ready.take(callback);
      else secure(request, callback);
    };
    return clientLane((options) => new Client(formatOrigin(origin), { ...options, connect }), {
      responseTimeout,
    });
  }

  /** Tunnel, and the origin's TLS through it. */
  #secure(origin: Origin): buildConnector.connector {
    const { ca } = this.#options;
    const secure = buildConnector({ allowH2: false, ...IN_BURSTS, ...(ca === undefined ? {} : { ca }) });
    return (request, callback) => {
      this.#tunnel(origin, (error, socket) => {
        if (error !== null) callback(error, null);
        else secure({ ...request, httpSocket: socket }, callback);
      });
    };
  }

  #fetched(origin: Origin): Lane {
    const { host, port, headers, responseTimeout } = this.#options;
    const connect: buildConnector.connector = (_request, callback) => {
      const socket = connectTcp({ host, port, noDelay: true, ...IN_BURSTS });
      socket.once('error', (error) => callback(error, null));
      socket.once('connect', () => callback(null, socket));
    };
    return clientLane((options) => new Client('http://daemon.invalid', { ...options, connect }), {
      responseTimeout,
      pathOnWire: (path) => `${formatOrigin(origin)}${path}`,
      headersOnWire: (own) => ['Host', formatHost(origin), ...headers, ...own],
    });
  }

  /** A connection to the origin through daemon and neighbour; what comes over it is the origin's first byte. */
  #tunnel(origin: Origin, done: (...result: [Error, null] | [null, Socket]) => void): void {
    const { host, port, headers, responseTimeout } = this.#options;
    const authority = formatAuthority(origin);
    const request = httpRequest({
      host,
      port,
      method: 'CONNECT',
      path: authority,
      headers: ['Host', authority, ...headers],
      timeout: responseTimeout,
      agent: false,
    });
    request.once('error', (error) => done(error, null));
    request.once('timeout', () => request.destroy(new LinepoolError('neighbour_unreachable', this.name)));
    request.once('connect', (response, socket: Socket, head) => {
      socket.setTimeout(0);
      if (response.statusCode !== 200) {
        socket.destroy();
        const code = String(response.headers[LENDER_ERROR]);
        done(LinepoolError.named(code, 'neighbour_unreachable', this.name), null);
        return;
      }
      if (head.length > 0) socket.unshift(head);
      socket.setNoDelay(true);
      done(null, socket);
    });
    request.end();
  }
}
