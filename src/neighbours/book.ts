/**
 * The book: the neighbours that we have, and the households that we blocked. Kept in `neighbours.json` in the state folder.
 * Used by the link (who may enter), by presence (whom to call) and by the neighbourhood (pairing, parting, names).
 * A household that is not in the book is nobody. A damaged book is refused, never replaced.
 */
import { join } from 'node:path';
import type { Clock } from '../core/clock.ts';
import { LinepoolError } from '../core/errors.ts';
import {
  ADDRESSES_MAX,
  BLOCKED_MAX,
  type Blocked,
  BOOK_FILE,
  NEIGHBOURS_MAX,
  type Neighbour,
  parseBook,
  writeBook,
} from './book-file.ts';
import { FORMER_KEYS_MAX, type FormerKey, formerKeyOf } from './former-key.ts';
import { type HouseholdId, hashOfId, idOfHash, shortId } from './household-id.ts';
import { chosenName, uniqueName } from './neighbour-name.ts';
import { readStateFile, writeStateFile } from './state-file.ts';

export type { Neighbour };

export type BookChange =
  | { readonly kind: 'added'; readonly neighbour: Neighbour }
  | { readonly kind: 'changed'; readonly neighbour: Neighbour; readonly before: Neighbour }
  /** It has another key, so another id; name, addresses and what was agreed with it stay. */
  | { readonly kind: 'rekeyed'; readonly neighbour: Neighbour; readonly before: Neighbour }
  | { readonly kind: 'removed'; readonly neighbour: Neighbour };

/** All that the book holds; a change makes it anew. */
interface Draft {
  readonly neighbours: Map<HouseholdId, Neighbour>;
  readonly blocked: Map<HouseholdId, Blocked>;
}

export class Book implements AsyncDisposable {
  readonly #file: string;
  readonly #clock: Clock;
  readonly #byId: Map<HouseholdId, Neighbour>;
  readonly #blocked: Map<HouseholdId, Blocked>;
  readonly #listeners = new Set<(change: BookChange) => void>();
  /** Changes are written one after the other; each waits for the one before. */
  #writing: Promise<unknown> = Promise.resolve();

  private constructor(file: string, clock: Clock, { neighbours, blocked }: ReturnType<typeof parseBook>) {
    this.#file = file;
    this.#clock = clock;
    this.#byId = new Map(neighbours.map((neighbour) => [neighbour.id, neighbour]));
    this.#blocked = new Map(blocked.map((one) => [one.id, one]));
  }

  /**
   * Reads the book, or begins an empty one.
   * @throws LinepoolError `state_unusable`, naming the file and what is wrong with it
   */
  static async open(stateDir: string, clock: Clock): Promise<Book> {
    const file = join(stateDir, BOOK_FILE);
    const text = await readStateFile(file);
    const pages = text === undefined ? { neighbours: [], blocked: [] } : parseBook(file, text);
    return new Book(file, clock, pages);
  }

  byId(id: HouseholdId): Neighbour | undefined {
    return this.#byId.get(id);
  }

  /**
   * By id, name, or the id's first group when only one neighbour has it.
   * @throws LinepoolError `neighbour_unknown`
   */
  find(nameOrId: string): Neighbour {
    // An id before a name: a neighbour that calls itself by another's id must not be taken for it.
    const hash = hashOfId(nameOrId);
    const exact = hash === undefined ? undefined : this.#byId.get(idOfHash(hash));
    if (exact !== undefined) return exact;
    const all = this.all();
    const named = all.find((n) => n.name === nameOrId);
    if (named !== undefined) return named;
    const short = all.filter((n) => shortId(n.id) === nameOrId.toUpperCase());
    if (short.length === 1 && short[0] !== undefined) return short[0];
    throw new LinepoolError('neighbour_unknown', JSON.stringify(nameOrId.slice(0, 80)));
  }

