/**
 * Reading an export: JSON lines, of which each must be written to the byte as docs/ledger.md says, since what is not read is not
 * verified. For verify and balance on another machine.
 */
import { type FileHandle, open } from 'node:fs/promises';
import { z } from 'zod';
import { LinepoolError } from '../core/errors.ts';
import type { Item } from './chain.ts';
import { type Content, canonicalText, FIELDS, KINDS, LEDGER_VERSION } from './entry.ts';
import type { Source } from './source.ts';

export const EXPORT_FORMAT = 'linepool-ledger';
/** Lines that are handed on at once. */
const BATCH_LINES = 512;
/** Longest line that is read. */
const LINE_MAX = 128 * 1024;
const CHUNK_BYTES = 256 * 1024;
const LINE_FEED = 0x0a;

const key = z.base64url().min(1).max(128);
const Header = z.strictObject({
  format: z.literal(EXPORT_FORMAT),
  version: z.int(),
  household: z.string().max(128),
  publicKey: key,
  neighbours: z.record(z.string().max(128), key),
  prunedThrough: z.int().min(0),
});
export type ExportHeader = z.output<typeof Header>;

/** Whether the file begins as an export does. @throws LinepoolError `ledger_unreadable` */
export async function isExport(file: string): Promise<boolean> {
  try {
    await using handle = await open(file, 'r');
    const { buffer, bytesRead } = await handle.read(Buffer.alloc(1), 0, 1, 0);
    return bytesRead === 1 && buffer.toString('latin1') === '{';
  } catch (error) {
    const code = (error as NodeJS.ErrnoException).code ?? '';
    const why = code === 'ENOENT' ? `There is no ${file}.` : `${file} (${code}).`;
    throw new LinepoolError('ledger_unreadable', why, { cause: error });
  }
}

/** @throws LinepoolError `ledger_unreadable` when the first line is not that of an export, or of another version */
export async function readExport(file: string): Promise<Source> {
  const handle = await open(file, 'r');
  const lines = linesOf(handle);
  const refuse = async (why: string): Promise<never> => {
    await handle.close();
    throw new LinepoolError('ledger_unreadable', `${file} ${why}.`);
  };
  const first = await lines.next();
  const header = Header.safeParse(jsonOf(first.value ?? ''));
  if (!header.success || headerLine(header.data) !== first.value) {
    return refuse('does not begin with the header of an export');
  }
  const { version, prunedThrough, household, publicKey, neighbours } = header.data;
  if (version !== LEDGER_VERSION) {
    return refuse(`is an export of version ${version}; this program reads version ${LEDGER_VERSION}`);
  }
  let head: string | undefined;
  return {
    prunedThrough,
    claimed: { household, publicKey, neighbours: new Map(Object.entries(neighbours)) },
    items: () =>
      itemsOf(lines, (token) => {
        head = token;
      }),
    head: () => head,
    fault: () => undefined,
    [Symbol.asyncDispose]: () => handle.close(),
  };
}

async function* itemsOf(
  lines: AsyncIterator<string, undefined>,
  onHead: (token: string) => void,
): AsyncGenerator<readonly Item[]> {
  let batch: Item[] = [];
  let last = 0;
  let ended = false;
  for (let line = await lines.next(); line.done !== true; line = await lines.next()) {
    const read = ended ? undefined : readLine(line.value);
    if (read === undefined) {
      const why = ended ? 'there is more behind the head' : 'its line is not as a line of an export is';
      batch.push({ kind: 'unreadable', seq: last + 1, why });
      break;
    }
    if (read.kind === 'head') {
      onHead(read.token);
      ended = true;
      continue;
    }
    last = read.kind === 'entry' ? read.entry.seq : read.seq;
    batch.push(read);
    if (batch.length >= BATCH_LINES) {
      yield batch;
      batch = [];
    }
  }
  yield batch;
}

/** Split at line feeds and nothing else; what stands behind the last one, or is too long, comes as a line that nothing matches. */
async function* linesOf(handle: FileHandle): AsyncGenerator<string, undefined> {
  let rest = Buffer.alloc(0);
  for (;;) {
    const { buffer, bytesRead } = await handle.read(Buffer.allocUnsafe(CHUNK_BYTES));
    if (bytesRead === 0) break;
    const chunk = Buffer.concat([rest, buffer.subarray(0, bytesRead)]);
    let from = 0;
    for (let at = chunk.indexOf(LINE_FEED); at !== -1; at = chunk.indexOf(LINE_FEED, from)) {
      yield chunk.toString('latin1', from, at);
      from = at + 1;
    }
    rest = chunk.subarray(from);
    if (rest.length > LINE_MAX) break;
  }
  if (rest.length > 0) yield '';
  return undefined;
}

type LineRead = Exclude<Item, { kind: 'unreadable' }> | { readonly kind: 'head'; readonly token: string };

/** Undefined when the line is not written exactly as an export writes it, which makes looser readings of its parts do. */
function readLine(line: string): LineRead | undefined {
  const { head, removed, entry, hash } = (jsonOf(line) ?? {}) as Readonly<Record<string, unknown>>;
  if (typeof head === 'string') return line === headLine(head) ? { kind: 'head', token: head } : undefined;
  if (typeof hash !== 'string') return undefined;
  const digest = Buffer.from(hash, 'base64url');
  if (isCount(removed)) {
    return line === removedLine(removed, digest) ? { kind: 'gap', seq: removed, hash: digest } : undefined;
  }
  if (typeof entry !== 'object' || entry === null) return undefined;
  const { seq, at, kind, ...rest } = entry as Readonly<Record<string, unknown>>;
  const named = KINDS.find((one) => one === kind);
  const fields = named && FIELDS[named].safeParse(rest);
  if (!isCount(seq) || !isCount(at) || fields?.success !== true) return undefined;
  const content = { kind: named, ...fields.data } as Content;
  if (line !== entryLine(canonicalText(seq, at, content), digest)) return undefined;
  return { kind: 'entry', entry: { seq, at, content, hash: digest } };
}

const isCount = (value: unknown): value is number => Number.isSafeInteger(value) && (value as number) >= 0;

export const headerLine = (header: ExportHeader): string => JSON.stringify(header);
const base64url = (digest: Uint8Array): string => Buffer.from(digest).toString('base64url');

export const entryLine = (text: string, digest: Uint8Array): string =>
  `{"entry":${text},"hash":"${base64url(digest)}"}`;
export const removedLine = (seq: number, digest: Uint8Array): string =>
  `{"removed":${seq},"hash":"${base64url(digest)}"}`;
export const headLine = (token: string): string => `{"head":"${token}"}`;

function jsonOf(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    // The caller says which line it is.
    return undefined;
  }
}
