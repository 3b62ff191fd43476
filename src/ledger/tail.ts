/**
 * The tail: whether the end of a chain is as it was left, looked at before it is continued. The whole chain is verified by
 * `linepool ledger verify`; a daemon must not wait for that, nor go on from an end that is not the one that was signed: who signs the
 * next head says that all before it is as it was.
 */
import { publicKeyOf } from '../neighbours/public-key.ts';
import { canonicalText, chainHash, HASH_BEFORE_FIRST } from './entry.ts';
import type { LedgerFile } from './file.ts';
import { parseHead } from './head.ts';
import { holds } from './jws.ts';
import { isKeyOf, PRUNED_ROW, type Row, unpack } from './row.ts';

/** Entries at the end whose hashes are looked at. */
const TAIL_ENTRIES = 8;

export type LastEntry = Pick<Row, 'seq' | 'hash'>;

export const isSameEntry = (one: LastEntry, other: LastEntry | undefined): boolean =>
  one.seq === other?.seq && Buffer.from(one.hash).equals(other.hash);

/**
 * What is wrong with the end of the chain; undefined when nothing is. `left`: the entry with which this process left it, when it has
 * written there.
 */
export function tailFault(file: LedgerFile, left?: LastEntry): string | undefined {
  const rows = file.tail(TAIL_ENTRIES);
  const last = rows.at(-1);
  const token = file.head();
  if (last === undefined || token === undefined) return 'It has no entry, or no head.';
  const head = parseHead(token);
  if (head === undefined) return 'Its head can not be read.';
  if (head.seq > last.seq)
    return `It ends with entry ${last.seq}, but ${head.seq} was signed: the end is missing.`;
  if (!isSameEntry(head, last)) return 'Its last entry is not the one that was signed.';
  if (left !== undefined && !goesOn(file, left))
    return `Its entry ${left.seq} is not the one that was written there.`;
  if (!isSigned(file, token, head.household)) return 'Its head is not signed by the household that it is of.';
  const altered = firstAltered(file, rows);
  return altered && `Its entry ${altered.seq} does not have the hash that it should have.`;
}

/** Of rows in the order of their numbers, the first whose hash is not that of what is in it and of the row right before it. */
export function firstAltered(file: LedgerFile, rows: readonly Row[]): Row | undefined {
  let before: LastEntry | undefined;
  for (const row of rows) {
    const hash = row.seq === 1 ? HASH_BEFORE_FIRST : before?.seq === row.seq - 1 ? before.hash : undefined;
    if (row.kind !== PRUNED_ROW && hash !== undefined) {
      const entry = unpack(row, file);
      const text = entry && canonicalText(entry.seq, entry.at, entry.content);
      if (text === undefined || !Buffer.from(chainHash(hash, text)).equals(row.hash)) return row;
    }
    before = row;
  }
  return undefined;
}

/** Whether that entry is still there, be it that retention has removed it. */
function goesOn(file: LedgerFile, left: LastEntry): boolean {
  const row = file.row(left.seq);
  return row === undefined ? left.seq <= file.prunedThrough() : isSameEntry(left, row);
}

/** By the key that the household has since its last change, or had from the first entry on; that this is our own, the caller asks. */
function isSigned(file: LedgerFile, head: string, signer: string): boolean {
  const self = file.self(Number.MAX_SAFE_INTEGER);
  if (self === undefined || self.id !== signer || !isKeyOf(self.id, self.publicKey)) return false;
  const key = publicKeyOf(self.publicKey);
  return key !== undefined && holds(head, key);
}
