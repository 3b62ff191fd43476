/**
 * The demo's part of the command line. main.ts loads it when the demo is asked for; what the demo needs is loaded
 * when it runs.
 */
import type { Command } from 'commander';
import { LinepoolError } from '../core/errors.ts';
import { parseBytes, parseRate } from '../core/units.ts';

interface DemoFlags {
  readonly json?: boolean;
  readonly size?: string;
  readonly rate?: string;
}

/** Adds `demo`, and the hidden `demo process`, in which it runs its origin and its lines. */
export function registerDemo(program: Command): void {
  const demo = program
    .command('demo')
    .description('show a whole neighbourhood on this machine, with no network')
    .option('--json', 'print one JSON object as the last line, and the rest to stderr')
    .option('--size <size>', 'of the file, such as "100 MB" (default: some seconds of all lines together)')
    .option('--rate <rate>', 'of each line (default: "40 Mbit/s")')
    .action(async (flags: DemoFlags) => await demonstrate(flags));
  demo
    .command('process', { hidden: true })
    .argument('<name>', 'what it is, for those who list processes')
    .action(async () => (await import('./processes.ts')).serveOrders());
}

async function demonstrate(flags: DemoFlags): Promise<void> {
  const size = flags.size === undefined ? undefined : parseBytes(flags.size);
  if (flags.size !== undefined && (size === undefined || size === 0))
    throw new LinepoolError('usage', `--size needs a size such as "100 MB", not "${flags.size}".`);
  const rate = flags.rate === undefined ? undefined : parseRate(flags.rate);
  if (flags.rate !== undefined && (rate === undefined || rate === 0))
    throw new LinepoolError('usage', `--rate needs a rate such as "40 Mbit/s", not "${flags.rate}".`);
  const [{ runDemo }, { formatReport }, { systemClock }] = await Promise.all([
    import('./demo.ts'),
    import('./report.ts'),
    import('../core/clock.ts'),
  ]);
  const interrupt = new AbortController();
  for (const name of ['SIGINT', 'SIGTERM'] as const) {
    process.on(name, () => {
      if (interrupt.signal.aborted) process.exit(130);
      interrupt.abort(new LinepoolError('interrupted'));
    });
  }
  const json = flags.json === true;
  const terminal = json ? process.stderr : process.stdout;
  const report = await runDemo({
    command: [process.execPath, ...process.execArgv, process.argv[1] ?? ''],
    rate,
    size,
    clock: systemClock,
    signal: interrupt.signal,
    terminal,
  });
  terminal.write(`\n${formatReport(report)}\n`);
  if (json) process.stdout.write(`${JSON.stringify(report)}\n`);
  if (!report.sha256Match || !report.https.sha256Match)
    throw new LinepoolError('checksum_mismatch', 'A download of the demo has other bytes than the origin.');
}
