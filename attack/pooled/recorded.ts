/**
 * What a household has on record, as one who looks from outside reads it: whether all of it holds, and how much is signed for under each
 * lease. It must write nothing, nor tidy up what a killed daemon left, since the next one has to find it as it was left.
 */
import { copyFile, mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { Bytes } from '../../src/core/units.ts';
import { LEDGER_FILE, type Role } from '../../src/ledger/entry.ts';
import { parseReceipt } from '../../src/ledger/receipt.ts';
import { openSource, readEntries } from '../../src/ledger/source.ts';
import { leaseTerms } from '../../src/ledger/terms.ts';
import { verify } from '../../src/ledger/verify.ts';

export interface RecordedLease {
  readonly role: Role;
  readonly origin: string;
  /** The greatest under which both have signed. */
  total: Bytes;
  /** The lender's tokens, oldest first. */
  readonly countersigned: string[];
}

export interface Recorded {
  /** What does not hold, if anything. */
  readonly fault: string | undefined;
  readonly entries: number;
  /** By id. */
  readonly leases: ReadonlyMap<string, RecordedLease>;
}

/** Of a daemon that runs. `all`: every signature is checked. */
export const recordedBy = (stateDir: string, all: boolean): Promise<Recorded> =>
  read(join(stateDir, LEDGER_FILE), all);

/** Of a daemon that was killed: a copy is read. */
export async function leftBehindBy(stateDir: string, all: boolean): Promise<Recorded> {
  const folder = await mkdtemp(join(tmpdir(), 'linepool-left-'));
  try {
    // What SQLite has of a killed process: the file and its log. It makes the rest anew.
    for (const end of ['', '-wal'])
      await copyFile(join(stateDir, `${LEDGER_FILE}${end}`), join(folder, `${LEDGER_FILE}${end}`));
    return await read(join(folder, LEDGER_FILE), all);
  } finally {
    await rm(folder, { recursive: true });
  }
}

async function read(file: string, all: boolean): Promise<Recorded> {
  await using whole = await openSource(file);
  const { fault, entries } = await verify(whole, { all });
  const leases = new Map<string, RecordedLease>();
  await using source = await openSource(file);
  for await (const { content } of readEntries(source)) {
    if (content.kind === 'lease') {
      const terms = leaseTerms(content.token);
      if (terms === undefined) continue;
      leases.set(terms.id, { role: content.role, origin: terms.origin, total: 0, countersigned: [] });
    } else if (content.kind === 'receipt' && content.lender !== null) {
      const lease = leases.get(content.lease);
      if (lease === undefined) continue;
      lease.total = parseReceipt(content.borrower).total;
      lease.countersigned.push(content.lender);
    }
  }
  return { fault: fault === undefined ? undefined : `entry ${fault.seq}: ${fault.why}`, entries, leases };
}
