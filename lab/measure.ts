/**
 * The measurements: real programs as clients, each in the namespace where a household's client is.
 * Used by run.ts.
 */
import { setTimeout as wait } from 'node:timers/promises';
import type { Bytes, Milliseconds } from '../src/core/units.ts';
import { aria2Split, type ClientRun, curl, oneFile, type Wanted } from './clients.ts';
import { LabError } from './failure.ts';
import { PAYLOAD } from './figures.ts';
import { whileLooking } from './looking.ts';
import { MULTI_NS } from './namespaces.ts';
import { type Neighbourhood, wireOf } from './neighbourhood.ts';
import { CA_FILE, MPTCP_PORTS, ORIGIN_ADDRESS, ORIGIN_NAME, originFile, SMALL_FILE } from './origin.ts';
import { must, type RunOptions, run } from './process.ts';
import type { Carried } from './results.ts';
import { aloneBytes, type Scenario } from './scenario.ts';
import { type Told, type Transfer, type Watched, watched } from './watched.ts';

const SAMPLE_MS: Milliseconds = 40;
const DOWNLOAD_BOUND_MS: Milliseconds = 400_000;

/** What each line did, and where that was looked at, what all had carried by when. */
export interface Alone {
  readonly alone: readonly Transfer[];
  readonly carried?: readonly Carried[];
}

const url = (name: string, port = 80): string => `http://${ORIGIN_ADDRESS}:${port}/${name}`;

/** Every line alone, straight to the origin, from the client behind it; all at the same time, since each has its own wire. */
export async function linesAlone(
  neighbourhood: Neighbourhood,
  signal: AbortSignal,
  forMs: Milliseconds,
): Promise<Alone> {
  const { lines, bytes: whole } = neighbourhood.scenario;
  const name = originFile(whole);
  const alone = await Promise.all(
    lines.map(async (line, i) => {
      const bytes = aloneBytes(line, whole, forMs);
      const options = { ns: neighbourhood.household(i + 1).clientNs, signal, timeoutMs: DOWNLOAD_BOUND_MS };
      // The whole file where it is small enough: a server that ignores ranges sends it anyway.
      const part = bytes < whole && line.origin === 'honest' ? ['-r', `0-${bytes - 1}`] : [];
      const { stdout } = await must(curl('/dev/null', ...part, url(name)), options);
      return { bytes: part.length > 0 ? bytes : whole, ms: Number(stdout) * 1000 };
    }),
  );
  return { alone };
}

/**
 * The same, each line with the whole file, while the wires are looked at: where rates change, what lines carry depends on when
 * one looks.
 */
export async function linesAloneAllTheWhile(
  neighbourhood: Neighbourhood,
  signal: AbortSignal,
): Promise<Alone> {
  const carried: Carried[] = [];
  const { wires, scenario } = neighbourhood;
  const sum = async (): Promise<number> => {
    const { ways } = await wires.counters();
    return scenario.lines.reduce((bytes, _, i) => bytes + (ways[`${wireOf(i + 1)}.down`]?.bytes ?? 0), 0);
  };
  const before = await sum();
  const began = performance.now();
  const look = async (): Promise<void> => {
    carried.push({ ms: performance.now() - began, bytes: ((await sum()) - before) * PAYLOAD });
  };
  const { alone } = await whileLooking(
    () => linesAlone(neighbourhood, signal, DOWNLOAD_BOUND_MS),
    look,
    SAMPLE_MS,
  );
  // Once one has all, not every line is full any more.
  const first = Math.min(...alone.map(({ ms }) => ms));
  return { alone, carried: carried.filter(({ ms }) => ms <= first) };
}

/** The own line, with aria2 and sixteen connections; the time includes its start. */
export async function ownLineByAria2(neighbourhood: Neighbourhood, signal: AbortSignal): Promise<Watched> {
  const { bytes } = neighbourhood.scenario;
  const name = originFile(bytes);
  const { clientNs: ns } = neighbourhood.borrower;
  return await watched(neighbourhood, name, bytes, 'aria2', (file, onStart) =>
    download(aria2Split({ file, url: url(name) }), { ns, signal, onStart }),
  );
}

/** Of several downloads at once each has its own file. */
const fileOf = (bytes: Bytes, number: number): string =>
  originFile(bytes, number === 0 ? undefined : `${bytes}-${number}.bin`);

/** How the scenario's client asks. */
const pace = ({ clientRate }: Scenario): Pick<Wanted, 'rate'> =>
  clientRate === undefined ? {} : { rate: clientRate };

/** Several at once as one: it lasts until the last is there. */
export const asOne = (all: readonly Watched[]): Transfer & Pick<Watched, 'isRight' | 'cpuMs'> => ({
  bytes: all.reduce((sum, { bytes }) => sum + bytes, 0),
  ms: Math.max(...all.map(({ ms }) => ms)),
  isRight: all.every(({ isRight }) => isRight),
  cpuMs: all.reduce((sum, { cpuMs }) => sum + cpuMs, 0),
});

