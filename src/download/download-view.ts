/**
 * How a download looks from outside, as the register keeps it and the desk shows it. Made from a download, and free of
 * it: it must never hold the path, a header, the client's response, or anything else that leads back to them.
 */
import type { ErrorCode } from '../core/errors.ts';
import { lengthOf } from '../core/span.ts';
import { formatOrigin } from '../core/target.ts';
import type { Bytes, Milliseconds } from '../core/units.ts';
import type { Ended } from './contract.ts';
import type { Download } from './download.ts';
import type { LineView } from './line-view.ts';

export interface DownloadView {
  readonly id: string;
  /** Scheme, host and port; never the path. */
  readonly origin: string;
  /** What is to be fetched. */
  readonly bytes: Bytes;
  /** What the client has, in order. */
  readonly deliveredBytes: Bytes;
  readonly state: 'live' | Ended['outcome'];
  /** Why it failed. */
  readonly code: ErrorCode | undefined;
  readonly scheme: string;
  /** Milliseconds since 1970. */
  readonly startedAt: Milliseconds;
  /** How long it has taken so far, or took. */
  readonly ms: Milliseconds;
  /** The verdict's reason. */
  readonly reason: string;
  readonly peakWindowBytes: Bytes;
  /** Bytes that were fetched over two paths. */
  readonly bytesTwice: Bytes;
  readonly lines: readonly LineView[];
}

/** The download as it is now; later changes do not show in it. */
export function viewOf(download: Download, reason: string): DownloadView {
  const { id, startedAt, ms, end, bytesTwice } = download;
  const { target, whole, sink, settings } = download.options;
  return Object.freeze({
    id,
    origin: formatOrigin(target.origin),
    bytes: lengthOf(whole),
    deliveredBytes: Math.max(0, sink.delivered - whole.start),
    state: end?.outcome ?? 'live',
    code: end?.outcome === 'failed' ? end.error.code : undefined,
    scheme: settings.scheme,
    startedAt,
    ms,
    reason,
    peakWindowBytes: sink.peakBytes,
    bytesTwice,
    lines: download.lines(),
  });
}
