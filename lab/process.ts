/**
 * Programs of the lab: run to their end, or started and owned. Each runs in a network namespace if it is told to, and
 * dies with the lab even if that is killed. Ends processes by the ids of its own children only.
 */
import { type ChildProcess, spawn } from 'node:child_process';
import { closeSync, openSync, readFileSync } from 'node:fs';
import { setTimeout as wait } from 'node:timers/promises';
import type { Milliseconds } from '../src/core/units.ts';
import { LabError } from './failure.ts';

export interface Finished {
  /** Null when a signal ended it. */
  readonly code: number | null;
  readonly stdout: string;
  readonly stderr: string;
  readonly wallMs: Milliseconds;
}

export interface RunOptions {
  /** The network namespace that it runs in; default: the one that we run in. */
  readonly ns?: string;
  readonly input?: string;
  readonly env?: Readonly<Record<string, string>>;
  readonly timeoutMs?: Milliseconds;
  readonly signal?: AbortSignal;
  /** Told the process id. */
  readonly onStart?: (pid: number) => void;
}

const TIMEOUT_MS: Milliseconds = 30_000;
/** How long a program may take to end in an orderly way. */
const END_BOUND_MS: Milliseconds = 6_000;
const KEPT_CHARS = 2_000_000;

/** The command line that runs a program in a namespace, and ends it when we end. */
export function guarded(
  ns: string | undefined,
  command: readonly string[],
): readonly [string, readonly string[]] {
  const bound = ['setpriv', '--pdeathsig', 'SIGKILL', '--', ...command];
  return ns === undefined
    ? ['setpriv', bound.slice(1)]
    : ['nsenter', [`--net=/run/netns/${ns}`, '--', ...bound]];
}

/** Runs a program to its end. Rejects only when the signal aborts. */
export async function run(command: readonly string[], options: RunOptions = {}): Promise<Finished> {
  const { ns, input, env, timeoutMs = TIMEOUT_MS, signal, onStart } = options;
  signal?.throwIfAborted();
  const began = performance.now();
  const [program, args] = guarded(ns, command);
  const child = spawn(program, args, {
    stdio: ['pipe', 'pipe', 'pipe'],
    env: { ...process.env, ...env },
  });
  if (child.pid !== undefined) onStart?.(child.pid);
  let stdout = '';
  let stderr = '';
  child.stdout.setEncoding('utf8').on('data', (text: string) => {
    if (stdout.length < KEPT_CHARS) stdout += text;
  });
  child.stderr.setEncoding('utf8').on('data', (text: string) => {
    if (stderr.length < KEPT_CHARS) stderr += text;
  });
  // A program that ends without reading its input is no fault of ours; its exit code tells.
  child.stdin.on('error', () => undefined);
  child.stdin.end(input ?? '');
  const kill = (): void => {
    child.kill('SIGKILL');
  };
  const timer = setTimeout(kill, timeoutMs);
  signal?.addEventListener('abort', kill, { once: true });
  const code = await exitOf(child);
  clearTimeout(timer);
  signal?.removeEventListener('abort', kill);
  signal?.throwIfAborted();
  return { code, stdout, stderr, wallMs: performance.now() - began };
}

/** The same, when anything but success ends the scenario. @throws LabError with what it wrote to stderr */
export async function must(command: readonly string[], options: RunOptions = {}): Promise<Finished> {
  const finished = await run(command, options);
  if (finished.code !== 0) {
    const said = finished.stderr.trim().split('\n').slice(-3).join(' | ');
    const where = options.ns === undefined ? '' : ` in ${options.ns}`;
    throw new LabError(`${command.slice(0, 6).join(' ')}${where} ended with ${finished.code}: ${said}`);
  }
  return finished;
}

function exitOf(child: ChildProcess): Promise<number | null> {
  return new Promise((resolve) => {
    child.once('close', (code) => resolve(code));
    child.once('error', () => resolve(127));
  });
}

/** A program that runs until it is disposed of, or killed as a fault. */
export class Running implements AsyncDisposable {
  readonly #child: ChildProcess;
  readonly #name: string;
  readonly #logFile: string;
  readonly #exited: Promise<number | null>;
  #gone = false;

  private constructor(name: string, child: ChildProcess, logFile: string) {
    this.#name = name;
    this.#child = child;
    this.#logFile = logFile;
    this.#exited = exitOf(child).then((code) => {
      this.#gone = true;
      return code;
    });
  }

  static start(name: string, command: readonly string[], logFile: string, options: RunOptions = {}): Running {
    const log = openSync(logFile, 'a', 0o600);
    const [program, args] = guarded(options.ns, command);
    try {
      const child = spawn(program, args, {
        stdio: ['ignore', log, log],
        env: { ...process.env, ...options.env },
      });
      return new Running(name, child, logFile);
    } finally {
      closeSync(log);
    }
  }

  get pid(): number {
    return this.#child.pid ?? 0;
  }

  get isGone(): boolean {
    return this.#gone;
  }

  /** Without a word to anybody, as when the power fails. */
  async kill(): Promise<void> {
    this.#child.kill('SIGKILL');
    await this.#exited;
  }

  /** Waits for the condition. @throws LabError when the program ends before, or the bound passes */
  async until(
    condition: () => boolean | Promise<boolean>,
    boundMs: Milliseconds,
    signal: AbortSignal,
  ): Promise<void> {
    const end = performance.now() + boundMs;
    while (!(await condition())) {
      signal.throwIfAborted();
      if (this.#gone || performance.now() > end) {
        const log = readFileSync(this.#logFile, 'utf8').trim().split('\n').slice(-3).join(' | ');
        throw new LabError(`${this.#name} ${this.#gone ? 'ended' : 'is not ready'}: ${log}`);
      }
      await wait(25);
    }
  }

  async [Symbol.asyncDispose](): Promise<void> {
    if (this.#gone) return;
    this.#child.kill('SIGTERM');
    const timer = setTimeout(() => this.#child.kill('SIGKILL'), END_BOUND_MS);
    await this.#exited;
    clearTimeout(timer);
  }
}

/** Ticks of `/proc/PID/stat` are a hundredth of a second on every Linux that Node runs on. */
const TICK_MS: Milliseconds = 10;

/** The fields of `/proc/PID/stat` from the third, the state, on; none when the process is gone. */
function statOf(pid: number): readonly string[] | undefined {
  try {
    const stat = readFileSync(`/proc/${pid}/stat`, 'utf8');
    return stat.slice(stat.lastIndexOf(')') + 2).split(' ');
  } catch (error) {
    if (['ENOENT', 'ESRCH'].includes((error as NodeJS.ErrnoException).code ?? '')) return undefined;
    throw error;
  }
}

/** Processor time that a process has used, user and system; 0 when it is gone. */
export function cpuMs(pid: number): Milliseconds {
  const fields = statOf(pid);
  return fields === undefined ? 0 : (Number(fields[11]) + Number(fields[12])) * TICK_MS;
}

/** When a process began, in ticks since the machine did; undefined when it is gone. */
export const startedAt = (pid: number): string | undefined => statOf(pid)?.[19];
