/**
 * The lab's command line: `npm run lab -- list | run SCENARIO | matrix | clean`. It must leave nothing behind, and say in
 * one line what is missing and how to mend it.
 */
import { resolve } from 'node:path';
import { Command, CommanderError } from 'commander';
import { LabError } from './failure.ts';
import type { Figures } from './figures.ts';
import { untilInterrupted } from './interrupt.ts';
import type { LendingFigures } from './lending/figures.ts';
import { measuredLending, quickenedLending, shownLending } from './lending/measured.ts';
import { writeLendingReport } from './lending/report.ts';
import type { LendingScenario } from './lending/scenario.ts';
import { LENDING_SCENARIOS } from './lending/scenarios.ts';
import { type MeasureSettings, measured, measuredQuickly, shortMatrix } from './matrix.ts';
import { claim, clean, leftOver } from './namespaces.ts';
import { checkMachine } from './needed.ts';
import { RESULTS_FOLDER } from './places.ts';
import { writeReport } from './report/report.ts';
import { REPORT_ROUNDS } from './results.ts';
import { soakScenario } from './run.ts';
import type { Scenario } from './scenario.ts';
import { MATRIX, SCENARIOS } from './scenarios.ts';
import { shown } from './show.ts';
import { type Calibration, calibrate, showCalibration } from './wire/calibrate.ts';
import { wireKind } from './wire/wires.ts';

const QUICK_ROUNDS = 3;
const SOAK_RUNS = 50;
const MOST_ROUNDS = 1000;
/** A bar was missed; the lab could not run. */
const EXIT_BAR = 1;
const EXIT_CANNOT = 2;
const WIRES = {
  tun: 'The wire is the one in user space, over TUN.',
  netem: "The wire is the kernel's, netem.",
};

function find(name: string): Scenario {
  const scenario = SCENARIOS.get(name);
  if (scenario === undefined && LENDING_SCENARIOS.has(name))
    throw new LabError(`"${name}" is about lending: npm run lab -- run ${name}`);
  if (scenario === undefined)
    throw new LabError(`There is no scenario "${name}": npm run lab -- list shows them.`);
  return scenario;
}

/** In short, a single one of these would be measured as if it had been asked for whole. */
function wholeOnly(scenario: Scenario, { quick }: RunFlags): Scenario {
  if (quick !== true) return scenario;
  throw new LabError(`--quick is for scenarios about lending: run "${scenario.name}" with --runs 1 instead.`);
}

const say = (line: string): void => {
  process.stderr.write(`${line}\n`);
};

const round = (_key: string, value: unknown): unknown =>
  typeof value === 'number' ? Number(value.toPrecision(6)) : value;

interface RunFlags {
  readonly json?: boolean;
  readonly quick?: boolean;
  readonly runs?: string;
  readonly keep?: boolean;
  readonly profile?: string;
}

function roundsOf({ runs }: RunFlags, preset: number): number {
  const rounds = runs === undefined ? preset : Number(runs);
  if (!Number.isInteger(rounds) || rounds < 1 || rounds > MOST_ROUNDS)
    throw new LabError(`--runs needs a number from 1 to ${MOST_ROUNDS}, not "${runs}".`);
  return rounds;
}

interface Measuring<S, F> {
  readonly scenarios: readonly S[];
  readonly rounds: number;
  readonly measure: (scenario: S, settings: MeasureSettings) => Promise<F>;
  /** For people. */
  readonly shown: (figures: F) => readonly string[];
}

/** One after the other; what each came to is said as soon as it is known. */
async function measureAll<
  S extends { readonly name: string; readonly says: string },
  F extends { readonly held: boolean },
>(
  { scenarios, rounds, measure, shown: show }: Measuring<S, F>,
  { keep, profile, json }: RunFlags,
  signal: AbortSignal,
): Promise<void> {
  checkMachine();
  using claimed = claim(keep === true);
  const settings = { rounds, signal, say, ...(profile !== undefined && { profiles: resolve(profile) }) };
  const began = performance.now();
  const all: F[] = [];
  for (const scenario of scenarios) {
    say(`${scenario.name}: ${scenario.says}`);
    const figures = await measure(scenario, settings);
    for (const line of show(figures)) say(line);
    all.push(figures);
  }
  const held = all.every((figures) => figures.held);
  const minutes = (performance.now() - began) / 60_000;
  say(
    `${minutes.toFixed(1)} min. Every run is kept in ${RESULTS_FOLDER}${keep === true ? `, logs in ${claimed.folder}` : ''}.`,
  );
  if (json === true) process.stdout.write(`${JSON.stringify({ held, scenarios: all }, round)}\n`);
  process.exitCode = held ? 0 : EXIT_BAR;
}

const runAll = (scenarios: readonly Scenario[], flags: RunFlags, quick: boolean, signal: AbortSignal) =>
  measureAll<Scenario, Figures>(
    {
      scenarios,
      rounds: roundsOf(flags, quick ? QUICK_ROUNDS : REPORT_ROUNDS),
      measure: quick ? measuredQuickly : measured,
      shown,
    },
    flags,
    signal,
  );

const lendAll = (scenarios: readonly LendingScenario[], flags: RunFlags, signal: AbortSignal) => {
  const quick = flags.quick === true;
  return measureAll<LendingScenario, LendingFigures>(
    {
      scenarios: quick ? scenarios.map(quickenedLending) : scenarios,
      rounds: roundsOf(flags, quick ? 1 : REPORT_ROUNDS),
      measure: (scenario, settings) => measuredLending(scenario, { ...settings, quick }),
      shown: shownLending,
    },
    flags,
    signal,
  );
};

