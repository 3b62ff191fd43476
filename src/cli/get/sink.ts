/**
 * The file sink: writes what the engine brings into FILE.part, in any order, and keeps the journal beside it. `get`
 * opens one for each download and gives it its name at the end.
 *
 *     write ──► runs of adjoining chunks (at most IN_FLIGHT_BYTES_MAX, then `full`) ──► writev ──► written
 *     every JOURNAL_EVERY_MS:  what is written now, less what is unchecked ──► fdatasync ──► journal replaced
 *
 * The journal claims only what was written before a sync that succeeded: after a kill or a power cut, what it names
 * is there. It may claim less than is there; that part is fetched again. It must never claim what a neighbour brought
 * and nobody has vouched for: who resumes would have no reason to look at it again.
 */
import { fdatasync as fdatasyncCallback, writev as writevCallback } from 'node:fs';
import { type FileHandle, open, rename, rm, statfs } from 'node:fs/promises';
import { dirname } from 'node:path';
import { promisify } from 'node:util';
import type { Clock } from '../../core/clock.ts';
import { LinepoolError } from '../../core/errors.ts';
import { covers, EMPTY, overlaps, type SpanSet, sizeOf, subtract, union } from '../../core/span.ts';
import { type Bytes, formatBytes, type Milliseconds } from '../../core/units.ts';
import type { Backing } from '../../download/sink.ts';
import { type Journal, journalOf, partOf, writeJournal } from './journal.ts';
import type { Sink } from './seam.ts';
import type { Start } from './start.ts';

/** Taken and not yet written; then `full`, until half of it is written. */
export const IN_FLIGHT_BYTES_MAX: Bytes = 8 * 1024 * 1024;
/** A kill loses at most this much time, and a sync. */
export const JOURNAL_EVERY_MS: Milliseconds = 500;
/** Writes at once: one keeps a disk busy, the second hides the way to it. */
const WRITERS = 2;
/** Chunks for one writev; Linux takes 1024. */
const CHUNKS_MAX = 512;

const fdatasync = promisify(fdatasyncCallback);

/** Chunks that adjoin each other. */
interface Run {
  readonly offset: Bytes;
  readonly chunks: Buffer[];
  bytes: Bytes;
  /** What it wrote is not claimed. */
  forgotten: boolean;
}

export interface SinkOptions {
  readonly file: string;
  readonly start: Start;
  readonly journal: Omit<Journal, 'done'>;
  readonly clock: Clock;
}

export class FileSink implements Sink {
  readonly #file: string;
  readonly #handle: FileHandle;
  readonly #journal: Omit<Journal, 'done'>;
  readonly #ticking: Disposable;
  readonly #queue: Run[] = [];
  readonly #underWay = new Set<Run>();
  readonly #drainListeners: (() => void)[] = [];
  readonly #errorListeners: ((error: Error) => void)[] = [];
  #idleListeners: (() => void)[] = [];
  #state: 'open' | 'failed' | 'closed' = 'open';
  #error: LinepoolError | undefined;
  #writing = 0;
  #inFlight: Bytes = 0;
  #peak: Bytes = 0;
  #full = false;
  #written: SpanSet;
  /** Taken as that, and not vouched for, written or not. */
  #unchecked: SpanSet = EMPTY;
  #borrowed: boolean;
  /** Counts what the journal is to follow, and how far it did. */
  #changes = 0;
  #kept = 0;
  #checkpoint: Promise<void> | undefined;
  #ended: Promise<void> | undefined;

