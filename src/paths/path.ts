/**
 * The contract of a path: one way to reach an origin. The own line and every neighbour's line are paths, and a
 * download treats them alike. Implementations: own-line, neighbour-line, gateway-line.
 *
 *     download ──lane()──► Path ──► Lane ──dispatch()──► origin      (one connection, requests queued on it)
 *
 * A path never decides what is fetched, and never retries: it brings bytes or says why not.
 */
import type { Dispatcher } from 'undici';
import type { ErrorCode } from '../core/errors.ts';
import type { Origin } from '../core/target.ts';
import type { Bytes, BytesPerSecond } from '../core/units.ts';

/** `"own"`, or the id of the neighbour whose line it is. */
export type PathId = string;

export const OWN: PathId = 'own';

/** What a lender says it can spare right now; all zero means nothing. */
export interface Offer {
  readonly bytesPerSecond: BytesPerSecond;
  /** How far its relay reads ahead. */
  readonly bufferBytes: Bytes;
}

export const NO_OFFER: Offer = { bytesPerSecond: 0, bufferBytes: 0 };

/** One connection to an origin over a path. Requests given to it are queued on it, answered in order. */
export interface Lane {
  /**
   * Sends `GET path` with these end-to-end headers (flat; Host is the lane's own). Errors reach the handler.
   */
  dispatch(path: string, headers: readonly string[], handler: Dispatcher.DispatchHandler): void;
  /** Resets the connection now; every queued request fails with the reason. Calling it again does nothing. */
  destroy(reason: Error): void;
}

export interface LaneOptions {
  /** Bytes that the download may want over this lane: what a lease is asked for. */
  readonly bytesWanted: Bytes;
}

export interface Path {
  readonly id: PathId;
  /** What people call it: the neighbour's name, or "own line". */
  readonly name: string;
  /** Undefined for the own line, which nobody has to offer. */
  offer(): Offer | undefined;
  /** False when requests with these properties must not go this way. */
  carries(origin: Origin, request: { readonly credentials: boolean }): boolean;
  /** True when what it brings of that origin is to be compared with what our own line brings. */
  isChecked?(origin: Origin): boolean;
  /** A new lane; connecting happens with the first request. */
  lane(origin: Origin, options: LaneOptions): Lane;
  /** A request for that origin failed with this code: a lease that is not taken any more is not to be used again. */
  refused?(origin: Origin, code: ErrorCode): void;
}
