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
  readonly #options: HouseholdOptions;
  #running: RunningDaemon;

  private constructor(options: HouseholdOptions, running: RunningDaemon) {
    this.#options = options;
    this.#running = running;
    this.name = options.name;
    this.lineHost = options.lineHost;
    this.stateDir = stateDirIn(options.folder);
    this.configFile = configFileIn(options.folder);
  }

  get pid(): number | undefined {
    return this.#running.child.pid;
  }

  get control(): ControlClient {
    return this.#running.control;
  }

  /** Where clients of the household send their requests. */
  get proxy(): Authority {
    return this.#running.proxy;
  }

  /** Starts the daemon and waits until it answers. @throws LinepoolError `demo_failed` */
  static async start(options: HouseholdOptions): Promise<Household> {
    await mkdir(options.folder, { recursive: true });
    await writeFile(configFileIn(options.folder), householdConfig(options));
    return new Household(options, await startDaemon(options));
  }

  /** The power is cut: the daemon is gone at once, and tidies nothing up. Resolves when it is gone. */
  async kill(): Promise<void> {
    const { child } = this.#running;
    if (child.pid !== undefined) process.kill(child.pid, 'SIGKILL');
    await child.exited;
  }

  /** The power is back: the daemon again, with what is on disk, on other ports where its configuration says 0. */
  async restart(): Promise<void> {
    this.#running = await startDaemon(this.#options);
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
    return this.#running.child[Symbol.asyncDispose]();
  }
}

/** A daemon that answers. */
interface RunningDaemon {
  readonly child: Child;
  readonly control: ControlClient;
  readonly proxy: Authority;
}

const stateDirIn = (folder: string): string => join(folder, 'state');
const configFileIn = (folder: string): string => join(folder, 'linepool.toml');

async function startDaemon({
  name,
  folder,
  command,
  clock,
  signal,
}: HouseholdOptions): Promise<RunningDaemon> {
  const stateDir = stateDirIn(folder);
  const child = new Child({
    name: `the daemon of ${name}`,
    command,
    args: ['up', '--state', stateDir, '--config', configFileIn(folder)],
    logFile: join(folder, 'daemon.log'),
    channel: 'none',
    clock,
  });
  const waiting = new AbortController();
  try {
    const either = AbortSignal.any([signal, waiting.signal]);
    const patience = { clock, signal: either, bound: READY_BOUND_MS };
    // A daemon that was killed leaves its run file behind: only this one's says that this one is ready.
    const ready = waitUntil(
      `the daemon of ${name} is ready`,
      patience,
      () => readRunFile(stateDir)?.pid === child.pid,
    );
    await Promise.race([ready, child.untimely()]);
    const proxy = parseAuthority(readRunFile(stateDir)?.proxy[0] ?? '');
    return { child, control: ControlClient.find(stateDir), proxy };
  } catch (error) {
    await child[Symbol.asyncDispose]();
    throw error;
  } finally {
    waiting.abort(new Error('settled'));
  }
}

/** The configuration file of a household on the loopback interface; every port but the line's is any free one. */
function householdConfig({ name, down, lineHost, ports, config }: HouseholdOptions): string {
  const sections: Record<string, readonly string[]> = {
    household: [`name = ${JSON.stringify(name)}`],
    proxy: ['listen = ["127.0.0.1:0"]'],
    control: ['listen = "127.0.0.1:0"'],
    link: ['listen = ["127.0.0.1:0"]', 'retry = "1 s"'],
    // The line of a new neighbour carries nothing of http; here http is to be seen.
    trust: ['default = "checked"'],
    // The lines of these households are no interface of this machine.
    line: [`down = "${Math.round(down)} B/s"`, 'interface = "none"', 'probe = "none"'],
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
