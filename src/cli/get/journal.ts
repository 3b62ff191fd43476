/**
 * The journal of a file that is being downloaded: which of its bytes are on disk, and of which version of the file.
 * Stands beside the data as FILE.part.json. Parsing and printing here are pure; a journal that makes no sense
 * counts as none, since to trust it could put a hole into the file.
 */
import { open, readFile, rename, rm } from 'node:fs/promises';
import type { Validator } from '../../core/http.ts';
import { lengthOf, type Span, type SpanSet, union } from '../../core/span.ts';
import type { Bytes } from '../../core/units.ts';

export interface Journal {
  /** As it was typed. */
  readonly url: string;
  /** Undefined when the origin gave no strong one. */
  readonly validator: Validator | undefined;
  /** Undefined when the origin did not say. */
  readonly totalBytes: Bytes | undefined;
  /** True when its beginning is a file that another program left: only a checksum can prove that it belongs to it. */
  readonly adopted: boolean;
  /** What is on disk for certain. */
  readonly done: SpanSet;
}

const VERSION = 1;

export const partOf = (file: string): string => `${file}.part`;
export const journalOf = (file: string): string => `${file}.part.json`;

export function formatJournal({ url, validator, totalBytes, adopted, done }: Journal): string {
  const spans = done.map(({ start, end }) => [start, end]);
  const fields = { version: VERSION, url, validator, total: totalBytes, adopted, done: spans };
  return `${JSON.stringify(fields)}\n`;
}

/** Undefined when the text is not a whole journal of this version. */
export function parseJournal(text: string): Journal | undefined {
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch {
    // Half written, or another file of that name.
    return undefined;
  }
  if (!isRecord(value) || value['version'] !== VERSION || typeof value['url'] !== 'string') return undefined;
  const { url, validator, total } = value;
  if (total !== undefined && !isBytes(total)) return undefined;
  if (validator !== undefined && !isValidator(validator)) return undefined;
  const done = spansOf(value['done'], total ?? Number.MAX_SAFE_INTEGER);
  const adopted = value['adopted'] === true;
  return done === undefined ? undefined : { url, validator, totalBytes: total, adopted, done };
}

/** The journal that stands beside the file; undefined when there is none that can be trusted. */
export async function readJournal(file: string): Promise<Journal | undefined> {
  try {
    return parseJournal(await readFile(journalOf(file), 'utf8'));
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return undefined;
    throw error;
  }
}

/** Replaces the journal in one step: whatever happens, the old one or the new one is there, never half of one. */
export async function writeJournal(file: string, journal: Journal): Promise<void> {
  const fresh = `${journalOf(file)}.new`;
  try {
    // For the owner alone: an address may carry a key.
    const handle = await open(fresh, 'w', 0o600);
    try {
      await handle.writeFile(formatJournal(journal));
      await handle.datasync();
    } finally {
      await handle.close();
    }
    await rename(fresh, journalOf(file));
  } catch (error) {
    await rm(fresh, { force: true });
    throw error;
  }
}

function spansOf(value: unknown, total: Bytes): SpanSet | undefined {
  if (!Array.isArray(value)) return undefined;
  let done: SpanSet = [];
  for (const pair of value as unknown[]) {
    if (!Array.isArray(pair) || pair.length !== 2) return undefined;
    const [start, end] = pair as unknown[];
    if (!isBytes(start) || !isBytes(end) || end < start || end > total) return undefined;
    const next: Span = { start, end };
    if (lengthOf(next) > 0) done = union(done, next);
  }
  return done;
}

const isRecord = (value: unknown): value is Record<string, unknown> =>
  typeof value === 'object' && value !== null && !Array.isArray(value);
const isBytes = (value: unknown): value is Bytes => Number.isSafeInteger(value) && (value as number) >= 0;
const isValidator = (value: unknown): value is Validator =>
  isRecord(value) &&
  (value['kind'] === 'etag' || value['kind'] === 'last-modified') &&
  typeof value['value'] === 'string';
