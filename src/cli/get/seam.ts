/**
 * The seam between `linepool get` and the download engine. Everything about files, names, journals and what is
 * shown is on this side; everything about paths, spans and requests is on the engine's side, in run.ts.
 *
 *     command ──► engine.open(): first request, redirects followed ──► Opened.head
 *                     │  name, resume or not: what is missing on disk
 *                     └► Opened.transfer(missing, sink) ──► Sink (in any order) ──► finish
 */
import type { RawHeaders, Validator } from '../../core/http.ts';
import type { SpanSet } from '../../core/span.ts';
import type { Target } from '../../core/target.ts';
import type { Bytes, BytesPerSecond, Milliseconds } from '../../core/units.ts';
import type { Backing } from '../../download/sink.ts';
import type { PathId } from '../../paths/path.ts';

/** Where the engine puts bytes, in any order. */
export interface Sink {
  /** Takes the chunk for its offset; pushes back by `full`, never by waiting. The chunk must not change any more. */
  write(offset: Bytes, chunk: Buffer, backing: Backing): void;
  /** What was written there as unchecked has proved right: it may be resumed from. */
  vouch?(spans: SpanSet): void;
  /** Gives up what was written there; false when it is not all on disk yet: then more can't be written over it. */
  forget?(spans: SpanSet): boolean;
  /** True while as much is on its way to the disk as may be: stop reading until drained. */
  readonly full: boolean;
  /** Called each time that `full` has become false. */
  onDrain(listener: () => void): void;
  /** Called once, when the file can not be written: nothing more is taken. */
  onError(listener: (error: Error) => void): void;
  /** Resolves when all is on disk. @throws LinepoolError `file_failed` */
  finish(): Promise<void>;
  /** Stops; what is on disk stays there and can be resumed. */
  abort(): Promise<void>;
}

/** What the first response said, redirects followed. */
export interface Head {
  /** After redirects; spans are asked of this one. */
  readonly target: Target;
  readonly status: number;
  /** Of the final response. */
  readonly headers: RawHeaders;
  /** Length of the whole file; undefined when the origin does not say. */
  readonly totalBytes: Bytes | undefined;
  /** Undefined when there is none: then it can't be pooled or resumed. */
  readonly validator: Validator | undefined;
  /** Where the body of this first response starts: 0, or where `from` asked for when the origin did so. */
  readonly start: Bytes;
  /** Whether parts can be asked for. */
  readonly ranges: boolean;
}

/** A part that is missing. */
export interface Gap {
  readonly start: Bytes;
  /** Undefined: to the end of the file, wherever that is. */
  readonly end: Bytes | undefined;
  readonly validator: Validator | undefined;
}

export interface OpenRequest {
  readonly target: Target;
  /** End-to-end headers that the person gave with -H: flat list. */
  readonly headers: RawHeaders;
  /** The first part that is missing on disk, when resuming; the engine may ask for it at once with If-Range. */
  readonly from: Gap | undefined;
  readonly signal: AbortSignal;
  /** Told when the server asks to wait, and for how long; undefined when that is over. */
  readonly waiting?: (ms: Milliseconds | undefined) => void;
}

/** What a line does in this download, for the progress display and `--json`. */
export interface PathProgress {
  readonly id: PathId;
  readonly name: string;
  readonly bytes: Bytes;
  readonly bytesPerSecond: BytesPerSecond;
  readonly state: 'connecting' | 'fetching' | 'idle' | 'out';
}

export interface TransferProgress {
  /** Fetched in this run: what was on disk before is not counted. */
  readonly bytes: Bytes;
  readonly bytesPerSecond: BytesPerSecond;
  /** Undefined while there is no estimate. */
  readonly msLeft: Milliseconds | undefined;
  readonly paths: readonly PathProgress[];
  /** Fetched again although they had come, and thrown away. */
  readonly bytesTwice: Bytes;
}

export interface Opened {
  readonly head: Head;
  /**
   * Fetches these spans into the sink, the running first response put to use where it fits. Resolves when every
   * byte was handed to the sink; calls neither `finish` nor `abort`. An unknown length is fetched to its end
   * over the own line, `missing` being undefined.
   * @throws LinepoolError what stopped it; what was handed over stays good
   */
  transfer(missing: SpanSet | undefined, sink: Sink): Promise<void>;
  /** As of now; may be called at any time. */
  progress(): TransferProgress;
  /** Drops the running response; for when nothing is missing, or the name is refused. */
  close(): Promise<void>;
}

export interface Engine extends AsyncDisposable {
  /**
   * Sends the first request and follows redirects (at most `REDIRECTS_MAX`), dropping credentials across origins.
   * @throws LinepoolError `origin_refused` on a final status that is not 200 or 206, `origin_busy` on 429 and 503 for longer
   *   than there is patience, and what a line can throw
   */
  open(request: OpenRequest): Promise<Opened>;
}

export interface EngineOptions {
  readonly stateDir: string;
  readonly configFile: string | undefined;
  /** Leave the neighbours out. */
  readonly ownLine: boolean;
  /** Certificates of authorities to trust besides the usual ones, PEM. */
  readonly ca: string | undefined;
  /** What the person should know but that stops nothing, such as that no daemon answers. */
  readonly notice: (text: string) => void;
}

/** What run.ts exports as `openEngine`. */
export type OpenEngine = (options: EngineOptions) => Promise<Engine>;

export const REDIRECTS_MAX = 10;
