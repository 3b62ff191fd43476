/**
 * Writes docs/lending/measured.md and its picture from the lending results that are kept: the latest of every scenario.
 * Called by main.ts.
 */
import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { LabError } from '../failure.ts';
import { findingOf } from '../findings.ts';
import { REPOSITORY } from '../places.ts';
import { lineChart, type Series } from '../report/svg.ts';
import { shownMachine } from '../results.ts';
import { type LendingFigures, type LendingRound, lendingFiguresOf } from './figures.ts';
import type { LineSample } from './line-samples.ts';
import { type LendingResult, latestLending } from './measured.ts';
import type { LendingScenario } from './scenario.ts';
import { LENDING_SCENARIOS } from './scenarios.ts';

const FOLDER = join(REPOSITORY, 'docs', 'lending');
/** A point of the picture is the rate of so long; so long before the first own download, and in all. */
const POINT_MS = 100;
const BEFORE_MS = 3_000;
const SHOWN_MS = 14_000;

interface Measured {
  readonly scenario: LendingScenario;
  readonly result: LendingResult;
  readonly figures: LendingFigures;
}

/** Own, lent and total rate over time, around an own download of the last round. Pure. */
export function overTime({ samples, ownLending }: LendingRound, title: string): string | undefined {
  const [first] = ownLending;
  if (first === undefined) return undefined;
  const from = first.from - BEFORE_MS;
  const points = (count: (sample: LineSample) => number): Series['points'] => {
    let before: LineSample | undefined;
    return samples.flatMap((sample): Series['points'] => {
      if (sample.ms < from || sample.ms > from + SHOWN_MS) return [];
      if (before !== undefined && sample.ms - before.ms < POINT_MS) return [];
      const since = before;
      before = sample;
      if (since === undefined) return [];
      const mbit = ((count(sample) - count(since)) * 8) / (sample.ms - since.ms) / 1000;
      return [[(sample.ms - from) / 1000, Math.max(0, mbit)]];
    });
  };
  const series = [
    // Below the others, which make it up.
    { name: 'total', points: points(({ line }) => line) },
    { name: 'own', points: points(({ own }) => own) },
    { name: 'lent', points: points(({ line, own }) => line - own) },
  ];
  return lineChart({ title, x: 'time, s', y: 'Mbit/s on the line' }, series, 'plain');
}

const row = (cells: readonly string[]): string => `| ${cells.join(' | ')} |`;
const shown = (value: number): string => String(Number(value.toPrecision(3)));

/** A machine that was busy, where it is known. */
const lateness = ({ wireLateMs }: LendingFigures): string =>
  wireLateMs > 0 ? ` (packets left the wire up to ${wireLateMs.toFixed(0)} ms late)` : '';

function verdicts(all: readonly Measured[]): readonly string[] {
  return all.flatMap(({ scenario, figures }) =>
    figures.bars.map(({ figure, bar, value, held }) => {
      const spread = figures.figures[figure];
      const most = spread === undefined ? '' : `${shown(spread.least)} to ${shown(spread.most)}`;
      const cause = held ? '' : (findingOf(scenario.name, figure)?.cause ?? 'not yet explained');
      const cells = [scenario.name, figure, bar, value === null ? 'not measured' : shown(value), most];
      return row([...cells, held ? 'held' : '**missed**', cause]);
    }),
  );
}

/** Writes it all. Gives the file. @throws LabError when nothing was measured yet */
export function writeLendingReport(): string {
  const results = latestLending();
  const all = [...LENDING_SCENARIOS.values()].flatMap((scenario): Measured[] => {
    const result = results.get(scenario.name);
    return result === undefined
      ? []
      : [{ scenario, result, figures: lendingFiguresOf(scenario, result.rounds) }];
  });
  const [first] = all;
  if (first === undefined) throw new LabError('Nothing was measured yet: npm run lab -- lending');
  mkdirSync(FOLDER, { recursive: true });
  const drawn = all.find(({ scenario }) => scenario.picture);
  const round = drawn?.result.rounds.at(-1);
  const title = 'A lent line of 50 Mbit/s while its own people download: own, lent and total';
  const svg = round === undefined ? undefined : overTime(round, title);
  if (svg !== undefined) writeFileSync(join(FOLDER, 'over-time.svg'), svg);
  const left = [...LENDING_SCENARIOS.keys()].filter((name) => !results.has(name));
  const bars = all.flatMap(({ figures }) => figures.bars);
  const rounds = [...new Set(all.map(({ figures }) => figures.rounds))].sort((a, b) => a - b);
  const file = join(FOLDER, 'measured.md');
  writeFileSync(
    file,
    `# Lending, measured

Written by \`npm run lab -- report --lending\` from what \`npm run lab -- lending\` measured; how, and what the figures are, is in [lab.md](../lab.md#lending).
Machine: ${[...new Set(all.map(({ result }) => shownMachine(result.machine)))].join('; ')}. Commit: ${[...new Set(all.map(({ result }) => result.commit))].join(', ')}. Rounds: ${rounds.join(', ')}.
${bars.filter(({ held }) => held).length} of ${bars.length} bars were held.${left.length === 0 ? '' : ` Not measured here: ${left.join(', ')}.`}

![${title}](over-time.svg)

| scenario | figure | bar | median | least to most | | cause |
| --- | --- | --- | --- | --- | --- | --- |
${verdicts(all).join('\n')}

${all.map(({ scenario, figures }) => `- \`${scenario.name}\`: ${scenario.says}${lateness(figures)}`).join('\n')}
`,
  );
  return file;
}