  private constructor(options: SinkOptions, handle: FileHandle, done: SpanSet) {
    this.#file = options.file;
    this.#handle = handle;
    this.#journal = options.journal;
    this.#written = done;
    this.#borrowed = options.journal.borrowed ?? true;
    this.#ticking = options.clock.every(JOURNAL_EVERY_MS, () => {
      // What goes wrong here is kept in #error and comes out by the listeners and by finish().
      void this.#keepJournal();
    });
  }

  /**
   * Opens FILE.part as the start says, its journal with it.
   * @throws LinepoolError `file_exists` when another download took the name meanwhile, `file_failed`
   */
  static async open(options: SinkOptions): Promise<FileSink> {
    const { file, start, journal } = options;
    const part = partOf(file);
    const done = start.kind === 'fresh' ? EMPTY : start.done;
    let handle: FileHandle | undefined;
    try {
      await refuseFullDisk(file, (journal.totalBytes ?? 0) - sizeOf(done));
      if (start.kind === 'adopt') await rename(file, part);
      // A journal of before must not speak for what is written now.
      if (start.kind === 'fresh') await rm(journalOf(file), { force: true });
      if (start.kind === 'fresh' && start.over) await rm(part, { force: true });
      // Exclusive: another download of that name, or a link that somebody laid there, is not written to.
      handle = await open(part, start.kind === 'fresh' ? 'wx' : 'r+');
      // Something longer than the file stood there: its end is nobody's.
      if ((await handle.stat()).size > (journal.totalBytes ?? Number.POSITIVE_INFINITY)) {
        await handle.truncate(journal.totalBytes);
      }
      await writeJournal(file, { ...journal, done });
      return new FileSink(options, handle, done);
    } catch (error) {
      await handle?.close();
      throw failure(part, error);
    }
  }

  /** What is in the file, synced or not. */
  get written(): SpanSet {
    return this.#written;
  }

  /** Of that, what may be resumed from: nothing that is still to be checked. */
  get done(): SpanSet {
    return this.#unchecked.reduce(subtract, this.#written);
  }

  /** Something came over http through a neighbour, now or in what is resumed. */
  get borrowed(): boolean {
    return this.#borrowed;
  }

  /** What stopped the writing, if anything did. */
  get error(): LinepoolError | undefined {
    return this.#error;
  }

  /** Most that was taken and not yet written. */
  get peakBytes(): Bytes {
    return this.#peak;
  }

  get full(): boolean {
    return this.#full || this.#state !== 'open';
  }

  onDrain(listener: () => void): void {
    this.#drainListeners.push(listener);
  }

  onError(listener: (error: Error) => void): void {
    this.#errorListeners.push(listener);
  }

  write(offset: Bytes, chunk: Buffer, backing: Backing): void {
    if (this.#state !== 'open' || chunk.length === 0) return;
    if (backing !== 'sure') this.#borrowed = true;
    if (backing === 'unchecked') {
      this.#unchecked = union(this.#unchecked, { start: offset, end: offset + chunk.length });
    }
    const run = this.#queue.find((r) => r.offset + r.bytes === offset && r.chunks.length < CHUNKS_MAX);
    if (run === undefined)
      this.#queue.push({ offset, chunks: [chunk], bytes: chunk.length, forgotten: false });
    else {
      run.chunks.push(chunk);
      run.bytes += chunk.length;
    }
    this.#inFlight += chunk.length;
    this.#peak = Math.max(this.#peak, this.#inFlight);
    if (this.#inFlight >= IN_FLIGHT_BYTES_MAX) this.#full = true;
    this.#pump();
  }

  /** Those bytes were compared, and are right. */
  vouch(spans: SpanSet): void {
    this.#unchecked = spans.reduce(subtract, this.#unchecked);
    this.#changes += 1;
  }

  /** Nothing claims those bytes any more; false when some of them are on their way to the disk, and could get there later. */
  forget(spans: SpanSet): boolean {
    const isWritten = spans.every((span) => covers(this.#written, span));
    for (const run of [...this.#queue, ...this.#underWay]) {
      const { offset, bytes } = run;
      if (spans.some((span) => overlaps(span, { start: offset, end: offset + bytes }))) run.forgotten = true;
    }
    this.#written = spans.reduce(subtract, this.#written);
    this.#unchecked = spans.reduce(subtract, this.#unchecked);
    this.#changes += 1;
    // At once: a journal that was on its way says what is not so any more.
    void this.#keepJournal().then(() => this.#keepJournal());
    return isWritten;
  }

  /** Resolves when all that was taken is written, synced and in the journal, and the file is closed. */
  async finish(): Promise<void> {
    await this.#end();
    if (this.#error !== undefined) throw this.#error;
  }

  /** The same, but what goes wrong is not thrown: what the journal claims stays true. */
  abort(): Promise<void> {
    return this.#end();
  }

  /** After `finish`: FILE.part gets its name, the journal goes. @throws LinepoolError `file_failed` */
  async publish(): Promise<void> {
    try {
      await rename(partOf(this.#file), this.#file);
      await rm(journalOf(this.#file), { force: true });
    } catch (error) {
      throw failure(this.#file, error);
    }
  }

  /** After `finish`, when the bytes proved wrong: FILE.part stays to be looked at, but nothing resumes from it. */
  async distrust(): Promise<void> {
    await rm(journalOf(this.#file), { force: true });
  }

  #end(): Promise<void> {
    this.#ended ??= this.#settle();
    return this.#ended;
  }

  async #settle(): Promise<void> {
    this.#ticking[Symbol.dispose]();
    while (this.#writing > 0 || this.#queue.length > 0) {
      await new Promise<void>((resolve) => {
        this.#idleListeners.push(resolve);
      });
    }
    await this.#checkpoint;
    await this.#keepJournal();
    this.#state = 'closed';
    await this.#handle.close();
  }

  #pump(): void {
    while (this.#writing < WRITERS) {
      const run = this.#queue.shift();
      if (run === undefined) break;
      this.#writing += 1;
      this.#underWay.add(run);
      writeFully(this.#handle.fd, run.offset, run.chunks, (error) => {
        this.#writing -= 1;
        this.#underWay.delete(run);
        if (error === null) this.#wrote(run);
        else this.#fail(error);
        this.#pump();
      });
    }
    if (this.#writing > 0 || this.#queue.length > 0) return;
    const listeners = this.#idleListeners;
    this.#idleListeners = [];
    for (const listener of listeners) listener();
  }

  #wrote(run: Run): void {
    if (!run.forgotten) {
      this.#written = union(this.#written, { start: run.offset, end: run.offset + run.bytes });
      this.#changes += 1;
    }
    this.#inFlight -= run.bytes;
    if (!this.#full || this.#inFlight > IN_FLIGHT_BYTES_MAX / 2 || this.#state !== 'open') return;
    this.#full = false;
    for (const listener of this.#drainListeners) listener();
  }

  #fail(error: unknown): void {
    this.#queue.length = 0;
    if (this.#state !== 'open') return;
    this.#state = 'failed';
    this.#error = failure(partOf(this.#file), error);
    for (const listener of this.#errorListeners) listener(this.#error);
  }

  /** One at a time; does nothing when there is nothing new. Never rejects. */
  #keepJournal(): Promise<void> {
    if (this.#state === 'closed' || this.#changes === this.#kept) return Promise.resolve();
    this.#checkpoint ??= this.#syncAndClaim()
      .catch((error: unknown) => this.#fail(error))
      .finally(() => {
        this.#checkpoint = undefined;
      });
    return this.#checkpoint;
  }

  async #syncAndClaim(): Promise<void> {
    // Taken before the sync: what is written while it runs may not be covered by it.
    const changes = this.#changes;
    const { done, borrowed } = this;
    await fdatasync(this.#handle.fd);
    await writeJournal(this.#file, { ...this.#journal, borrowed, done });
    this.#kept = changes;
  }
}

/** writev may take less than it was given, on a disk that fills up for one. */
function writeFully(
  fd: number,
  offset: Bytes,
  chunks: readonly Buffer[],
  done: (error: Error | null) => void,
): void {
  writevCallback(fd, chunks, offset, (error, taken) => {
    if (error !== null) {
      done(error);
      return;
    }
    const rest: Buffer[] = [];
    let skip = taken;
    for (const chunk of chunks) {
      if (skip >= chunk.length) skip -= chunk.length;
      else {
        rest.push(chunk.subarray(skip));
        skip = 0;
      }
    }
    if (rest.length === 0) done(null);
    else if (taken === 0) done(new Error('nothing more can be written'));
    else writeFully(fd, offset + taken, rest, done);
  });
}

async function refuseFullDisk(file: string, needed: Bytes): Promise<void> {
  const { bavail, bsize } = await statfs(dirname(file));
  const free = bavail * bsize;
  if (needed > free) {
    throw new LinepoolError(
      'file_failed',
      `${file}: ${formatBytes(needed)} are needed, ${formatBytes(free)} are free.`,
    );
  }
}

function failure(file: string, error: unknown): LinepoolError {
  if (error instanceof LinepoolError) return error;
  if ((error as NodeJS.ErrnoException).code === 'EEXIST') return new LinepoolError('file_exists', file);
  return new LinepoolError('file_failed', `${file}: ${(error as Error).message}`, { cause: error });
}
