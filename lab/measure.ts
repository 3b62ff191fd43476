/**
 * The measurements: real programs as clients, each in the namespace where a household's client is, with what came over
 * each line and what the client had at every moment. Used by run.ts.
 */
import { mkdirSync, rmSync, statSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as wait } from 'node:timers/promises';
import type { Bytes, Milliseconds } from '../src/core/units.ts';
import { LabError } from './failure.ts';
import { MULTI_NS } from './namespaces.ts';
import { type Neighbourhood, wireOf } from './neighbourhood.ts';
import {
  CA_FILE,
  MPTCP_PORT,
  ORIGIN_ADDRESS,
  ORIGIN_NAME,
  originFile,
  SMALL_FILE,
  type Wrong,
  wrongSpans,
} from './origin.ts';
import { RUN_FOLDER } from './places.ts';
import { cpuMs, must, type RunOptions, run } from './process.ts';
import { meanRate } from './scenario.ts';

const SAMPLE_MS: Milliseconds = 40;
const DOWNLOAD_BOUND_MS: Milliseconds = 400_000;
const DOWNLOADED = join(RUN_FOLDER, 'downloaded');

/** Since the download began. */
export interface Sample {
  readonly ms: Milliseconds;
  /** What the client had. */
  readonly delivered: Bytes;
  /** What had come out of each line, packets' headers and all. */
  readonly lines: readonly Bytes[];
}

export interface Transfer {
  readonly bytes: Bytes;
  /** As the client says, from its first packet to its last byte. */
  readonly ms: Milliseconds;
}

export interface Watched extends Transfer {
  /** True when the client has every byte as the origin has it. */
  readonly isRight: boolean;
  /** Where it has not, when it says that it has everything. */
  readonly wrong: readonly Wrong[];
  /** The client's exit code. */
  readonly code: number | null;
  /** Processor time of the client, as last seen. */
  readonly cpuMs: Milliseconds;
  readonly samples: readonly Sample[];
}

const url = (name: string, port = 80): string => `http://${ORIGIN_ADDRESS}:${port}/${name}`;

const curl = (file: string, ...rest: readonly string[]): readonly string[] => [
  'curl',
  '-sS',
  '-f',
  '-o',
  file,
  '-w',
  '%{time_total}',
  ...rest,
];

/** Every line alone, straight to the origin, from the client behind it; all at the same time, since each has its own wire. */
export async function linesAlone(
  neighbourhood: Neighbourhood,
  signal: AbortSignal,
  atMostMs: Milliseconds,
): Promise<readonly Transfer[]> {
  const { lines, bytes: whole } = neighbourhood.scenario;
  const name = originFile(whole);
  return await Promise.all(
    lines.map(async (line, i) => {
      const bytes = Math.min(whole, Math.round((meanRate(line) * atMostMs) / 1000));
      const options = { ns: neighbourhood.household(i + 1).clientNs, signal, timeoutMs: DOWNLOAD_BOUND_MS };
      // The whole file where it is small enough: a server that ignores ranges sends it anyway.
      const part = bytes < whole && line.origin === 'honest' ? ['-r', `0-${bytes - 1}`] : [];
      const { stdout } = await must(curl('/dev/null', ...part, url(name)), options);
      return { bytes: part.length > 0 ? bytes : whole, ms: Number(stdout) * 1000 };
    }),
  );
}

/** The own line, with aria2 and sixteen connections; the time includes its start. */
export async function ownLineByAria2(neighbourhood: Neighbourhood, signal: AbortSignal): Promise<Watched> {
  const { bytes } = neighbourhood.scenario;
  const name = originFile(bytes);
  return await watched(neighbourhood, name, bytes, 'aria2', async (file, onStart) => {
    const split = ['-x16', '-s16', '-k1M', '--file-allocation=none', '--no-conf', '-q'];
    const place = ['-d', DOWNLOADED, '-o', file.slice(DOWNLOADED.length + 1)];
    const options = { ns: neighbourhood.borrower.clientNs, signal, timeoutMs: DOWNLOAD_BOUND_MS, onStart };
    const { code, wallMs } = await run(['aria2c', ...split, ...place, url(name)], options);
    return { code, ms: wallMs };
  });
}

/** Kernel MPTCP over all lines: what there would be if origin and client both had it. */
export async function allLinesByMptcp(neighbourhood: Neighbourhood, signal: AbortSignal): Promise<Watched> {
  const { bytes } = neighbourhood.scenario;
  const name = originFile(bytes);
  const command = ['mptcpize', 'run'];
  return await watched(neighbourhood, name, bytes, 'mptcp', (file, onStart) =>
    timed([...command, ...curl(file, url(name, MPTCP_PORT))], { ns: MULTI_NS, signal, onStart }),
  );
}

