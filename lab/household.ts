/**
 * A household of the lab: the real daemon in its router's namespace, driven by the real command line. Made by
 * neighbourhood.ts. It must use no way into the daemon that people don't have.
 */
import { mkdirSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { readRunFile, runFile } from '../src/control/runfile.ts';
import type { EventRecord } from '../src/core/events.ts';
import type { BytesPerSecond, Milliseconds } from '../src/core/units.ts';
import { LabError } from './failure.ts';
import { clientNs, routerNs } from './namespaces.ts';
import { ORIGIN_ADDRESS, ORIGIN_NAME } from './origin.ts';
import { REPOSITORY, RUN_FOLDER } from './places.ts';
import { cpuMs, must, Running } from './process.ts';
import type { PoolScheme } from './scenario.ts';

const READY_BOUND_MS: Milliseconds = 15_000;
const PROXY_PORT = 3128;
const LINK_PORT = 7468;

/** In the home network, on the radio, and towards the origin. */
export const lanAddress = (household: number): string => `10.1.${household}.1`;
export const radioAddress = (household: number): string => `10.77.0.${household}`;

export interface HouseholdOptions {
  readonly number: number;
  readonly down: BytesPerSecond;
  /** Whom it asks how late its line answers, as `line.probe` has it. */
  readonly probe: string;
  readonly signal: AbortSignal;
  /** The folder for processor profiles of its daemons, when they are wanted. */
  readonly profiles?: string;
}

export class Household implements AsyncDisposable {
  readonly number: number;
  readonly name: string;
  readonly #down: BytesPerSecond;
  readonly #command: readonly string[];
  readonly #folder: string;
  readonly #signal: AbortSignal;
  readonly #profiles: string | undefined;
  readonly #probe: string;
  #daemon: Running | undefined;

  constructor({ number, down, probe, signal, profiles }: HouseholdOptions) {
    this.number = number;
    this.name = `Household ${number}`;
    this.#down = down;
    this.#probe = probe;
    this.#signal = signal;
    this.#profiles = profiles;
    this.#folder = join(RUN_FOLDER, `household${number}`);
    this.#command = [process.execPath, join(REPOSITORY, 'src', 'main.ts')];
    mkdirSync(this.#folder, { recursive: true });
  }

  get ns(): string {
    return routerNs(this.number);
  }

  get clientNs(): string {
    return clientNs(this.number);
  }

  get proxy(): string {
    return `http://${lanAddress(this.number)}:${PROXY_PORT}`;
  }

  get isUp(): boolean {
    return this.#daemon !== undefined && !this.#daemon.isGone;
  }

  /** Of its daemon; 0 when it does not run. */
  get pid(): number {
    return this.#daemon?.pid ?? 0;
  }

  get cpuMs(): Milliseconds {
    return this.#daemon === undefined ? 0 : cpuMs(this.#daemon.pid);
  }

  get stateDir(): string {
    return join(this.#folder, 'state');
  }

  get #places(): readonly string[] {
    return ['--state', this.stateDir, '--config', join(this.#folder, 'linepool.toml')];
  }

  /** The command line of `linepool COMMAND` for this household. */
  command(...args: readonly string[]): readonly string[] {
    return [...this.#command, ...args, ...this.#places];
  }

  /** Starts the daemon and waits until it is ready. */
  async up(scheme: PoolScheme): Promise<void> {
    writeFileSync(join(this.#folder, 'linepool.toml'), this.#config(scheme));
    const state = this.stateDir;
    rmSync(runFile(state), { force: true });
    const log = join(this.#folder, 'daemon.log');
    this.#daemon = Running.start(`the daemon of ${this.name}`, this.command('up'), log, {
      ns: this.ns,
      ...(this.#profiles !== undefined && { env: this.#profiling(this.#profiles) }),
    });
    await this.#daemon.until(() => readRunFile(state) !== undefined, READY_BOUND_MS, this.#signal);
  }

  async down(): Promise<void> {
    await this.#daemon?.[Symbol.asyncDispose]();
  }

  /** As when the power fails. */
  async kill(): Promise<void> {
    await this.#daemon?.kill();
  }

  /** What its daemon told since it began. */
  async events(): Promise<readonly EventRecord[]> {
    const { stdout } = await must(this.command('events', '--no-follow', '--json'), { ns: this.ns });
    const lines = stdout.split('\n').filter((line) => line !== '');
    return lines.map((line) => JSON.parse(line) as EventRecord);
  }

  /** Runs a command of the command line as its people would; gives the JSON of its last line. */
  async ask<T>(...args: readonly string[]): Promise<T> {
    const { stdout } = await must([...this.command(...args), '--json'], {
      ns: this.ns,
      signal: this.#signal,
    });
    const last = stdout.trim().split('\n').at(-1) ?? '';
    try {
      return JSON.parse(last) as T;
    } catch (error) {
      throw new LabError(`linepool ${args[0]} printed no JSON: ${last.slice(0, 200)}`, { cause: error });
    }
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.down();
  }

  /** One file for each life of the daemon, written at its end. */
  #profiling(folder: string): Record<string, string> {
    mkdirSync(folder, { recursive: true });
    const name = `household${this.number}-${Date.now()}.cpuprofile`;
    return { NODE_OPTIONS: `--cpu-prof --cpu-prof-dir=${folder} --cpu-prof-name=${name}` };
  }

  #config(scheme: PoolScheme): string {
    return `
[household]
name = "${this.name}"
[proxy]
listen = ["${lanAddress(this.number)}:${PROXY_PORT}"]
[pool]
scheme = "${scheme}"
[trust]
# The line of a new neighbour carries nothing of http; here http is measured.
default = "checked"
[line]
down = "${Math.round(this.#down)} B/s"
probe = "${this.#probe}"
[lend]
share_percent = 100
# The origin's address is one for measurements, and exists here only.
allow_networks = ["${ORIGIN_ADDRESS}/32"]
[link]
listen = ["${radioAddress(this.number)}:${LINK_PORT}"]
retry = "1 s"
[resolve]
"${ORIGIN_NAME}" = "${ORIGIN_ADDRESS}"
`;
  }
}
