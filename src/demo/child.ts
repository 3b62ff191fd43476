/**
 * Child processes of the demo: each has one owner, speaks JSON messages if it was asked to, writes its errors
 * to a file, and is gone at the end whatever happens. Ends processes by the ids of its own children only.
 */
import { type ChildProcess, spawn } from 'node:child_process';
import { closeSync, openSync, readFileSync } from 'node:fs';
import type { Clock } from '../core/clock.ts';
import { LinepoolError } from '../core/errors.ts';
import type { Milliseconds } from '../core/units.ts';

export interface ChildOptions {
  /** For people, when it fails. */
  readonly name: string;
  /** Program and first arguments, such as Node and this very script. */
  readonly command: readonly string[];
  readonly args: readonly string[];
  /** Gets what it writes to stderr. */
  readonly logFile: string;
  /** `messages`: JSON messages both ways, and its end when we are gone. `stdout`: what it prints is kept. */
  readonly channel: 'messages' | 'stdout' | 'none';
  readonly clock: Clock;
}

/** How long a child may take to end in an orderly way. */
const END_BOUND_MS: Milliseconds = 4_000;
/** What is kept of stdout, and shown of a log. */
const KEPT_CHARS = 1_000_000;
const SHOWN_CHARS = 1_500;

/** Those alive that would outlive us: the ones with a channel end when it does. */
const alive = new Set<ChildProcess>();
let watching = false;

function outlives(child: ChildProcess): void {
  alive.add(child);
  if (watching) return;
  watching = true;
  process.on('exit', () => {
    for (const left of alive) left.kill('SIGKILL');
  });
}

export class Child implements AsyncDisposable {
  readonly #options: ChildOptions;
  readonly #process: ChildProcess;
  readonly #listeners = new Set<(message: unknown) => void>();
  #printed = '';
  #ending = false;
  #gone = false;
  /** Resolves with the exit code; null when a signal ended it. */
  readonly exited: Promise<number | null>;

  constructor(options: ChildOptions) {
    this.#options = options;
    const log = openSync(options.logFile, 'a', 0o600);
    const [program = process.execPath, ...first] = options.command;
    try {
      this.#process = spawn(program, [...first, ...options.args], {
        stdio: [
          'ignore',
          options.channel === 'stdout' ? 'pipe' : 'ignore',
          log,
          ...(options.channel === 'messages' ? (['ipc'] as const) : []),
        ],
      });
    } finally {
      closeSync(log);
    }
    if (options.channel !== 'messages') outlives(this.#process);
    this.exited = new Promise((resolve) => {
      const gone = (code: number | null): void => {
        this.#gone = true;
        alive.delete(this.#process);
        resolve(code);
      };
      this.#process.once('close', gone);
      this.#process.once('error', () => gone(null));
    });
    this.#process.on('message', (message) => {
      for (const listener of this.#listeners) listener(message);
    });
    this.#process.stdout?.setEncoding('utf8').on('data', (text: string) => {
      if (this.#printed.length < KEPT_CHARS) this.#printed += text;
    });
  }

  get pid(): number | undefined {
    return this.#process.pid;
  }

  /** What it has printed so far. */
  get printed(): string {
    return this.#printed;
  }

  send(message: object): void {
    // It may have gone; then `exited` says so, and the error here says nothing more.
    this.#process.send(message, () => undefined);
  }

  listen(listener: (message: unknown) => void): void {
    this.#listeners.add(listener);
  }

  /** Rejects as soon as the child ends without having been asked to; never resolves. */
  async untimely(): Promise<never> {
    const code = await this.exited;
    if (this.#ending) return await new Promise<never>(() => undefined);
    throw this.failure(code);
  }

  /** What to say when it has failed: its exit code and the end of its log. */
  failure(code: number | null): LinepoolError {
    const log = readFileSync(this.#options.logFile, 'utf8').slice(-SHOWN_CHARS);
    return new LinepoolError('demo_failed', `${this.#options.name} ended (${code ?? 'by a signal'}): ${log}`);
  }

  /** Asks it to end, and makes it after a while. */
  async [Symbol.asyncDispose](): Promise<void> {
    this.#ending = true;
    if (this.#gone) return;
    this.#process.kill('SIGTERM');
    const timer = this.#options.clock.after(END_BOUND_MS, () => this.#process.kill('SIGKILL'));
    await this.exited;
    timer[Symbol.dispose]();
  }
}
