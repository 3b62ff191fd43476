/**
 * A borrower as the lender sees it while the daemon runs: its connections, what it was carried, whether it is active.
 * Kept by the lender; the relay reports to it. It must never outlive the parting from that neighbour.
 */
import type { Clock } from '../core/clock.ts';
import { LinepoolError } from '../core/errors.ts';
import type { Bytes, Milliseconds } from '../core/units.ts';
import type { Neighbour } from '../neighbours/book.ts';
import { Flow } from './flow.ts';
import type { Directions } from './policy.ts';
import type { ShapedBorrower } from './shaper.ts';

/** How long a borrower counts as active after its last transfer: the next span is asked for a moment later. */
export const ACTIVE_LINGER_MS: Milliseconds = 1_000;

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
  readonly shaped: Directions<ShapedBorrower>;
  readonly maxConnections: number;
  readonly clock: Clock;
  /** It became active, or is so no longer. */
  readonly onActivity: () => void;
}

export class Borrower implements Disposable {
  /** The book's newest entry for it. */
  neighbour: Neighbour;
  readonly flows: Directions<Flow>;
  readonly #options: BorrowerOptions;
  readonly #connections = new Set<Carried>();
  #activity: Activity = { kind: 'idle' };

  constructor(neighbour: Neighbour, options: BorrowerOptions) {
    const { shaped, clock } = options;
    this.neighbour = neighbour;
    this.flows = { down: new Flow(shaped.down, clock), up: new Flow(shaped.up, clock) };
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
    return this.flows.down.bytes + this.flows.up.bytes;
  }

  get isActive(): boolean {
    return this.#activity.kind !== 'idle';
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

  /** Looks at what it takes; to be called several times a second while it is active. */
  measure(): void {
    this.flows.down.measure(this.isActive);
    this.flows.up.measure(this.isActive);
  }

  /** Ends everything that runs for it, at once. */
  cut(error: LinepoolError): void {
    for (const connection of this.#connections) connection.cut(error);
  }

  [Symbol.dispose](): void {
    if (this.#activity.kind === 'lingering') this.#activity.until[Symbol.dispose]();
    this.#activity = { kind: 'idle' };
    this.flows.down[Symbol.dispose]();
    this.flows.up[Symbol.dispose]();
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
