/**
 * Trust: how far each neighbour's line is used for http, where it could alter what it fetches, and which neighbours were
 * caught at it. Kept in `trust.json` in the state folder. Asked by the paths before a byte of http goes over them.
 * A quarantine holds at once, and ends only when a person lifts it: not by a restart, and not by parting and pairing anew.
 */
import { join } from 'node:path';
import { z } from 'zod';
import { LinepoolError } from '../core/errors.ts';
import { TRUST_LEVELS, type Trust } from '../core/trust.ts';
import type { HouseholdId } from './household-id.ts';
import { readStateFile, writeStateFile } from './state-file.ts';

const Hash = z.string().regex(/^[A-Za-z0-9_-]{43}$/);

/** What a neighbour was caught with. No path, no query: where and which bytes, and hashes of them. */
export const Caught = z.strictObject({
  /** Milliseconds since 1970. */
  at: z.number().nonnegative(),
  /** `http://host:port`. */
  origin: z.string().min(1).max(300),
  /** The bytes that were compared, half-open, and how long the whole file is. */
  start: z.int().min(0),
  end: z.int().min(1),
  total: z.int().min(1),
  /** How it was found: a part fetched again over our own line, or the digest of the whole and then such a part. */
  by: z.enum(['sample', 'border', 'digest']),
  /** SHA-256 of what it brought and of what our own line brought for the same bytes, as base64url. */
  brought: Hash,
  ours: Hash,
  /** Its own signature under the hash of what it brought, a compact JWS; missing when it had not signed yet. */
  signed: z.string().max(2048).optional(),
});
export type Caught = z.output<typeof Caught>;

const Entry = z.strictObject({ trust: z.enum(TRUST_LEVELS).optional(), caught: Caught.optional() });
type Entry = z.output<typeof Entry>;

/** More than a book has neighbours: a quarantine outlives the parting. */
export const TRUST_ENTRIES_MAX = 1_024;

const File = z.strictObject({
  version: z.literal(1),
  households: z.record(z.string().max(128), Entry),
});

export class TrustBook implements AsyncDisposable {
  readonly #file: string;
  readonly #preset: Trust;
  readonly #entries: Map<HouseholdId, Entry>;
  readonly #listeners = new Set<() => void>();
  #writing: Promise<void> = Promise.resolve();

  private constructor(file: string, preset: Trust, entries: Map<HouseholdId, Entry>) {
    this.#file = file;
    this.#preset = preset;
    this.#entries = entries;
  }

  /**
   * `preset` holds for whom nothing was set.
   * @throws LinepoolError `state_unusable`
   */
  static async open(stateDir: string, preset: Trust): Promise<TrustBook> {
    const file = join(stateDir, 'trust.json');
    const text = await readStateFile(file);
    return new TrustBook(file, preset, text === undefined ? new Map() : parse(file, text));
  }

  of(id: HouseholdId): Trust {
    return this.#entries.get(id)?.trust ?? this.#preset;
  }

  /** Why it is quarantined; undefined when it is not. */
  caught(id: HouseholdId): Caught | undefined {
    return this.#entries.get(id)?.caught;
  }

  /** How its line may be used for http now; undefined: not at all. */
  http(id: HouseholdId): 'checked' | 'trusted' | undefined {
    const trust = this.of(id);
    return trust === 'https-only' || this.caught(id) !== undefined ? undefined : trust;
  }

  /** @throws LinepoolError `state_unusable`: it holds until the next start only */
  set(id: HouseholdId, trust: Trust): Promise<void> {
    return this.#change(id, { ...this.#entries.get(id), trust });
  }

  /**
   * At once; the first proof stays, unless it is not signed and this one is.
   * @throws LinepoolError `state_unusable`: it holds until the next start only
   */
  quarantine(id: HouseholdId, caught: Caught): Promise<void> {
    const before = this.#entries.get(id);
    return proves(before?.caught, caught) ? this.#change(id, { ...before, caught }) : Promise.resolve();
  }

  /** @throws LinepoolError `state_unusable` */
  lift(id: HouseholdId): Promise<void> {
    const { caught: _lifted, ...rest } = this.#entries.get(id) ?? {};
    return this.#change(id, rest);
  }

  /** We have parted: what was set is gone, a quarantine stays. @throws LinepoolError `state_unusable` */
  forget(id: HouseholdId): Promise<void> {
    const { trust: _set, ...rest } = this.#entries.get(id) ?? {};
    return this.#change(id, rest);
  }

  /** The household has another key, and so another id: it stays what it was. @throws LinepoolError `state_unusable` */
  async renewed(before: HouseholdId, id: HouseholdId): Promise<void> {
    const entry = this.#entries.get(before);
    if (entry === undefined) return;
    const kept = this.#change(id, { ...this.#entries.get(id), ...entry });
    await Promise.all([kept, this.#change(before, {})]);
  }

  /** It has another key, and so another id: what was set and found goes on. @throws LinepoolError `state_unusable` */
  async rekey(before: HouseholdId, after: HouseholdId): Promise<void> {
    const entry = this.#entries.get(before);
    if (entry === undefined) return;
    this.#entries.delete(before);
    await this.#change(after, { ...entry, ...this.#entries.get(after) });
  }

  /** Called after each change until the result is disposed of. A listener must not throw. */
  onChange(listener: () => void): Disposable {
    this.#listeners.add(listener);
    return { [Symbol.dispose]: () => this.#listeners.delete(listener) };
  }

  /** Waits for what is being written. */
  async [Symbol.asyncDispose](): Promise<void> {
    await this.#writing.catch(() => undefined);
  }

  /** In memory first: a full disk must not keep a caught neighbour in use. */
  #change(id: HouseholdId, entry: Entry): Promise<void> {
    if (entry.trust === undefined && entry.caught === undefined) {
      if (!this.#entries.delete(id)) return Promise.resolve();
    } else this.#entries.set(id, entry);
    this.#bound();
    for (const listener of this.#listeners) listener();
    const done = this.#writing
      .catch(() => undefined)
      .then(() => {
        const households = Object.fromEntries(this.#entries);
        return writeStateFile(this.#file, `${JSON.stringify({ version: 1, households }, null, 2)}\n`);
      });
    this.#writing = done;
    // Who asked for the change hears of a failure; the next write goes on all the same.
    done.catch(() => undefined);
    return done;
  }

  /** The oldest entries without a quarantine go first. */
  #bound(): void {
    if (this.#entries.size <= TRUST_ENTRIES_MAX) return;
    const plain = [...this.#entries].find(([, { caught }]) => caught === undefined)?.[0];
    const oldest = plain ?? this.#entries.keys().next().value;
    if (oldest !== undefined) this.#entries.delete(oldest);
  }
}

/** Whether a proof says more than the one that there is. */
export const proves = (before: Caught | undefined, caught: Caught): boolean =>
  before === undefined || (before.signed === undefined && caught.signed !== undefined);

function parse(file: string, text: string): Map<HouseholdId, Entry> {
  try {
    return new Map(Object.entries(File.parse(JSON.parse(text)).households));
  } catch (cause) {
    throw new LinepoolError(
      'state_unusable',
      `${file} is damaged. It was left as it is: restore it from a backup, or move it away: then the configuration holds for every neighbour, and who was quarantined is forgotten.`,
      { cause },
    );
  }
}
