/**
 * Measuring a scenario and judging it: by the medians of many rounds, or quickly, so that a machine that is shared can
 * say whether something got worse. Called by main.ts.
 */
import type { Milliseconds } from '../src/core/units.ts';
import { type Figures, figuresOf } from './figures.ts';
import { findingOf } from './findings.ts';
import { type RunSettings, runScenario } from './run.ts';
import { ALONE_MS, type Bar, quickened, type Scenario } from './scenario.ts';
import { MATRIX } from './scenarios.ts';

/** What a measurement is told; the rest is whether it is a whole or a quick one. */
export type MeasureSettings = Omit<RunSettings, 'aloneMs' | 'quick' | 'firstRound'>;

/** In the place of {@link ALONE_MS}. */
const QUICK_ALONE_MS: Milliseconds = 3_500;

/**
 * What a short matrix can hold to: instead of a bar that is known to be missed, what it was, and of one missed by little the median only.
 * It would fail again and again otherwise, and say nothing new.
 */
function shortBar(scenario: string, bar: Bar): readonly Bar[] {
  const finding = findingOf(scenario, bar.figure);
  if (finding === undefined) return [bar];
  if (finding.near === true) return [{ ...bar, rounds: 'typical' }];
  const { known } = finding;
  if (known === undefined) return [];
  return ['atLeast' in bar ? { ...bar, atLeast: known } : { ...bar, atMost: known }];
}

/** The scenarios that tell most, in less time, held to what they can be held to there. */
export function shortMatrix(): readonly Scenario[] {
  return MATRIX.flatMap((scenario) => {
    const quick = quickened(scenario);
    return quick === undefined
      ? []
      : { ...quick, bars: quick.bars.flatMap((bar) => shortBar(scenario.name, bar)) };
  });
}

export async function measured(scenario: Scenario, settings: MeasureSettings): Promise<Figures> {
  const result = await runScenario(scenario, {
    ...settings,
    aloneMs: ALONE_MS,
    quick: false,
    firstRound: 1,
  });
  return figuresOf(scenario, result, 'typical');
}

/** Measured once more when a bar was missed, and then judged by all rounds. A wrong byte is no matter of noise. */
export async function measuredQuickly(scenario: Scenario, settings: MeasureSettings): Promise<Figures> {
  const quickly = { ...settings, aloneMs: QUICK_ALONE_MS, quick: true };
  const first = await runScenario(scenario, { ...quickly, firstRound: 1 });
  const figures = figuresOf(scenario, first, 'noisy');
  if (figures.held || !figures.allRight) return figures;
  settings.say(`${scenario.name}: a bar was missed; measured again, to judge by all rounds`);
  const second = await runScenario(scenario, { ...quickly, firstRound: settings.rounds + 1 });
  return figuresOf(scenario, { ...second, rounds: [...first.rounds, ...second.rounds] }, 'noisy');
}
