/**
 * Runs attacks one after the other and judges them. Called by the command line, which prints what comes of it.
 */
import type { Attack, Figures, Means } from './attack.ts';

/** One attack, judged. */
export interface Judged extends Figures {
  readonly name: string;
  readonly bar: string;
  readonly held: boolean;
  readonly seconds: number;
}

export interface Report {
  /** Every bar held. */
  readonly held: boolean;
  readonly seed: number;
  readonly attacks: readonly Judged[];
}

export interface RunOptions extends Pick<Means, 'seed' | 'signal' | 'say'> {
  readonly quick: boolean;
  /** Told of each as soon as it is judged. */
  readonly onJudged: (judged: Judged) => void;
}

/** @throws AttackError when one can't be mounted; the signal's reason when it aborts */
export async function runAttacks(attacks: readonly Attack[], options: RunOptions): Promise<Report> {
  const { quick, seed, signal, say, onJudged } = options;
  const judged: Judged[] = [];
  for (const attack of attacks) {
    signal.throwIfAborted();
    const tries = quick ? attack.quickTries : attack.tries;
    if (tries === 0) {
      say(`${attack.name}: left out, it takes the long form`);
      continue;
    }
    say(`${attack.name}: ${attack.says}`);
    const begun = performance.now();
    const figures = await attack.run({ tries, seed, signal, say: (line) => say(`  ${line}`) });
    const one: Judged = {
      name: attack.name,
      ...figures,
      bar: attack.bar.says,
      held: attack.bar.holds(figures, tries),
      seconds: (performance.now() - begun) / 1000,
    };
    judged.push(one);
    onJudged(one);
  }
  return { held: judged.every(({ held }) => held), seed, attacks: judged };
}
