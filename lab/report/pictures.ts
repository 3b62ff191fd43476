/**
 * The pictures of the evaluation, from the results. Pure: gives SVG texts and what they show; report.ts writes them.
 */
import { type Bytes, MIB } from '../../src/core/units.ts';
import { type Evaluated, goodput, OWN_PATH, type Spread } from '../figures.ts';
import type { PooledRun } from '../results.ts';
import { SCHEMES } from '../scenario.ts';
import type { Sample } from '../watched.ts';
import { BLOCK_BYTES, occupancyDensity, reorderDensity, strokesOf } from './spans.ts';
import { barChart, densityChart, lineChart, stackedChart, strokeChart } from './svg.ts';

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

export function pictures(all: readonly Evaluated[]): readonly Picture[] {
  const named = (names: readonly string[]): readonly Evaluated[] =>
    names.flatMap((name) => all.filter(({ scenario }) => scenario.name === name));
  return [
    ...completion(named(COMPLETION)),
    ...efficiencyBySize(named(SIZES)),
    ...named(TIMELINES).flatMap(throughput),
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
  return [
    { file: 'completion.svg', says, svg: barChart({ title: says, x: '', y: 'time, s' }, legend, groups) },
  ];
}

function efficiencyBySize(some: readonly Evaluated[]): Picture[] {
  if (some.length < 2) return [];
  const points = some.map(
    ({ scenario, figures }) =>
      [Math.log10(scenario.bytes / 1e6), figures.schemes.adaptive?.efficiency.median ?? 0] as const,
  );
  const says = 'Efficiency over file size, 50, 50 and 20 Mbit/s';
  const marks = some.map(({ scenario }, i) => ({
    at: points[i]?.[0] ?? 0,
    text: `${scenario.bytes / 1e6} MB`,
  }));
  const axes = { title: says, x: 'size of the file', y: 'efficiency' };
  return [{ file: 'size.svg', says, svg: lineChart(axes, [{ name: 'adaptive', points }], marks) }];
}

/** The adaptive run of the last round. */
const lastRun = ({ result }: Evaluated): PooledRun | undefined =>
  result.rounds.at(-1)?.pooled.find(({ scheme }) => scheme === 'adaptive');

function throughput(one: Evaluated): Picture[] {
  const run = lastRun(one);
  if (run === undefined) return [];
  const series = one.scenario.lines.map((_, line) => ({
    name: line === 0 ? 'own line' : `Household ${line + 1}`,
    points: rates(run.samples, (sample) => sample.lines[line] ?? 0),
  }));
  const says = `Throughput by line, ${one.scenario.name}: ${one.scenario.says}`;
  const axes = { title: says, x: 'time, s', y: 'Mbit/s on the lines' };
  return [{ file: `throughput-${one.scenario.name}.svg`, says, svg: stackedChart(axes, series) }];
}

function rates(samples: readonly Sample[], bytes: (sample: Sample) => Bytes) {
  return samples.flatMap((sample, i): (readonly [number, number])[] => {
    const before = samples[i - SMOOTH];
    if (before === undefined || sample.ms <= before.ms) return [];
    return [[sample.ms / 1000, ((bytes(sample) - bytes(before)) * 8) / (sample.ms - before.ms) / 1000]];
  });
}

/** Where in the file each path was at each moment, and how far out of order the blocks came. */
function spanMap(one: Evaluated): Picture[] {
  const { looks } = one.result;
  if (looks === undefined || looks.length < 2) return [];
  const strokes = strokesOf(looks);
  // The own line first, the households by their numbers.
  const paths = [...new Set(strokes.map(({ path }) => path))].sort(
    (a, b) => Number(b === OWN_PATH) - Number(a === OWN_PATH) || a.localeCompare(b),
  );
  const rate = goodput({ bytes: one.scenario.bytes, ms: Math.max(1, looks.at(-1)?.ms ?? 1) });
  const place = ([ms, offset]: readonly [number, number]): readonly [number, number] => [
    ms / 1000,
    (offset - (rate * ms) / 1000) / 1e6,
  ];
  const drawn = strokes.map(({ path, from, to }) => ({
    series: paths.indexOf(path),
    from: place(from),
    to: place(to),
  }));
  const names = paths.map((path) => (path === OWN_PATH ? 'own line' : path));
  const { name } = one.scenario;
  const map = `Span map of one download, ${name}: where in the file each path was, less the mean rate`;
  const displaced = [...reorderDensity(strokes)];
  const ordered = displaced.find(([displacement]) => displacement === 0)?.[1] ?? 0;
  const reorder = `Reorder density (RFC 5236), ${name}: ${(ordered * 100).toFixed(0)} % of the blocks came in their place`;
  const held = [...occupancyDensity(strokes)].map(
    ([blocks, part]) => [(blocks * BLOCK_BYTES) / MIB, part] as const,
  );
  const occupancy = `Reorder buffer-occupancy density (RFC 5236), ${name}`;
  const picture = (kind: string, says: string, svg: string): Picture => ({
    file: `${kind}-${name}.svg`,
    says,
    svg,
  });
  return [
    picture(
      'spans',
      map,
      strokeChart({ title: map, x: 'time, s', y: 'MB, offset less the mean' }, names, drawn),
    ),
    picture(
      'reorder',
      reorder,
      densityChart(
        { title: reorder, x: 'displacement in blocks of 64 KiB; positive: late', y: 'part of all blocks' },
        'adaptive',
        displaced,
      ),
    ),
    picture(
      'occupancy',
      occupancy,
      densityChart(
        {
          title: occupancy,
          x: 'MiB held because something before them was missing',
          y: 'part of all arrivals',
        },
        'adaptive',
        held,
      ),
    ),
  ];
}
