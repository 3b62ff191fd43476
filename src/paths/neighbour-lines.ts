/**
 * The neighbours' lines that there are now: one path for each neighbour in the book, with its offer as presence has
 * it. Downloads and verdicts read it; it tells them when offers, names or neighbours change.
 */
import type { Milliseconds } from '../core/units.ts';
import type { Book } from '../neighbours/book.ts';
import type { LinkClient } from '../neighbours/link-client.ts';
import type { Presence } from '../neighbours/presence.ts';
import type { TrustBook } from '../neighbours/trust.ts';
import { type Leases, NeighbourLine } from './neighbour-line.ts';
import type { PathId } from './path.ts';

export interface NeighbourLinesOptions {
  readonly book: Pick<Book, 'all' | 'listen'>;
  readonly presence: Pick<Presence, 'offer' | 'onChange'>;
  readonly link: Pick<LinkClient, 'undiciConnector'>;
  readonly leases: Leases;
  readonly trust: Pick<TrustBook, 'http' | 'onChange'>;
  readonly responseTimeout: Milliseconds;
}

export class NeighbourLines implements Disposable {
  readonly #options: NeighbourLinesOptions;
  readonly #listeners = new Set<() => void>();
  readonly #stack = new DisposableStack();
  #lines = new Map<PathId, NeighbourLine>();

  constructor(options: NeighbourLinesOptions) {
    this.#options = options;
    this.#stack.use(options.book.listen(() => this.#rebuild()));
    this.#stack.use(options.presence.onChange(() => this.#tell()));
    this.#stack.use(options.trust.onChange(() => this.#tell()));
    this.#rebuild();
  }

  neighbours(): readonly NeighbourLine[] {
    return [...this.#lines.values()];
  }

  byId(id: PathId): NeighbourLine | undefined {
    return this.#lines.get(id);
  }

  onChange(listener: () => void): Disposable {
    this.#listeners.add(listener);
    return { [Symbol.dispose]: () => this.#listeners.delete(listener) };
  }

  [Symbol.dispose](): void {
    this.#stack.dispose();
    this.#listeners.clear();
  }

  /** A line is kept while its neighbour keeps its name: what it knows of its leases must not be lost with each change. */
  #rebuild(): void {
    const { book, presence, link, leases, trust, responseTimeout } = this.#options;
    const before = this.#lines;
    this.#lines = new Map(
      book.all().map(({ id, name }) => {
        const known = before.get(id);
        if (known?.name === name) return [id, known];
        const connect = link.undiciConnector({ id });
        return [
          id,
          new NeighbourLine({
            id,
            name,
            offer: () => presence.offer(id),
            connect,
            leases,
            http: () => trust.http(id),
            responseTimeout,
          }),
        ];
      }),
    );
    this.#tell();
  }

  #tell(): void {
    for (const listener of this.#listeners) listener();
  }
}
