/**
 * Households for tests: the real neighbourhood on the loopback interface, with a state folder of its own.
 */
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { type Clock, systemClock } from '../../src/core/clock.ts';
import { LinepoolError } from '../../src/core/errors.ts';
import { type Event, Events } from '../../src/core/events.ts';
import type { LinkHandlers, LinkOffer } from '../../src/neighbours/channel.ts';
import { Neighbourhood, type NeighbourhoodOptions } from '../../src/neighbours/neighbourhood.ts';
import { refuse, refuseConnect } from '../../src/neighbours/refusal.ts';

/** A relay that lends what it is told to, and refuses to carry anything unless the test says otherwise. */
export class TestRelay implements LinkHandlers {
  current: LinkOffer = { bytesPerSecond: 1_000_000, bufferBytes: 65_536 };
  request: LinkHandlers['request'] = (_neighbour, _request, response) =>
    refuse(response, new LinepoolError('lending_off', 'test'));
  connect: LinkHandlers['connect'] = (_neighbour, _request, socket) =>
    refuseConnect(socket, new LinepoolError('lending_off', 'test'));
  receipt: LinkHandlers['receipt'] = () => {
    throw new LinepoolError('receipt_invalid', 'test');
  };
  readonly #listeners = new Set<() => void>();

  offer(): LinkOffer {
    return this.current;
  }

  onOfferChange(listener: () => void): Disposable {
    this.#listeners.add(listener);
    return { [Symbol.dispose]: () => this.#listeners.delete(listener) };
  }

  change(offer: LinkOffer): void {
    this.current = offer;
    for (const listener of this.#listeners) listener();
  }

  get listening(): number {
    return this.#listeners.size;
  }
}

export interface Household extends AsyncDisposable {
  readonly room: Neighbourhood;
  readonly relay: TestRelay;
  readonly events: Events;
  readonly stateDir: string;
  /** Where its link server listens. */
  readonly address: string;
}

export interface HouseholdOptions extends Partial<NeighbourhoodOptions> {
  readonly clock?: Clock;
}

export async function scratchDir(): Promise<AsyncDisposable & { readonly path: string }> {
  const path = await mkdtemp(join(tmpdir(), 'linepool-'));
  return { path, [Symbol.asyncDispose]: () => rm(path, { recursive: true, force: true }) };
}

export async function household(name: string, options: HouseholdOptions = {}): Promise<Household> {
  await using owned = new AsyncDisposableStack();
  const { clock = systemClock, ...rest } = options;
  const stateDir = rest.stateDir ?? owned.use(await scratchDir()).path;
  const events = new Events(() => clock.wall());
  const relay = new TestRelay();
  const room = owned.use(
    await Neighbourhood.open(
      {
        name,
        version: '0.0.0',
        listen: ['127.0.0.1:0'],
        advertise: undefined,
        connectTimeout: 3_000,
        retry: 50,
        ...rest,
        stateDir,
      },
      { clock, events, handlers: relay },
    ),
  );
  const address = room.addresses()[0] ?? '';
  const kept = owned.move();
  return {
    room,
    relay,
    events,
    stateDir,
    address,
    [Symbol.asyncDispose]: () => kept.disposeAsync(),
  };
}

/** Two that are paired: the second joined the first. */
export async function pair(inviter: Household, joiner: Household): Promise<void> {
  await joiner.room.join(inviter.room.invite().text);
}

/** Far longer than anything here takes on a busy machine. */
const PATIENCE_MS = 20_000;

/** Resolves with the next event that fits, or one that has been. */
export function eventOf<K extends Event['kind']>(
  events: Events,
  kind: K,
  fits: (event: Extract<Event, { readonly kind: K }>) => boolean = () => true,
): Promise<Extract<Event, { readonly kind: K }>> {
  const matches = (event: Event): event is Extract<Event, { readonly kind: K }> =>
    event.kind === kind && fits(event as Extract<Event, { readonly kind: K }>);
  return new Promise((resolve, reject) => {
    const giveUp = setTimeout(() => reject(new Error(`never happened: ${kind}`)), PATIENCE_MS);
    const past = events.since(0).find((record) => matches(record.event));
    if (past !== undefined && matches(past.event)) {
      clearTimeout(giveUp);
      resolve(past.event);
      return;
    }
    const listening = events.listen(({ event }) => {
      if (!matches(event)) return;
      listening[Symbol.dispose]();
      clearTimeout(giveUp);
      resolve(event);
    });
  });
}

/** Resolves once the condition holds; looked at whenever the loop turns. */
export async function until(holds: () => boolean): Promise<void> {
  const giveUpAt = performance.now() + PATIENCE_MS;
  while (!holds()) {
    if (performance.now() > giveUpAt) throw new Error(`never came true: ${holds.toString()}`);
    await new Promise((resolve) => setTimeout(resolve, 2));
  }
}
