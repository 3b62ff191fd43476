/**
 * Measuring a scenario and judging it: by the medians of many rounds, or quickly, so that a machine that is shared can
 * say whether something got worse. Called by main.ts.
 */
import type { Milliseconds } from '../src/core/units.ts';
import { type Figures, figuresOf } from './figures.ts';
import { isKnownMissed, isNearlyHeld } from './findings.ts';
import { type RunSettings, runScenario } from './run.ts';
import { ALONE_MS, type Bar, quickened, type Scenario } from './scenario.ts';
import { MATRIX } from './scenarios.ts';

type Settings = Omit<RunSettings, 'aloneMs' | 'quick' | 'firstRound'>;

/** In the place of {@link ALONE_MS}. */
const QUICK_ALONE_MS: Milliseconds = 3_500;

/**
 * The scenarios that tell most, in less time. A bar that is known to be missed is not judged:
 * it would fail every run and say nothing new. One that is missed by little must not be missed by more than noise is.
 */
export function shortMatrix(): readonly Scenario[] {
  return MATRIX.flatMap((scenario) => {
    const quick = quickened(scenario);
    if (quick === undefined) return [];
    const bars = quick.bars
      .filter(({ figure }) => !isKnownMissed(scenario.name, figure))
      .map((bar): Bar => (isNearlyHeld(scenario.name, bar.figure) ? { ...bar, rounds: 'typical' } : bar));
    return { ...quick, bars };
  });
}

export async function measured(scenario: Scenario, settings: Settings): Promise<Figures> {
  const result = await runScenario(scenario, {
    ...settings,
    aloneMs: ALONE_MS,
    quick: false,
    firstRound: 1,
  });
  return figuresOf(scenario, result, 'typical');
}

/** Measured once more when a bar was missed, and then judged by all rounds. A wrong byte is no matter of noise. */
export async function measuredQuickly(scenario: Scenario, settings: Settings): Promise<Figures> {
  const quickly = { ...settings, aloneMs: QUICK_ALONE_MS, quick: true };
  const first = await runScenario(scenario, { ...quickly, firstRound: 1 });
  const figures = figuresOf(scenario, first, 'noisy');
  if (figures.held || !figures.allRight) return figures;
  settings.say(`${scenario.name}: a bar was missed; measured again, to judge by all rounds`);
  const second = await runScenario(scenario, { ...quickly, firstRound: settings.rounds + 1 });
  return figuresOf(scenario, { ...second, rounds: [...first.rounds, ...second.rounds] }, 'noisy');
}
