/**
 * The desk: everything that can be seen and steered, as one interface. daemon.ts implements it, api.ts serves it,
 * and the command line reaches it only through the API. What is not here can't be done from outside.
 * Every method answers from memory at once, except those that return a promise.
 */
import type { IncomingMessage, ServerResponse } from 'node:http';
import type { Duplex } from 'node:stream';
import type { Events } from '../core/events.ts';
import type { Authority, Target } from '../core/target.ts';
import type { Bytes, Milliseconds } from '../core/units.ts';
import type { PathId } from '../paths/path.ts';
import type { RememberedOrigin } from './origins.ts';
import type { PairingSeat } from './pairing.ts';
import type { DownloadReport } from './reported.ts';
import type {
  Download,
  Invitation,
  JoinRequest,
  Lending,
  LendNeighbourRequest,
  LendRequest,
  Neighbour,
  Offer,
  Status,
  TrustRequest,
  Verdict,
} from './schema.ts';

/** How many ended downloads and verdicts a desk keeps to show. */
export const KEPT = { downloads: 50, verdicts: 100 } as const;

/** What only ever grows, since the daemon started; what metrics are made of besides the events. */
export interface Totals {
  /** Bytes of pooled downloads brought by our own line, live ones included. */
  readonly ownBytes: Bytes;
  /** The same, brought by neighbours' lines; what `get` fetches over them included. */
  readonly borrowedBytes: Bytes;
  /** Carried for neighbours. */
  readonly lentBytes: Bytes;
  /** Response bytes that passed through the proxy unpooled. */
  readonly passedBytes: Bytes;
  /** Requests that the proxy has answered. */
  readonly requests: number;
}

export interface Desk {
  status(): Status;
  /** Live ones first, then the last `KEPT.downloads` that ended; the newest first in each. */
  downloads(): readonly Download[];
  /** The last `KEPT.verdicts`, newest first. */
  verdicts(): readonly Verdict[];
  neighbours(): readonly Neighbour[];
  offers(): readonly Offer[];
  lending(): Lending;
  /** Those that are left alone for a while, newest first. */
  origins(): readonly RememberedOrigin[];
  totals(): Totals;
  readonly events: Events;
  /** Pairing without an invitation, and blocking. */
  readonly pairing: PairingSeat;

  /** @throws LinepoolError `config_invalid` when there is no address to invite to */
  invite(options: { readonly ttlMs: Milliseconds }): Promise<Invitation>;
  /** @throws LinepoolError `invitation_invalid`, `invitation_refused`, `neighbour_unreachable`, `neighbour_name_taken` … */
  join(request: JoinRequest): Promise<Neighbour>;
  /** Un-pairs at once, live connections included. @throws LinepoolError `neighbour_unknown` */
  part(nameOrId: string): Promise<void>;
  /** @throws LinepoolError `neighbour_unknown`, `neighbour_name_taken` */
  rename(nameOrId: string, name: string): Promise<Neighbour>;
  /** How far its line is used for http, at once. @throws LinepoolError `neighbour_unknown`, `state_unusable` */
  trust(nameOrId: string, request: TrustRequest): Promise<Neighbour>;
  /** Changes the lending policy, at once. @throws LinepoolError `policy_invalid`, `state_unusable` */
  lend(request: LendRequest): Promise<Lending>;
  /** The same for one neighbour. @throws LinepoolError `neighbour_unknown`, `policy_invalid`, `state_unusable` */
  lendTo(nameOrId: string, request: LendNeighbourRequest): Promise<Lending>;
  /** What a `linepool get` says of its download. @throws LinepoolError `bad_request` */
  report(id: string, report: DownloadReport): void;
  /** By host, host and port, or whole address. @throws LinepoolError `not_found` when none of that name is left alone */
  forgetOrigin(name: string): void;
  /** Begins an orderly end of the daemon; returns at once. */
  stop(reason: string): void;
}

/**
 * How `linepool get` uses the daemon's paths: CONNECT and absolute-form requests on the control server, once the
 * token has been checked. The gateway owns the socket or response from then on, errors included.
 *
 *     get ── CONNECT origin:443, Linepool-Path: <id> ──► control ──► gateway ──► that path ──► origin
 */
export interface Gateway {
  /** Answers the CONNECT on `socket` itself; `head` are bytes that came along with it. */
  connect(path: PathId, authority: Authority, request: IncomingMessage, socket: Duplex, head: Buffer): void;
  /** Answers a GET for an http target over that path. */
  fetch(path: PathId, target: Target, request: IncomingMessage, response: ServerResponse): void;
}

/** The request header that names the path: "own" or a neighbour's id. */
export const PATH_HEADER = 'linepool-path';
