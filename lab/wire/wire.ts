/**
 * The wire in user space: its process, compiled on first use, started, and spoken to. See wire.c for what it does
 * and for its commands. Opened by wires.ts; changes of a line while it is in use go through here.
 */
import { type ChildProcessWithoutNullStreams, spawn } from 'node:child_process';
import { createHash } from 'node:crypto';
import { existsSync, mkdirSync, readFileSync, renameSync } from 'node:fs';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { LabError } from '../failure.ts';
import { CACHE_FOLDER } from '../places.ts';
import { guarded, must } from '../process.ts';
import { Counters, type Device, type WayShape, type Wires } from './contract.ts';

const SOURCE = join(import.meta.dirname, 'wire.c');

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

export class TunWires implements Wires {
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

  async wire(name: string, from: Device, to: Device): Promise<void> {
    await this.#order(`wire ${name} ${from.ns} ${from.device} ${to.ns} ${to.device}`);
  }

  async station(radio: string, at: Device & { address: string }): Promise<void> {
    await this.#order(`station ${radio} ${at.ns} ${at.device} ${at.address}`);
  }

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
      // One that was killed has no exit code.
      if (this.#child.exitCode !== null || this.#child.signalCode !== null) {
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
