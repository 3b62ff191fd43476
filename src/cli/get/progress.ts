/**
 * Progress: what a person sees while a file arrives, as a pure function from numbers to lines. drawer.ts puts the
 * lines on the terminal.
 *
 *     image.iso  ██████████░░░░░░░░░░  52 %  52.4 / 100 MiB  68.2 Mbit/s  6.1 s left
 *       own line     48.1 Mbit/s  38.1 MiB
 *       Third floor  20.1 Mbit/s  14.3 MiB
 */

import type { Milliseconds } from '../../core/units.ts';
import {
  type Bytes,
  type BytesPerSecond,
  formatBytes,
  formatDuration,
  formatRate,
} from '../../core/units.ts';

export interface Snapshot {
  readonly name: string;
  /** What is being done; anything but `fetching` says so instead of the time left. */
  readonly doing: 'connecting' | 'waiting' | 'fetching' | 'checking' | 'complete';
  /** Undefined when the origin does not say. */
  readonly bytesTotal: Bytes | undefined;
  /** On disk, from before included. */
  readonly bytesDone: Bytes;
  readonly bytesPerSecond: BytesPerSecond;
  /** Until the end; of the wait, while that goes on. */
  readonly msLeft: Milliseconds | undefined;
  readonly paths: readonly {
    readonly name: string;
    readonly bytes: Bytes;
    readonly bytesPerSecond: BytesPerSecond;
    readonly state: 'connecting' | 'fetching' | 'idle' | 'out';
  }[];
}

const BAR_CELLS = 20;
const NAME_CELLS = 28;
/** More lines than this are summed up in one, so that the display never scrolls. */
const PATHS_SHOWN = 12;

/** The lines for a terminal of this width; none is longer. */
export function renderProgress(snapshot: Snapshot, width: number): string[] {
  const shown = snapshot.paths.slice(0, PATHS_SHOWN);
  const rest = snapshot.paths.slice(PATHS_SHOWN);
  const rows = shown.map((path) => ({
    name: cut(path.name, NAME_CELLS),
    rate: path.state === 'fetching' ? formatRate(path.bytesPerSecond) : path.state,
    bytes: formatBytes(path.bytes),
  }));
  if (rest.length > 0) {
    rows.push({
      name: `${rest.length} more`,
      rate: formatRate(rest.reduce((sum, path) => sum + path.bytesPerSecond, 0)),
      bytes: formatBytes(rest.reduce((sum, path) => sum + path.bytes, 0)),
    });
  }
  const nameCells = Math.max(0, ...rows.map(({ name }) => name.length));
  const rateCells = Math.max(0, ...rows.map(({ rate }) => rate.length));
  const lines = [
    [cut(snapshot.name, NAME_CELLS), bar(snapshot), ...numbers(snapshot)].filter((part) => part !== ''),
    ...rows.map(({ name, rate, bytes }) => [
      `  ${name.padEnd(nameCells)}`,
      rate.padStart(rateCells),
      bytes.padStart(10),
    ]),
  ];
  return lines.map((parts) => cut(parts.join('  '), width));
}

/** One line for a log: no bar, and each line's share behind it. */
export function renderPlain(snapshot: Snapshot): string {
  const shares = snapshot.paths
    .slice(0, PATHS_SHOWN)
    .map(({ name, bytes }) => `${name} ${formatBytes(bytes)}`)
    .join(', ');
  return [snapshot.name, ...numbers(snapshot), ...(shares === '' ? [] : [`(${shares})`])].join('  ');
}

function numbers({ doing, bytesTotal, bytesDone, bytesPerSecond, msLeft }: Snapshot): string[] {
  const of =
    bytesTotal === undefined
      ? formatBytes(bytesDone)
      : `${formatBytes(bytesDone)} / ${formatBytes(bytesTotal)}`;
  const percent = bytesTotal === undefined ? [] : [`${Math.floor(fraction(bytesDone, bytesTotal) * 100)} %`];
  if (doing === 'connecting') return [doing];
  if (doing === 'waiting') return [`the server asks to wait ${formatDuration(msLeft ?? 0)}`];
  if (doing === 'checking') return [...percent, 'checking'];
  const rate = formatRate(bytesPerSecond);
  if (doing === 'complete') return [...percent, of, rate];
  return [...percent, of, rate, ...(msLeft === undefined ? [] : [`${formatDuration(msLeft)} left`])];
}

function bar({ doing, bytesTotal, bytesDone }: Snapshot): string {
  if (bytesTotal === undefined || doing === 'connecting' || doing === 'waiting') return '';
  const cells = Math.floor(fraction(bytesDone, bytesTotal) * BAR_CELLS);
  return '█'.repeat(cells) + '░'.repeat(BAR_CELLS - cells);
}

/** 0 to 1, and 1 for an empty file. */
const fraction = (done: Bytes, total: Bytes): number => (total === 0 ? 1 : Math.min(1, done / total));

/** Names come from servers and neighbours: nothing in them may steer the terminal. */
function cut(text: string, cells: number): string {
  const clean = text.replace(/\p{C}/gu, '\ufffd');
  if (clean.length <= cells) return clean;
  // A surrogate must not be left alone at the end.
  return `${clean.slice(0, Math.max(0, cells - 1)).replace(/[\ud800-\udbff]$/, '')}…`;
}
