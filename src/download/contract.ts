/**
 * What a download is given and what it gives back: the types that its makers, the proxy and `get`, share with it.
 */
import type { Dispatcher } from 'undici';
import type { LinepoolError } from '../core/errors.ts';
import type { Span, SpanSet } from '../core/span.ts';
import type { BytesPerSecond, Milliseconds } from '../core/units.ts';
import type { SpanStatement } from '../lending/span-statement.ts';
import type { Caught } from '../neighbours/trust.ts';
import type { Path, PathId } from '../paths/path.ts';
import type { Random } from './integrity/samples.ts';
import type { Wanted } from './lanes.ts';
import type { PlanSettings } from './plan-state.ts';
import type { Sink } from './sink.ts';

/** The paths that there are, and word of changes: offers come and go. */
export interface PathSource {
  readonly own: Path;
  neighbours(): readonly Path[];
  onChange(listener: () => void): Disposable;
}

/** What is remembered beyond one download about a path and this origin. */
export interface PathMemory {
  isLeftOut(path: PathId): boolean;
  /** `detail` is what the origin said. */
  leaveOut(path: PathId, code: LinepoolError['code'], forMs: Milliseconds, detail: string): void;
}

/** How what checked neighbours bring is checked. */
export interface Integrity {
  /** How much of it is fetched again over our own line. */
  readonly percent: number;
  readonly random: Random;
  /** Reads what the path's neighbour signed. @throws LinepoolError `span_unsigned` */
  readonly read: (path: PathId, token: string) => SpanStatement;
  /** It brought other bytes than our own line: it is to be quarantined. Again, when its own signature proves it. */
  readonly caught: (path: PathId, caught: Caught) => void;
}

export interface DownloadOptions extends Wanted {
  readonly id: string;
  /** The part of the file that is wanted, and what of that is there already. */
  readonly whole: Span;
  readonly have?: SpanSet;
  /** True when the request carries what no neighbour may see in the clear. */
  readonly credentials: boolean;
  readonly settings: PlanSettings;
  readonly sink: Sink;
  readonly paths: PathSource;
  readonly memory: PathMemory;
  /** What the own line brings, as far as is known. */
  readonly ownRate: BytesPerSecond | undefined;
  /** Without it, nothing is checked beyond each response's head. */
  readonly integrity?: Integrity;
  /** Longest time in which no byte comes from anywhere. */
  readonly silenceTimeout: Milliseconds;
}

/** The response that is running when the download begins; its first body byte is the first of the whole. */
export interface RunningResponse {
  readonly controller: Pick<Dispatcher.DispatchController, 'abort' | 'pause' | 'resume'>;
  /** From its request to its head. */
  readonly latencyMs: Milliseconds;
}

/** What the running response's owner calls from then on. */
export interface RunningFeed {
  data(chunk: Buffer): void;
  end(): void;
  fail(error: Error): void;
}

export type Ended =
  | { readonly outcome: 'complete' }
  | { readonly outcome: 'failed'; readonly error: LinepoolError }
  | { readonly outcome: 'abandoned' };
