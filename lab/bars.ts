/**
 * Whether a bar held: which figure of which rounds is held to it, and by what rule. Pure; figures.ts calls it.
 */
import type { Milliseconds } from '../src/core/units.ts';
import { median, percentile } from './middle.ts';
import type { PooledRun, Round } from './results.ts';
import type { Bar, FigureName } from './scenario.ts';

export interface Judged {
  readonly figure: FigureName;
  readonly bar: string;
  readonly value: number | null;
  readonly held: boolean;
}

/**
 * By what rule bars are judged, but those for every round.
 * - `typical`  the median (of gaps: the 95th percentile) must hold.
 * - `noisy`    for a few rounds on a shared machine: the bar is missed when all rounds miss it (were the true median at the
 *              bar, three rounds would do that once in eight times: a sign test), or when the median misses it by more than
 *              noise does.
 * A bar for every round is held by the worst; where it is noisy, if that misses it by no more than noise does. One for typical rounds is
 * held by the median, where it is noisy too: of a bar that is known to be missed by little no round can be asked to hold it.
 */
export type Strictness = 'typical' | 'noisy';

/** By which part of the bar a median may miss it before that is more than noise. */
const NOISE_PART = 0.05;
/** Gaps are counted in looks, and one look more is a quarter of the shortest. */
const GAP_NOISE_PART = 0.25;
/** Of 60 MB a span or two are all that may come twice. */
const TWICE_NOISE_PART = 0.5;
/** A client that waits once in twenty times waits too often. */
const GAP_PERCENTILE = 0.95;

const noisePart = (figure: FigureName): number =>
  figure === 'longestGapMs' ? GAP_NOISE_PART : figure === 'twicePart' ? TWICE_NOISE_PART : NOISE_PART;

export function judge(bar: Bar, values: readonly number[], strictness: Strictness): Judged {
  const { figure } = bar;
  const [floor, limit] = 'atLeast' in bar ? [true, bar.atLeast] : [false, bar.atMost];
  const isForEvery = bar.rounds === 'every';
  const text = `${floor ? '>=' : '<='} ${limit}${isForEvery ? ' in every round' : ''}`;
  if (values.length === 0) return { figure, bar: text, value: null, held: false };
  const isNoisy = strictness === 'noisy';
  const slack = isNoisy ? noisePart(figure) : 0;
  const holds = (one: number, part: number): boolean =>
    floor ? one >= limit * (1 - part) : one <= limit * (1 + part);
  const typical = !isNoisy && figure === 'longestGapMs' ? percentile(values, GAP_PERCENTILE) : median(values);
  const worst = floor ? Math.min(...values) : Math.max(...values);
  const value = isForEvery ? worst : typical;
  const isSometimesHeld = !isNoisy || bar.rounds !== undefined || values.some((one) => holds(one, 0));
  return { figure, bar: text, value, held: isSometimesHeld && holds(value, slack) };
}

type Measured = Readonly<Partial<Record<FigureName, { readonly values: readonly number[] } | null>>>;

const adaptiveOf = ({ pooled }: Round): PooledRun | undefined =>
  pooled.find((run) => run.scheme === 'adaptive');

/** A figure of the adaptive scheme, in every round in which it was measured. */
export function valuesOf(
  figure: FigureName,
  adaptive: Measured | undefined,
  rounds: readonly Round[],
): readonly number[] {
  const each = (value: (round: Round, ms: Milliseconds) => number | undefined): number[] =>
    rounds.flatMap((round) => {
      const run = adaptiveOf(round);
      return run === undefined ? [] : (value(round, run.ms) ?? []);
    });
  switch (figure) {
    case 'aheadOfMptcp':
      return each(({ mptcp }, ms) => (mptcp === undefined ? undefined : mptcp.ms / ms));
    case 'aheadOfFixed':
      return each(({ pooled }, ms) => {
        const fixed = pooled.find((run) => run.scheme === 'fixed');
        return fixed === undefined ? undefined : 1 - ms / fixed.ms;
      });
    case 'smallLatency':
      return each((round) => {
        const during = adaptiveOf(round)?.smallMs ?? [];
        return during.length === 0 || round.ownSmallMs.length === 0
          ? undefined
          : median(during) / median(round.ownSmallMs);
      });
    case 'efficiency':
    case 'ofOwn':
    case 'longestGapMs':
    case 'windowMiB':
    case 'lastPartRate':
    case 'twicePart':
    case 'cpuPerGiB':
      return adaptive?.[figure]?.values ?? [];
  }
}
