/**
 * The borrower's clients: the command line of each program that downloads through the proxy, or around it, as people
 * use it. Used by measure.ts; it runs nothing itself. Pure.
 */
import { basename, dirname } from 'node:path';
import type { BytesPerSecond, Milliseconds } from '../src/core/units.ts';
import type { Finished } from './process.ts';
import type { Scenario } from './scenario.ts';

export interface ClientRun {
  readonly command: readonly string[];
  /** How long the download took: as the client says, or with its start where it says nothing. */
  readonly ms: (finished: Finished) => Milliseconds;
}

export interface Wanted {
  readonly file: string;
  readonly url: string;
  /** Missing: no proxy. */
  readonly proxy?: string;
  /** What the client takes at most. */
  readonly rate?: BytesPerSecond;
  /** A file with the authority that the origin's certificate is to be from, when the URL is of https. */
  readonly authority?: string;
}

/** curl into a file; prints the time it took, in seconds. */
export const curl = (file: string, ...rest: readonly string[]): readonly string[] => [
  'curl',
  '-sS',
  '-f',
  '-o',
  file,
  '-w',
  '%{time_total}',
  ...rest,
];

const wall = ({ wallMs }: Finished): Milliseconds => wallMs;
/** What goes into the file is seen when it is there; no file of the person's changes anything. */
const ARIA2 = ['--file-allocation=none', '--no-conf', '-q'];

/** One file with sixteen connections. */
export const aria2Split = ({ file, url }: Wanted): ClientRun => ({
  command: ['aria2c', '-x16', '-s16', '-k1M', ...ARIA2, '-d', dirname(file), '-o', basename(file), url],
  ms: wall,
});

/** The words for what is wanted; none where nothing is. */
const wordsOf = <T>(value: T | undefined, words: (value: T) => readonly string[]): readonly string[] =>
  value === undefined ? [] : words(value);

/** One file with one connection, as each of these programs does it when it is told nothing else. */
export function oneFile(
  client: Scenario['client'],
  { file, url, proxy, rate, authority }: Wanted,
): ClientRun {
  switch (client) {
    case 'curl': {
      const slow = wordsOf(rate, (value) => ['--limit-rate', String(Math.round(value))]);
      const through = wordsOf(proxy, (value) => ['-x', value]);
      const trusting = wordsOf(authority, (value) => ['--cacert', value]);
      return {
        command: curl(file, ...through, ...slow, ...trusting, url),
        ms: ({ stdout }) => Number(stdout) * 1000,
      };
    }
    case 'wget': {
      const slow = wordsOf(rate, (value) => [`--limit-rate=${Math.round(value)}`]);
      const through = wordsOf(proxy, (value) => ['-e', 'use_proxy=yes', '-e', `http_proxy=${value}`]);
      const trusting = wordsOf(authority, (value) => [`--ca-certificate=${value}`]);
      const rest = [...through, ...slow, ...trusting, url];
      return { command: ['wget', '--no-config', '-q', '-O', file, ...rest], ms: wall };
    }
    case 'aria2': {
      const slow = wordsOf(rate, (value) => [`--max-download-limit=${Math.round(value)}`]);
      const through = wordsOf(proxy, (value) => [`--all-proxy=${value}`]);
      const trusting = wordsOf(authority, (value) => [`--ca-certificate=${value}`]);
      const rest = [...slow, ...trusting, '-d', dirname(file), '-o', basename(file), url];
      return { command: ['aria2c', '-x1', ...ARIA2, ...through, ...rest], ms: wall };
    }
  }
}
