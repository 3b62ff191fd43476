/**
 * Where a download starts: fresh, from what is on disk, or not at all. `look` sees what is there; the rest is pure.
 * Bytes of two versions of a file must never end up in one: when in doubt, it is a `resume_mismatch`.
 */
import { stat } from 'node:fs/promises';
import { LinepoolError } from '../../core/errors.ts';
import { EMPTY, intersect, type SpanSet, subtract } from '../../core/span.ts';
import type { Bytes } from '../../core/units.ts';
import { type Journal, partOf, readJournal } from './journal.ts';
import type { Gap, Head } from './seam.ts';

export interface Found {
  readonly journal: Journal | undefined;
  /** Length of FILE.part. */
  readonly partBytes: Bytes | undefined;
  /** Length of FILE itself. */
  readonly fileBytes: Bytes | undefined;
}

/**
 * `fresh`: from the beginning, `over` a FILE.part that is of no use. `adopt`: FILE itself is the beginning, as curl
 * or wget left it; of which version, only a checksum can say.
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
      fileBytes: whole?.size,
    };
  } catch (error) {
    if (error instanceof LinepoolError) throw error;
    throw new LinepoolError('file_failed', `${file}: ${(error as Error).message}`, { cause: error });
  }
}

async function status(file: string): Promise<{ size: Bytes } | undefined> {
  try {
    const stats = await stat(file);
    if (stats.isFile()) return stats;
    throw new LinepoolError('file_failed', `${file} is not a file.`);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return undefined;
    throw error;
  }
}

/**
 * What is on disk can be reason enough, before anything is asked of the origin.
 * @throws LinepoolError `file_exists` when something is there and it is not to be resumed; `resume_mismatch` when nothing
 *   tells which version it is of, and no checksum will
 */
export function refuseOnSight(
  file: string,
  { journal, partBytes, fileBytes }: Found,
  request: { readonly resume: boolean; readonly checked: boolean },
): void {
  if (!request.resume) {
    if (fileBytes !== undefined) throw new LinepoolError('file_exists', file);
    if (partBytes !== undefined) throw new LinepoolError('file_exists', partOf(file));
    return;
  }
  const foreign = partBytes === undefined ? fileBytes !== undefined : journal?.adopted === true;
  if (!foreign || request.checked) return;
  throw new LinepoolError(
    'resume_mismatch',
    `${partBytes === undefined ? file : partOf(file)}: nothing tells which version another program began there; give --checksum, or remove it.`,
  );
}

/** What is on disk and can be trusted, before anything has been asked of the origin. */
export function onDisk(found: Found, { checked }: { readonly checked: boolean }): SpanSet {
  if (found.partBytes !== undefined) {
    // It may be what a neighbour brought and nobody compared: only a checksum can say that it is right.
    if (found.journal?.borrowed === undefined && !checked) return EMPTY;
    // Parts come in any order: without its journal nobody knows which bytes of the file are there.
    return intersect(found.journal?.done ?? EMPTY, { start: 0, end: found.partBytes });
  }
  // The last byte of a plain file is asked for again: from behind the end of a whole one, nothing could be.
  const end = (found.fileBytes ?? 0) - 1;
  return end > 0 ? [{ start: 0, end }] : EMPTY;
}

/** The first part that is missing, for the engine to ask for at once; undefined to start at the beginning. */
export function firstMissing(found: Found, request: { readonly checked: boolean }): Gap | undefined {
  const done = onDisk(found, request);
  if (found.partBytes === undefined) {
    const start = done.at(-1)?.end;
    return start === undefined ? undefined : { start, end: undefined, validator: undefined };
  }
  if (found.journal?.totalBytes === undefined) return undefined;
  const { totalBytes, validator } = found.journal;
  const [gap] = done.reduce<SpanSet>(subtract, [{ start: 0, end: totalBytes }]);
  return gap === undefined || gap.start === 0 ? undefined : { ...gap, validator };
}

/**
 * Decides, once the origin has said what it has now, of what was not refused on sight. `checked` is true when a checksum will prove the outcome:
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
  const done = onDisk(found, request);
  if (done.length === 0 && found.fileBytes === undefined) return { kind: 'fresh', over: true };
  const mismatch = (why: string): never => {
    throw new LinepoolError('resume_mismatch', `${file}: ${why}`);
  };
  const end = found.partBytes === undefined ? (found.fileBytes ?? 0) : (done.at(-1)?.end ?? 0);
  if (head.totalBytes === undefined) return mismatch('the server does not say how long the file is now.');
  if (end > head.totalBytes)
    return mismatch(`${end} bytes are on disk, but the file has ${head.totalBytes} now.`);
  if (found.partBytes === undefined) return head.ranges ? { kind: 'adopt', done } : refuseRestart(file);
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
