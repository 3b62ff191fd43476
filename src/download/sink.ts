/**
 * Where a download puts its bytes: the window in front of a client, or a file. Each byte is written once.
 * A sink pushes back by `horizon` (what may be asked for at all) and `accepts` (what may be read on now).
 */
import type { SpanSet } from '../core/span.ts';
import type { Bytes } from '../core/units.ts';

/**
 * What stands behind bytes that come: `sure`, our own line or TLS; `trusted`, a neighbour that nobody checks; `unchecked`, one that is
 * checked, and is not yet: `vouch` follows, or never does.
 */
export type Backing = 'sure' | 'trusted' | 'unchecked';

export interface Sink {
  /** All before it has left our hands. Never goes back. */
  readonly delivered: Bytes;
  /** What is at or beyond it may not be asked for yet. Never goes back. */
  readonly horizon: Bytes;
  /** The most that was held in memory at a time. */
  readonly peakBytes: Bytes;
  /** Takes the bytes for their place; the chunk is not changed afterwards. Never waits: see `accepts`. */
  write(offset: Bytes, chunk: Buffer, backing: Backing): void;
  /** Those that were written as unchecked were compared, and found right. */
  vouch?(spans: SpanSet): void;
  /** Gives up bytes that were written; false when some have gone on already, or may have. */
  discard?(spans: SpanSet): boolean;
  /** False while nothing may be read that would come to this offset; `onMove` tells when to ask again. */
  accepts(offset: Bytes): boolean;
  /** Called when `delivered`, `horizon` or `accepts` may have changed. */
  onMove(listener: () => void): void;
}
