/**
 * The figures: what the measurements of a scenario come to, and whether its bars held. Pure.
 *
 *     efficiency = what came per second pooled / sum of what each line reached alone in the same round
 */
import { type Bytes, type BytesPerSecond, GIB, MIB, type Milliseconds } from '../src/core/units.ts';
import { type Judged, judge, type Strictness, valuesOf } from './bars.ts';
import { median } from './middle.ts';
import type { Carried, PooledRun, Result, Round } from './results.ts';
import type { PoolScheme, Scenario } from './scenario.ts';
import type { Sample, Transfer } from './watched.ts';

export interface Spread {
  readonly median: number;
  readonly least: number;
  readonly most: number;
  readonly values: readonly number[];
}

export interface Figures {
  readonly scenario: string;
  readonly rounds: number;
  readonly aloneMbit: readonly number[];
  readonly aria2Ms: Spread | null;
  readonly mptcpMs: Spread | null;
  /** Of the client alone, which has nothing to do but to take what comes: what a process costs on these lines at the least. */
  readonly mptcpCpuPerGiB: Spread | null;
  readonly schemes: Readonly<Partial<Record<PoolScheme, SchemeFigures>>>;
  readonly bars: readonly Judged[];
  readonly allRight: boolean;
  readonly held: boolean;
}

export interface Evaluated {
  readonly scenario: Scenario;
  readonly result: Result;
  readonly figures: Figures;
}

export interface SchemeFigures {
  readonly ms: Spread;
  readonly efficiency: Spread;
  /** Of the own line alone: above 1 is faster. */
  readonly ofOwn: Spread;
  /** What neighbours brought of the bytes; null where nothing was pooled, in no round. */
  readonly neighbourPart: Spread | null;
  readonly windowMiB: Spread;
  readonly twicePart: Spread;
  readonly lastPartRate: Spread | null;
  readonly longestGapMs: Spread | null;
  /** Of all processes but the wire. */
  readonly cpuPerGiB: Spread;
  readonly cpuPerGiBBy: Readonly<Record<string, number>>;
  readonly cpuMs: Readonly<Record<string, number>>;
}

/** The end of a file whose rate is compared with that of the whole. */
const LAST_PART = 0.05;
/** What the daemon calls the own line. */
export const OWN_PATH = 'own';
/** TCP's payload of a packet of 1500 bytes, with time stamps. */
export const PAYLOAD = 1448 / 1500;

const spread = (values: readonly number[]): Spread => ({
  median: median(values),
  least: Math.min(...values),
  most: Math.max(...values),
  values,
});

const spreadOf = (values: readonly (number | undefined)[]): Spread | null => {
  const known = values.filter((value) => value !== undefined);
  return known.length === 0 ? null : spread(known);
};

export const goodput = ({ bytes, ms }: Transfer): BytesPerSecond => (bytes * 1000) / ms;

/** What all lines could have carried of files, in the first `ms` of the scenario's weather. */
export function carriable({ lines }: Scenario, ms: Milliseconds): Bytes {
  let bytes = 0;
  for (const { down, trace } of lines) {
    if (trace === undefined) bytes += (down * ms) / 1000;
    else
      for (let n = 0, at = 0; at < ms; n += 1, at += trace.every)
        bytes += ((trace.down[n % trace.down.length] ?? 0) * Math.min(trace.every, ms - at)) / 1000;
  }
  return bytes * PAYLOAD;
}

/** What lines alone had carried by then; by `otherwise` where nobody looked for so long. */
function carriedBy(samples: readonly Carried[], ms: Milliseconds, otherwise: () => Bytes): Bytes {
  const after = samples.findIndex((sample) => sample.ms >= ms);
  const [before, next] = [samples[after - 1], samples[after]];
  if (before === undefined || next === undefined) return otherwise();
  return before.bytes + ((next.bytes - before.bytes) * (ms - before.ms)) / (next.ms - before.ms);
}

function efficiency(scenario: Scenario, round: Round, run: PooledRun): number {
  if (scenario.lines.some(({ trace }) => trace !== undefined))
    return run.bytes / carriedBy(round.aloneCarried ?? [], run.ms, () => carriable(scenario, run.ms));
  return goodput(run) / round.alone.reduce((sum, line) => sum + goodput(line), 0);
}

/** When the client had that many bytes. */
function timeOf(samples: readonly Sample[], bytes: Bytes): Milliseconds {
  let before: Sample | undefined;
  for (const sample of samples) {
    if (sample.delivered >= bytes) {
      if (before === undefined || sample.delivered === before.delivered) return sample.ms;
      const part = (bytes - before.delivered) / (sample.delivered - before.delivered);
      return before.ms + part * (sample.ms - before.ms);
    }
    before = sample;
  }
  return before?.ms ?? 0;
}

