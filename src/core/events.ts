/**
 * Events: what happened, as values. Rooms report through one `Events`; the control API, the log and the
 * counters listen. The last ones are kept in a bounded ring, so that somebody who looks later sees them too.
 * An event must never hold a path, a query, a header or a byte of what was downloaded.
 */
import type { ErrorCode } from './errors.ts';
import type { Bytes, BytesPerSecond, Milliseconds } from './units.ts';

export type Event =
  | { readonly kind: 'daemon_started'; readonly version: string; readonly household: string }
  | { readonly kind: 'daemon_stopping'; readonly reason: string }
  | { readonly kind: 'configuration_read'; readonly file: string }
  | {
      readonly kind: 'verdict';
      readonly origin: string;
      readonly pool: boolean;
      readonly reason: string;
      readonly bytes: Bytes | undefined;
    }
  | {
      readonly kind: 'download_started';
      readonly download: string;
      readonly origin: string;
      readonly bytes: Bytes;
      readonly paths: readonly string[];
      readonly scheme: string;
    }
  | {
      readonly kind: 'download_ended';
      readonly download: string;
      readonly outcome: 'complete' | 'failed' | 'abandoned';
      readonly code: ErrorCode | undefined;
      readonly ms: Milliseconds;
      readonly bytesByPath: Readonly<Record<string, Bytes>>;
      readonly bytesTwice: Bytes;
      readonly peakWindowBytes: Bytes;
    }
  /** All of it came, and it is not what the origin says it should be. */
  | { readonly kind: 'download_refuted'; readonly download: string; readonly code: ErrorCode }
  | {
      readonly kind: 'span_failed';
      readonly download: string;
      readonly path: string;
      readonly code: ErrorCode;
      readonly detail: string;
    }
  | {
      readonly kind: 'path_out';
      readonly path: string;
      readonly origin: string;
      readonly code: ErrorCode;
      readonly forMs: Milliseconds;
    }
  | { readonly kind: 'neighbour_paired'; readonly neighbour: string; readonly id: string }
  | {
      readonly kind: 'neighbour_parted';
      readonly neighbour: string;
      readonly id: string;
      readonly by: 'us' | 'them';
    }
  | {
      readonly kind: 'neighbour_trust';
      readonly neighbour: string;
      readonly id: string;
      readonly trust: string;
      readonly quarantined: boolean;
    }
  | {
      /** It brought other bytes than the origin has, and is quarantined: its line carries nothing of http any more. */
      readonly kind: 'neighbour_caught';
      readonly neighbour: string;
      readonly id: string;
      readonly origin: string;
      /** True when its own signature proves it. */
      readonly signed: boolean;
    }
  /** A household wants to pair without an invitation: our person should compare the number. */
  | { readonly kind: 'pairing_asked'; readonly address: string }
  | { readonly kind: 'pairing_ended'; readonly address: string; readonly why: string }
  | { readonly kind: 'neighbour_blocked'; readonly neighbour: string; readonly id: string }
  | { readonly kind: 'neighbour_unblocked'; readonly neighbour: string; readonly id: string }
  /** It has another key, and so another id. */
  | {
      readonly kind: 'neighbour_rekeyed';
      readonly neighbour: string;
      readonly id: string;
      readonly before: string;
    }
  | { readonly kind: 'neighbour_up'; readonly neighbour: string }
  | {
      readonly kind: 'neighbour_down';
      readonly neighbour: string;
      readonly code: ErrorCode;
      readonly detail: string;
    }
  | {
      readonly kind: 'link_quality';
      readonly neighbour: string;
      readonly quality: string;
      readonly detail: string;
    }
  | { readonly kind: 'neighbour_refused'; readonly address: string; readonly code: ErrorCode }
  | {
      readonly kind: 'offer';
      readonly neighbour: string;
      readonly bytesPerSecond: BytesPerSecond;
      readonly bufferBytes: Bytes;
    }
  | {
      readonly kind: 'lease_opened';
      readonly borrower: string;
      readonly lease: string;
      readonly origin: string;
    }
  | {
      readonly kind: 'lease_ended';
      readonly borrower: string;
      readonly lease: string;
      readonly bytes: Bytes;
      /** Signed for by both so far; the last receipt may come a moment later. */
      readonly signedBytes: Bytes;
      /** Why; undefined when its time or its bytes were up. */
      readonly code: ErrorCode | undefined;
    }
  /** A lease of ours under which nothing more is fetched, because its receipts go wrong. */
  | {
      readonly kind: 'receipt_failed';
      readonly lender: string;
      readonly lease: string;
      readonly code: ErrorCode;
      readonly detail: string;
    }
  | {
      readonly kind: 'lend_refused';
      readonly borrower: string;
      readonly code: ErrorCode;
      readonly detail: string;
    }
  | {
      readonly kind: 'borrower_cut_off';
      readonly borrower: string;
      readonly forMs: Milliseconds;
      readonly detail: string;
    }
  | { readonly kind: 'warning'; readonly code: ErrorCode; readonly detail: string };

export interface EventRecord {
  /** Counts up from 1 since the daemon started. */
  readonly seq: number;
  /** Milliseconds since 1970. */
  readonly at: Milliseconds;
  readonly event: Event;
}

/** How many past events are kept. */
export const EVENTS_KEPT = 500;

export class Events {
  readonly #wall: () => Milliseconds;
  readonly #kept: EventRecord[] = [];
  readonly #listeners = new Set<(record: EventRecord) => void>();
  #seq = 0;

  constructor(wall: () => Milliseconds) {
    this.#wall = wall;
  }

  report(event: Event): void {
    this.#seq += 1;
    const record = { seq: this.#seq, at: this.#wall(), event };
    this.#kept.push(record);
    if (this.#kept.length > EVENTS_KEPT) this.#kept.shift();
    for (const listener of this.#listeners) listener(record);
  }

  /** Those kept with a `seq` above the one given, oldest first. */
  since(seq: number): readonly EventRecord[] {
    return this.#kept.filter((record) => record.seq > seq);
  }

  /** Called for each from now on, until the result is disposed of. A listener must not throw. */
  listen(listener: (record: EventRecord) => void): Disposable {
    this.#listeners.add(listener);
    return { [Symbol.dispose]: () => this.#listeners.delete(listener) };
  }
}
