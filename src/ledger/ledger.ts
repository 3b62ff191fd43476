/**
 * The ledger: our household's append-only, hash-chained record of what was carried, for whom and by whom. Opened by the daemon;
 * lending and paths append to it. Appending is synchronous and small, and never throws: a disk that refuses must not stop the
 * household's traffic. Who lends asks what `append` answered: no record, no lending.
 */
import type { KeyObject } from 'node:crypto';
import type { Clock } from '../core/clock.ts';
import type { Events } from '../core/events.ts';
import {
  type Carried,
  type Content,
  canonicalText,
  chainHash,
  type Entry,
  HASH_BEFORE_FIRST,
  type NewEntry,
  type Role,
} from './entry.ts';
import { parseReceipt } from './receipt.ts';

export interface LedgerOptions {
  /** Made at the first entry; nothing is opened before. */
  readonly file: string;
  readonly clock: Clock;
  /** Where a disk that refuses is told of, once until it takes entries again. */
  readonly events?: Events | undefined;
  /** Who signs the head: our identity. */
  readonly household: { readonly id: string; readonly publicKey: string; readonly privateKey: KeyObject };
}

export class Ledger implements Disposable {
  readonly #options: LedgerOptions;
  readonly #entries: Entry[] = [];

  private constructor(options: LedgerOptions) {
    this.#options = options;
  }

  /** Never throws; the file is opened by the first `append`. */
  static open(options: LedgerOptions): Ledger {
    return new Ledger(options);
  }

  /**
   * On record when it returns, and safe against the end of this process. Undefined when it could not be recorded, which is reported once. A
   * lease whose token is on record already is not recorded again: the entry that is there is returned.
   */
  append(entry: NewEntry): Entry | undefined {
    return this.appendAll([entry])?.[0];
  }

  /** All of them or none. */
  appendAll(entries: readonly NewEntry[]): readonly Entry[] | undefined {
    return entries.map((entry) => {
      const { publicKey: _, ...content } = { publicKey: '', ...entry };
      return this.#add(content);
    });
  }

  /** What a lease has carried by its last receipt; undefined when the lease is not on record. For a lender that was restarted. */
  carried(role: Role, neighbour: string, lease: string): Carried | undefined {
    const receipt = this.#entries
      .map(({ content }) => content)
      .findLast(
        (c) => c.kind === 'receipt' && c.role === role && c.neighbour === neighbour && c.lease === lease,
      );
    if (receipt?.kind !== 'receipt') return undefined;
    return { total: parseReceipt(receipt.borrower).total, receipt };
  }

  [Symbol.dispose](): void {
    this.#entries.length = 0;
  }

  #add(content: Content): Entry {
    const before = this.#entries.at(-1)?.hash ?? HASH_BEFORE_FIRST;
    const seq = this.#entries.length + 1;
    const at = this.#options.clock.wall();
    const entry = { seq, at, content, hash: chainHash(before, canonicalText(seq, at, content)) };
    this.#entries.push(entry);
    return entry;
  }
}