/** What was measured is written down, unless it is less than a report is written from. */
function sayReport(rounds: number): void {
  say(
    rounds < REPORT_ROUNDS
      ? `docs/evaluation.md stays as it is: it takes ${REPORT_ROUNDS} rounds of every scenario.`
      : `Written: ${writeReport()}`,
  );
}

function program(signal: AbortSignal): Command {
  const lab = new Command('lab')
    .description('Neighbourhoods in network namespaces, with real processes, measured.')
    .configureOutput({ outputError: () => undefined })
    .exitOverride();
  lab
    .command('list')
    .description('show the scenarios')
    .action(() => {
      for (const { name, says, quick, matrix } of SCENARIOS.values()) {
        const marks = `${quick === undefined ? '' : ' (quick)'}${matrix ? '' : ' (not in the matrix)'}`;
        process.stdout.write(`${name.padEnd(20)} ${says}${marks}\n`);
      }
      for (const { name, says } of LENDING_SCENARIOS.values())
        process.stdout.write(`${name.padEnd(20)} ${says} (lending)\n`);
    });
  lab
    .command('run')
    .description('measure one scenario')
    .argument('<scenario>')
    .option('--runs <number>', `rounds (default: ${REPORT_ROUNDS})`)
    .option('--profile <folder>', 'write processor profiles of the daemons there; costs speed')
    .option('--keep', 'keep the logs of the last run')
    .option('--quick', 'of a lending scenario: less of it, and one round')
    .option('--json', 'print one JSON object as the last line')
    .action(async (name: string, flags: RunFlags) => {
      const lending = LENDING_SCENARIOS.get(name);
      if (lending !== undefined) await lendAll([lending], flags, signal);
      else await runAll([wholeOnly(find(name), flags)], flags, false, signal);
    });
  lab
    .command('lending')
    .description('measure all lending scenarios')
    .option('--quick', 'less of each, and one round')
    .option('--runs <number>', `rounds (default: ${REPORT_ROUNDS}, quick 1)`)
    .option('--json', 'print one JSON object as the last line')
    .action(async (flags: RunFlags) => await lendAll([...LENDING_SCENARIOS.values()], flags, signal));
  lab
    .command('matrix')
    .description('measure all scenarios, and write docs/evaluation.md')
    .option('--quick', 'only those that tell most, in fewer rounds')
    .option('--runs <number>', `rounds (default: ${REPORT_ROUNDS}, quick ${QUICK_ROUNDS})`)
    .option('--json', 'print one JSON object as the last line')
    .action(async (flags: RunFlags & { quick?: boolean }) => {
      const quick = flags.quick === true;
      await runAll(quick ? shortMatrix() : MATRIX, flags, quick, signal);
      if (!quick) sayReport(roundsOf(flags, REPORT_ROUNDS));
    });
  lab
    .command('soak')
    .description('download again and again, until a byte is wrong')
    .argument('<scenario>')
    .option('--runs <number>', `downloads (default: ${SOAK_RUNS})`)
    .option('--keep', 'keep the logs')
    .action(async (name: string, flags: RunFlags) => {
      const scenario = find(name);
      const rounds = roundsOf(flags, SOAK_RUNS);
      checkMachine();
      using _claimed = claim(flags.keep === true);
      const wrong = await soakScenario(scenario, { rounds, signal, say });
      if (wrong === undefined) return;
      const { samples: _, ...run } = wrong;
      say(`WRONG OR MISSING BYTES: ${JSON.stringify(run)}`);
      process.exitCode = EXIT_BAR;
    });
  lab
    .command('report')
    .description('write docs/evaluation.md from the latest results of all scenarios')
    .option('--lending', 'write docs/lending/measured.md instead')
    .action(({ lending }: { lending?: boolean }) =>
      say(`Written: ${lending === true ? writeLendingReport() : writeReport()}`),
    );
  lab
    .command('wire')
    .description('measure the wire itself: is a line what the scenario says?')
    .option('--json', 'print one JSON object as the last line')
    .action(async (flags: { json?: boolean }) => {
      checkMachine();
      using _claimed = claim(false);
      const all: Calibration[] = [];
      say(WIRES[await wireKind()]);
      for (const congestion of ['bbr', 'cubic'] as const) {
        const calibration = await calibrate(congestion, signal);
        say(showCalibration(calibration));
        all.push(calibration);
      }
      if (flags.json === true) process.stdout.write(`${JSON.stringify(all, round)}\n`);
    });
  lab
    .command('clean')
    .description('remove what an earlier run left over')
    .action(async () => {
      checkMachine();
      const removed = await clean();
      say(removed.length === 0 ? 'Nothing was left over.' : `Removed ${removed.join(', ')}.`);
    });
  return lab;
}

const interrupted = untilInterrupted();
// Who reads has had enough, as `head` has, or the terminal is gone.
for (const output of [process.stdout, process.stderr]) output.on('error', () => undefined);

/** One line that says what happened, and the mend where there is one. */
function lineOf(error: unknown): string {
  if (interrupted.aborted) {
    const left = leftOver();
    return left.length === 0
      ? 'Interrupted; everything was removed.'
      : `Interrupted; ${left.join(', ')} could not be removed (${String(error)}): npm run lab -- clean`;
  }
  if (error instanceof CommanderError && error.code === 'commander.help')
    return 'A command is needed: npm run lab -- list';
  return error instanceof Error ? error.message : String(error);
}

try {
  await program(interrupted).parseAsync(process.argv.slice(2), { from: 'user' });
} catch (error) {
  if (error instanceof CommanderError && error.exitCode === 0) process.exitCode = 0;
  else {
    process.stderr.write(`${lineOf(error).replaceAll('\n', ' ')}\n`);
    const isExpected = error instanceof LabError || error instanceof CommanderError;
    if (!isExpected && !interrupted.aborted) console.error(error);
    process.exitCode = EXIT_CANNOT;
  }
}
