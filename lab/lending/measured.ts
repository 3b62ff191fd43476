/**
 * A lending scenario measured, kept and judged. Called by main.ts; the report reads what is kept.
 */
import { join } from 'node:path';
import type { Milliseconds } from '../../src/core/units.ts';
import { findingOf } from '../findings.ts';
import { RESULTS_FOLDER } from '../places.ts';
import { commit, keep, latest, machine } from '../results.ts';
import { type LendingFigures, type LendingRound, lendingFiguresOf } from './figures.ts';
import { type LendingSettings, runLending, whyLeftOut } from './run.ts';
import type { LendingScenario } from './scenario.ts';

/** Beside those of pooled downloads, which are others. */
const FOLDER = join(RESULTS_FOLDER, 'lending');

export interface LendingResult {
  readonly scenario: string;
  /** When it began. */
  readonly at: string;
  readonly machine: string;
  readonly commit: string;
  readonly quick: boolean;
  /** As those of pooled downloads have it. */
  readonly profiled?: boolean;
  readonly complete?: boolean;
  readonly rounds: readonly LendingRound[];
}

/** A wire that is later than this makes figures that say little. */
const LATE_MS: Milliseconds = 10;
/** What of it a short run does. */
const QUICK_IDLE_MS: Milliseconds = 3_000;
const QUICK_TIMES = 2;

/** In less time: for CI. A bar that is known to be missed is not judged: it would say nothing new. */
export function quickenedLending(scenario: LendingScenario): LendingScenario {
  const { own, idle, bars, name } = scenario;
  return {
    ...scenario,
    idle: Math.min(idle, QUICK_IDLE_MS),
    own: { ...own, times: Math.min(own.times, QUICK_TIMES) },
    bars: bars.filter(({ figure }) => findingOf(name, figure) === undefined),
  };
}

export async function measuredLending(
  scenario: LendingScenario,
  settings: LendingSettings & { readonly quick: boolean },
): Promise<LendingFigures> {
  const leftOut = await whyLeftOut(scenario);
  if (leftOut !== undefined)
    return { scenario: scenario.name, rounds: 0, wireLateMs: 0, figures: {}, bars: [], leftOut, held: true };
  const about = {
    scenario: scenario.name,
    at: new Date().toISOString(),
    machine: machine(),
    commit: commit(),
    quick: settings.quick,
    profiled: settings.profiles !== undefined,
  };
  const soFar = (rounds: readonly LendingRound[]): void => {
    keep({ ...about, rounds, complete: false } satisfies LendingResult, FOLDER);
  };
  const rounds = await measuredRounds(scenario, settings, soFar);
  keep({ ...about, rounds, complete: true } satisfies LendingResult, FOLDER);
  return lendingFiguresOf(scenario, rounds, settings.quick ? 'noisy' : 'typical');
}

/** A short run is done once more when a bar was missed, and then judged by both. */
async function measuredRounds(
  scenario: LendingScenario,
  settings: LendingSettings & { readonly quick: boolean },
  kept: (rounds: readonly LendingRound[]) => void,
): Promise<readonly LendingRound[]> {
  const first = await runLending(scenario, { ...settings, kept });
  if (!settings.quick || lendingFiguresOf(scenario, first, 'noisy').held) return first;
  settings.say(`${scenario.name}: a bar was missed; measured again, to judge by all rounds`);
  const second = await runLending(scenario, {
    ...settings,
    kept: (rounds) => kept([...first, ...rounds]),
  });
  return [...first, ...second];
}

/** The latest result of every scenario that the report may be written from. */
export const latestLending = (): ReadonlyMap<string, LendingResult> => latest<LendingResult>(FOLDER);

/** For people. */
export const shownLending = ({ bars, leftOut, figures, wireLateMs }: LendingFigures): readonly string[] => [
  ...(wireLateMs > LATE_MS ? [`  a busy machine: packets were up to ${wireLateMs.toFixed(0)} ms late`] : []),
  ...(leftOut === undefined ? [] : [`  left out: ${leftOut}`]),
  ...bars.map(({ figure, bar, value, held }) => {
    const spread = figures[figure];
    const values =
      spread === undefined ? '' : ` (${spread.least.toPrecision(4)} to ${spread.most.toPrecision(4)})`;
    return `  ${held ? 'held  ' : 'MISSED'} ${figure} ${bar}: ${value === null ? 'not measured' : value.toPrecision(4)}${values}`;
  }),
];
