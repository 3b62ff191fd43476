/**
 * The tail: whether the end of a chain is as it was left, looked at before it is continued. The whole chain is verified by
 * `linepool ledger verify`; a daemon must not wait for that, nor go on from an end that is not the one that was signed.
 */
import { canonicalText, chainHash, HASH_BEFORE_FIRST } from './entry.ts';
import type { LedgerFile } from './file.ts';
import { parseHead } from './head.ts';
import { PRUNED_ROW, unpack } from './row.ts';

/** Entries at the end whose hashes are looked at. */
const TAIL_ENTRIES = 8;

/** What is wrong with the end of the chain; undefined when nothing is. */
export function tailFault(file: LedgerFile): string | undefined {
  const rows = file.tail(TAIL_ENTRIES);
  const last = rows.at(-1);
  const token = file.head();
  if (last === undefined || token === undefined) return 'It has no entry, or no head.';
  const head = parseHead(token);
  if (head === undefined) return 'Its head can not be read.';
  if (head.seq > last.seq)
    return `It ends with entry ${last.seq}, but ${head.seq} was signed: the end is missing.`;
  if (head.seq < last.seq || !Buffer.from(head.hash).equals(last.hash))
    return 'Its last entry is not the one that was signed.';
  let before = rows[0]?.seq === 1 ? HASH_BEFORE_FIRST : undefined;
  for (const row of rows) {
    if (row.kind !== PRUNED_ROW && before !== undefined) {
      const entry = unpack(row, file);
      const text = entry && canonicalText(entry.seq, entry.at, entry.content);
      if (text === undefined || !Buffer.from(chainHash(before, text)).equals(row.hash)) {
        return `Its entry ${row.seq} does not have the hash that it should have.`;
      }
    }
    before = row.hash;
  }
  return undefined;
}
