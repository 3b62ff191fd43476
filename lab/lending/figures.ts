/**
 * The figures of a lending scenario: what the samples of the line come to, and whether its bars held. Pure; measured.ts and
 * the report call it.
 *
 *     line bytes - own bytes = lent bytes
 */
import type { Event } from '../../src/core/events.ts';
import type { Bytes, BytesPerSecond, Milliseconds } from '../../src/core/units.ts';
import type { Strictness } from '../bars.ts';
import type { Spread } from '../figures.ts';
import { median, percentile } from '../middle.ts';
import type { LineSample } from './line-samples.ts';
import { ceilingOf, type LendingBar, type LendingFigureName, type LendingScenario } from './scenario.ts';

/** A stretch of time, on the samples' clock. */
export interface Stretch {
  readonly from: Milliseconds;
  readonly to: Milliseconds;
}

/** One download of the lender's own people. */
export interface OwnDownload extends Stretch {
  readonly bytes: Bytes;
  /** As the client says. */
  readonly ms: Milliseconds;
}

export interface LendingRound {
  readonly samples: readonly LineSample[];
  /** While nobody borrowed, and while somebody did. */
  readonly ownAlone: readonly OwnDownload[];
  readonly ownLending: readonly OwnDownload[];
  /** How long each small request took. */
  readonly smallAloneMs: readonly Milliseconds[];
  readonly smallLendingMs: readonly Milliseconds[];
  /** Somebody borrowed, and when nobody at home wanted more than a small request meanwhile. */
  readonly lending: Stretch;
  readonly idle: Stretch;
  /** By how much a packet left the wire later than it should, at most: a busy machine, of which no figure is to be trusted. */
  readonly wireLateMs: Milliseconds;
  /** What the daemons said went wrong; nothing is judged by it. */
  readonly troubles: readonly {
    readonly ms: Milliseconds;
    readonly household: string;
    readonly event: Event;
  }[];
}

export interface LendingJudged {
  readonly figure: LendingFigureName;
  readonly bar: string;
  readonly value: number | null;
  readonly held: boolean;
}

export interface LendingFigures {
  readonly scenario: string;
  readonly rounds: number;
  readonly figures: Readonly<Partial<Record<LendingFigureName, Spread>>>;
  readonly bars: readonly LendingJudged[];
  /** In the middle round. */
  readonly wireLateMs: Milliseconds;
  /** Why nothing was measured. */
  readonly leftOut?: string;
  readonly held: boolean;
}

type Count = (sample: LineSample) => number;
const lent: Count = ({ line, own }) => line - own;
const own: Count = (sample) => sample.own;

/** A rate is that of so long. */
const RATE_MS: Milliseconds = 50;
/** Demand begins with its first packet of data; what opens a connection is smaller. */
const BEGUN_BYTES: Bytes = 500;
/** The lender has yielded when so little of its line is lent, and stays so for a while: to who wants all, nothing is left over. */
const YIELDED_PART = 0.05;
const YIELDED_FOR_MS: Milliseconds = 200;
/** It is back when so much of what was lent before is lent again. */
const BACK_PART = 0.95;
const BACK_RATE_MS: Milliseconds = 250;
const P95 = 0.95;
/** By which part of the bar a short run may miss it before that is more than noise. */
const NOISE_PART = 0.05;

/** Of a count at that time, between the samples. */
function at(samples: readonly LineSample[], count: Count, ms: Milliseconds): number {
  let low = 0;
  let high = samples.length - 1;
  while (low < high) {
    const middle = (low + high) >> 1;
    if ((samples[middle]?.ms ?? 0) < ms) low = middle + 1;
    else high = middle;
  }
  const after = samples[low];
  const before = samples[low - 1] ?? after;
  if (after === undefined || before === undefined) return Number.NaN;
  if (after.ms <= before.ms || ms >= after.ms) return count(after);
  const part = Math.max(0, (ms - before.ms) / (after.ms - before.ms));
  return count(before) + part * (count(after) - count(before));
}

const rateIn = (samples: readonly LineSample[], count: Count, { from, to }: Stretch): BytesPerSecond =>
  ((at(samples, count, to) - at(samples, count, from)) * 1000) / (to - from);

/** When that count had grown by so much, from that time on. */
function grown(
  samples: readonly LineSample[],
  count: Count,
  from: Milliseconds,
  by: number,
): Milliseconds | undefined {
  const before = at(samples, count, from);
  return samples.find((sample) => sample.ms >= from && count(sample) - before >= by)?.ms;
}

/** From its first request on, what came of it in one second. */
function firstSecond(samples: readonly LineSample[], { from }: OwnDownload): Bytes | undefined {
  const asked = grown(samples, (sample) => sample.asked, from, 1);
  return asked === undefined ? undefined : at(samples, own, asked + 1000) - at(samples, own, asked);
}

function yieldMs(
  { samples }: LendingRound,
  line: BytesPerSecond,
  { from, to }: OwnDownload,
): Milliseconds | undefined {
  const begun = grown(samples, own, from, BEGUN_BYTES);
  if (begun === undefined) return undefined;
  let since: Milliseconds | undefined;
  for (const { ms } of samples) {
    if (ms < begun) continue;
    if (ms > to) break;
    const rate = rateIn(samples, lent, { from: Math.max(begun, ms - RATE_MS), to: ms });
    // In an instant after its beginning there is no rate yet.
    if (ms === begun || rate > line * YIELDED_PART) since = undefined;
    else since ??= ms;
    if (since !== undefined && ms - since >= YIELDED_FOR_MS) return since - begun;
  }
  return to - begun;
}

