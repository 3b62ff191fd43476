/**
 * Introductions: how two households that have no invitation come together. One of them is visible for a while, the other finds it and
 * asks, and both people compare a number. Owned by the neighbourhood; people reach it through the control API.
 */
import type { Clock } from '../core/clock.ts';
import { asLinepoolError, LinepoolError } from '../core/errors.ts';
import type { Events } from '../core/events.ts';
import { parseAuthority } from '../core/target.ts';
import type { Milliseconds } from '../core/units.ts';
import type { Book } from './book.ts';
import { askToCompare } from './comparison-ask.ts';
import { ComparisonDesk, type Meeting } from './comparison-desk.ts';
import type { Announcing, Discovered } from './discovery.ts';
import { isPseudonym } from './dns-sd.ts';
import type { HouseholdId } from './household-id.ts';
import type { LinkClient } from './link-client.ts';

export interface IntroductionsOptions {
  /** Ours. */
  readonly id: HouseholdId;
  readonly name: string;
  readonly clock: Clock;
  readonly events: Events;
  readonly book: Book;
  readonly client: LinkClient;
  /** Where neighbours can call us. */
  readonly addresses: () => readonly string[];
  /** What the link server listens on; empty: nobody can call us. */
  readonly listening: () => readonly string[];
  /** One that we asked is a neighbour now: it may be called at once. */
  readonly onPaired: (id: HouseholdId) => void;
}

/** How long we listen for others; they answer within moments, but the radio loses packets. */
export const DISCOVER_MS: Milliseconds = 2_500;

export interface Visible {
  /** What we are called on the air meanwhile. */
  readonly name: string;
  /** Milliseconds since 1970. */
  readonly until: Milliseconds;
  /** The addresses at which we are announced. */
  readonly at: readonly string[];
}

interface Showing {
  readonly announcing: Announcing;
  readonly timer: Disposable;
  readonly until: Milliseconds;
}

export class Introductions implements AsyncDisposable {
  readonly desk: ComparisonDesk;
  readonly #options: IntroductionsOptions;
  readonly #ending = new AbortController();
  #showing: Showing | undefined;
  /** One after the other. */
  #changing: Promise<unknown> = Promise.resolve();
  #discovering: Promise<readonly Discovered[]> | undefined;
  #found: readonly Discovered[] = [];

  constructor(options: IntroductionsOptions) {
    const { id, name, clock, events, book, addresses } = options;
    this.#options = options;
    this.desk = new ComparisonDesk({
      id,
      name,
      addresses,
      clock,
      book,
      report: (event) => events.report(event),
      mayBeAsked: () => this.#showing !== undefined,
      onRejected: () => void this.hide(),
    });
  }

  get visible(): Visible | undefined {
    if (this.#showing === undefined) return undefined;
    const { announcing, until } = this.#showing;
    return { name: announcing.pseudonym, until, at: announcing.at };
  }

  /**
   * For so long others may find us, and ask to pair. Under a new name each time.
   * @throws LinepoolError `config_invalid` when nobody could call us
   */
  show(forMs: Milliseconds): Promise<Visible> {
    const { clock, listening } = this.#options;
    if (listening().length === 0) {
      throw new LinepoolError(
        'config_invalid',
        'link.listen is empty, so nobody could call us. Set it, or let the other household be visible.',
      );
    }
    return this.#inTurn(async () => {
      await this.#hide();
      const { announce } = await import('./discovery.ts');
      const announcing = await announce(listening(), clock);
      const timer = clock.after(forMs, () => void this.hide());
      const until = clock.wall() + forMs;
      this.#showing = { announcing, timer, until };
      return { name: announcing.pseudonym, until, at: announcing.at };
    });
  }

  /** Nobody finds us any more, and nobody may ask. A comparison that is under way goes on. */
  hide(): Promise<void> {
    return this.#inTurn(() => this.#hide());
  }

  /** Who is visible now. Several who ask at once share one look. */
  discover(): Promise<readonly Discovered[]> {
    this.#discovering ??= this.#look().finally(() => {
      this.#discovering = undefined;
    });
    return this.#discovering;
  }

  /**
   * Begins to pair with a household that was discovered, or is at host:port. When this returns, there is a number to compare.
   * @throws LinepoolError `neighbour_unknown`, `pairing_closed`, `pairing_busy`, `pairing_limited`, `pairing_rejected`,
   *   `neighbour_unreachable`, `neighbour_blocked`, `usage`
   */
  async ask(nameOrAddress: string): Promise<Meeting> {
    const { client, clock, id, onPaired, events } = this.#options;
    const address = await this.#addressOf(nameOrAddress);
    const { signal } = this.#ending;
    const { meeting, ended } = await askToCompare({ client, desk: this.desk, clock, id }, [address], signal);
    ended.then(
      () => {
        if (meeting.pinned) onPaired(meeting.peer.id);
      },
      (error: unknown) => {
        const { code, detail } = asLinepoolError(error);
        events.report({ kind: 'warning', code, detail });
      },
    );
    return meeting;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#ending.abort(new LinepoolError('neighbour_unreachable', 'The daemon is stopping.'));
    await this.hide();
  }

  async #addressOf(nameOrAddress: string): Promise<string> {
    const name = nameOrAddress.toLowerCase();
    if (!isPseudonym(name)) {
      try {
        parseAuthority(nameOrAddress);
        return nameOrAddress;
      } catch (cause) {
        const detail = `${JSON.stringify(nameOrAddress.slice(0, 80))} is neither host:port nor a name that \`linepool discover\` shows.`;
        throw new LinepoolError('usage', detail, { cause });
      }
    }
    const known = this.#found.find((one) => one.name === name);
    const found = known ?? (await this.discover()).find((one) => one.name === name);
    if (found === undefined) throw new LinepoolError('neighbour_unknown', `${name} is not visible now.`);
    return found.address;
  }

  async #look(): Promise<readonly Discovered[]> {
    const { clock, listening } = this.#options;
    const { discover } = await import('./discovery.ts');
    const except = this.#showing?.announcing.pseudonym;
    this.#found = await discover(listening(), {
      clock,
      forMs: DISCOVER_MS,
      except,
      signal: this.#ending.signal,
    });
    return this.#found;
  }

  async #hide(): Promise<void> {
    const showing = this.#showing;
    if (showing === undefined) return;
    // Before the goodbye is on its way: from now on nobody may ask.
    this.#showing = undefined;
    showing.timer[Symbol.dispose]();
    await showing.announcing[Symbol.asyncDispose]();
  }

  #inTurn<T>(change: () => Promise<T>): Promise<T> {
    const done = this.#changing.then(change);
    this.#changing = done.catch(() => undefined);
    return done;
  }
}
