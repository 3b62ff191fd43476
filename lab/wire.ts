/**
 * The wire's process: compiled on first use, started, and spoken to. See wire/wire.c for what it does and for its
 * commands. Used by neighbourhood.ts; changes of a line while it is in use go through here.
 */
import { type ChildProcessWithoutNullStreams, spawn } from 'node:child_process';
import { createHash } from 'node:crypto';
import { existsSync, mkdirSync, readFileSync, renameSync } from 'node:fs';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { z } from 'zod';
import type { Bytes, BytesPerSecond, Milliseconds } from '../src/core/units.ts';
import { LabError } from './failure.ts';
import { CACHE_FOLDER } from './places.ts';
import { guarded, must } from './process.ts';

const Way = z.object({
  /** What came out at the other end. */
  bytes: z.number(),
  packets: z.number(),
  lost: z.number(),
  /** For lack of room in the queue. */
  dropped: z.number(),
  queued: z.number(),
  /** Since the counters were asked for the last time. */
  mostQueued: z.number(),
});
const Counters = z.object({
  cpuMs: z.number(),
  unsent: z.number(),
  /** By how much a packet came later than it should, at most, since the last time. */
  worstLateUs: z.number(),
  ways: z.record(z.string(), Way),
});
export type Counters = z.output<typeof Counters>;

export interface WayShape {
  readonly rate?: BytesPerSecond;
  /** One way. */
  readonly delayMs?: Milliseconds;
  readonly jitterMs?: Milliseconds;
  /** 0 to 1. */
  readonly loss?: number;
  readonly queueBytes?: Bytes;
}

const SOURCE = join(import.meta.dirname, 'wire', 'wire.c');

/** The program, compiled if this source never was. @throws LabError */
export async function compileWire(): Promise<string> {
  const hash = createHash('sha256').update(readFileSync(SOURCE)).digest('hex').slice(0, 16);
  const program = join(CACHE_FOLDER, `wire-${hash}`);
  if (existsSync(program)) return program;
  mkdirSync(CACHE_FOLDER, { recursive: true });
  const fresh = `${program}.${process.pid}`;
  await must(['cc', '-O2', '-Wall', '-Wextra', '-o', fresh, SOURCE]);
  renameSync(fresh, program);
  return program;
}

export class Wires implements AsyncDisposable {
  readonly #child: ChildProcessWithoutNullStreams;
  readonly #waiting: { resolve: (line: string) => void; reject: (error: Error) => void }[] = [];
  readonly #ended: Promise<void>;

  constructor(program: string) {
    const [guard, args] = guarded(undefined, [program]);
    this.#child = spawn(guard, args, { stdio: 'pipe' });
    this.#child.stderr.resume();
    this.#child.stdin.on('error', () => undefined);
    createInterface(this.#child.stdout).on('line', (line) => this.#waiting.shift()?.resolve(line));
    this.#ended = new Promise((resolve) => {
      const gone = (): void => {
        for (const { reject } of this.#waiting.splice(0)) reject(new LabError('The wire has ended.'));
        resolve();
      };
      this.#child.once('close', gone);
      this.#child.once('error', gone);
    });
  }

  /** A line between two namespaces: `down` leads from the first to the second. */
  async wire(name: string, from: { ns: string; device: string }, to: { ns: string; device: string }) {
    await this.#order(`wire ${name} ${from.ns} ${from.device} ${to.ns} ${to.device}`);
  }

  /** One more device on a shared medium. */
  async station(radio: string, at: { ns: string; device: string; address: string }) {
    await this.#order(`station ${radio} ${at.ns} ${at.device} ${at.address}`);
  }

  /** Changes a way (`NAME.down`), or all ways of a name, from now on; what is left out stays. */
  async shape(way: string, shape: WayShape): Promise<void> {
    const words = [
      shape.rate === undefined ? '' : `rate=${Math.round(shape.rate * 8)}`,
      shape.delayMs === undefined ? '' : `delay=${shape.delayMs * 1000}`,
      shape.jitterMs === undefined ? '' : `jitter=${shape.jitterMs * 1000}`,
      shape.loss === undefined ? '' : `loss=${shape.loss}`,
      shape.queueBytes === undefined ? '' : `queue=${Math.round(shape.queueBytes)}`,
    ];
    await this.#order(`set ${way} ${words.filter((word) => word !== '').join(' ')}`);
  }

  /** Nothing moves any more, nothing ends, nothing is refused. */
  async stall(name: string): Promise<void> {
    await this.#order(`stall ${name}`);
  }

  async go(name: string): Promise<void> {
    await this.#order(`go ${name}`);
  }

  async seed(number: number): Promise<void> {
    await this.#order(`seed ${number}`);
  }

  async counters(): Promise<Counters> {
    return Counters.parse(JSON.parse(await this.#ask('counters')));
  }

  async #order(line: string): Promise<void> {
    const answer = await this.#ask(line);
    if (answer !== 'ok') throw new LabError(`The wire says of "${line}": ${answer}`);
  }

  #ask(line: string): Promise<string> {
    return new Promise((resolve, reject) => {
      if (this.#child.exitCode !== null) {
        reject(new LabError('The wire has ended.'));
        return;
      }
      this.#waiting.push({ resolve, reject });
      this.#child.stdin.write(`${line}\n`);
    });
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#child.stdin.end();
    const timer = setTimeout(() => this.#child.kill('SIGKILL'), 2_000);
    await this.#ended;
    clearTimeout(timer);
  }
}
