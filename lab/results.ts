/**
 * What is kept of a run: everything that was measured in every round, as JSON files that the report is written from.
 */
import { execFileSync } from 'node:child_process';
import { mkdirSync, readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { cpus, release, totalmem } from 'node:os';
import { join } from 'node:path';
import type { Event } from '../src/core/events.ts';
import type { Bytes, Milliseconds } from '../src/core/units.ts';
import type { Wrong } from './origin.ts';
import { REPOSITORY, RESULTS_FOLDER } from './places.ts';
import type { PoolScheme } from './scenario.ts';
import type { Look } from './spans.ts';
import type { Sample, Transfer, Watched } from './watched.ts';

/** What had been carried, so long after the beginning. */
export interface Carried {
  readonly ms: Milliseconds;
  readonly bytes: Bytes;
}

/** One pooled download, or several at once. */
export interface PooledRun {
  readonly scheme: PoolScheme;
  /** Of all of them, until the last had ended. */
  readonly bytes: Bytes;
  readonly ms: Milliseconds;
  readonly isRight: boolean;
  /** Of each download, where its bytes are not those of the origin. */
  readonly wrong: readonly (readonly Wrong[])[];
  readonly codes: readonly (number | null)[];
  readonly samples: readonly Sample[];
  /** What the daemon, or `get`, says of it; several downloads summed. Missing when nothing was pooled. */
  readonly peakWindowBytes: Bytes | undefined;
  readonly bytesTwice: Bytes | undefined;
  /** Path name to bytes. */
  readonly bytesByPath: Readonly<Record<string, Bytes>>;
  /** Of the daemons by household, and of the wire; while the download ran. */
  readonly cpuMs: Readonly<Record<string, Milliseconds>>;
  /** How long small pages took meanwhile. */
  readonly smallMs: readonly Milliseconds[];
  /** Events of the borrower's daemon that are not good news. */
  readonly troubles: readonly Event[];
}

export interface Round {
  /** In the order of the lines. */
  readonly alone: readonly Transfer[];
  /** What all lines together had carried of files since the measurement of the lines alone began; where rates follow a trace. */
  readonly aloneCarried?: readonly Carried[];
  /** In the first round only: it has the own line and nothing else, and takes longer than all the rest. */
  readonly aria2: Watched | undefined;
  readonly mptcp: Watched | undefined;
  readonly pooled: readonly PooledRun[];
  /** How long small pages took during a download over the own line. */
  readonly ownSmallMs: readonly Milliseconds[];
}

export interface Result {
  readonly scenario: string;
  readonly at: string;
  readonly machine: string;
  readonly commit: string;
  readonly rounds: readonly Round[];
  /** Of the short matrix, which leaves out what the report shows. */
  readonly quick: boolean;
  /** At one more download, which counts for nothing else; for the scenarios whose spans are drawn. */
  readonly looks?: readonly Look[];
}

/** What a machine is called in a report: without the name of its kernel's build. */
export const shownMachine = (text: string): string => text.replace(/(Linux \d+\.\d+)[^,]*/, '$1');

export function machine(): string {
  const [cpu] = cpus();
  return `${cpus().length} x ${cpu?.model ?? 'unknown'}, ${Math.round(totalmem() / 2 ** 30)} GiB, Linux ${release()}, Node ${process.version}`;
}

/** The commit, with a `+` when files differ from it. */
export function commit(): string {
  const git = (...args: readonly string[]): string => {
    try {
      return execFileSync('git', ['-C', REPOSITORY, ...args], { encoding: 'utf8', stdio: 'pipe' }).trim();
    } catch {
      // A checkout without git, or without the program: then nobody can know.
      return '';
    }
  };
  const short = git('rev-parse', '--short=12', 'HEAD');
  return short === ''
    ? 'unknown'
    : `${short}${git('status', '--porcelain', '-uno', 'src') === '' ? '' : '+'}`;
}

/** Gives the file. */
export function keep(result: Result): string {
  mkdirSync(RESULTS_FOLDER, { recursive: true });
  const file = join(RESULTS_FOLDER, `${result.at.replaceAll(/[:.]/g, '-')}-${result.scenario}.json`);
  writeFileSync(file, `${JSON.stringify(result)}\n`);
  return file;
}

/** The latest result of every scenario; those of the short matrix don't count. */
export function latestResults(): ReadonlyMap<string, Result> {
  mkdirSync(RESULTS_FOLDER, { recursive: true });
  const latest = new Map<string, Result>();
  for (const name of readdirSync(RESULTS_FOLDER).sort()) {
    if (!name.endsWith('.json')) continue;
    const result = JSON.parse(readFileSync(join(RESULTS_FOLDER, name), 'utf8')) as Result;
    if (!result.quick) latest.set(result.scenario, result);
  }
  return latest;
}
