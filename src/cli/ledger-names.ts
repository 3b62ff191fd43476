/**
 * Names and keys beside a ledger: what we call the households whose ids it has, from the book of neighbours, and keys that a person
 * gives to verify against.
 */
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { z } from 'zod';
import { LinepoolError } from '../core/errors.ts';
import { BOOK_FILE, parseBook } from '../neighbours/book-file.ts';
import { hashOfId, idOfHash, idOfPublicKey, shortId } from '../neighbours/household-id.ts';
import { readStateFile } from '../neighbours/state-file.ts';

export class Names {
  readonly #names: ReadonlyMap<string, string>;

  private constructor(names: ReadonlyMap<string, string>) {
    this.#names = names;
  }

  /** Of those paired, blocked, and known by an earlier key. A state folder without a book has none. */
  static async of(stateDir: string): Promise<Names> {
    const file = join(stateDir, BOOK_FILE);
    const text = await readStateFile(file);
    const { neighbours, blocked } =
      text === undefined ? { neighbours: [], blocked: [] } : parseBook(file, text);
    return new Names(
      new Map([
        ...blocked.flatMap((one) => [...one.keys, one].map(({ id }) => [id, one.name] as const)),
        ...neighbours.flatMap((one) => [...one.formerKeys, one].map(({ id }) => [id, one.name] as const)),
      ]),
    );
  }

  /** What we call it; null when we don't know it any more. */
  nameOf(id: string): string | null {
    return this.#names.get(id) ?? null;
  }

  /** For a column: its name, else the first group of its id. */
  short(id: string): string {
    return this.#names.get(id) ?? shortId(id);
  }

  /** For a sentence: its name with its id. */
  full(id: string): string {
    const name = this.#names.get(id);
    return name === undefined ? `${id} (not in the book of neighbours)` : `${name} (${id})`;
  }

  /** By id, name, or the first group of an id. @throws LinepoolError `neighbour_unknown` */
  idOf(text: string): string {
    const hash = hashOfId(text);
    if (hash !== undefined) return idOfHash(hash);
    for (const [id, name] of this.#names) if (name === text || shortId(id) === text.toUpperCase()) return id;
    throw new LinepoolError('neighbour_unknown', JSON.stringify(text.slice(0, 80)));
  }
}

const Keys = z.record(z.string().max(128), z.base64url().min(1).max(128));
const BookKeys = z
  .object({ neighbours: z.array(z.object({ id: z.string(), publicKey: z.string() })) })
  .transform(({ neighbours }) => Object.fromEntries(neighbours.map(({ id, publicKey }) => [id, publicKey])));

/**
 * Public keys by household id, from JSON: `{"ID": "KEY", ...}`, or a book of neighbours. Each id must be that of its key.
 * @throws LinepoolError `ledger_unreadable`
 */
export async function keysIn(file: string): Promise<ReadonlyMap<string, string>> {
  const refuse = (why: string, cause?: unknown): never => {
    throw new LinepoolError('ledger_unreadable', `The keys in ${file}: ${why}.`, { cause });
  };
  let raw: unknown;
  try {
    raw = JSON.parse(await readFile(file, 'utf8'));
  } catch (error) {
    return refuse((error as NodeJS.ErrnoException).code ?? 'not JSON', error);
  }
  const parsed = z.union([BookKeys, Keys]).safeParse(raw);
  if (!parsed.success) return refuse('not household ids with public keys');
  const keys = new Map(Object.entries(parsed.data));
  for (const [id, publicKey] of keys) {
    if (idOfPublicKey(Buffer.from(publicKey, 'base64url')) !== id)
      return refuse(`the id ${id} is not that of its key`);
  }
  return keys;
}
