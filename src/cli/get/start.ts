/**
 * Where a download starts: fresh, from what is on disk, or not at all. `look` sees what is there; the rest is pure.
 * Bytes of two versions of a file must never end up in one: when in doubt, it is a `resume_mismatch`.
 */
import { stat } from 'node:fs/promises';
import { LinepoolError } from '../../core/errors.ts';
import { fieldValue } from '../../core/http.ts';
import { EMPTY, intersect, type SpanSet, subtract } from '../../core/span.ts';
import type { Bytes, Milliseconds } from '../../core/units.ts';
import { type Journal, partOf, readJournal } from './journal.ts';
import type { Head, OpenRequest } from './seam.ts';

export interface Found {
  readonly journal: Journal | undefined;
  /** Length of FILE.part. */
  readonly partBytes: Bytes | undefined;
  /** FILE itself. */
  readonly file: { readonly bytes: Bytes; readonly modified: Milliseconds } | undefined;
}

/**
 * `fresh`: from the beginning, `over` a FILE.part that is of no use. `adopt`: FILE itself is the beginning, as curl
 * or wget left it.
 */
export type Start =
  | { readonly kind: 'fresh'; readonly over: boolean }
  | { readonly kind: 'resume'; readonly done: SpanSet }
  | { readonly kind: 'adopt'; readonly done: SpanSet };

/** @throws LinepoolError `file_failed` */
export async function look(file: string): Promise<Found> {
  try {
    const [part, whole, journal] = await Promise.all([status(partOf(file)), status(file), readJournal(file)]);
    return {
      journal,
      partBytes: part?.size,
      file: whole === undefined ? undefined : { bytes: whole.size, modified: whole.mtimeMs },
    };
  } catch (error) {
    if (error instanceof LinepoolError) throw error;
    throw new LinepoolError('file_failed', `${file}: ${(error as Error).message}`, { cause: error });
  }
}

async function status(file: string): Promise<{ size: Bytes; mtimeMs: Milliseconds } | undefined> {
  try {
    const stats = await stat(file);
    if (stats.isFile()) return stats;
    throw new LinepoolError('file_failed', `${file} is not a file.`);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return undefined;
    throw error;
  }
}

/** @throws LinepoolError `file_exists` when something is there and it is not to be resumed */
export function refuseCollision(file: string, found: Found): void {
  if (found.file !== undefined) throw new LinepoolError('file_exists', file);
  if (found.partBytes !== undefined) throw new LinepoolError('file_exists', partOf(file));
}

/** What is on disk and can be trusted, before anything has been asked of the origin. */
export function onDisk(found: Found): SpanSet {
  if (found.partBytes !== undefined) {
    // Parts come in any order: without its journal nobody knows which bytes of the file are there.
    return intersect(found.journal?.done ?? EMPTY, { start: 0, end: found.partBytes });
  }
  // The last byte of a plain file is asked for again: from behind the end of a whole one, nothing could be.
  const end = (found.file?.bytes ?? 0) - 1;
  return end > 0 ? [{ start: 0, end }] : EMPTY;
}

/** The first part that is missing, for the engine to ask for at once; undefined to start at the beginning. */
export function firstMissing(found: Found): OpenRequest['from'] {
  const done = onDisk(found);
  const journal = found.partBytes === undefined ? undefined : found.journal;
  if (journal !== undefined && journal.totalBytes === undefined) return undefined;
  const whole = { start: 0, end: journal?.totalBytes ?? Number.MAX_SAFE_INTEGER };
  const [gap] = done.reduce<SpanSet>(subtract, [whole]);
  return gap === undefined || gap.start === 0 ? undefined : { span: gap, validator: journal?.validator };
}

/**
 * Decides, once the origin has said what it has now. `checked` is true when a checksum will prove the outcome:
 * then an address that differs or a validator that is missing on both sides does not matter.
 * @throws LinepoolError `resume_mismatch`, naming what differs
 */
export function decideStart(
  file: string,
  found: Found,
  head: Head,
  request: { readonly url: string; readonly resume: boolean; readonly checked: boolean },
): Start {
  if (!request.resume) return { kind: 'fresh', over: false };
  const done = onDisk(found);
  if (done.length === 0 && found.file === undefined) return { kind: 'fresh', over: true };
  const mismatch = (why: string): never => {
    throw new LinepoolError('resume_mismatch', `${file}: ${why}`);
  };
  const end = found.partBytes === undefined ? (found.file?.bytes ?? 0) : (done.at(-1)?.end ?? 0);
  if (head.totalBytes === undefined) return mismatch('the server does not say how long the file is now.');
  if (end > head.totalBytes)
    return mismatch(`${end} bytes are on disk, but the file has ${head.totalBytes} now.`);
  if (found.partBytes === undefined) {
    const changed = Date.parse(fieldValue(head.headers, 'last-modified') ?? '');
    if (!request.checked && changed > (found.file?.modified ?? 0)) {
      return mismatch('it changed on the server after it was written here.');
    }
    return head.ranges ? { kind: 'adopt', done } : refuseRestart(file);
  }
  const { journal } = found;
  if (journal?.totalBytes !== head.totalBytes) {
    return mismatch(
      `it had ${journal?.totalBytes ?? 'no known number of'} bytes, and has ${head.totalBytes} now.`,
    );
  }
  if (!request.checked) {
    if (journal.url !== request.url) {
      return mismatch('it was begun from another address; with --checksum it can be resumed all the same.');
    }
    if (journal.validator === undefined) {
      return mismatch('the server names no version of it; with --checksum it can be resumed all the same.');
    }
  }
  if (
    journal.validator?.kind !== head.validator?.kind ||
    journal.validator?.value !== head.validator?.value
  ) {
    return mismatch(
      `it was ${journal.validator?.value ?? 'without a version'}, and is ${head.validator?.value ?? 'without one'} now.`,
    );
  }
  // Without ranges all is fetched again, but it is the same version: writing over what is there harms nothing.
  return head.ranges ? { kind: 'resume', done } : { kind: 'fresh', over: true };
}

function refuseRestart(file: string): never {
  throw new LinepoolError(
    'resume_mismatch',
    `${file}: the server gives no parts of it; it can only be downloaded whole.`,
  );
}
