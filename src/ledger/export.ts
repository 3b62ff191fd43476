/**
 * Exporting: a ledger as JSON lines that anybody can verify elsewhere, with the public keys that are needed for it. docs/ledger.md
 * specifies them. Nothing is checked here: what is wrong in a ledger is wrong in its export, and verify says so of either.
 */
import { LinepoolError } from '../core/errors.ts';
import { canonicalText, LEDGER_VERSION } from './entry.ts';
import { EXPORT_FORMAT, entryLine, headerLine, headLine, removedLine } from './export-read.ts';
import { LedgerFile } from './file.ts';
import { itemsOf } from './source.ts';

/**
 * The lines, many at a time, each with its line feed. Everything is as it was when it began.
 * @throws LinepoolError `ledger_unreadable`, `ledger_wrong` at an entry that can't be read
 */
export async function* exportLines(path: string): AsyncGenerator<string> {
  using file = LedgerFile.read(path);
  const { self, neighbours, head, prunedThrough } = readable(path, () => ({
    ...file.households(),
    head: file.head(),
    prunedThrough: file.prunedThrough(),
  }));
  if (self === undefined || head === undefined)
    throw new LinepoolError('ledger_wrong', `${path} has no entry, or no head.`);
  yield `${headerLine({
    format: EXPORT_FORMAT,
    version: LEDGER_VERSION,
    household: self.id,
    publicKey: self.publicKey,
    neighbours: Object.fromEntries(neighbours.map(({ id, publicKey }) => [id, publicKey])),
    prunedThrough,
  })}\n`;
  for await (const items of itemsOf(file)) {
    let lines = '';
    for (const item of items) {
      if (item.kind === 'unreadable')
        throw new LinepoolError('ledger_wrong', `Entry ${item.seq}: ${item.why}.`);
      if (item.kind === 'gap') lines += `${removedLine(item.seq, item.hash)}\n`;
      else {
        const { seq, at, content, hash } = item.entry;
        lines += `${entryLine(canonicalText(seq, at, content), hash)}\n`;
      }
    }
    yield lines;
  }
  yield `${headLine(head)}\n`;
}

/** @throws LinepoolError `ledger_unreadable` when SQLite can't read it */
function readable<T>(path: string, read: () => T): T {
  try {
    return read();
  } catch (error) {
    throw new LinepoolError('ledger_unreadable', `${path}: ${(error as Error).message}.`, { cause: error });
  }
}
