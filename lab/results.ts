/**
 * What is kept of a run: everything that was measured in every round, as JSON files that the report is written from.
 */
import { execFileSync } from 'node:child_process';
import { mkdirSync, readdirSync, readFileSync, renameSync, writeFileSync } from 'node:fs';
import { cpus, release, totalmem } from 'node:os';
import { join } from 'node:path';
import type { Event } from '../src/core/events.ts';
import type { Bytes, Milliseconds } from '../src/core/units.ts';
import type { Wrong } from './origin.ts';
import { REPOSITORY, RESULTS_FOLDER } from './places.ts';
import type { Look } from './report/spans.ts';
import type { PoolScheme } from './scenario.ts';
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

/** What is kept, of whatever kind of scenario. */
type Kept = Omit<Result, 'rounds' | 'looks'> & { readonly rounds: readonly unknown[] };

export interface Result {
  readonly scenario: string;
  /** When it began. */
  readonly at: string;
  readonly machine: string;
  readonly commit: string;
  readonly rounds: readonly Round[];
  /** Of the short matrix, which leaves out what the report shows. */
  readonly quick: boolean;
  /** Processor profiles were written meanwhile, which takes time. Missing: no. */
  readonly profiled?: boolean;
  /** False: there was to be more of it. Missing: yes. */
  readonly complete?: boolean;
  /** At one more download, which counts for nothing else; for the scenarios whose spans are drawn. */
  readonly looks?: readonly Look[];
}

/** So many rounds a result must have to be reported. */
export const REPORT_ROUNDS = 5;

/** Whether a report may be written from it, in the place of an earlier one. */
const isForReport = ({ quick, profiled, complete, rounds }: Kept): boolean =>
  !quick && profiled !== true && complete !== false && rounds.length >= REPORT_ROUNDS;

/** What a machine is called in a report: without the name of its kernel's build. */
export const shownMachine = (text: string): string => text.replace(/(Linux \d+\.\d+)[^,]*/, '$1');

export function machine(): string {
  const [cpu] = cpus();
  return `${cpus().length} x ${cpu?.model ?? 'unknown'}, ${Math.round(totalmem() / 2 ** 30)} GiB, Linux ${release()}, Node ${process.version}`;
}

/** The commit, with a `+` when files of what is measured, or of what measures, differ from it. */
export function commit(repository = REPOSITORY): string {
  const git = (...args: readonly string[]): string => {
    try {
      return execFileSync('git', ['-C', repository, ...args], { encoding: 'utf8', stdio: 'pipe' }).trim();
    } catch {
      // A checkout without git, or without the program: then nobody can know.
      return '';
    }
  };
  const short = git('rev-parse', '--short=12', 'HEAD');
  return short === ''
    ? 'unknown'
    : `${short}${git('status', '--porcelain', '-uno', 'src', 'lab') === '' ? '' : '+'}`;
}

/** A result in a file by its scenario and time, whole or as it was. Gives the file. */
export function keep(result: Kept, folder = RESULTS_FOLDER): string {
  mkdirSync(folder, { recursive: true });
  const file = join(folder, `${result.at.replaceAll(/[:.]/g, '-')}-${result.scenario}.json`);
  writeFileSync(`${file}.new`, `${JSON.stringify(result)}\n`);
  renameSync(`${file}.new`, file);
  return file;
}

/** The latest result of every scenario that a report may be written from. */
export function latest<T extends Kept>(folder: string): ReadonlyMap<string, T> {
  mkdirSync(folder, { recursive: true });
  const all = new Map<string, T>();
  for (const name of readdirSync(folder).sort()) {
    if (!name.endsWith('.json')) continue;
    const result = JSON.parse(readFileSync(join(folder, name), 'utf8')) as T;
    if (isForReport(result)) all.set(result.scenario, result);
  }
  return all;
}

export const latestResults = (folder = RESULTS_FOLDER): ReadonlyMap<string, Result> => latest<Result>(folder);
