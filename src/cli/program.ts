/**
 * The command line: every command with its options, as noun and verb. What a command does is imported when it is
 * asked for, so that `linepool status` does not wait for what a download needs. main.ts hands in the rooms above
 * the command line.
 */
import { Command, CommanderError } from 'commander';
import { type Clock, systemClock } from '../core/clock.ts';
import { LinepoolError } from '../core/errors.ts';
import { failureOf } from './failure.ts';
import type { GetFlags } from './get/options.ts';
import type { OpenEngine } from './get/seam.ts';
import { addLedgerCommands } from './ledger-commands.ts';
import { addLendCommands } from './lend-commands.ts';
import { addOriginCommands } from './origin-commands.ts';
import { addIdentityCommands, addPairingCommands } from './pairing-commands.ts';
import type { PlaceFlags } from './places.ts';
import type { ReadFlags } from './read.ts';
import type { SteerFlags } from './steer.ts';
import type { TrustFlags } from './trust.ts';
import type { OpenDaemon } from './up.ts';

/** Loaded only by the command that needs it. */
export interface Rooms {
  readonly version: string;
  readonly openDaemon: () => Promise<OpenDaemon>;
  readonly openEngine: () => Promise<OpenEngine>;
  readonly registerDemo: () => Promise<(program: Command) => void>;
}

/** Runs one command line, and returns the exit code. Never rejects. */
export async function run(
  args: readonly string[],
  rooms: Rooms,
  clock: Clock = systemClock,
): Promise<number> {
  // `linepool events | head` closes our output: that is an end, not a fault.
  process.stdout.on('error', (error: NodeJS.ErrnoException) => {
    process.exit(error.code === 'EPIPE' ? 0 : 6);
  });
  try {
    await buildProgram(rooms, clock).parseAsync([...args], { from: 'user' });
    return Number(process.exitCode ?? 0);
  } catch (thrown) {
    if (thrown instanceof CommanderError && thrown.exitCode === 0) return 0;
    const failure = failureOf(thrown instanceof CommanderError ? usageOf(thrown) : thrown, asksForJson(args));
    process.stderr.write(failure.text);
    return failure.exit;
  }
}

/** Also of a command line that was not understood. */
const asksForJson = (args: readonly string[]): boolean =>
  args.slice(0, args.includes('--') ? args.indexOf('--') : args.length).includes('--json');

function usageOf(error: CommanderError): LinepoolError {
  // Without a command the help has been printed already.
  const said =
    error.code === 'commander.help' ? 'A command is needed.' : error.message.replace(/^error: /, '');
  return new LinepoolError('usage', /[.)?]$/.test(said) ? said : `${said}.`, { cause: error });
}

const print = (line: string): void => {
  process.stdout.write(`${line}\n`);
};

function buildProgram(rooms: Rooms, clock: Clock): Command {
  const program = new Command('linepool')
    .description("Neighbours' Internet lines, pooled for large downloads.")
    .version(rooms.version, '--version', 'print the version')
    .helpOption('-h, --help', 'explain the command')
    .showSuggestionAfterError()
    .configureOutput({ outputError: () => undefined })
    .exitOverride();
  addDaemonCommands(program, rooms, clock);
  addReadingCommands(program, clock);
  addSteeringCommands(program);
  addPairingCommands(program, withJson, print, clock);
  addIdentityCommands(program, withJson, print, clock);
  addLendCommands(program, withJson, print);
  addLedgerCommands(program, withJson, print, clock);
  addTrustCommand(program, withJson);
  addOriginCommands(program, withJson, print, clock);
  addConfigCommands(program);
  addGet(program, rooms, clock);
  addDemo(program, rooms);
  return program;
}

function addTrustCommand(program: Command, jsonned: (command: Command) => Command): void {
  jsonned(program.command('trust'))
    .description("show or set how far a neighbour's line is used for http")
    .argument('<name>', 'its name or id')
    .argument('[level]', 'https-only, checked or trusted')
    .option('--lift', 'end its quarantine')
    .action(async (name: string, level: string | undefined, flags: TrustFlags) =>
      (await import('./trust.ts')).trust(name, level, flags, print),
    );
}

const placed = (command: Command): Command =>
  command
    .option(
      '--state <dir>',
      'state folder of the daemon (default: /var/lib/linepool for root, else ~/.local/state/linepool)',
    )
    .option(
      '--config <file>',
      'configuration, TOML (default: config.toml there, or /etc/linepool/config.toml)',
    );
const withJson = (command: Command): Command =>
  placed(command).option('--json', 'print JSON, for programs to read');

function addDaemonCommands(program: Command, rooms: Rooms, clock: Clock): void {
  withJson(program.command('up'))
    .description('run the daemon of this household, in the foreground')
    .action(async (flags: PlaceFlags & { json?: boolean }) => {
      const { up } = await import('./up.ts');
      await up(flags, {
        openDaemon: await rooms.openDaemon(),
        version: rooms.version,
        clock,
        print,
        onSignal: (listener) => {
          for (const name of ['SIGINT', 'SIGTERM'] as const) process.on(name, listener);
        },
        onReload: (listener) => process.on('SIGHUP', listener),
        exit: (code) => process.exit(code),
      });
    });
  withJson(program.command('stop'))
    .description('end the daemon, and wait until it has ended')
    .action(async (flags: SteerFlags) => (await import('./steer.ts')).stop(flags, print, clock));
}