/** One download by the household's client, as the scenario has it. */
export async function pooled(
  neighbourhood: Neighbourhood,
  number: number,
  signal: AbortSignal,
): Promise<Watched> {
  const { bytes, via, clientRate } = neighbourhood.scenario;
  const { borrower } = neighbourhood;
  const name = originFile(bytes, number === 0 ? undefined : `${bytes}-${number}.bin`);
  return await watched(neighbourhood, name, bytes, `pooled-${number}`, async (file, onStart) => {
    if (via === 'get-https') {
      const target = `https://${ORIGIN_NAME}/${name}`;
      const command = borrower.command('get', target, '-o', file, '--cacert', CA_FILE, '-q', '--json');
      const options = { ns: borrower.ns, signal, timeoutMs: DOWNLOAD_BOUND_MS, onStart };
      const { code, stdout, stderr } = await run(command, options);
      if (code !== 0) throw new LabError(`linepool get ended with ${code}: ${stderr.trim()}`);
      return { code, ms: (JSON.parse(stdout.trim().split('\n').at(-1) ?? '') as { ms: number }).ms };
    }
    const slow = clientRate === undefined ? [] : ['--limit-rate', String(Math.round(clientRate))];
    const through = ['-x', borrower.proxy, ...slow, `http://${ORIGIN_NAME}/${name}`];
    return await timed(curl(file, ...through), { ns: borrower.clientNs, signal, onStart });
  });
}

async function timed(command: readonly string[], options: RunOptions) {
  const { code, stdout } = await run(command, { ...options, timeoutMs: DOWNLOAD_BOUND_MS });
  return { code, ms: Number(stdout) * 1000 };
}

/** Runs a download into a file, and looks at the file and the lines while it runs. */
async function watched(
  { wires, scenario }: Neighbourhood,
  name: string,
  bytes: Bytes,
  label: string,
  download: (
    file: string,
    onStart: (pid: number) => void,
  ) => Promise<{ code: number | null; ms: Milliseconds }>,
): Promise<Watched> {
  mkdirSync(DOWNLOADED, { recursive: true });
  const file = join(DOWNLOADED, label);
  rmSync(file, { force: true });
  const samples: Sample[] = [];
  let client = 0;
  let clientMs: Milliseconds = 0;
  const ways = scenario.lines.map((_, i) => `${wireOf(i + 1)}.down`);
  const before = (await wires.counters()).ways;
  const began = performance.now();
  const look = async (): Promise<void> => {
    const { ways: now } = await wires.counters();
    clientMs = Math.max(clientMs, cpuMs(client));
    samples.push({
      ms: performance.now() - began,
      delivered: statSync(file, { throwIfNoEntry: false })?.size ?? 0,
      lines: ways.map((way) => (now[way]?.bytes ?? 0) - (before[way]?.bytes ?? 0)),
    });
  };
  const ended = new AbortController();
  const watching = (async () => {
    while (!ended.signal.aborted) {
      await look();
      await wait(SAMPLE_MS);
    }
  })();
  try {
    const { code, ms } = await download(file, (pid) => {
      client = pid;
    });
    await look();
    ended.abort();
    const wrong = code === 0 ? await wrongSpans(file, name) : [];
    return {
      bytes,
      ms,
      code,
      cpuMs: clientMs,
      isRight: code === 0 && wrong.length === 0,
      wrong,
      samples,
    };
  } finally {
    ended.abort();
    await watching;
    rmSync(file, { force: true });
  }
}

/** Small pages, one after the other ten times a second, until told to stop; gives how long each took. */
export async function smallPages(
  neighbourhood: Neighbourhood,
  through: 'proxy' | 'line',
  until: Promise<unknown>,
): Promise<readonly Milliseconds[]> {
  const { borrower } = neighbourhood;
  const took: Milliseconds[] = [];
  const way = through === 'proxy' ? ['-x', borrower.proxy] : [];
  const ended = new AbortController();
  const stop = (): void => ended.abort();
  until.then(stop, stop);
  while (!ended.signal.aborted) {
    const command = curl('/dev/null', ...way, url(SMALL_FILE));
    const { code, stdout } = await run(command, { ns: borrower.clientNs });
    if (code === 0 && !ended.signal.aborted) took.push(Number(stdout) * 1000);
    await wait(80);
  }
  return took;
}

/** The own line's download while small pages are asked for: what pooling is compared with. */
export async function ownLineWithSmallPages(
  neighbourhood: Neighbourhood,
  signal: AbortSignal,
  atMostMs: Milliseconds,
): Promise<readonly Milliseconds[]> {
  const { bytes, lines } = neighbourhood.scenario;
  const name = originFile(bytes);
  const part = Math.min(bytes, Math.round(((lines[0]?.down ?? bytes) * atMostMs) / 1000));
  const download = must(curl('/dev/null', '-r', `0-${part - 1}`, url(name)), {
    ns: neighbourhood.borrower.clientNs,
    signal,
    timeoutMs: DOWNLOAD_BOUND_MS,
  });
  const took = await smallPages(neighbourhood, 'line', download);
  await download;
  return took;
}