/**
 * Kernel MPTCP over all lines: what there would be if origin and client both had it. The same as of what is pooled: as many
 * downloads at once, by the same client, of https where that is, and with the same pages beside it.
 */
export async function allLinesByMptcp(neighbourhood: Neighbourhood, signal: AbortSignal): Promise<Watched> {
  const { scenario } = neighbourhood;
  const { bytes, client, downloads, via } = scenario;
  const asked = (name: string): Pick<Wanted, 'url' | 'authority'> =>
    via === 'get-https'
      ? { url: `https://${ORIGIN_ADDRESS}:${MPTCP_PORTS.https}/${name}`, authority: CA_FILE }
      : { url: url(name, MPTCP_PORTS.http) };
  const one = (number: number): Promise<Watched> => {
    const name = fileOf(bytes, number);
    return watched(neighbourhood, name, bytes, `mptcp-${number}`, (file, onStart) => {
      const { command, ms } = oneFile(client, { file, ...asked(name), ...pace(scenario) });
      return download({ command: ['mptcpize', 'run', ...command], ms }, { ns: MULTI_NS, signal, onStart });
    });
  };
  const first = one(0);
  const all = Promise.all([first, ...Array.from({ length: downloads - 1 }, (_, i) => one(i + 1))]);
  if (scenario.smallPages) await smallPages(neighbourhood, 'line', all);
  return { ...(await first), ...asOne(await all) };
}

/** One download by the household's client, as the scenario has it. */
export async function pooled(
  neighbourhood: Neighbourhood,
  number: number,
  signal: AbortSignal,
  bytes = neighbourhood.scenario.bytes,
): Promise<Watched> {
  const { via, client } = neighbourhood.scenario;
  const { borrower } = neighbourhood;
  const name = fileOf(bytes, number);
  return await watched(neighbourhood, name, bytes, `pooled-${number}`, async (file, onStart) => {
    if (via === 'get-https') {
      const target = `https://${ORIGIN_NAME}/${name}`;
      const command = borrower.command('get', target, '-o', file, '--cacert', CA_FILE, '-q', '--json');
      const options = { ns: borrower.ns, signal, timeoutMs: DOWNLOAD_BOUND_MS, onStart };
      const { code, stdout, stderr, wallMs } = await run(command, options);
      if (code !== 0) return { code, ms: wallMs, says: stderr.trim() };
      const { ms, ...told } = JSON.parse(stdout.trim().split('\n').at(-1) ?? '') as Told & { ms: number };
      return { code, ms, told };
    }
    const target = `http://${ORIGIN_NAME}/${name}`;
    const wanted = { file, url: target, proxy: borrower.proxy, ...pace(neighbourhood.scenario) };
    return await download(oneFile(client, wanted), { ns: borrower.clientNs, signal, onStart });
  });
}

/** Before what is measured, so much is downloaded: for about this time, or a little. */
const WARM_MS: Milliseconds = 2_500;
const WARM_LEAST = 4_000_000;
/** No file that is measured has it. */
const WARM_NUMBER = 99;

/**
 * One download as the scenario has them, of another file: a router's daemons run for weeks, and those of the lab have just
 * started. Code that was run a few times only takes up to twice the processor time of what was run for a while.
 */
export async function warmUp(neighbourhood: Neighbourhood, signal: AbortSignal): Promise<void> {
  const { lines, bytes } = neighbourhood.scenario;
  const sum = lines.reduce((all, { down }) => all + down, 0);
  const warm = Math.min(bytes, Math.max(WARM_LEAST, Math.round((sum * WARM_MS) / 1000)));
  mustBeWhole(await pooled(neighbourhood, WARM_NUMBER, signal, Math.max(WARM_LEAST, warm)));
}

/** For downloads that are not judged. @throws LabError when one is not what the origin has */
export function mustBeWhole({ isRight, code, says, wrong }: Watched): void {
  if (isRight) return;
  const [first] = wrong;
  const what =
    first === undefined ? `ended with ${code}: ${says ?? ''}` : `has wrong bytes from ${first.start} on`;
  throw new LabError(`A download that was to warm the daemons, or to be looked at, ${what}`);
}

async function download({ command, ms }: ClientRun, options: RunOptions) {
  const finished = await run(command, { ...options, timeoutMs: DOWNLOAD_BOUND_MS });
  const { code, wallMs, stderr } = finished;
  return code === 0 ? { code, ms: ms(finished) } : { code, ms: wallMs, says: stderr.trim() };
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
    const { code, stdout, stderr } = await run(command, { ns: borrower.clientNs });
    if (ended.signal.aborted) break;
    if (code !== 0)
      throw new LabError(`A small page did not come: curl ended with ${code}: ${stderr.trim()}`);
    took.push(Number(stdout) * 1000);
    await wait(80);
  }
  return took;
}

/**
 * The own line's download, past the proxy, while small pages are asked for through it: what pooling is compared with. So both have the
 * proxy's kept connections, and what differs is the download.
 */
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
  const took = await smallPages(neighbourhood, 'proxy', download);
  await download;
  return took;
}
