/**
 * Balance: what was carried for each neighbour and by it, as the receipts have it: the last running total of each lease. Run by
 * `linepool ledger balance`. It verifies nothing; that is verify's.
 */
import type { Bytes, Milliseconds } from '../core/units.ts';
import type { Role } from './entry.ts';
import { parseReceipt } from './receipt.ts';
import { readEntries, type Source } from './source.ts';

export interface Balance {
  readonly neighbour: string;
  /** Carried for it over our line, and the leases under which that was. */
  readonly lentBytes: Bytes;
  readonly lentLeases: number;
  /** Carried for us over its line. */
  readonly borrowedBytes: Bytes;
  readonly borrowedLeases: number;
}

interface LeaseTotal {
  readonly role: Role;
  readonly neighbour: string;
  /** What it had when the time asked about began. */
  before: Bytes;
  total: Bytes;
}

/**
 * Since then (0: in all there is); in the order in which the neighbours first appear.
 * @throws LinepoolError `ledger_wrong` at an entry that can't be read
 */
export async function balance(
  source: Source,
  since: Milliseconds = 0,
  onProgress?: (entries: number) => void,
): Promise<readonly Balance[]> {
  const leases = new Map<string, LeaseTotal>();
  /** The name of a lease may come again, in another lease, once its time is up. */
  const done: LeaseTotal[] = [];
  for await (const { seq, at, content, receipt } of readEntries(source)) {
    onProgress?.(seq);
    if (content.kind !== 'lease' && content.kind !== 'receipt') continue;
    const { role, neighbour } = content;
    if (content.kind === 'receipt') {
      const key = `${role} ${neighbour} ${content.lease}`;
      const lease = leases.get(key) ?? { role, neighbour, before: 0, total: 0 };
      leases.set(key, lease);
      const { total, last } = receipt ?? parseReceipt(content.borrower);
      if (at < since) lease.before = total;
      lease.total = total;
      if (!last) continue;
      done.push(lease);
      leases.delete(key);
    }
  }
  return summed([...done, ...leases.values()]);
}

function summed(leases: readonly LeaseTotal[]): readonly Balance[] {
  const all = new Map<string, Balance>();
  for (const { role, neighbour, before, total } of leases) {
    const carried = total - before;
    if (carried === 0) continue;
    const { lentBytes, lentLeases, borrowedBytes, borrowedLeases } = all.get(neighbour) ?? NOTHING;
    const lent = role === 'lender' ? 1 : 0;
    all.set(neighbour, {
      neighbour,
      lentBytes: lentBytes + carried * lent,
      lentLeases: lentLeases + lent,
      borrowedBytes: borrowedBytes + carried * (1 - lent),
      borrowedLeases: borrowedLeases + 1 - lent,
    });
  }
  return [...all.values()];
}

const NOTHING = { lentBytes: 0, lentLeases: 0, borrowedBytes: 0, borrowedLeases: 0 };
