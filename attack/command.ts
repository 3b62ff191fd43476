/**
 * The command line of the attacks: `npm run attack -- [--quick] [--json] [--seed N] [NAME …]`. Called by main.ts with the
 * attacks that there are. Progress goes to stderr, the table and the JSON to stdout.
 */
import { randomInt } from 'node:crypto';
import { Command, CommanderError } from 'commander';
import { type Attack, AttackError } from './attack.ts';
import { runAttacks } from './run.ts';
import { remarks, table } from './show.ts';

/** Every bar held; one was missed; it could not be found out. */
export const EXIT = { held: 0, missed: 1, cannot: 2 } as const;

const SEED_MAX = 2 ** 31;

export interface Terminal {
  readonly out: (line: string) => void;
  readonly err: (line: string) => void;
  readonly signal: AbortSignal;
}

interface Flags {
  readonly quick?: boolean;
  readonly json?: boolean;
  readonly seed?: string;
  readonly list?: boolean;
}

/** Runs what the arguments ask for; gives the exit code. Never rejects. */
export async function attackCommand(
  attacks: readonly Attack[],
  args: readonly string[],
  terminal: Terminal,
): Promise<number> {
  const { out, err, signal } = terminal;
  let exit: number = EXIT.held;
  const command = new Command('attack')
    .description('Attacks every promise that linepool makes, and says which hold.')
    .argument('[names...]', 'which attacks; default: all')
    .option('--quick', 'fewer tries, a minute in all')
    .option('--json', 'print one JSON object as the last line')
    .option('--seed <number>', 'repeat a run')
    .option('--list', 'show the attacks')
    .configureOutput({ writeOut: (text) => out(text.trimEnd()), outputError: () => undefined })
    .exitOverride()
    .action(async (names: readonly string[], flags: Flags) => {
      const chosen = chosenOf(attacks, names);
      if (flags.list === true) {
        for (const { name, says, bar } of chosen) out(`${name.padEnd(16)} ${says} (${bar.says})`);
        return;
      }
      refuseEmpty(chosen, names, flags);
      const report = await runAttacks(chosen, {
        quick: flags.quick === true,
        seed: seedOf(flags),
        signal,
        say: err,
        onJudged: (one) => {
          err(`  ${one.held ? 'held' : 'MISSED'}: ${one.wrong} wrong of ${one.tries}`);
          remarks(one).forEach(err);
        },
      });
      table(report.attacks).forEach(out);
      if (flags.json === true) out(JSON.stringify(report, rounded));
      else if (!report.held) err(`To repeat it: --seed ${report.seed}`);
      exit = report.held ? EXIT.held : EXIT.missed;
    });
  try {
    await command.parseAsync([...args], { from: 'user' });
    return exit;
  } catch (error) {
    if (error instanceof CommanderError && error.exitCode === 0) return EXIT.held;
    err(lineOf(error, signal));
    if (!isExpected(error) && !signal.aborted && error instanceof Error) err(error.stack ?? '');
    return EXIT.cannot;
  }
}

function chosenOf(attacks: readonly Attack[], names: readonly string[]): readonly Attack[] {
  if (names.length === 0) return attacks;
  return names.map((name) => {
    const found = attacks.find((attack) => attack.name === name);
    if (found === undefined)
      throw new AttackError(`There is no attack "${name}": npm run attack -- --list shows them.`);
    return found;
  });
}

/** What was asked for by name and is not run must not look as if it had held. */
function refuseEmpty(chosen: readonly Attack[], names: readonly string[], { quick }: Flags): void {
  const left = quick === true ? chosen.filter(({ quickTries }) => quickTries === 0) : [];
  if (left.length === 0 || (names.length === 0 && left.length < chosen.length)) return;
  throw new AttackError(
    `${left.map(({ name }) => name).join(', ')}: tells nothing in short. Run it without --quick.`,
  );
}

function seedOf({ seed }: Flags): number {
  if (seed === undefined) return randomInt(SEED_MAX);
  if (/^\d{1,10}$/.test(seed) && Number(seed) < SEED_MAX) return Number(seed);
  throw new AttackError(`--seed needs a number from 0 to ${SEED_MAX - 1}, not "${seed}".`);
}

const isExpected = (error: unknown): boolean =>
  error instanceof AttackError || error instanceof CommanderError;

function lineOf(error: unknown, signal: AbortSignal): string {
  if (signal.aborted) return 'Interrupted; everything was ended.';
  const text = error instanceof Error ? error.message : String(error);
  return text.replaceAll('\n', ' ');
}

const rounded = (_key: string, value: unknown): unknown =>
  typeof value === 'number' && !Number.isInteger(value) ? Number(value.toPrecision(6)) : value;
