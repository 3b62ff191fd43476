/**
 * Writes docs/evaluation.md and its pictures from the results that are kept: the latest of every scenario. What is
 * said about a missed bar is in findings.ts, by people; the figures are never touched. Called by main.ts.
 */
import { mkdirSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import type { Judged } from '../bars.ts';
import { LabError } from '../failure.ts';
import { type Evaluated, type Figures, figuresOf, type SchemeFigures, type Spread } from '../figures.ts';
import { findingOf } from '../findings.ts';
import { REPOSITORY } from '../places.ts';
import { latestResults, shownMachine } from '../results.ts';
import { ALONE_MS, aloneBytes, SCHEMES } from '../scenario.ts';
import { MATRIX } from '../scenarios.ts';
import { keptRounds } from './kept-rounds.ts';
import { pictures } from './pictures.ts';

const DOCS = join(REPOSITORY, 'docs');
const PICTURES = join(DOCS, 'evaluation');

const number = (value: number, digits: number): string => value.toFixed(digits);
const spread = (value: Spread | null | undefined, digits: number, times = 1): string =>
  value === null || value === undefined
    ? ''
    : value.least === value.most
      ? number(value.median * times, digits)
      : `${number(value.median * times, digits)} (${number(value.least * times, digits)} to ${number(value.most * times, digits)})`;

const row = (cells: readonly string[]): string => `| ${cells.join(' | ')} |`;
const table = (head: readonly string[], rows: readonly (readonly string[])[]): string =>
  [row(head), row(head.map(() => '---')), ...rows.map(row)].join('\n');

const isPooled = ({ schemes }: Figures): boolean => schemes.adaptive?.neighbourPart !== null;

const FLATTERED = 'More than it should be: a line with long round trips was measured alone for 8 s only';
/** What a figure is worth that nothing was pooled for. */
const NOT_POOLED = 'Nothing was pooled: this is the own line alone';

function speeds({ scenario, figures }: Evaluated): readonly string[] {
  const time = (scheme: SchemeFigures | undefined): string => spread(scheme?.ms, 2, 0.001);
  const { schemes } = figures;
  return [
    scenario.name,
    figures.aloneMbit.map((mbit) => number(mbit, 1)).join(' + '),
    spread(figures.aria2Ms, 2, 0.001),
    spread(figures.mptcpMs, 2, 0.001),
    ...SCHEMES.map((scheme) => time(schemes[scheme])),
    `${spread(schemes.adaptive?.efficiency, 3)}${isPooled(figures) ? '' : ', not pooled'}`,
  ];
}

function details({ scenario, figures }: Evaluated): readonly string[] {
  const { adaptive } = figures.schemes;
  return [
    scenario.name,
    isPooled(figures) ? spread(adaptive?.neighbourPart, 1, 100) : 'not pooled',
    spread(adaptive?.ofOwn, 2),
    spread(adaptive?.windowMiB, 1),
    spread(adaptive?.twicePart, 2, 100),
    spread(adaptive?.lastPartRate, 2),
    spread(adaptive?.longestGapMs, 0),
    spread(adaptive?.cpuPerGiB, 1),
    Object.entries(adaptive?.cpuPerGiBBy ?? {})
      .map(([name, s]) => `${name.replace('Household ', '')}: ${number(s, 2)}`)
      .join(', '),
    spread(figures.mptcpCpuPerGiB, 1),
  ];
}

/** With as many digits as it takes to tell it from the bar. */
function besideBar(value: number, bar: string): string {
  const text = number(value, 3);
  return Number(text) === Number(/[\d.]+/.exec(bar)?.[0]) ? number(value, 4) : text;
}

const judged = ({ figure, bar, value, held }: Judged): readonly string[] => [
  figure,
  bar,
  value === null ? 'not measured' : besideBar(value, bar),
  held ? 'held' : '**missed**',
];

/** Of results that were measured before lines with long round trips were measured alone for long. */
const wasAloneTooShort = ({ scenario, result }: Evaluated): boolean =>
  result.rounds.some(({ alone }) =>
    scenario.lines.some((line, i) => {
      const bytes = alone[i]?.bytes;
      return bytes !== undefined && bytes < aloneBytes(line, scenario.bytes, ALONE_MS);
    }),
  );

/** The causes of misses, each said once, in the order in which they are met. */
class Causes {
  readonly #said: string[] = [];

  /** What stands for it in a table. */
  note(cause: string): string {
    const at = this.#said.indexOf(cause);
    return `[${at < 0 ? this.#said.push(cause) : at + 1}]`;
  }

  get list(): string {
    return this.#said.map((cause, i) => `${i + 1}. ${cause}.`).join('\n');
  }
}

/** The cause of a miss; and what a figure is not, whether it holds or not. */
function remark(one: Evaluated, { figure, held }: Judged, causes: Causes): string {
  const { scenario, figures } = one;
  const finding = findingOf(scenario.name, figure);
  return [
    ...(held ? [] : [finding === undefined ? 'not yet explained' : causes.note(finding.cause)]),
    ...(held && !isPooled(figures) ? [NOT_POOLED] : []),
    ...(figure === 'efficiency' && wasAloneTooShort(one) ? [FLATTERED] : []),
  ].join('. ');
}

function verdicts(all: readonly Evaluated[]): string {
  const causes = new Causes();
  const rows = all.flatMap((one) =>
    one.figures.bars.map((bar) => [one.scenario.name, ...judged(bar), remark(one, bar, causes)]),
  );
  return `${table(['scenario', 'figure', 'bar', 'value', '', 'remark'], rows)}\n\n${causes.list}`;
}

const named = (all: readonly { readonly name: string }[]): string => all.map(({ name }) => name).join(', ');

/** Writes it all. Gives the file. @throws LabError when nothing was measured yet */
export function writeReport(): string {
  const results = latestResults();
  const all = MATRIX.flatMap((scenario): Evaluated[] => {
    const result = results.get(scenario.name);
    return result === undefined ? [] : [{ scenario, result, figures: figuresOf(scenario, result) }];
  });
  const [first] = all;
  if (first === undefined) throw new LabError('Nothing was measured yet: npm run lab -- matrix');
  rmSync(PICTURES, { recursive: true, force: true });
  mkdirSync(PICTURES, { recursive: true });
  const drawn = pictures(all);
  for (const { file, svg } of drawn) writeFileSync(join(PICTURES, file), svg);
  writeFileSync(join(PICTURES, 'rounds.jsonl'), keptRounds(all));
  const file = join(DOCS, 'evaluation.md');
  writeFileSync(file, evaluationOf(all, drawn));
  return file;
}

/** The text of it. Pure. */
export function evaluationOf(all: readonly Evaluated[], drawn: ReturnType<typeof pictures>): string {
  const machines = [...new Set(all.map(({ result }) => shownMachine(result.machine)))];
  const commits = [...new Set(all.map(({ result }) => result.commit))];
  const rounds = [...new Set(all.map(({ figures }) => figures.rounds))].sort((a, b) => a - b);
  const wrong = all.filter(({ figures }) => !figures.allRight).map(({ scenario }) => scenario.name);
  const bars = all.flatMap(({ figures }) => figures.bars);
  const left = MATRIX.filter(({ name }) => all.every(({ scenario }) => scenario.name !== name));
  const flattered = all.filter(wasAloneTooShort).map(({ scenario }) => scenario);
  return `# Evaluation

Written by \`npm run lab -- matrix\`, or by \`npm run lab -- report\` from what was measured before; how, is in [lab.md](lab.md). Machine: ${machines.join('; ')}.
Lines are lent whole, of which a new installation lends half. Commits: ${commits.length}, beside each scenario (\`+\`: with changes on top). Rounds for each scenario: ${rounds.join(', ')}; the figures are medians, in brackets the least and the most. Every round is in [evaluation/rounds.jsonl](evaluation/rounds.jsonl).

${bars.filter(({ held }) => held).length} of ${bars.length} bars were held. ${
    wrong.length === 0
      ? 'Every downloaded file was that of the origin, byte for byte.'
      : `Files with wrong or missing bytes: ${wrong.join(', ')}.`
  }${left.length === 0 ? '' : ` Not measured here: ${named(left)}.`}

## Scenarios

${table(
  ['scenario', 'what it is', 'file', 'measured', 'commit'],
  all.map(({ scenario, result }) => [
    scenario.name,
    scenario.says,
    `${scenario.bytes / 1e6} MB${scenario.downloads > 1 ? ` x ${scenario.downloads}` : ''}`,
    result.at.slice(0, 10),
    result.commit,
  ]),
)}

## Time, by scheme

Lines alone in Mbit/s of goodput; times in seconds. *Efficiency* is the pooled goodput of \`adaptive\` over the sum of the lines
alone (where rates follow a trace: over what they had carried by then in the same weather). Where a neighbour fails or comes, where the radio is shared and where the
client is slow it says what was left of the sum, and no bar is for it.${
    flattered.length === 0
      ? ''
      : ` In ${named(flattered)} a line with long round trips was measured alone for 8 s only,\nwhich says less than it can carry: the efficiency there is more than it should be.`
  }

${table(['scenario', 'lines alone', 'own line, aria2 -x16', 'MPTCP', ...SCHEMES, 'efficiency'], all.map(speeds))}

## What it costs

Of \`adaptive\`: what neighbours brought of the bytes; times as fast as the own line alone; most held in the window; bytes fetched twice; rate of the last 5 % of the bytes
over the mean rate; longest time without a byte for the client; processor seconds for each GiB of all
daemons (and of \`get\`, where it is the client), and of each process: the households by their numbers, the borrower 1. Beside it
what the client of MPTCP takes, which does nothing but take over the same lines what comes. Of a household that dies its processor time
is not known, and that of one that joins has its start in it. A slow client reads in gulps, by its own measure: its gaps and its last 5 % are its own; and what is read after a
line that stood still was waited for counts as fast.

${table(
  [
    'scenario',
    'by neighbours, %',
    'times own line',
    'window, MiB',
    'twice, %',
    'last 5 %',
    'longest gap, ms',
    'CPU s/GiB',
    'CPU s/GiB by process',
    'of the client of MPTCP',
  ],
  all.map(details),
)}

## Bars

Values are medians; of the longest gap the 95th percentile, and of bars for every round the worst.

${verdicts(all)}

## Pictures

${drawn.map(({ file, says }) => `![${says}](evaluation/${file})\n\n${says}\n`).join('\n')}`;
}
