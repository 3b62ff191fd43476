/**
 * The figures of attacks, for people. Pure; the command line prints it.
 */
import type { Judged } from './run.ts';

const HEADS = ['attack', 'tries', 'wrong', 'bar', '', 'seconds'];
const EXAMPLES_SHOWN = 5;

const cells = ({ name, tries, wrong, bar, held, seconds }: Judged): readonly string[] => [
  name,
  tries.toLocaleString('en'),
  wrong.toLocaleString('en'),
  bar,
  held ? 'held' : 'MISSED',
  seconds.toFixed(1),
];

/** All of them, as a table with columns as wide as their widest cell. */
export function table(judged: readonly Judged[]): readonly string[] {
  const rows = [HEADS, ...judged.map(cells)];
  const widths = HEADS.map((_, column) => Math.max(...rows.map((row) => (row[column] ?? '').length)));
  return rows.map((row) =>
    row
      .map((cell, column) => cell.padEnd(widths[column] ?? 0))
      .join('  ')
      .trimEnd(),
  );
}

/** What is worth saying of one besides: other figures, and what went wrong. */
export const remarks = ({ values = {}, examples = [] }: Judged): readonly string[] => [
  ...Object.entries(values).map(([name, value]) => `  ${name}: ${Number(value.toPrecision(4))}`),
  ...examples.slice(0, EXAMPLES_SHOWN).map((example) => `  WRONG: ${example}`),
];
