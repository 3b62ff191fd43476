/**
 * Presence: which neighbours are there, and what they offer. It calls each neighbour in the book, keeps its offers open,
 * and calls again, less and less often, when it is away. Opened by the neighbourhood; the paths ask it for offers.
 * A neighbour that is not up offers nothing, whatever it said last.
 */
import { randomInt } from 'node:crypto';
import type { Clock } from '../core/clock.ts';
import type { ErrorCode } from '../core/errors.ts';
import type { Event } from '../core/events.ts';
import type { Milliseconds } from '../core/units.ts';
import type { Book, Neighbour } from './book.ts';
import type { LinkOffer } from './channel.ts';
import type { HouseholdId } from './household-id.ts';
import type { LinkClient } from './link-client.ts';
import {
  type LinkHistory,
  type LinkQuality,
  linkLost,
  NEW_LINK,
  qualityOf,
  roundTripTook,
} from './link-quality.ts';
import type { Hello } from './messages.ts';
import { callNeighbour } from './presence-call.ts';
import {
  deadlineOf,
  NOTHING,
  type PresenceEvent,
  type PresenceState,
  presenceAtStart,
  stepPresence,
  type Trouble,
} from './presence-state.ts';

export interface PresenceOptions {
  readonly client: LinkClient;
  readonly book: Book;
  readonly clock: Clock;
  /** Wait before a neighbour is tried again; grows with each failure. */
  readonly retry: Milliseconds;
  readonly report: (event: Event) => void;
  /** A call came to nothing. */
  readonly onLost?: (id: HouseholdId, code: ErrorCode) => void;
}

/** What is known of one neighbour now. */
export interface PresenceStatus {
  readonly up: boolean;
  /** Milliseconds since 1970: up, or away, since then. */
  readonly since: Milliseconds;
  /** As it counts: less than it says, over a link that is likely to cut out. */
  readonly offer: LinkOffer;
  readonly quality: LinkQuality;
  /** Undefined while it is away. */
  readonly roundTripMs: Milliseconds | undefined;
  /** Why it is away; undefined before the first call has ended. */
  readonly trouble: Trouble | undefined;
  /** What it said of itself, last time. */
  readonly hello: Hello | undefined;
}

interface Watched {
  state: PresenceState;
  since: Milliseconds;
  hello: Hello | undefined;
  link: LinkHistory;
  /** As others were told last. */
  factor: number;
  call: Disposable | undefined;
  timer: Disposable | undefined;
}

const JITTER_STEPS = 1 << 20;
const jitter = (): number => randomInt(JITTER_STEPS) / JITTER_STEPS;

/** `came`: it was away until now. */
export type PresenceListener = (id: HouseholdId, came: boolean) => void;

export class Presence implements Disposable {
  readonly #options: PresenceOptions;
  readonly #watched = new Map<HouseholdId, Watched>();
  readonly #listeners = new Set<PresenceListener>();
  readonly #bookListener: Disposable;

