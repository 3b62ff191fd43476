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
 * By what rule bars are judged.
 * - `typical`  the median (of gaps: the 95th percentile) must hold.
 * - `noisy`    for a few rounds on a shared machine: the bar is missed when all rounds miss it (were the true median at the
 *              bar, three rounds would do that once in eight times: a sign test), or when the median misses it by more than
 *              noise does.
 */
export type Strictness = 'typical' | 'noisy';

/** By which part of the bar a median may miss it before that is more than noise. */
const NOISE_PART = 0.05;
/** Gaps are counted in looks, and one look more is a quarter of the shortest. */
const GAP_NOISE_PART = 0.25;
/** A client that waits once in twenty times waits too often. */
const GAP_PERCENTILE = 0.95;

export function judge(bar: Bar, values: readonly number[], strictness: Strictness): Judged {
  const [floor, limit] = 'atLeast' in bar ? [true, bar.atLeast] : [false, bar.atMost];
  const text = floor ? `>= ${limit}` : `<= ${limit}`;
  if (values.length === 0) return { figure: bar.figure, bar: text, value: null, held: false };
  const isGap = bar.figure === 'longestGapMs';
  const holds = (value: number, slack: number): boolean =>
    floor ? value >= limit * (1 - slack) : value <= limit * (1 + slack);
  const value = strictness === 'typical' && isGap ? percentile(values, GAP_PERCENTILE) : median(values);
  const held =
    strictness === 'typical'
      ? holds(value, 0)
      : values.some((one) => holds(one, 0)) && holds(value, isGap ? GAP_NOISE_PART : NOISE_PART);
  return { figure: bar.figure, bar: text, value, held };
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
