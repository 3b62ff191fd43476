/**
 * A neighbour's line as a path, for http origins: the neighbour fetches the spans itself. Requests go over the link in
 * absolute-form, under a lease, with nothing of the client's in them (DESIGN.md, "How a lender carries it": fetch).
 * https origins go through tunnels instead, which end in the program that speaks TLS: see gateway-line.ts.
 */
import { LRUCache } from 'lru-cache';
import { type buildConnector, Client } from 'undici';
import type { ErrorCode } from '../core/errors.ts';
import type { RawHeaders } from '../core/http.ts';
import { formatHost, formatOrigin, type Origin } from '../core/target.ts';
import type { Bytes, Milliseconds } from '../core/units.ts';
import { clientLane } from './client-lane.ts';
import { type LeaseMeter, Metered } from './metered.ts';
import { type Lane, type LaneOptions, NO_OFFER, type Offer, type Path, type PathId } from './path.ts';
import { SIGN_HEADER, SIGN_SPAN } from './range-fetch.ts';

/** Origins whose last lease is remembered. */
const TOKENS_KEPT = 64;

/** Where leases come from. */
export interface Leases {
  /** The header that carries one. */
  readonly header: string;
  /** A lease for that lender and origin that has room for so many bytes more. */
  lease(lender: PathId, origin: Origin, bytes: Bytes): Promise<string>;
  /** A transfer begins under that token. */
  carrying(token: string): LeaseMeter;
  /** It is not taken any more. */
  spoiled(token: string): void;
  /** True while that lender's line is not to be used, because it did not sign for what it carried. */
  isLeftAlone(lender: PathId): boolean;
}

/** Whether a lender that refuses with this code wants another lease. */
export const spoils = (code: ErrorCode): boolean => code.startsWith('lease_') || code === 'receipt_missing';

export interface NeighbourLineOptions {
  readonly id: PathId;
  readonly name: string;
  readonly offer: () => Offer;
  /** The `connect` of undici clients that speak with this neighbour. */
  readonly connect: buildConnector.connector;
  readonly leases: Leases;
  /** How its line may be used for http now; undefined: not at all. */
  readonly http: () => 'checked' | 'trusted' | undefined;
  /** How long the neighbour may be silent. */
  readonly responseTimeout: Milliseconds;
}

export class NeighbourLine implements Path {
  readonly id: PathId;
  readonly name: string;
  readonly #options: NeighbourLineOptions;
  /** The last lease by origin; bounded by how many the signer keeps. */
  readonly #tokens = new LRUCache<string, string>({ max: TOKENS_KEPT });

  constructor(options: NeighbourLineOptions) {
    this.#options = options;
    this.id = options.id;
    this.name = options.name;
  }

  offer(): Offer {
    const { leases, offer } = this.#options;
    return leases.isLeftAlone(this.id) ? NO_OFFER : offer();
  }

  /** Only http, where it is let; and never a request by which its sender could be known or answered for. */
  carries(origin: Origin, request: { readonly credentials: boolean }): boolean {
    return origin.scheme === 'http' && !request.credentials && this.#options.http() !== undefined;
  }

  isChecked(): boolean {
    return this.#options.http() === 'checked';
  }

  refused(origin: Origin, code: ErrorCode): void {
    const token = this.#tokens.get(formatOrigin(origin));
    if (token !== undefined && spoils(code)) this.#options.leases.spoiled(token);
  }

  lane(origin: Origin, { bytesWanted }: LaneOptions): Lane {
    const { connect, leases, responseTimeout } = this.#options;
    const lane = clientLane((options) => new Client('http://neighbour.invalid', { ...options, connect }), {
      responseTimeout,
      pathOnWire: (path) => `${formatOrigin(origin)}${path}`,
    });
    const lease = async (): Promise<string> => {
      const token = await leases.lease(this.id, origin, bytesWanted);
      this.#tokens.set(formatOrigin(origin), token);
      return token;
    };
    const isChecked = (): boolean => this.isChecked();
    let destroyed = false;
    return {
      dispatch(path, headers, handler) {
        // Leases are signed in advance, so this waits for the first request only; requests keep their order.
        lease().then(
          (token) => {
            if (destroyed) return;
            const sign = isChecked() ? [SIGN_HEADER, SIGN_SPAN] : [];
            lane.dispatch(
              path,
              ['Host', formatHost(origin), ...forNeighbours(headers), leases.header, token, ...sign],
              new Metered(handler, leases.carrying(token)),
            );
          },
          (error: Error) => handler.onResponseError?.(NO_CONTROLLER, error),
        );
      },
      destroy(reason) {
        destroyed = true;
        lane.destroy(reason);
      },
    };
  }
}

/** All that a neighbour needs to fetch a span; whatever else a program sends along stays at home. */
const FOR_NEIGHBOURS: ReadonlySet<string> = new Set(['range', 'accept-encoding']);

/** Those of the headers that go to a neighbour in the clear; flat. */
export function forNeighbours(headers: RawHeaders): string[] {
  const out: string[] = [];
  for (let i = 0; i + 1 < headers.length; i += 2) {
    const name = headers[i] ?? '';
    if (FOR_NEIGHBOURS.has(name.toLowerCase())) out.push(name, headers[i + 1] ?? '');
  }
  return out;
}

/** For a request that failed before there was anything to control. */
const NO_CONTROLLER = {
  aborted: true,
  paused: false,
  reason: null,
  abort: () => undefined,
  pause: () => undefined,
  resume: () => undefined,
} as never;
