/**
 * The neighbours' lines that `get` may use: as the daemon knows them, kept up to date by its events. Without a daemon
 * there are none. It must never make a download wait: what the daemon does not answer is as if it were not there.
 */
import type { ControlClient } from '../../control/client.ts';
import { PATH_HEADER } from '../../control/desk.ts';
import type { Neighbour } from '../../control/schema.ts';
import { systemClock } from '../../core/clock.ts';
import { asLinepoolError } from '../../core/errors.ts';
import { type Origin, splitListen } from '../../core/target.ts';
import type { Milliseconds } from '../../core/units.ts';
import type { Integrity } from '../../download/contract.ts';
import { householdIntegrity } from '../../download/integrity/household.ts';
import { GatewayLine } from '../../paths/gateway-line.ts';
import { NO_OFFER, type Offer, type PathId } from '../../paths/path.ts';

/** Events after which offers may be others. */
const TELLING = new Set([
  'offer',
  'neighbour_up',
  'neighbour_down',
  'neighbour_paired',
  'neighbour_parted',
  'neighbour_trust',
  'neighbour_caught',
]);

export interface DaemonLinesOptions {
  readonly client: ControlClient;
  readonly responseTimeout: Milliseconds;
  readonly ca: string | undefined;
  readonly notice: (text: string) => void;
}

export class DaemonLines implements AsyncDisposable {
  readonly #options: DaemonLinesOptions;
  readonly #ending = new AbortController();
  readonly #offers = new Map<PathId, Offer>();
  readonly #http = new Map<PathId, 'checked' | 'trusted'>();
  readonly #lines = new Map<PathId, GatewayLine>();
  readonly #listeners = new Set<() => void>();
  readonly #keys = new Map<
    PathId,
    { readonly id: string; readonly name: string; readonly publicKey: string }
  >();
  #following: Promise<void> = Promise.resolve();
  /** What the daemon is being told. */
  #telling: Promise<void> = Promise.resolve();

  private constructor(options: DaemonLinesOptions) {
    this.#options = options;
  }

  /** @throws LinepoolError `daemon_missing` when it does not answer */
  static async open(options: DaemonLinesOptions): Promise<DaemonLines> {
    const lines = new DaemonLines(options);
    // What happens between the two calls is not lost: events are followed from the last one that is known here.
    const kept = await options.client.eventsKept();
    lines.#update(await options.client.neighbours());
    lines.#following = lines.#follow(kept.at(-1)?.seq ?? 0);
    return lines;
  }

  /** How what checked neighbours bring is checked; whom it catches, the daemon quarantines. */
  integrity(percent: number): Integrity {
    return householdIntegrity({
      percent,
      neighbour: (id) => this.#keys.get(id),
      caught: ({ id }, caught) => {
        this.#telling = this.#telling
          .then(() => this.#options.client.trust(id, { caught }))
          .then(
            () => undefined,
            (error: unknown) =>
              this.#options.notice(`The daemon did not hear of it (${asLinepoolError(error).message}).`),
          );
      },
    });
  }

  neighbours(): readonly GatewayLine[] {
    return [...this.#lines.values()];
  }

  /** That origin will be asked soon: the lines that offer something get a connection ready. */
  prepare(origin: Origin): void {
    for (const line of this.#lines.values()) if (line.offer().bytesPerSecond > 0) line.prepare(origin);
  }

  onChange(listener: () => void): Disposable {
    this.#listeners.add(listener);
    return { [Symbol.dispose]: () => this.#listeners.delete(listener) };
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#ending.abort();
    for (const line of this.#lines.values()) line[Symbol.dispose]();
    await Promise.all([this.#following, this.#telling]);
  }

  async #follow(since: number): Promise<void> {
    const { client, notice } = this.#options;
    try {
      for await (const { event } of client.events({ since, signal: this.#ending.signal })) {
        if (!TELLING.has(event.kind)) continue;
        this.#update(await client.neighbours());
        for (const listener of this.#listeners) listener();
      }
    } catch (error) {
      if (this.#ending.signal.aborted) return;
      notice(`The daemon is gone (${asLinepoolError(error).message}); going on over the own line.`);
      this.#offers.clear();
      for (const listener of this.#listeners) listener();
    }
  }

  #update(neighbours: readonly Neighbour[]): void {
    const { client, responseTimeout, ca } = this.#options;
    this.#offers.clear();
    this.#http.clear();
    for (const { id, name, up, offer, trust, caught, publicKey } of neighbours) {
      if (publicKey !== undefined) this.#keys.set(id, { id, name, publicKey });
      if (caught === undefined && (trust === 'checked' || trust === 'trusted')) this.#http.set(id, trust);
      this.#offers.set(id, up && offer !== undefined ? offer : NO_OFFER);
      if (this.#lines.has(id)) continue;
      this.#lines.set(
        id,
        new GatewayLine({
          id,
          name,
          offer: () => this.#offers.get(id) ?? NO_OFFER,
          http: () => this.#http.get(id),
          ...splitListen(client.address),
          headers: ['Proxy-Authorization', `Bearer ${client.token}`, PATH_HEADER, id],
          responseTimeout,
          clock: systemClock,
          ca,
        }),
      );
    }
  }
}
