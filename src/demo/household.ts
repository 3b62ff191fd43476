/**
 * One household of the demo: a state folder, a configuration file, the real daemon in a process of its own, and
 * the real command line. Used by demo/neighbourhood.ts. It must use no way into the daemon that users don't have.
 */
import { mkdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { ControlClient } from '../control/client.ts';
import { readRunFile } from '../control/runfile.ts';
import type { Clock } from '../core/clock.ts';
import { LinepoolError } from '../core/errors.ts';
import { type Authority, parseAuthority } from '../core/target.ts';
import type { BytesPerSecond, Milliseconds } from '../core/units.ts';
import { Child } from './child.ts';
import { ORIGIN_HOST, type OriginPorts } from './processes.ts';
import { waitUntil, within } from './wait.ts';

export interface HouseholdOptions {
  readonly name: string;
  /** Everything of the household is kept below it. */
  readonly folder: string;
  /** How linepool is run: Node and main.ts, or Node and the bundle. */
  readonly command: readonly string[];
  /** What its line carries down, as its configuration says. */
  readonly down: BytesPerSecond;
  /** Address of its line, and the ports there. */
  readonly lineHost: string;
  readonly ports: OriginPorts;
  /** More configuration, as section to lines of TOML. */
  readonly config: Readonly<Record<string, readonly string[]>>;
  readonly clock: Clock;
  readonly signal: AbortSignal;
}

const READY_BOUND_MS: Milliseconds = 15_000;
const COMMAND_BOUND_MS: Milliseconds = 60_000;

export class Household implements AsyncDisposable {
  readonly name: string;
  readonly stateDir: string;
  readonly configFile: string;
  /** Address of its line: connecting there is what connecting to the origin is for this household. */
  readonly lineHost: string;
  readonly control: ControlClient;
  /** Where clients of the household send their requests. */
  readonly proxy: Authority;
  readonly #options: HouseholdOptions;
  readonly #daemon: Child;

  private constructor(options: HouseholdOptions, daemon: Child, paths: { state: string; config: string }) {
    this.#options = options;
    this.#daemon = daemon;
    this.name = options.name;
    this.lineHost = options.lineHost;
    this.stateDir = paths.state;
    this.configFile = paths.config;
    this.control = ControlClient.find(paths.state);
    this.proxy = parseAuthority(readRunFile(paths.state)?.proxy[0] ?? '');
  }

  get pid(): number | undefined {
    return this.#daemon.pid;
  }

  /** Starts the daemon and waits until it answers. @throws LinepoolError `demo_failed` */
  static async start(options: HouseholdOptions): Promise<Household> {
    const { folder, clock, signal } = options;
    await mkdir(folder, { recursive: true });
    const paths = { state: join(folder, 'state'), config: join(folder, 'linepool.toml') };
    await writeFile(paths.config, householdConfig(options));
    const daemon = new Child({
      name: `the daemon of ${options.name}`,
      command: options.command,
      args: ['up', '--state', paths.state, '--config', paths.config],
      logFile: join(folder, 'daemon.log'),
      channel: 'none',
      clock,
    });
    const waiting = new AbortController();
    try {
      const either = AbortSignal.any([signal, waiting.signal]);
      const patience = { clock, signal: either, bound: READY_BOUND_MS };
      const ready = waitUntil(
        `the daemon of ${options.name} is ready`,
        patience,
        () => readRunFile(paths.state) !== undefined,
      );
      await Promise.race([ready, daemon.untimely()]);
      return new Household(options, daemon, paths);
    } catch (error) {
      await daemon[Symbol.asyncDispose]();
      throw error;
    } finally {
      waiting.abort(new Error('settled'));
    }
  }

  /**
   * Runs a command of the command line on this household, as its people would; gives what it printed.
   * @throws LinepoolError `demo_failed` when it exits with anything but 0
   */
  async run(...args: readonly string[]): Promise<string> {
    const { clock, signal, folder, command } = this.#options;
    await using child = new Child({
      name: `linepool ${args[0] ?? ''} of ${this.name}`,
      command,
      args: [...args, '--state', this.stateDir, '--config', this.configFile],
      logFile: join(folder, 'commands.log'),
      channel: 'stdout',
      clock,
    });
    const bound = COMMAND_BOUND_MS;
    const code = await within(`linepool ${args[0] ?? ''}`, { clock, signal, bound }, child.exited);
    if (code !== 0) throw child.failure(code);
    return child.printed;
  }

  /** The same, with the JSON of its last line. */
  async runJson<T>(...args: readonly string[]): Promise<T> {
    const printed = await this.run(...args, '--json');
    const last = printed.trim().split('\n').at(-1) ?? '';
    try {
      return JSON.parse(last) as T;
    } catch (error) {
      throw new LinepoolError('demo_failed', `linepool ${args[0] ?? ''} printed no JSON: ${last}`, {
        cause: error,
      });
    }
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.#daemon[Symbol.asyncDispose]();
  }
}

/** The configuration file of a household on the loopback interface; every port but the line's is any free one. */
function householdConfig({ name, down, lineHost, ports, config }: HouseholdOptions): string {
  const sections: Record<string, readonly string[]> = {
    household: [`name = ${JSON.stringify(name)}`],
    proxy: ['listen = ["127.0.0.1:0"]'],
    control: ['listen = "127.0.0.1:0"'],
    link: ['listen = ["127.0.0.1:0"]', 'retry = "1 s"'],
    line: [`down = "${Math.round(down)} B/s"`],
    lend: [
      'share_percent = 100',
      `ports = [${ports.http}, ${ports.https}]`,
      // Only here, where everything is on this machine: lenders otherwise reach public addresses alone.
      'allow_networks = ["127.0.0.0/8"]',
    ],
    resolve: [`"${ORIGIN_HOST}" = "${lineHost}"`],
  };
  for (const [section, lines] of Object.entries(config)) {
    const keys = new Set(lines.map((line) => line.split('=')[0]?.trim()));
    const kept = (sections[section] ?? []).filter((line) => !keys.has(line.split('=')[0]?.trim()));
    sections[section] = [...kept, ...lines];
  }
  return Object.entries(sections)
    .map(([section, lines]) => `[${section}]\n${lines.join('\n')}\n`)
    .join('\n');
}
