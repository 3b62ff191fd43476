/**
 * Sources: where entries are read from, one batch after the other: the file of a ledger, or an export. Used by verify, export,
 * balance, explain and show, which need not know which it is.
 */

import { LinepoolError } from '../core/errors.ts';
import type { Item } from './chain.ts';
import { isExport, readExport } from './export-read.ts';
import { LedgerFile } from './file.ts';
import { PRUNED_ROW, type ReadEntry, type RecordedLease, type References, type Row, unpack } from './row.ts';

/** Households and their keys by id. */
export interface Claimed {
  readonly household: string;
  readonly publicKey: string;
  readonly neighbours: ReadonlyMap<string, string>;
}

/** Items that are handed on at once. */
const BATCH_ITEMS = 512;

export interface Source extends AsyncDisposable {
  /** What an export says of itself beside its entries, to be compared with them. */
  readonly claimed?: Claimed;
  /** Up to where entries may be missing, as the source has it. */
  readonly prunedThrough: number;
  /** In order; to be read once. */
  items(): AsyncIterable<readonly Item[]>;
  /** The last so many entries, without the others being read; only a file can do that. */
  last?(most: number): readonly ReadEntry[];
  /** The signed head, known when the items have been read. */
  head(): string | undefined;
  /** What is wrong with the file itself, beside its entries; looked for when they have been read. */
  fault(): string | undefined;
}

/**
 * Told apart by the first bytes.
 * @throws LinepoolError `ledger_unreadable`
 */
export async function openSource(file: string): Promise<Source> {
  return (await isExport(file)) ? readExport(file) : openFile(file);
}

/** @throws LinepoolError `ledger_unreadable` */
export function openFile(path: string): Source {
  const file = LedgerFile.read(path);
  try {
    const head = file.head();
    return {
      prunedThrough: file.prunedThrough(),
      items: () => itemsOf(file),
      last: (most) => lastOf(file, most),
      head: () => head,
      fault: () => file.fault(),
      [Symbol.asyncDispose]: async () => file[Symbol.dispose](),
    };
  } catch (error) {
    file[Symbol.dispose]();
    throw new LinepoolError('ledger_unreadable', `${path}: ${(error as Error).message}.`, { cause: error });
  }
}

/** The entries alone, what retention removed left out. @throws LinepoolError `ledger_wrong` at one that can't be read */
export async function* readEntries(source: Source): AsyncGenerator<ReadEntry> {
  for await (const items of source.items()) {
    for (const item of items) {
      if (item.kind === 'unreadable')
        throw new LinepoolError('ledger_wrong', `Entry ${item.seq}: ${item.why}.`);
      if (item.kind === 'entry') yield item.entry;
    }
  }
}

function lastOf(file: LedgerFile, most: number): readonly ReadEntry[] {
  return file.tail(most).flatMap((row) => {
    if (row.kind === PRUNED_ROW) return [];
    const entry = unpack(row, file);
    if (entry !== undefined) return entry;
    throw new LinepoolError('ledger_wrong', `Entry ${row.seq}: ${UNREADABLE}.`);
  });
}

const UNREADABLE = 'it is not in a form that an entry has';

/** What rows refer to, gathered from the rows before. */
class Seen implements References {
  readonly #parties = new Map<number, string>();
  readonly #leases = new Map<number, RecordedLease>();
  #household = '';

  household(): string {
    return this.#household;
  }

  party(seq: number): string | undefined {
    return this.#parties.get(seq);
  }

  lease(seq: number): RecordedLease | undefined {
    return this.#leases.get(seq);
  }

  read(row: Row): Item {
    const { seq } = row;
    if (row.kind === PRUNED_ROW) return { kind: 'gap', seq, hash: row.hash };
    const entry = unpack(row, this);
    if (entry === undefined) return { kind: 'unreadable', seq, why: UNREADABLE };
    const { content, terms } = entry;
    if (content.kind === 'party') this.#parties.set(seq, content.neighbour);
    else if (content.kind === 'begin' || content.kind === 'self') this.#household = content.household;
    else if (content.kind === 'lease' && terms !== undefined) {
      this.#leases.set(seq, { seq, role: content.role, neighbour: content.neighbour, terms });
    }
    return { kind: 'entry', entry };
  }
}

/** The entries of an open file, in order. */
// oxlint-disable-next-line require-await
export async function* itemsOf(file: LedgerFile): AsyncGenerator<readonly Item[]> {
  const seen = new Seen();
  let batch: Item[] = [];
  let last = 0;
  try {
    for (const row of file.all()) {
      last = row.seq;
      batch.push(seen.read(row));
      if (batch.length < BATCH_ITEMS) continue;
      yield batch;
      batch = [];
    }
  } catch (error) {
    const why = `the file can not be read from here on (${(error as Error).message})`;
    batch.push({ kind: 'unreadable', seq: last + 1, why });
  }
  yield batch;
}
