/**
 * The book: the neighbours that we have. Kept in `neighbours.json` in the state folder.
 * Used by the link (who may enter), by presence (whom to call) and by the neighbourhood (pairing, parting, names).
 * A household that is not in the book is nobody. A damaged book is refused, never replaced.
 */
import { join } from 'node:path';
import { z } from 'zod';
import type { Clock } from '../core/clock.ts';
import { LinepoolError } from '../core/errors.ts';
import type { Milliseconds } from '../core/units.ts';
import { type HouseholdId, hashOfId, idOfHash, idOfPublicKey, shortId } from './household-id.ts';
import { chosenName, NAME_MAX, uniqueName } from './neighbour-name.ts';
import { readStateFile, writeStateFile } from './state-file.ts';

/** A household that is paired with ours. A snapshot: a later change makes another one. */
export interface Neighbour {
  readonly id: HouseholdId;
  /** What we call it; no other neighbour has it. */
  readonly name: string;
  /** host:port, the last one that worked first. Empty: it can call us, we can't call it. */
  readonly addresses: readonly string[];
  /** Milliseconds since 1970. */
  readonly pairedAt: Milliseconds;
  /** Ed25519, SPKI in DER, as base64url: what its signatures are checked with. */
  readonly publicKey: string;
}

export type BookChange =
  | { readonly kind: 'added'; readonly neighbour: Neighbour }
  | { readonly kind: 'changed'; readonly neighbour: Neighbour; readonly before: Neighbour }
  | { readonly kind: 'removed'; readonly neighbour: Neighbour };

/** How many neighbours a household can have. */
export const NEIGHBOURS_MAX = 256;
/** How many addresses are kept of one. */
export const ADDRESSES_MAX = 4;

const Entry = z
  .strictObject({
    id: z.string(),
    name: z.string().min(1).max(NAME_MAX),
    addresses: z.array(z.string().min(3).max(262)).max(ADDRESSES_MAX),
    pairedAt: z.number().nonnegative(),
    publicKey: z.base64url().max(128),
  })
  .refine(({ id, publicKey }) => id === idOfPublicKey(Buffer.from(publicKey, 'base64url')), {
    message: 'the id is not that of the public key',
  });

const File = z.strictObject({
  version: z.literal(1),
  neighbours: z.array(Entry).max(NEIGHBOURS_MAX),
});

export class Book implements AsyncDisposable {
  readonly #file: string;
  readonly #clock: Clock;
  readonly #byId = new Map<HouseholdId, Neighbour>();
  readonly #listeners = new Set<(change: BookChange) => void>();
  /** Changes are written one after the other; each waits for the one before. */
  #writing: Promise<unknown> = Promise.resolve();

  private constructor(file: string, clock: Clock, neighbours: readonly Neighbour[]) {
    this.#file = file;
    this.#clock = clock;
    for (const neighbour of neighbours) this.#byId.set(neighbour.id, neighbour);
  }

  /**
   * Reads the book, or begins an empty one.
   * @throws LinepoolError `state_unusable`, naming the file and what is wrong with it
   */
  static async open(stateDir: string, clock: Clock): Promise<Book> {
    const file = join(stateDir, 'neighbours.json');
    const text = await readStateFile(file);
    return new Book(file, clock, text === undefined ? [] : parseBook(file, text));
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

  /**
   * Adds a household, or renews one that is there: it keeps its name and takes the new addresses.
   * @throws LinepoolError `state_unusable`, `overloaded` when the book is full; `neighbour_name_taken` when
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
    return this.#change((draft) => {
      const known = draft.get(newcomer.id);
      if (known === undefined && draft.size >= NEIGHBOURS_MAX) {
        throw new LinepoolError('overloaded', `The book holds ${NEIGHBOURS_MAX} neighbours at most.`);
      }
      const taken = namesTaken(draft, newcomer.id);
      const name = newcomer.ours
        ? chosenName(newcomer.name, taken)
        : (known?.name ?? uniqueName(newcomer.name, newcomer.id, taken));
      const neighbour: Neighbour = {
        id: newcomer.id,
        name,
        addresses: newcomer.addresses.slice(0, ADDRESSES_MAX),
        pairedAt: this.#clock.wall(),
        publicKey: newcomer.publicKey,
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
    return this.#change((draft) => {
      const neighbour = this.find(nameOrId);
      const renamed = { ...neighbour, name: chosenName(name, namesTaken(draft, neighbour.id)) };
      draft.set(renamed.id, renamed);
      return renamed;
    });
  }

  /** Puts the address that worked first, adding it when it is new. Unknown households are left alone. */
  async prefer(id: HouseholdId, address: string): Promise<void> {
    if (this.#byId.get(id)?.addresses[0] === address) return;
    await this.#change((draft) => {
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
    return this.#change((draft) => {
      const neighbour = this.find(nameOrId);
      draft.delete(neighbour.id);
      return neighbour;
    }, 'before it is on disk');
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
    edit: (draft: Map<HouseholdId, Neighbour>) => T,
    takesEffect: 'before it is on disk' | 'once it is on disk' = 'once it is on disk',
  ): Promise<T> {
    const done = this.#writing.then(async () => {
      const draft = new Map(this.#byId);
      const result = edit(draft);
      const changes = differences(this.#byId, draft);
      if (changes.length === 0) return result;
      const text = JSON.stringify({ version: 1, neighbours: [...draft.values()] }, null, 2);
      if (takesEffect === 'before it is on disk') this.#take(draft, changes);
      await writeStateFile(this.#file, `${text}\n`);
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

  #take(draft: ReadonlyMap<HouseholdId, Neighbour>, changes: readonly BookChange[]): void {
    this.#byId.clear();
    for (const [id, neighbour] of draft) this.#byId.set(id, neighbour);
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
  for (const [id, neighbour] of before) {
    if (!after.has(id)) changes.push({ kind: 'removed', neighbour });
  }
  for (const [id, neighbour] of after) {
    const old = before.get(id);
    if (old === undefined) changes.push({ kind: 'added', neighbour });
    else if (old !== neighbour) changes.push({ kind: 'changed', neighbour, before: old });
  }
  return changes;
}

function parseBook(file: string, text: string): readonly Neighbour[] {
  const refuse = (why: string, cause?: unknown): never => {
    throw new LinepoolError(
      'state_unusable',
      `${file} is damaged (${why}). It was left as it is: restore it from a backup, or move it away and pair again.`,
      { cause },
    );
  };
  let raw: unknown;
  try {
    raw = JSON.parse(text);
  } catch (error) {
    return refuse('not JSON', error);
  }
  const result = File.safeParse(raw);
  if (!result.success) {
    const issue = result.error.issues[0];
    return refuse(`${issue?.path.map(String).join('.') ?? ''}: ${issue?.message ?? ''}`);
  }
  const { neighbours } = result.data;
  if (new Set(neighbours.map((n) => n.id)).size !== neighbours.length) return refuse('an id stands twice');
  if (new Set(neighbours.map((n) => n.name)).size !== neighbours.length) return refuse('a name stands twice');
  return neighbours;
}
