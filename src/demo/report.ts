/**
 * What the demo says at its end: the figures, as JSON and as a table. Pure.
 *
 *     efficiency = what came per second pooled / sum of what each line reached alone
 */
import { type Bytes, type BytesPerSecond, formatRate, type Milliseconds } from '../core/units.ts';

/** One scheme, http or https, measured. */
export interface Measured {
  readonly bytes: Bytes;
  /** The file over each line alone, in the order of the lines. */
  readonly aloneMs: readonly Milliseconds[];
  readonly pooledMs: Milliseconds;
  /** What each line brought of the pooled download, in the order of the lines. */
  readonly bytesByLine: readonly Bytes[];
  /** False when any of the downloads had other bytes than the origin. */
  readonly sha256Match: boolean;
}

export interface LineShown {
  readonly name: string;
  readonly rate: BytesPerSecond;
  readonly delay: Milliseconds;
}

export interface Figures {
  /** Over the first line, the household's own. */
  readonly ownMs: Milliseconds;
  readonly pooledMs: Milliseconds;
  readonly speedup: number;
  readonly efficiency: number;
  readonly bytes: Bytes;
  readonly bytesByPath: Readonly<Record<string, Bytes>>;
  readonly sha256Match: boolean;
  readonly lines: readonly {
    readonly name: string;
    readonly mbit: number;
    readonly aloneMbit: number;
    readonly delayMs: Milliseconds;
  }[];
}

/** The JSON that `--json` prints; http at the top, https in its own object. */
export type Report = Figures & { readonly https: Figures; readonly totalMs: Milliseconds };

const round = (value: number, digits: number): number => Number(value.toFixed(digits));

const rateOf = (bytes: Bytes, ms: Milliseconds): BytesPerSecond => (bytes * 1000) / ms;

/** Reckons the figures of one scheme. */
export function figuresOf(lines: readonly LineShown[], measured: Measured): Figures {
  const { bytes, aloneMs, pooledMs, bytesByLine, sha256Match } = measured;
  const ownMs = aloneMs[0] ?? 0;
  const sum = aloneMs.reduce((total, ms) => total + rateOf(bytes, ms), 0);
  return {
    ownMs: round(ownMs, 1),
    pooledMs: round(pooledMs, 1),
    speedup: round(ownMs / pooledMs, 3),
    efficiency: round(rateOf(bytes, pooledMs) / sum, 4),
    bytes,
    bytesByPath: Object.fromEntries(lines.map(({ name }, i) => [name, bytesByLine[i] ?? 0])),
    sha256Match,
    lines: lines.map(({ name, rate, delay }, i) => ({
      name,
      mbit: round((rate * 8) / 1e6, 2),
      aloneMbit: round((rateOf(bytes, aloneMs[i] ?? 0) * 8) / 1e6, 2),
      delayMs: delay,
    })),
  };
}

/** Columns of equal width, the first to the left and the others to the right. */
function table(rows: readonly (readonly string[])[]): string[] {
  const widths = (rows[0] ?? []).map((_, column) => Math.max(...rows.map((row) => row[column]?.length ?? 0)));
  return rows.map((row) =>
    row
      .map((cell, column) =>
        column === 0 ? cell.padEnd(widths[column] ?? 0) : cell.padStart(widths[column] ?? 0),
      )
      .join('   ')
      .trimEnd(),
  );
}

const mega = (bytes: Bytes): string => `${(bytes / 1e6).toFixed(1)} MB`;
const mbit = (value: number): string => formatRate((value * 1e6) / 8);
const seconds = (ms: Milliseconds): string => `${(ms / 1000).toFixed(2)} s`;
const percent = (part: number, whole: number): string =>
  `${((100 * part) / Math.max(1, whole)).toFixed(0)} %`;

/** The closing table, for people. */
export function formatReport(report: Report): string {
  const { https } = report;
  const brought = (figures: Figures, name: string): string[] => {
    const bytes = figures.bytesByPath[name] ?? 0;
    return [mega(bytes), percent(bytes, figures.bytes)];
  };
  const lines = report.lines.map((line, i) => [
    line.name,
    mbit(line.mbit),
    `${line.delayMs} ms`,
    mbit(line.aloneMbit),
    ...brought(report, line.name),
    mbit(https.lines[i]?.aloneMbit ?? 0),
    ...brought(https, line.name),
  ]);
  const both = (name: string, show: (figures: Figures) => string): string[] => [
    name,
    show(report),
    show(https),
  ];
  return [
    ...table([['line', 'rate', 'delay', 'alone', 'brought', '', 'alone, https', 'brought', ''], ...lines]),
    '',
    ...table([
      [mega(report.bytes), 'http', 'https'],
      both('own line alone', (f) => seconds(f.ownMs)),
      both('pooled', (f) => seconds(f.pooledMs)),
      both('speed-up', (f) => f.speedup.toFixed(2)),
      both('share of the sum', (f) => f.efficiency.toFixed(3)),
      both('checksum', (f) => (f.sha256Match ? 'ok' : 'WRONG')),
    ]),
  ].join('\n');
}
