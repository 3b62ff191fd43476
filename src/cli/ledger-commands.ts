/**
 * `linepool ledger` on the command line: its commands and their options. What they do is imported when one is asked for.
 */
import type { Command } from 'commander';
import type { Clock } from '../core/clock.ts';
import type { BalanceFlags, ExplainFlags, ExportFlags, ShowFlags, VerifyFlags } from './ledger.ts';
import type { Print } from './table.ts';

/** `placed` adds the options that every command has. */
export function addLedgerCommands(
  program: Command,
  placed: (command: Command) => Command,
  print: Print,
  clock: Clock,
): void {
  const ledger = program
    .command('ledger')
    .description('what was carried for neighbours and by them, provably; read from the file, daemon or not');
  const room = () => import('./ledger.ts');
  const from = (command: Command): Command =>
    placed(command).option(
      '--file <file>',
      'a ledger or an export (default: ledger.sqlite in the state folder)',
    );
  const since = (command: Command): Command =>
    command.option('--since <time>', 'such as 2026-03-01, 2026-03-01T06:00:00Z, or "30 d" for so long ago');
  since(from(ledger.command('show', { isDefault: true })))
    .description('list entries, the last ones if not all')
    .option('--last <number>', 'how many', '20')
    .option('--neighbour <name>', 'only those about this one: its name or id')
    .action(async (flags: ShowFlags) => (await room()).show(flags, print, clock));
  from(ledger.command('verify'))
    .description('check a ledger or an export from its first entry to its signed head')
    .argument('[file]', 'as --file')
    .option('--keys <file>', 'JSON: household ids with their public keys; other neighbours are refused')
    .option('--all', 'check every signature, not only those that count')
    .action(async (file: string | undefined, flags: VerifyFlags) =>
      (await room()).verify({ ...flags, file: file ?? flags.file }, print, clock),
    );
  from(ledger.command('export'))
    .description('write the ledger as JSON lines that anybody can verify')
    .option('-o, --output <file>', 'a new file (default: standard output)')
    .action(async (flags: ExportFlags) => (await room()).exportTo(flags, print, clock));
  since(from(ledger.command('balance')))
    .description('sum up what was carried for each neighbour and by it')
    .action(async (flags: BalanceFlags) => (await room()).balance(flags, print, clock));
  from(ledger.command('explain'))
    .description('say for whom our line reached an address at a time, with the proof')
    .requiredOption('--when <time>', 'such as 2026-03-01T06:00:00Z; without a zone it is local time')
    .requiredOption('--address <address>', 'an IP address, or the name of a server')
    .option('--slack <time>', 'how far clocks may be apart', '5 min')
    .action(async (flags: ExplainFlags) => (await room()).explain(flags, print, clock));
}
