/**
 * The lanes of one download: a connection for each path in use, and the fetches that are queued on it. The download
 * asks and stops here as the plan commands, and hears what comes. It must never keep a lane that nobody needs.
 */
import type { Clock } from '../core/clock.ts';
import { LinepoolError } from '../core/errors.ts';
import type { RawHeaders, Validator } from '../core/http.ts';
import { type Span, span } from '../core/span.ts';
import type { Target } from '../core/target.ts';
import type { Bytes, Milliseconds } from '../core/units.ts';
import { type Lane, OWN, type Path, type PathId } from '../paths/path.ts';
import { RangeFetch } from '../paths/range-fetch.ts';
import type { AskId } from './plan-state.ts';

export interface Wanted {
  readonly target: Target;
  /** Length of the whole representation. */
  readonly total: Bytes;
  readonly validator: Validator;
  /** End-to-end headers for requests over our own line, and for those over a neighbour's. */
  readonly ownHeaders: RawHeaders;
  readonly neighbourHeaders: RawHeaders;
}

/** Why nothing more of a span comes. */
export type SpanOver =
  /** `signature`: what the neighbour signed; empty when there is none. */
  | { readonly kind: 'ended'; readonly signature: string }
  /** The other side broke it off, or refused it. */
  | { readonly kind: 'broken' }
  /** We wanted no more of it. */
  | { readonly kind: 'stopped' };

const BROKEN: SpanOver = { kind: 'broken' };
export const STOPPED: SpanOver = { kind: 'stopped' };

export interface LaneListener {
  proven(path: PathId): void;
  /** More came of what it was asked for, in order, the lap first. */
  came(path: PathId, id: AskId, chunk: Buffer): void;
  /** … of the span itself. */
  data(path: PathId, id: AskId, offset: Bytes, chunk: Buffer): void;
  /** Nothing more comes of it. What is over already may be told of again. */
  over(path: PathId, id: AskId, how: SpanOver): void;
  ended(path: PathId, id: AskId): void;
  failed(
    path: PathId,
    id: AskId,
    broughtSome: boolean,
    error: LinepoolError,
    retryAfterMs: Milliseconds | undefined,
  ): void;
}

interface Fetching {
  readonly fetch: RangeFetch;
  /** Where the span begins that it is about: what comes before is the lap. */
  readonly start: Bytes;
}

interface OpenLane {
  readonly lane: Lane;
  /** True when something came over it since it last broke. */
  brought: boolean;
  readonly fetches: Map<AskId, Fetching>;
}

export class Lanes {
  readonly #wanted: Wanted;
  readonly #listener: LaneListener;
  /** Whether bytes for that offset may be read on now. */
  readonly #accepts: (offset: Bytes) => boolean;
  readonly #open = new Map<PathId, OpenLane>();
  readonly #paused = new Set<RangeFetch>();
  readonly #clock: Clock;

  constructor(wanted: Wanted, listener: LaneListener, accepts: (offset: Bytes) => boolean, clock: Clock) {
    this.#clock = clock;
    this.#wanted = wanted;
    this.#listener = listener;
    this.#accepts = accepts;
  }

  /** True while the sink pushes back on a fetch. */
  get isPaused(): boolean {
    return this.#paused.size > 0;
  }

  /** Queues a request on the path's lane, opening one when there is none. `lap` bytes before the span come with it. */
  ask(path: Path, id: AskId, { start, end }: Span, bytesWanted: Bytes, lap: Bytes = 0): void {
    const { target, total, validator, ownHeaders, neighbourHeaders } = this.#wanted;
    const open = this.#open.get(path.id) ?? this.#openLane(path, bytesWanted);
    const { lane, fetches } = open;
    const headers = path.id === OWN ? ownHeaders : neighbourHeaders;
    const signed = path.isChecked?.(target.origin) ?? false;
    const done = (how: SpanOver): void => {
      fetches.delete(id);
      this.#paused.delete(fetch);
      this.#listener.over(path.id, id, how);
    };
    const fetch: RangeFetch = new RangeFetch(
      { path: target.path, headers, span: span(start - lap, end), total, validator, signed },
      {
        proven: () => this.#listener.proven(path.id),
        data: (offset, chunk) => {
          open.brought = true;
          this.#listener.came(path.id, id, chunk);
          const lapped = Math.max(0, start - offset);
          if (lapped < chunk.length) {
            this.#listener.data(path.id, id, offset + lapped, lapped === 0 ? chunk : chunk.subarray(lapped));
          }
          // At its end it is not held back: that would hold those behind it on the lane, for good.
          if (fetch.isOver || fetch.at >= fetch.end || this.#accepts(fetch.at)) return;
          this.#paused.add(fetch);
          fetch.pause();
        },
        ended: (signature) => {
          // Told first: the download asks here how far the fetch came.
          this.#listener.ended(path.id, id);
          done({ kind: 'ended', signature: signature ?? '' });
        },
        failed: (error, retryAfterMs) => {
          // A server may close a connection after any response; then it is the next request that fails.
          const { brought } = open;
          open.brought = false;
          this.#listener.failed(path.id, id, brought, error, retryAfterMs);
          done(BROKEN);
        },
      },
      this.#clock,
    );
    fetches.set(id, { fetch, start });
    fetch.send(lane);
  }

  #openLane(path: Path, bytesWanted: Bytes): OpenLane {
    const lane = path.lane(this.#wanted.target.origin, { bytesWanted });
    const open = { lane, brought: false, fetches: new Map<AskId, Fetching>() };
    this.#open.set(path.id, open);
    return open;
  }

  /** The next byte that the span will bring; undefined when it is over. */
  at(path: PathId, id: AskId): Bytes | undefined {
    return this.#open.get(path)?.fetches.get(id)?.fetch.at;
  }

  /** The span is to end at `at`, which may be where it is already. */
  stop(path: PathId, id: AskId, at: Bytes): void {
    const open = this.#open.get(path);
    const fetching = open?.fetches.get(id);
    if (open === undefined || fetching === undefined) return;
    const { fetch, start } = fetching;
    // Whoever is told that it broke may stop it, before it is done with here.
    const how = fetch.isOver ? BROKEN : STOPPED;
    // A lap alone is wanted of nobody.
    fetch.stopAt(at <= start ? 0 : at);
    if (!fetch.isOver) return;
    open.fetches.delete(id);
    this.#paused.delete(fetch);
    this.#listener.over(path, id, how);
    // Nobody is served by waiting for responses that nobody wants: the lane goes, the next ask opens another.
    if (open.fetches.size > 0 || this.#open.get(path) !== open) return;
    this.#open.delete(path);
    open.lane.destroy(new LinepoolError('interrupted', 'nothing more is wanted over it'));
  }

  /** Stops every span of the path that is not among these. */
  keepOnly(path: PathId, ids: readonly AskId[]): void {
    for (const id of this.#open.get(path)?.fetches.keys() ?? []) {
      if (!ids.includes(id)) this.stop(path, id, 0);
    }
  }

  /** Reads on where the sink has room again. */
  resume(): void {
    for (const fetch of this.#paused) {
      if (!this.#accepts(fetch.at)) continue;
      this.#paused.delete(fetch);
      fetch.resume();
    }
  }

  /** Ends everything now; the listener hears no more. */
  destroy(reason: LinepoolError): void {
    for (const { lane, fetches } of this.#open.values()) {
      for (const { fetch } of fetches.values()) fetch.forget();
      lane.destroy(reason);
    }
    this.#open.clear();
    this.#paused.clear();
  }
}