  /** In the order of their names. */
  all(): readonly Neighbour[] {
    return [...this.#byId.values()].sort((a, b) => (a.name < b.name ? -1 : 1));
  }

  /** The neighbour that had this id before it changed its key; undefined when there is none. */
  byFormerId(id: HouseholdId): Neighbour | undefined {
    return this.all().find(({ formerKeys }) => formerKeys.some((key) => key.id === id));
  }

  /** In the order of their names. */
  blocked(): readonly Blocked[] {
    return [...this.#blocked.values()].sort((a, b) => (a.name < b.name ? -1 : 1));
  }

  /** True for an id that is blocked, or was that of a household which is. */
  isBlocked(id: HouseholdId): boolean {
    if (this.#blocked.size === 0) return false;
    return this.#blocked.has(id) || this.blocked().some(({ keys }) => keys.some((key) => key.id === id));
  }

  /**
   * Adds a household, or renews one that is there: it keeps its name and takes the new addresses.
   * @throws LinepoolError `state_unusable`, `overloaded` when the book is full; `neighbour_blocked`; `identity_mismatch` when it is a
   *   key that a neighbour has given up; `neighbour_name_taken` when
   *   `name` was chosen by us (`ours`) and is another's
   */
  add(newcomer: {
    readonly id: HouseholdId;
    readonly publicKey: string;
    readonly addresses: readonly string[];
    /** What they call themselves, or what we chose. */
    readonly name: string;
    /** True when we chose the name: then it is taken as it is, or refused. */
    readonly ours: boolean;
  }): Promise<Neighbour> {
    return this.#change(({ neighbours: draft }) => {
      if (this.isBlocked(newcomer.id)) throw new LinepoolError('neighbour_blocked');
      // Whoever has a key that was given up must not come in beside the one who gave it up.
      const owner = this.byFormerId(newcomer.id);
      if (owner !== undefined) {
        throw new LinepoolError(
          'identity_mismatch',
          `It is a former key of ${owner.name}; part from that one first.`,
        );
      }
      const known = draft.get(newcomer.id);
      if (known === undefined && draft.size >= NEIGHBOURS_MAX) {
        throw new LinepoolError('overloaded', `The book holds ${NEIGHBOURS_MAX} neighbours at most.`);
      }
      const taken = namesTaken(draft, newcomer.id);
      const name = newcomer.ours
        ? chosenName(newcomer.name, taken)
        : (known?.name ?? uniqueName(newcomer.name, newcomer.id, taken));
      const neighbour: Neighbour = {
        ...known,
        id: newcomer.id,
        name,
        addresses: newcomer.addresses.slice(0, ADDRESSES_MAX),
        pairedAt: this.#clock.wall(),
        publicKey: newcomer.publicKey,
        formerKeys: known?.formerKeys ?? [],
      };
      draft.set(neighbour.id, neighbour);
      return neighbour;
    });
  }

  /**
   * Asks beforehand what `add` would say of a name that we chose for that household.
   * @throws LinepoolError `neighbour_name_taken`, `usage`
   */
  checkName(name: string, id: HouseholdId): void {
    chosenName(name, namesTaken(this.#byId, id));
  }

  /** @throws LinepoolError `neighbour_unknown`, `neighbour_name_taken`, `state_unusable` */
  rename(nameOrId: string, name: string): Promise<Neighbour> {
    return this.#change(({ neighbours: draft }) => {
      const neighbour = this.find(nameOrId);
      const renamed = { ...neighbour, name: chosenName(name, namesTaken(draft, neighbour.id)) };
      draft.set(renamed.id, renamed);
      return renamed;
    });
  }

  /** Puts the address that worked first, adding it when it is new. Unknown households are left alone. */
  async prefer(id: HouseholdId, address: string): Promise<void> {
    if (this.#byId.get(id)?.addresses[0] === address) return;
    await this.#change(({ neighbours: draft }) => {
      const neighbour = draft.get(id);
      if (neighbour === undefined) return;
      const addresses = [address, ...neighbour.addresses.filter((a) => a !== address)];
      draft.set(id, { ...neighbour, addresses: addresses.slice(0, ADDRESSES_MAX) });
    });
  }