function backMs(
  { samples, ownLending, lending, idle }: LendingRound,
  { from, to }: OwnDownload,
): Milliseconds | undefined {
  const before = rateIn(samples, lent, idle);
  const total = at(samples, own, to + 1000);
  const ended = samples.find(({ ms, own: bytes }) => ms >= from && bytes >= total)?.ms;
  const until = ownLending.find((next) => next.from > to)?.from ?? lending.to;
  if (ended === undefined) return undefined;
  const back = samples.find(
    ({ ms }) =>
      ms >= ended + BACK_RATE_MS &&
      ms <= until &&
      rateIn(samples, lent, { from: ms - BACK_RATE_MS, to: ms }) >= before * BACK_PART,
  );
  return (back?.ms ?? until) - ended;
}

const goodput = ({ bytes, ms }: OwnDownload): BytesPerSecond => (bytes * 1000) / ms;

/** The largest of any second while somebody borrowed. */
function mostLent({ samples, lending }: LendingRound): BytesPerSecond {
  let most = 0;
  for (const { ms } of samples)
    if (ms >= lending.from + 1000 && ms <= lending.to)
      most = Math.max(most, at(samples, lent, ms) - at(samples, lent, ms - 1000));
  return most;
}

const parts = ({ samples, idle }: LendingRound, count: number): readonly BytesPerSecond[] =>
  Array.from({ length: count }, (_, i) => rateIn(samples, (sample) => sample.borrowers[i] ?? 0, idle));

/** Jain's index: 1 when all have the same. */
export function jain(values: readonly number[]): number {
  const sum = values.reduce((all, value) => all + value, 0);
  return sum ** 2 / (values.length * values.reduce((all, value) => all + value ** 2, 0));
}

/** By how much of its part the one is off that is off most. */
export function weightError(values: readonly number[], weights: readonly number[]): number {
  const sum = values.reduce((all, value) => all + value, 0);
  const heavy = weights.reduce((all, weight) => all + weight, 0);
  return Math.max(...values.map((value, i) => Math.abs(value / sum / ((weights[i] ?? 0) / heavy) - 1)));
}

/** Of one round; of what comes several times in a round, each. */
function valuesOf(
  name: LendingFigureName,
  scenario: LendingScenario,
  round: LendingRound,
): readonly number[] {
  const { samples, ownAlone, ownLending, idle } = round;
  const known = (values: readonly (number | undefined)[]): readonly number[] =>
    values.filter((value) => value !== undefined);
  const ratio = (value: (one: OwnDownload) => number | undefined): readonly number[] => {
    const alone = known(ownAlone.map(value));
    const lending = known(ownLending.map(value));
    return alone.length === 0 || lending.length === 0 ? [] : [median(lending) / median(alone)];
  };
  const rates = parts(round, scenario.borrowers.length);
  switch (name) {
    case 'ownPart':
      return ratio(goodput);
    case 'ownFirstSecond':
      return ratio((one) => firstSecond(samples, one));
    case 'yieldMs':
      return known(ownLending.map((one) => yieldMs(round, scenario.lender.down, one)));
    case 'backMs':
      return known(ownLending.map((one) => backMs(round, one)));
    case 'ownLatencyMoreMs':
      return round.smallLendingMs.length === 0 || round.smallAloneMs.length === 0
        ? []
        : [percentile(round.smallLendingMs, P95) - percentile(round.smallAloneMs, P95)];
    case 'lentPart':
      return [rateIn(samples, lent, idle) / ceilingOf(scenario)];
    case 'lentMost':
      return [mostLent(round) / ceilingOf(scenario)];
    case 'jain':
      return [jain(rates)];
    case 'weightError':
      return [
        weightError(
          rates,
          scenario.borrowers.map(({ weight }) => weight ?? 1),
        ),
      ];
  }
}

/** `noisy`: for a round or two on a shared machine, a bar is missed when all of them miss it by more than noise does. */
function judge(
  bar: LendingBar,
  rounds: readonly (readonly number[])[],
  strictness: Strictness,
): LendingJudged {
  const [floor, limit] = 'atLeast' in bar ? [true, bar.atLeast] : [false, bar.atMost];
  const text = floor ? `>= ${limit}` : `<= ${limit}`;
  // Who waits once in twenty times waits too often.
  const of = (values: readonly number[]): number =>
    bar.figure === 'yieldMs' ? percentile(values, P95) : median(values);
  const known = (strictness === 'noisy' ? rounds : [rounds.flat()]).filter((values) => values.length > 0);
  if (known.length === 0) return { figure: bar.figure, bar: text, value: null, held: false };
  const each = known.map(of);
  const value = floor ? Math.max(...each) : Math.min(...each);
  const slack = strictness === 'noisy' ? limit * NOISE_PART : 0;
  const held = floor ? value >= limit - slack : value <= limit + slack;
  return { figure: bar.figure, bar: text, value, held };
}

/** Judges everything that was measured. */
export function lendingFiguresOf(
  scenario: LendingScenario,
  rounds: readonly LendingRound[],
  strictness: Strictness = 'typical',
): LendingFigures {
  const byRound = scenario.bars.map(({ figure }) => rounds.map((round) => valuesOf(figure, scenario, round)));
  const bars = scenario.bars.map((bar, i) => judge(bar, byRound[i] ?? [], strictness));
  const all = scenario.bars.map(({ figure }, i) => [figure, byRound[i]?.flat() ?? []] as const);
  return {
    scenario: scenario.name,
    rounds: rounds.length,
    wireLateMs: rounds.length === 0 ? 0 : median(rounds.map((round) => round.wireLateMs)),
    figures: Object.fromEntries(
      all
        .filter(([, values]) => values.length > 0)
        .map(([figure, values]) => [
          figure,
          { median: median(values), least: Math.min(...values), most: Math.max(...values), values },
        ]),
    ),
    bars,
    held: bars.every(({ held }) => held),
  };
}
