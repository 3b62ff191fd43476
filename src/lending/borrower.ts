/**
 * A borrower as the lender sees it while the daemon runs: its connections, what it was carried, whether it is active.
 * Kept by the lender; the relay reports to it. It must never outlive the parting from that neighbour.
 */
import type { Clock } from '../core/clock.ts';
import { LinepoolError } from '../core/errors.ts';
import type { Bytes, BytesPerSecond, Milliseconds } from '../core/units.ts';
import type { Neighbour } from '../neighbours/book.ts';
import { RateWindow } from './rate-window.ts';
import type { Gate, ShapedBorrower } from './shaper.ts';

/** How long a borrower counts as active after its last transfer: the next span is asked for a moment later. */
export const ACTIVE_LINGER_MS: Milliseconds = 1_000;

/** One that takes so much of its rate would take more. */
const HUNGRY = 0.8;
/** What it takes is that of at least so long. */
const MEASURE_OVER_MS: Milliseconds = 40;
/** How much of a new measurement counts. */
const MEASURE_NEW = 0.5;

/** What runs for a borrower over one connection of its. */
export interface Carried {
  /** Ends it at once, for that reason. */
  cut(error: LinepoolError): void;
}

type Activity =
  | { readonly kind: 'idle' }
  | { readonly kind: 'lingering'; readonly until: Disposable }
  | { readonly kind: 'active'; readonly transfers: number };

export interface BorrowerOptions {
  readonly shaped: ShapedBorrower;
  readonly maxConnections: number;
  readonly clock: Clock;
  /** It became active, or is so no longer. */
  readonly onActivity: () => void;
}

export class Borrower implements Disposable {
  /** The book's newest entry for it. */
  neighbour: Neighbour;
  readonly #options: BorrowerOptions;
  readonly #connections = new Set<Carried>();
  readonly #window = new RateWindow();
  #bytes: Bytes = 0;
  #rate: BytesPerSecond = 0;
  /** Since it is active. */
  #measured: { readonly at: Milliseconds; readonly bytes: Bytes; readonly rate: BytesPerSecond } | undefined;
  #activity: Activity = { kind: 'idle' };

  constructor(neighbour: Neighbour, options: BorrowerOptions) {
    this.neighbour = neighbour;
    this.#options = options;
  }

  get id(): string {
    return this.neighbour.id;
  }

  get connections(): number {
    return this.#connections.size;
  }

  /** Carried since the daemon started, both directions. */
  get bytes(): Bytes {
    return this.#bytes;
  }

  get isActive(): boolean {
    return this.#activity.kind !== 'idle';
  }

  /** Over the last second. */
  rate(): BytesPerSecond {
    return this.#window.rate(this.#options.clock.now());
  }

  /**
   * Enters a connection until the result is disposed of.
   * @throws LinepoolError `overloaded`
   */
  enter(connection: Carried): Disposable {
    const { maxConnections } = this.#options;
    if (this.#connections.size >= maxConnections) {
      throw new LinepoolError('overloaded', `One borrower may have ${maxConnections} connections.`);
    }
    this.#connections.add(connection);
    return { [Symbol.dispose]: () => this.#connections.delete(connection) };
  }

  /** A transfer begins; it lasts until the result is disposed of, which may be done more than once. */
  begin(): Disposable {
    this.#transfers(1);
    let begun = true;
    return {
      [Symbol.dispose]: () => {
        if (begun) this.#transfers(-1);
        begun = false;
      },
    };
  }

  gate(pass: (bytes: Bytes) => void): Gate {
    return this.#options.shaped.gate(pass);
  }

  setRate(rate: BytesPerSecond): void {
    this.#rate = rate;
    this.#options.shaped.setRate(rate);
  }

  /** What it takes at the moment; undefined when it would take more than it may, or began only now. */
  get takes(): BytesPerSecond | undefined {
    const rate = this.#measured?.rate;
    return rate === undefined || rate >= this.#rate * HUNGRY ? undefined : rate;
  }

  /** Looks at what it takes; to be called several times a second while it is active. */
  measure(): void {
    const at = this.#options.clock.now();
    const before = this.#measured;
    if (!this.isActive) this.#measured = undefined;
    // As if it had taken all, until it shows that it does not.
    else if (before === undefined) this.#measured = { at, bytes: this.#bytes, rate: this.#rate };
    else if (at - before.at >= MEASURE_OVER_MS) {
      const rate = ((this.#bytes - before.bytes) * 1000) / (at - before.at);
      this.#measured = { at, bytes: this.#bytes, rate: before.rate + (rate - before.rate) * MEASURE_NEW };
    }
  }

  carried(bytes: Bytes): void {
    this.#bytes += bytes;
    this.#window.add(bytes, this.#options.clock.now());
  }

  /** Ends everything that runs for it, at once. */
  cut(error: LinepoolError): void {
    for (const connection of this.#connections) connection.cut(error);
  }

  [Symbol.dispose](): void {
    if (this.#activity.kind === 'lingering') this.#activity.until[Symbol.dispose]();
    this.#activity = { kind: 'idle' };
    this.#options.shaped[Symbol.dispose]();
  }

  #transfers(change: 1 | -1): void {
    const before = this.#activity;
    const transfers = (before.kind === 'active' ? before.transfers : 0) + change;
    if (before.kind === 'lingering') before.until[Symbol.dispose]();
    if (transfers > 0) this.#activity = { kind: 'active', transfers };
    else if (before.kind === 'active') this.#activity = { kind: 'lingering', until: this.#linger() };
    if (before.kind === 'idle' && transfers > 0) this.#options.onActivity();
  }

  #linger(): Disposable {
    return this.#options.clock.after(ACTIVE_LINGER_MS, () => {
      this.#activity = { kind: 'idle' };
      this.#options.onActivity();
    });
  }
}