  constructor(options: PresenceOptions) {
    this.#options = options;
    this.#bookListener = options.book.listen((change) => {
      const { neighbour } = change;
      if (change.kind === 'removed') this.#forget(neighbour.id);
      // A new neighbour may not have us in its book yet: wait, or until it calls us or `hurry` says so.
      else if (change.kind === 'added') this.#watch(neighbour, options.retry);
      else if (change.kind === 'rekeyed') {
        this.#forget(change.before.id);
        this.#watch(neighbour, 0);
      } else if (change.before.addresses !== neighbour.addresses) this.#watch(neighbour, 0);
    });
    for (const neighbour of options.book.all()) this.#watch(neighbour, 0);
  }

  /** What that neighbour offers now; nothing when it is not up. */
  offer(id: HouseholdId): LinkOffer {
    const watched = this.#watched.get(id);
    if (watched?.state.kind !== 'up') return NOTHING;
    const { bytesPerSecond, bufferBytes } = watched.state.offer;
    const { factor } = this.#quality(watched);
    return factor > 0 ? { bytesPerSecond: Math.floor(bytesPerSecond * factor), bufferBytes } : NOTHING;
  }

  isUp(id: HouseholdId): boolean {
    return this.#watched.get(id)?.state.kind === 'up';
  }

  status(id: HouseholdId): PresenceStatus {
    const watched = this.#watched.get(id);
    const state = watched?.state;
    return {
      up: state?.kind === 'up',
      since: watched?.since ?? this.#options.clock.wall(),
      offer: this.offer(id),
      quality: this.#quality(watched),
      roundTripMs: state?.kind === 'up' ? state.roundTripMs : undefined,
      trouble: state === undefined || state.kind === 'up' ? undefined : state.trouble,
      hello: watched?.hello,
    };
  }

  /** Called when a neighbour comes, goes, or offers something else, until the result is disposed of. */
  onChange(listener: PresenceListener): Disposable {
    this.#listeners.add(listener);
    return { [Symbol.dispose]: () => this.#listeners.delete(listener) };
  }

  /** Calls a neighbour that is away now rather than later. */
  hurry(id: HouseholdId): void {
    this.#step(id, { kind: 'hurry' });
  }

  [Symbol.dispose](): void {
    this.#bookListener[Symbol.dispose]();
    for (const id of this.#watched.keys()) this.#forget(id);
  }

  #watch({ id, addresses }: Neighbour, firstCallIn: Milliseconds): void {
    if (this.#watched.has(id)) {
      this.#step(id, { kind: 'hurry' });
      return;
    }
    // Nothing to call: it can only borrow from us.
    if (addresses.length === 0) return;
    const { clock } = this.#options;
    const watched: Watched = {
      state: presenceAtStart(clock.now() + firstCallIn),
      since: clock.wall(),
      hello: undefined,
      link: NEW_LINK,
      factor: 1,
      call: undefined,
      timer: undefined,
    };
    this.#watched.set(id, watched);
    this.#arm(id, watched);
  }

  #forget(id: HouseholdId): void {
    const watched = this.#watched.get(id);
    this.#watched.delete(id);
    watched?.timer?.[Symbol.dispose]();
    watched?.call?.[Symbol.dispose]();
    if (watched?.state.kind === 'up') this.#tell(id);
  }

  #arm(id: HouseholdId, watched: Watched): void {
    const { clock } = this.#options;
    watched.timer?.[Symbol.dispose]();
    watched.timer = clock.after(Math.max(0, deadlineOf(watched.state) - clock.now()), () =>
      this.#step(id, { kind: 'due', jitter: jitter() }),
    );
  }

  #step(id: HouseholdId, event: PresenceEvent): void {
    const watched = this.#watched.get(id);
    if (watched === undefined) return;
    const { clock, retry } = this.#options;
    const before = watched.state;
    const after = stepPresence(before, event, clock.now(), { retry });
    watched.state = after;
    this.#followLink(id, watched, event, before.kind === 'up' && after.kind !== 'up');
    if (after === before) {
      // A timer may come a little before its time.
      if (event.kind === 'due') this.#arm(id, watched);
      return;
    }
    if (after.kind !== before.kind) this.#onKind(id, watched, before, after);
    this.#arm(id, watched);
    this.#reportOffer(id, before, after);
  }

  #followLink(id: HouseholdId, watched: Watched, event: PresenceEvent, isLost: boolean): void {
    const now = this.#options.clock.now();
    if (isLost) watched.link = linkLost(watched.link, now);
    else if (event.kind === 'measured') watched.link = roundTripTook(watched.link, event.roundTripMs);
    const { kind, factor, words } = this.#quality(watched);
    if (factor === watched.factor) return;
    watched.factor = factor;
    const neighbour = this.#options.book.byId(id)?.name ?? id;
    this.#options.report({ kind: 'link_quality', neighbour, quality: kind, detail: words });
    this.#tell(id);
  }

  #quality(watched: Watched | undefined): LinkQuality {
    return qualityOf(watched?.link ?? NEW_LINK, this.#options.clock.now());
  }

  #onKind(id: HouseholdId, watched: Watched, before: PresenceState, after: PresenceState): void {
    if (after.kind === 'calling') {
      watched.call = this.#call(id);
      return;
    }
    const name = this.#options.book.byId(id)?.name ?? id;
    if (after.kind === 'up') {
      watched.since = this.#options.clock.wall();
      this.#options.report({ kind: 'neighbour_up', neighbour: name });
    } else {
      watched.call?.[Symbol.dispose]();
      watched.call = undefined;
      // The link was down: connections that wait unused are not to be trusted.
      this.#options.client.dropWarm(id);
      if (before.kind === 'up' || after.failures === 1) {
        const trouble = after.trouble ?? { code: 'neighbour_unreachable', detail: '' };
        this.#options.report({ kind: 'neighbour_down', neighbour: name, ...trouble });
      }
      if (before.kind === 'up') watched.since = this.#options.clock.wall();
    }
    if (after.kind === 'up' || before.kind === 'up') this.#tell(id, after.kind === 'up');
  }

  #reportOffer(id: HouseholdId, before: PresenceState, after: PresenceState): void {
    if (after.kind !== 'up' || before.kind !== 'up') return;
    const { bytesPerSecond, bufferBytes } = after.offer;
    if (bytesPerSecond === before.offer.bytesPerSecond && bufferBytes === before.offer.bufferBytes) return;
    const neighbour = this.#options.book.byId(id)?.name ?? id;
    this.#options.report({ kind: 'offer', neighbour, bytesPerSecond, bufferBytes });
    this.#tell(id);
  }

  #call(id: HouseholdId): Disposable {
    const { client, clock } = this.#options;
    return callNeighbour(client, clock, id, {
      opened: (roundTripMs) => this.#step(id, { kind: 'opened', roundTripMs }),
      hello: (hello) => {
        const watched = this.#watched.get(id);
        if (watched !== undefined) watched.hello = hello;
      },
      offer: ({ bytesPerSecond, bufferBytes }) =>
        this.#step(id, { kind: 'offer', offer: { bytesPerSecond, bufferBytes } }),
      alive: () => this.#step(id, { kind: 'alive' }),
      measured: (roundTripMs) => this.#step(id, { kind: 'measured', roundTripMs }),
      lost: ({ code, detail }) => {
        this.#step(id, { kind: 'lost', trouble: { code, detail }, jitter: jitter() });
        this.#options.onLost?.(id, code);
      },
    });
  }

  #tell(id: HouseholdId, came = false): void {
    for (const listener of this.#listeners) listener(id, came);
  }
}