/** The rate at which the last bytes came, over the rate of all. */
export function lastPartRate({ samples, bytes }: Pick<PooledRun, 'samples' | 'bytes'>): number {
  const first = timeOf(samples, 1);
  const end = timeOf(samples, bytes);
  const last = end - timeOf(samples, bytes * (1 - LAST_PART));
  return (LAST_PART * (end - first)) / Math.max(1, last);
}

/** The longest time in which the client got nothing, once it had begun to get something. */
export function longestGapMs({ samples }: Pick<PooledRun, 'samples'>): Milliseconds {
  let longest = 0;
  let since: Sample | undefined;
  for (const sample of samples) {
    if (sample.delivered === 0) continue;
    if (since === undefined || sample.delivered > since.delivered) {
      if (since !== undefined) longest = Math.max(longest, sample.ms - since.ms);
      since = sample;
    }
  }
  return longest;
}

const perGiB = ({ bytes }: Transfer, ms: Milliseconds): number => (ms / 1000 / bytes) * GIB;

function schemeFigures(scenario: Scenario, result: Result, scheme: PoolScheme): SchemeFigures {
  const runs = result.rounds.flatMap((round) =>
    round.pooled.filter((run) => run.scheme === scheme).map((run) => ({ round, run })),
  );
  const each = (figure: (run: PooledRun, round: Round) => number): Spread =>
    spread(runs.map(({ run, round }) => figure(run, round)));
  const some = (figure: (run: PooledRun) => number | undefined): Spread | null =>
    spreadOf(runs.map(({ run }) => figure(run)));
  // aria2 keeps what came for a while before it writes it: its file does not say when it came.
  const seen = scenario.downloads === 1 && scenario.client !== 'aria2';
  const names = new Set(runs.flatMap(({ run }) => Object.keys(run.cpuMs)));
  const medians = (value: (run: PooledRun, name: string) => number): Record<string, number> =>
    Object.fromEntries([...names].map((name) => [name, median(runs.map(({ run }) => value(run, name)))]));
  return {
    ms: each((run) => run.ms),
    efficiency: each((run, round) => efficiency(scenario, round, run)),
    ofOwn: each((run, { alone: [own] }) => (own === undefined ? Number.NaN : goodput(run) / goodput(own))),
    neighbourPart: runs.some(({ run }) => run.peakWindowBytes !== undefined)
      ? each((run) => neighbourPart(run))
      : null,
    // Of a download that nobody pooled nothing was held, and nothing came twice.
    windowMiB: each((run) => (run.peakWindowBytes ?? 0) / MIB),
    twicePart: each((run) => (run.bytesTwice ?? 0) / run.bytes),
    lastPartRate: some((run) => (seen ? lastPartRate(run) : undefined)),
    longestGapMs: some((run) => (seen ? longestGapMs(run) : undefined)),
    cpuPerGiB: each((run) =>
      perGiB(
        run,
        Object.entries(run.cpuMs).reduce((sum, [name, ms]) => sum + (name === 'wire' ? 0 : ms), 0),
      ),
    ),
    cpuPerGiBBy: medians((run, name) => perGiB(run, run.cpuMs[name] ?? 0)),
    cpuMs: medians((run, name) => run.cpuMs[name] ?? 0),
  };
}

/** Of a round in which nothing was pooled: nothing. */
function neighbourPart({ bytesByPath }: PooledRun): number {
  const all = Object.values(bytesByPath).reduce((sum, bytes) => sum + bytes, 0);
  return all === 0 ? 0 : 1 - (bytesByPath[OWN_PATH] ?? 0) / all;
}

/** Judges everything that was measured. */
export function figuresOf(scenario: Scenario, result: Result, strictness: Strictness = 'typical'): Figures {
  const { rounds } = result;
  const schemes = Object.fromEntries(
    scenario.schemes
      .filter((scheme) => rounds.some(({ pooled }) => pooled.some((run) => run.scheme === scheme)))
      .map((scheme) => [scheme, schemeFigures(scenario, result, scheme)]),
  ) as Figures['schemes'];
  const bars = scenario.bars.map((bar) =>
    judge(bar, valuesOf(bar.figure, schemes.adaptive, rounds), strictness),
  );
  const allRight = rounds.every(({ pooled }) => pooled.every(({ isRight }) => isRight));
  return {
    scenario: scenario.name,
    rounds: rounds.length,
    aloneMbit: scenario.lines.map((_, i) =>
      median(
        rounds.map(({ alone }) => (alone[i] === undefined ? Number.NaN : (goodput(alone[i]) * 8) / 1e6)),
      ),
    ),
    aria2Ms: spreadOf(rounds.map(({ aria2 }) => aria2?.ms)),
    mptcpMs: spreadOf(rounds.map(({ mptcp }) => mptcp?.ms)),
    mptcpCpuPerGiB: spreadOf(
      rounds.map(({ mptcp }) => (mptcp === undefined ? undefined : perGiB(mptcp, mptcp.cpuMs))),
    ),
    schemes,
    bars,
    allRight,
    held: allRight && bars.every(({ held }) => held),
  };
}
