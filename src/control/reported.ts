/**
 * Downloads of `linepool get` that use the daemon's lines: they run in processes of their own, which report here so that they
 * are listed beside the daemon's. What is reported is shown, and nothing else follows from it: it counts in no total, since
 * the gateway counts what goes through it. Bounded; whoever falls silent is taken for gone.
 */
import { z } from 'zod';
import type { Clock } from '../core/clock.ts';
import { LinepoolError } from '../core/errors.ts';
import { lengthOf } from '../core/span.ts';
import { formatOrigin } from '../core/target.ts';
import type { Milliseconds } from '../core/units.ts';
import type { Download as RunningDownload } from '../download/download.ts';
import { KEPT } from './desk.ts';
import { type Download, DownloadState } from './schema.ts';

/** How often `get` reports. */
export const REPORT_EVERY_MS: Milliseconds = 1_000;
/** Without a report for so long a live one is taken for abandoned. */
export const SILENT_MS: Milliseconds = 10_000;

const count = z.number().min(0);

/** What `get` says of its download. */
export const DownloadReport = z.strictObject({
  /** Scheme, host and port; never the path. */
  origin: z
    .string()
    .max(300)
    .regex(/^https?:\/\/[^/?#@]+$/, 'must be scheme, host and port'),
  bytes: count,
  doneBytes: count,
  state: DownloadState,
  code: z.string().max(40).optional(),
  scheme: z.string().max(20),
  ms: count,
  bytesTwice: count,
  lines: z
    .array(
      z.strictObject({
        id: z.string().max(80),
        name: z.string().max(80),
        bytes: count,
        bytesPerSecond: count,
      }),
    )
    .max(64),
});
export type DownloadReport = z.output<typeof DownloadReport>;

/** As `get` sends it. */
export function reportOf(download: RunningDownload): DownloadReport {
  const { target, whole, settings } = download.options;
  const { end, ms, bytesTwice } = download;
  return {
    origin: formatOrigin(target.origin),
    bytes: lengthOf(whole),
    doneBytes: download.receivedBytes,
    state: end?.outcome ?? 'live',
    ...(end?.outcome === 'failed' ? { code: end.error.code } : {}),
    scheme: settings.scheme,
    ms,
    bytesTwice,
    lines: download
      .lines()
      .map(({ id, name, bytes, bytesPerSecond }) => ({ id, name, bytes, bytesPerSecond })),
  };
}

interface Known {
  readonly report: DownloadReport;
  /** Wall clock. */
  readonly startedAt: Milliseconds;
  /** Monotonic. */
  readonly heardAt: Milliseconds;
}

export class ReportedDownloads {
  readonly #clock: Clock;
  /** Those that were heard of last are last. */
  readonly #known = new Map<string, Known>();

  constructor(clock: Clock) {
    this.#clock = clock;
  }

  /** @throws LinepoolError `bad_request` when the id is none */
  report(id: string, report: DownloadReport): void {
    if (!/^[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}$/.test(id))
      throw new LinepoolError(
        'bad_request',
        `${JSON.stringify(id.slice(0, 40))} is not the id of a download`,
      );
    const startedAt = this.#known.get(id)?.startedAt ?? this.#clock.wall() - report.ms;
    this.#known.delete(id);
    this.#known.set(id, { report, startedAt, heardAt: this.#clock.now() });
    for (const [oldest] of this.#known) {
      if (this.#known.size <= KEPT.downloads) break;
      this.#known.delete(oldest);
    }
  }

  /** In the words of the API. */
  list(): readonly Download[] {
    const now = this.#clock.now();
    return [...this.#known].map(([id, { report, startedAt, heardAt }]) => {
      const { doneBytes, lines, state, ...rest } = report;
      const live = state === 'live' && now - heardAt <= SILENT_MS;
      const byPath = <T>(of: (line: (typeof lines)[number]) => T): Record<string, T> =>
        Object.fromEntries(lines.map((line) => [line.id, of(line)]));
      return {
        ...rest,
        id,
        deliveredBytes: doneBytes,
        state: state === 'live' && !live ? 'abandoned' : state,
        startedAt,
        namesByPath: byPath(({ name }) => name),
        bytesByPath: byPath(({ bytes }) => bytes),
        ratesByPath: live ? byPath(({ bytesPerSecond }) => bytesPerSecond) : {},
        reason: 'linepool get',
        peakWindowBytes: 0,
        spansInFlight: [],
      };
    });
  }
}

/** Live ones first, then as many of the others as are kept; the newest first in each. */
export function together(own: readonly Download[], reported: readonly Download[]): readonly Download[] {
  const all = [...own, ...reported];
  const live = all.filter(({ state }) => state === 'live').sort((a, b) => b.startedAt - a.startedAt);
  const over = all.filter(({ state }) => state !== 'live');
  over.sort((a, b) => b.startedAt + b.ms - (a.startedAt + a.ms));
  return [...live, ...over.slice(0, KEPT.downloads)];
}