  /**
   * Takes a household out. Holds for this process even if the disk refuses: a full disk must not keep anybody paired.
   * @throws LinepoolError `neighbour_unknown`; `state_unusable`: out until the next start only
   */
  remove(nameOrId: string): Promise<Neighbour> {
    return this.#change(({ neighbours: draft }) => {
      const neighbour = this.find(nameOrId);
      draft.delete(neighbour.id);
      return neighbour;
    }, 'before it is on disk');
  }

  /**
   * That neighbour has another key now, the last of `keys`; those before it, the present one first, were in between. The
   * former ones are kept, and good for nothing but old signatures.
   * @throws LinepoolError `neighbour_unknown`, `identity_mismatch` when the new key is another's, `state_unusable`
   */
  rekey(id: HouseholdId, keys: readonly FormerKey[]): Promise<Neighbour> {
    return this.#change(({ neighbours: draft }) => {
      const before = draft.get(id);
      const next = keys.at(-1);
      if (before === undefined || next === undefined) throw new LinepoolError('neighbour_unknown', id);
      if (draft.has(next.id) || this.isBlocked(next.id))
        throw new LinepoolError('identity_mismatch', next.id);
      const formerKeys = [...before.formerKeys, formerKeyOf(before.publicKey), ...keys.slice(0, -1)];
      const neighbour: Neighbour = { ...before, ...next, formerKeys: formerKeys.slice(-FORMER_KEYS_MAX) };
      draft.delete(id);
      draft.set(next.id, neighbour);
      return neighbour;
    }, 'before it is on disk');
  }

  /**
   * Takes a household out, if it is in, and keeps it out: it can't pair again until it is unblocked. Holds at once, as `remove`.
   * Of one that is no neighbour the whole id is wanted.
   * @throws LinepoolError `neighbour_unknown`, `overloaded`; `state_unusable`: until the next start only
   */
  block(nameOrId: string): Promise<{ readonly blocked: Blocked; readonly neighbour: Neighbour | undefined }> {
    return this.#change(({ neighbours: draft, blocked: list }) => {
      const hash = hashOfId(nameOrId);
      const id = hash === undefined ? undefined : idOfHash(hash);
      const neighbour = id !== undefined && !draft.has(id) ? undefined : this.find(nameOrId);
      const known = list.get(neighbour?.id ?? id ?? '');
      if (known !== undefined) return { blocked: known, neighbour };
      if (list.size >= BLOCKED_MAX) {
        throw new LinepoolError('overloaded', `${BLOCKED_MAX} households are blocked at most; unblock one.`);
      }
      const blocked: Blocked = {
        id: neighbour?.id ?? id ?? '',
        name: neighbour?.name ?? shortId(id ?? ''),
        blockedAt: this.#clock.wall(),
        keys: neighbour === undefined ? [] : [...neighbour.formerKeys, formerKeyOf(neighbour.publicKey)],
      };
      draft.delete(blocked.id);
      list.set(blocked.id, blocked);
      return { blocked, neighbour };
    }, 'before it is on disk');
  }

  /**
   * The household may pair again; it is no neighbour by that. By name, id, or the id's first group.
   * @throws LinepoolError `neighbour_unknown`, `state_unusable`
   */
  unblock(nameOrId: string): Promise<Blocked> {
    return this.#change(({ blocked: list }) => {
      const hash = hashOfId(nameOrId);
      const id = hash === undefined ? nameOrId : idOfHash(hash);
      const found = [...list.values()].filter(
        (one) => one.id === id || one.name === nameOrId || shortId(one.id) === nameOrId.toUpperCase(),
      );
      const [only] = found;
      if (only === undefined || found.length > 1) {
        throw new LinepoolError('neighbour_unknown', `Blocked: ${JSON.stringify(nameOrId.slice(0, 80))}`);
      }
      list.delete(only.id);
      return only;
    });
  }

  /** Called for each change until the result is disposed of. A listener must not throw. */
  listen(listener: (change: BookChange) => void): Disposable {
    this.#listeners.add(listener);
    return { [Symbol.dispose]: () => this.#listeners.delete(listener) };
  }

  /** Waits for what is being written. */
  async [Symbol.asyncDispose](): Promise<void> {
    await this.#writing;
  }

  #change<T>(
    edit: (draft: Draft) => T,
    takesEffect: 'before it is on disk' | 'once it is on disk' = 'once it is on disk',
  ): Promise<T> {
    const done = this.#writing.then(async () => {
      const draft: Draft = { neighbours: new Map(this.#byId), blocked: new Map(this.#blocked) };
      const result = edit(draft);
      const changes = differences(this.#byId, draft.neighbours);
      const sameBlocked =
        draft.blocked.size === this.#blocked.size &&
        [...draft.blocked.keys()].every((id) => this.#blocked.has(id));
      if (changes.length === 0 && sameBlocked) return result;
      const text = writeBook({
        neighbours: [...draft.neighbours.values()],
        blocked: [...draft.blocked.values()],
      });
      if (takesEffect === 'before it is on disk') this.#take(draft, changes);
      await writeStateFile(this.#file, text);
      if (takesEffect === 'once it is on disk') this.#take(draft, changes);
      return result;
    });
    // The next change goes on whether or not this one succeeded; the caller hears of its failure.
    this.#writing = done.then(
      () => undefined,
      () => undefined,
    );
    return done;
  }

  #take(draft: Draft, changes: readonly BookChange[]): void {
    this.#byId.clear();
    for (const [id, neighbour] of draft.neighbours) this.#byId.set(id, neighbour);
    this.#blocked.clear();
    for (const [id, blocked] of draft.blocked) this.#blocked.set(id, blocked);
    for (const change of changes) for (const listener of this.#listeners) listener(change);
  }
}

/** The names of all but that household. */
function namesTaken(book: ReadonlyMap<HouseholdId, Neighbour>, id: HouseholdId): ReadonlySet<string> {
  return new Set([...book.values()].filter((n) => n.id !== id).map((n) => n.name));
}

function differences(
  before: ReadonlyMap<HouseholdId, Neighbour>,
  after: ReadonlyMap<HouseholdId, Neighbour>,
): BookChange[] {
  const changes: BookChange[] = [];
  const rekeyed = new Set<HouseholdId>();
  for (const [id, neighbour] of before) {
    if (after.has(id)) continue;
    const next = [...after.values()].find(
      (n) => !before.has(n.id) && n.formerKeys.some((former) => former.id === id),
    );
    if (next === undefined) changes.push({ kind: 'removed', neighbour });
    else {
      rekeyed.add(next.id);
      changes.push({ kind: 'rekeyed', neighbour: next, before: neighbour });
    }
  }
  for (const [id, neighbour] of after) {
    const old = before.get(id);
    if (old === undefined) {
      if (!rekeyed.has(id)) changes.push({ kind: 'added', neighbour });
    } else if (old !== neighbour) changes.push({ kind: 'changed', neighbour, before: old });
  }
  return changes;
}
