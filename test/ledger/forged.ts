/**
 * Exports for tests that were altered: as text, or by a household that makes every hash anew and signs the head again, which is the most
 * that it can do without its neighbours' keys.
 */
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { type Content, canonicalText, chainHash, HASH_BEFORE_FIRST } from '../../src/ledger/entry.ts';
import { exportLines } from '../../src/ledger/export.ts';
import { signHead } from '../../src/ledger/head.ts';
import { openSource } from '../../src/ledger/source.ts';
import { type Verified, type VerifyOptions, verify } from '../../src/ledger/verify.ts';
import { folder, ISSUED_AT, type Keys } from './written.ts';

/** An export, line by line, without line feeds. */
export async function exported(file: string): Promise<string[]> {
  let text = '';
  for await (const lines of exportLines(file)) text += lines;
  return text.trimEnd().split('\n');
}

/** What verify says of that text as an export. @throws LinepoolError `ledger_unreadable` */
export async function verdictOn(text: string | Uint8Array, options: VerifyOptions = {}): Promise<Verified> {
  using dir = folder();
  const file = join(dir.path, 'export.jsonl');
  writeFileSync(file, text);
  await using source = await openSource(file);
  return await verify(source, { all: true, ...options });
}

export interface Said {
  at: number;
  content: Content;
}

/**
 * An export from which `alter` made other lines. Of those that were altered, and of all that follow up to the next that retention
 * removed, the hashes are made anew, as who has the file can. With `us` the head is signed anew too.
 */
export function relinked(
  lines: readonly string[],
  alter: (lines: string[]) => readonly string[],
  us?: Keys,
): string {
  let before: Uint8Array = HASH_BEFORE_FIRST;
  let seq = 0;
  const linked = alter([...lines]).map((line) => {
    const read = JSON.parse(line) as {
      entry?: { seq: number; at: number } & Content;
      removed?: number;
      hash?: string;
    };
    if (read.entry === undefined) {
      if (read.hash !== undefined) before = Buffer.from(read.hash, 'base64url');
      if (read.hash !== undefined || us === undefined || !line.startsWith('{"head"')) return line;
      return `{"head":"${signHead({ household: us.id, seq, hash: before, signedAt: ISSUED_AT }, us.privateKey)}"}`;
    }
    const { at, ...content } = read.entry;
    seq = read.entry.seq;
    const text = canonicalText(seq, at, content);
    before = chainHash(before, text);
    return `{"entry":${text},"hash":"${Buffer.from(before).toString('base64url')}"}`;
  });
  return `${linked.join('\n')}\n`;
}

/** The entries of an export. */
export function entriesOf(lines: readonly string[]): Said[] {
  return lines.slice(1, -1).map((line) => {
    const {
      seq: _seq,
      at,
      ...content
    } = (JSON.parse(line) as { entry: { seq: number; at: number } & Content }).entry;
    return { at, content };
  });
}

/** An export of those entries, chained and signed by that household. */
export function chained(header: string, entries: readonly Said[], us: Keys): string {
  let hash: Uint8Array = HASH_BEFORE_FIRST;
  const lines = entries.map(({ at, content }, i) => {
    const text = canonicalText(i + 1, at, content);
    hash = chainHash(hash, text);
    return `{"entry":${text},"hash":"${Buffer.from(hash).toString('base64url')}"}`;
  });
  const head = { household: us.id, seq: entries.length, hash, signedAt: ISSUED_AT };
  return `${[header, ...lines, `{"head":"${signHead(head, us.privateKey)}"}`].join('\n')}\n`;
}