function addReadingCommands(program: Command, clock: Clock): void {
  withJson(program.command('status'))
    .description('show what the daemon is and has')
    .action(async (flags: ReadFlags) => (await import('./read.ts')).status(flags, print, clock));
  withJson(program.command('downloads'))
    .description('list the downloads that are or were pooled')
    .action(async (flags: ReadFlags) => (await import('./read.ts')).downloads(flags, print));
  withJson(program.command('verdicts'))
    .description('list the last responses and why each was pooled or passed')
    .action(async (flags: ReadFlags) => (await import('./read.ts')).verdicts(flags, print));
  withJson(program.command('events'))
    .description('show what happened, and follow what happens')
    .option('--since <number>', 'only events after the one of this number')
    .option('--no-follow', 'end after those that are kept')
    .action(async (flags: ReadFlags & { since?: string; follow?: boolean }) =>
      (await import('./read.ts')).events(flags, print, untilInterrupted()),
    );
  withJson(program.command('neighbours'))
    .description('list the paired neighbours')
    .action(async (flags: ReadFlags) => (await import('./read.ts')).neighbours(flags, print));
}

function addSteeringCommands(program: Command): void {
  withJson(program.command('invite'))
    .description('print an invitation for one neighbour, as text and QR code')
    .option('--ttl <time>', 'how long it is good for (default: "15 min")')
    .action(async (flags: SteerFlags & { ttl?: string }) =>
      (await import('./steer.ts')).invite(flags, print, process.stdout.isTTY),
    );
  withJson(program.command('join'))
    .description('pair with the neighbour who gave the invitation')
    .argument('<invitation>')
    .option('--name <name>', 'what to call the neighbour (default: what it calls itself)')
    .action(async (invitation: string, flags: SteerFlags & { name?: string }) =>
      (await import('./steer.ts')).join(invitation, flags, print),
    );
  withJson(program.command('part'))
    .alias('unpair')
    .description('end the pairing with a neighbour, at once')
    .argument('<name>', 'its name or id')
    .action(async (name: string, flags: SteerFlags) => (await import('./steer.ts')).part(name, flags, print));
  withJson(program.command('rename'))
    .description('call a neighbour something else')
    .argument('<name>', 'its name or id')
    .argument('<new>', 'its new name')
    .action(async (name: string, next: string, flags: SteerFlags) =>
      (await import('./steer.ts')).rename(name, next, flags, print),
    );
}

function addConfigCommands(program: Command): void {
  const config = program.command('config').description('print or check a configuration');
  placed(config.command('example'))
    .description('print a configuration with every key, its unit and its default')
    .action(async () => {
      process.stdout.write((await import('../config.ts')).exampleConfig());
    });
  withJson(config.command('check'))
    .description('say whether the configuration can be used')
    .action(async (flags: PlaceFlags & { json?: boolean }) => {
      const { loadConfig } = await import('../config.ts');
      const { configFileOf } = await import('./places.ts');
      const file = configFileOf(flags);
      const config = loadConfig(file);
      if (flags.json === true) print(JSON.stringify({ file: file ?? null, config }));
      else print(file === undefined ? 'No file: the defaults are used.' : `${file} can be used.`);
    });
}

function addGet(program: Command, rooms: Rooms, clock: Clock): void {
  const collect = (value: string, all: readonly string[] = []): string[] => [...all, value];
  withJson(program.command('get'))
    .description("download a file over the lines of the daemon's household and its neighbours")
    .argument('<url>', 'http or https')
    .option('-o, --output <file>', 'write to this file (default: as the server names it)')
    .option('-C, --continue', 'go on with what is on disk (what another program left: with --checksum only)')
    .option('--checksum <sum>', 'sha-256=... or sha-512=..., in hex or base64')
    .option('--cacert <file>', 'trust these certificate authorities too, PEM')
    .option('-H, --header <line>', '"Name: value" to send along; may be repeated', collect)
    .option('--own-line', 'leave the neighbours out')
    .option('-q, --quiet', 'no progress')
    .action(async (url: string, flags: GetFlags & PlaceFlags) => {
      const [{ parseGetOptions }, { get }, { configFileOf, stateDirOf }, { showResult }] = await Promise.all([
        import('./get/options.ts'),
        import('./get/get.ts'),
        import('./places.ts'),
        import('./get/result.ts'),
      ]);
      const options = parseGetOptions(url, flags);
      const result = await get(options, {
        openEngine: await rooms.openEngine(),
        stateDir: stateDirOf(flags),
        configFile: configFileOf(flags),
        clock,
        stderr: process.stderr,
        signal: untilInterrupted(),
      });
      if (options.json) print(JSON.stringify(result));
      else if (!options.quiet) process.stderr.write(`${showResult(result)}\n`);
    });
}

/** Its options are its own: it is only a name here until somebody asks for it. */
function addDemo(program: Command, rooms: Rooms): void {
  program
    .command('demo')
    .description('show a whole neighbourhood on this machine, with no network')
    .helpOption(false)
    .allowUnknownOption()
    .allowExcessArguments()
    .action(async (_: unknown, self: Command) => {
      const inner = new Command('linepool').configureOutput({ outputError: () => undefined }).exitOverride();
      (await rooms.registerDemo())(inner);
      await inner.parseAsync(['demo', ...self.args], { from: 'user' });
    });
}

/** Aborts at the first Ctrl-C or SIGTERM; at the second the process ends at once. */
function untilInterrupted(): AbortSignal {
  const aborter = new AbortController();
  for (const name of ['SIGINT', 'SIGTERM'] as const) {
    process.on(name, () => {
      if (aborter.signal.aborted) process.exit(130);
      aborter.abort();
    });
  }
  return aborter.signal;
}
