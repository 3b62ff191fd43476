/**
 * The pictures of the evaluation, from the results. Pure: gives SVG texts and what they show; report.ts writes them.
 */
import { type Bytes, MIB } from '../src/core/units.ts';
import { goodput, type Spread } from './figures.ts';
import type { Evaluated } from './report.ts';
import type { PooledRun } from './results.ts';
import { SCHEMES } from './scenario.ts';
import { reorderDensity, strokesOf } from './spans.ts';
import { barChart, lineChart, stackedChart, strokeChart } from './svg.ts';
import type { Sample } from './watched.ts';

export interface Picture {
  readonly file: string;
  readonly says: string;
  readonly svg: string;
}

/** Of which scenarios throughput over time is shown. */
const TIMELINES = ['three-homes', 'vanish', 'stall', 'drop', 'join', 'lte'];
const COMPLETION = ['three-homes', 'falling', 'fast', 'lossy', 'slow-neighbours', 'ten-to-one'];
const SIZES = ['file-1mb', 'file-10mb', 'three-homes', 'file-1gb'];
/** Throughput is averaged over this many samples. */
const SMOOTH = 6;
const PAYLOAD = 1448 / 1500;

export function pictures(all: readonly Evaluated[]): readonly Picture[] {
  const named = (names: readonly string[]): readonly Evaluated[] =>
    names.flatMap((name) => all.filter(({ scenario }) => scenario.name === name));
  return [
    ...completion(named(COMPLETION)),
    ...efficiencyBySize(named(SIZES)),
    ...named(TIMELINES).flatMap(throughput),
    ...named(['three-homes']).flatMap(occupancy),
    ...all.flatMap(spanMap),
  ];
}

const bar = (spread: Spread | null | undefined) =>
  spread === null || spread === undefined
    ? undefined
    : { value: spread.median / 1000, least: spread.least / 1000, most: spread.most / 1000 };

function completion(some: readonly Evaluated[]): Picture[] {
  if (some.length === 0) return [];
  const groups = some.map(({ scenario, figures }) => ({
    name: scenario.name,
    values: [
      bar(figures.aria2Ms),
      bar(figures.mptcpMs),
      ...SCHEMES.map((scheme) => bar(figures.schemes[scheme]?.ms)),
    ],
  }));
  const says = 'Time for the file, by what brought it (median, least and most)';
  const legend = ['own line, aria2', 'MPTCP', ...SCHEMES];
  return [{ file: 'completion.svg', says, svg: barChart({ title: says, x: '', y: 's' }, legend, groups) }];
}

function efficiencyBySize(some: readonly Evaluated[]): Picture[] {
  if (some.length < 2) return [];
  const points = some.map(
    ({ scenario, figures }) =>
      [Math.log10(scenario.bytes / 1e6), figures.schemes.adaptive?.efficiency.median ?? 0] as const,
  );
  const says = 'Efficiency over file size, 50, 50 and 20 Mbit/s';
  const axes = { title: says, x: 'size of the file, log10 of MB', y: 'efficiency' };
  return [{ file: 'size.svg', says, svg: lineChart(axes, [{ name: 'adaptive', points }]) }];
}

/** The adaptive run of the last round. */
const lastRun = ({ result }: Evaluated): PooledRun | undefined =>
  result.rounds.at(-1)?.pooled.find(({ scheme }) => scheme === 'adaptive');

function throughput(one: Evaluated): Picture[] {
  const run = lastRun(one);
  if (run === undefined) return [];
  const series = one.scenario.lines.map((_, line) => ({
    name: line === 0 ? 'own line' : `household ${line + 1}`,
    points: rates(run.samples, (sample) => sample.lines[line] ?? 0),
  }));
  const says = `Throughput by line, ${one.scenario.name}: ${one.scenario.says}`;
  const axes = { title: says, x: 's', y: 'Mbit/s on the line' };
  return [{ file: `throughput-${one.scenario.name}.svg`, says, svg: stackedChart(axes, series) }];
}

function rates(samples: readonly Sample[], bytes: (sample: Sample) => Bytes) {
  return samples.flatMap((sample, i): (readonly [number, number])[] => {
    const before = samples[i - SMOOTH];
    if (before === undefined || sample.ms <= before.ms) return [];
    return [[sample.ms / 1000, ((bytes(sample) - bytes(before)) * 8) / (sample.ms - before.ms) / 1000]];
  });
}

/** What had come over the lines and was not with the client: in the window, and in sockets on the way. */
function occupancy(one: Evaluated): Picture[] {
  const run = lastRun(one);
  if (run === undefined) return [];
  const BIN = 0.25;
  const held = run.samples
    .filter(({ delivered }) => delivered > 0 && delivered < run.bytes)
    .map(({ lines, delivered }) =>
      Math.max(0, (lines.reduce((sum, bytes) => sum + bytes, 0) * PAYLOAD - delivered) / MIB),
    );
  if (held.length === 0) return [];
  const bins = new Map<number, number>();
  for (const mib of held)
    bins.set(Math.floor(mib / BIN), (bins.get(Math.floor(mib / BIN)) ?? 0) + 1 / held.length);
  const points = Array.from(
    { length: Math.max(...bins.keys()) + 2 },
    (_, bin) => [bin * BIN, bins.get(bin) ?? 0] as const,
  );
  const says = `Buffer-occupancy density (after RFC 5236), ${one.scenario.name}`;
  const axes = {
    title: says,
    x: 'MiB that had come and were not with the client',
    y: 'part of all looks',
  };
  return [{ file: 'occupancy.svg', says, svg: lineChart(axes, [{ name: 'adaptive', points }]) }];
}

/** Where in the file each path was at each moment, and how far out of order the blocks came. */
function spanMap(one: Evaluated): Picture[] {
  const { looks } = one.result;
  if (looks === undefined || looks.length < 2) return [];
  const strokes = strokesOf(looks);
  const paths = [...new Set(strokes.map(({ path }) => path))];
  const rate = goodput({ bytes: one.scenario.bytes, ms: Math.max(1, looks.at(-1)?.ms ?? 1) });
  const map = `Span map of one download, ${one.scenario.name}: how far each path was ahead of or behind the mean rate`;
  const density = `Reorder density (after RFC 5236), ${one.scenario.name}`;
  const lowest = Math.min(...strokes.map(({ from }) => from[1] - (rate * from[0]) / 1000));
  const place = ([ms, offset]: readonly [number, number]): readonly [number, number] => [
    ms / 1000,
    (offset - (rate * ms) / 1000 - lowest) / 1e6,
  ];
  const drawn = strokes.map(({ path, from, to }) => ({
    series: paths.indexOf(path),
    from: place(from),
    to: place(to),
  }));
  const displaced = [...reorderDensity(strokes)];
  const least = displaced[0]?.[0] ?? 0;
  const points = displaced.map(([displacement, part]) => [displacement - least, part] as const);
  const names = paths.map((path, i) => (path === 'own' ? 'own line' : `neighbour ${i}`));
  return [
    {
      file: `spans-${one.scenario.name}.svg`,
      says: map,
      svg: strokeChart({ title: map, x: 's', y: 'MB, offset less the mean' }, names, drawn),
    },
    {
      file: `reorder-${one.scenario.name}.svg`,
      says: density,
      svg: lineChart(
        { title: density, x: `displacement in blocks of 64 KiB, plus ${-least}`, y: 'part of all blocks' },
        [{ name: 'adaptive', points }],
      ),
    },
  ];
}
