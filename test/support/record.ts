/**
 * A ledger for tests that are not about the ledger: in memory, without checks, and full when the test says so.
 */
import type { Carried, Entry, NewEntry, Role } from '../../src/ledger/entry.ts';
import { parseReceipt } from '../../src/ledger/receipt.ts';
import type { LendingRecord } from '../../src/lending/receipt-desk.ts';

export class MemoryRecord implements LendingRecord {
  readonly entries: NewEntry[] = [];
  /** What is done when an entry comes; undefined refuses it. */
  full = false;

  append(entry: NewEntry): Entry | undefined {
    if (this.full) return undefined;
    this.entries.push(entry);
    const { publicKey: _, ...content } = { publicKey: '', ...entry };
    return { seq: this.entries.length, at: 0, content, hash: new Uint8Array(32) };
  }

  carried(role: Role, neighbour: string, lease: string): Carried | undefined {
    const known = this.of('lease').findLast(({ role: of, neighbour: with_, token }) => {
      const claims = JSON.parse(Buffer.from(token.split('.')[1] ?? '', 'base64url').toString()) as {
        jti?: string;
      };
      return of === role && with_ === neighbour && claims.jti === lease;
    });
    if (known === undefined) return undefined;
    const receipt = this.of('receipt').findLast(
      (one) => one.role === role && one.neighbour === neighbour && one.lease === lease,
    );
    return {
      token: known.token,
      total: receipt === undefined ? 0 : parseReceipt(receipt.borrower).total,
      receipt,
    };
  }

  /** Entries of that kind, in their order. */
  of<K extends NewEntry['kind']>(kind: K): Extract<NewEntry, { kind: K }>[] {
    return this.entries.filter((entry): entry is Extract<NewEntry, { kind: K }> => entry.kind === kind);
  }
}
