/**
 * The journal of a file that is being downloaded: which of its bytes are on disk, and of which version of the file.
 * Stands beside the data as FILE.part.json. Parsing and printing here are pure; a journal that makes no sense
 * counts as none, since to trust it could put a hole into the file.
 */
import { open, readFile, rename, rm } from 'node:fs/promises';
import type { Validator } from '../../core/http.ts';
import { lengthOf, type Span, type SpanSet, union } from '../../core/span.ts';
import type { Bytes } from '../../core/units.ts';
import { type Checksum, formatChecksum } from './checksum.ts';

export interface Journal {
  /** As it was typed. */
  readonly url: string;
  /** Undefined when the origin gave no strong one. */
  readonly validator: Validator | undefined;
  /** Undefined when the origin did not say. */
  readonly totalBytes: Bytes | undefined;
  /** True when its beginning is a file that another program left: only a checksum can prove that it belongs to it. */
  readonly adopted: boolean;
  /**
   * Something of it came over http through a neighbour, which could have altered it. Undefined: nobody knows, nor whether it was
   * checked; a journal from before this was noted, of what was not all https.
   */
  readonly borrowed: boolean | undefined;
  /** What the server said that all of it has, of that version. */
  readonly digest: Checksum | undefined;
  /** What is on disk for certain, and nothing that is still to be checked. */
  readonly done: SpanSet;
}

const VERSION = 1;
const DIGEST_BYTES = { 'sha-256': 32, 'sha-512': 64, md5: 16 } as const;
const ALGORITHMS = Object.keys(DIGEST_BYTES) as readonly (keyof typeof DIGEST_BYTES)[];

export const partOf = (file: string): string => `${file}.part`;
export const journalOf = (file: string): string => `${file}.part.json`;

export function formatJournal({ totalBytes, digest, done, ...rest }: Journal): string {
  const fields = {
    version: VERSION,
    ...rest,
    total: totalBytes,
    digest: digest && formatChecksum(digest),
    done: done.map(({ start, end }) => [start, end]),
  };
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
  const digest = value['digest'] === undefined ? undefined : digestIn(value['digest']);
  if (done === undefined || digest === null) return undefined;
  const adopted = value['adopted'] === true;
  return { url, validator, totalBytes: total, adopted, borrowed: borrowedIn(value), digest, done };
}

/** From https nothing leads to http, so none of that was altered. */
function borrowedIn({ borrowed, url }: Record<string, unknown>): boolean | undefined {
  if (typeof borrowed === 'boolean') return borrowed;
  return /^https:/i.test(String(url)) ? false : undefined;
}

/** Null when it is none. */
function digestIn(value: unknown): Checksum | null {
  const [, name, hex = ''] = /^([a-z0-9-]+)=([0-9a-f]+)$/.exec(String(value)) ?? [];
  const algorithm = ALGORITHMS.find((one) => one === name);
  const digest = Buffer.from(hex, 'hex');
  return algorithm === undefined || digest.length !== DIGEST_BYTES[algorithm] ? null : { algorithm, digest };
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
