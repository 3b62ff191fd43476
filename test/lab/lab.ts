/**
 * The lab's real command line, run beside whatever real lab runs on this machine: its namespaces and folders have names
 * of their own. For tests that look at what it says and what it leaves behind.
 */
import { type ChildProcess, spawn } from 'node:child_process';
import { existsSync, mkdtempSync, readdirSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { LabError } from '../../lab/failure.ts';
import { checkMachine } from '../../lab/needed.ts';
import { until } from '../support/until.ts';

const MAIN = resolve(import.meta.dirname, '..', '..', 'lab', 'main.ts');

/** The option for node:test: left out, with the reason, where the lab can not run. */
export function needsLab(): { readonly skip: string | false } {
  try {
    checkMachine();
    return { skip: false };
  } catch (error) {
    if (!(error instanceof LabError)) throw error;
    return { skip: error.message };
  }
}

export interface Ended {
  readonly code: number | null;
  readonly out: string;
  readonly err: string;
}

/** One command of the lab, in a process group of its own, as in a terminal. */
export class Command {
  readonly pid: number;
  readonly ended: Promise<Ended>;
  #out = '';
  #err = '';

  constructor(child: ChildProcess) {
    this.pid = child.pid ?? 0;
    child.stdout?.setEncoding('utf8').on('data', (text: string) => {
      this.#out += text;
    });
    child.stderr?.setEncoding('utf8').on('data', (text: string) => {
      this.#err += text;
    });
    this.ended = new Promise((settle, reject) => {
      child.once('error', reject);
      child.once('close', (code) => settle({ code, out: this.#out, err: this.#err }));
    });
  }

  /** Waits until it has said that to stderr. */
  async said(what: RegExp): Promise<void> {
    await until(`the lab has said ${what}`, () => what.test(this.#err), 60_000);
  }

  /** As Ctrl-C does: all of the group have it. */
  interrupt(): void {
    process.kill(-this.pid, 'SIGINT');
  }

  /** The lab alone: its children must notice by themselves. */
  kill(): void {
    process.kill(this.pid, 'SIGKILL');
  }
}

/** A lab under another name; what it leaves behind is removed in the end. */
export class TestLab implements AsyncDisposable {
  readonly name = `t${process.pid}`;
  readonly folder = mkdtempSync(join(tmpdir(), 'linepool-lab-'));
  readonly runFolder = `/dev/shm/linepool-lab-${this.name}`;

  /** `before`: a program with its arguments that runs it. */
  start(args: readonly string[], env: Record<string, string> = {}, before: readonly string[] = []): Command {
    const [program = process.execPath, ...rest] = [...before, process.execPath, MAIN, ...args];
    return new Command(
      spawn(program, rest, {
        detached: true,
        stdio: ['ignore', 'pipe', 'pipe'],
        env: {
          ...process.env,
          LINEPOOL_LAB_NAME: this.name,
          LINEPOOL_LAB_DIR: this.folder,
          ...env,
        },
      }),
    );
  }

  run(...args: readonly string[]): Promise<Ended> {
    return this.start(args).ended;
  }

  namespaces(): readonly string[] {
    const all = existsSync('/run/netns') ? readdirSync('/run/netns') : [];
    return all.filter((name) => name.startsWith(`${this.name}-`));
  }

  /** Ids of processes that were started under this name and are there. */
  processes(): readonly string[] {
    return readdirSync('/proc').filter((pid) => {
      if (!/^\d+$/.test(pid)) return false;
      try {
        return readFileSync(`/proc/${pid}/environ`, 'utf8').includes(`LINEPOOL_LAB_NAME=${this.name}\0`);
      } catch {
        // It has ended, or is about to.
        return false;
      }
    });
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.run('clean');
    rmSync(this.folder, { recursive: true, force: true });
  }
}
