/**
 * `linepool demo`: what pooling brings, measured on this machine, with no network and no rights. Starts an origin
 * and three households, each with a shaped line, and downloads one file over each line alone and then pooled:
 * through the household's proxy with a plain HTTP client, and with `linepool get` over https.
 *
 *     alone   client ── line i ── origin              all lines at once: they have nothing in common
 *     pooled  client ── proxy of household 1 ═╦═ own line ───────────── origin
 *                                             ╠═ household 2, its line ─ origin
 *                                             ╚═ household 3, its line ─ origin
 */
import { createHash } from 'node:crypto';
import { createReadStream } from 'node:fs';
import { join } from 'node:path';
import { pipeline } from 'node:stream/promises';
import type { Clock } from '../core/clock.ts';
import { LinepoolError } from '../core/errors.ts';
import {
  type Bytes,
  type BytesPerSecond,
  formatDuration,
  formatRate,
  MIB,
  type Milliseconds,
} from '../core/units.ts';
import { Display, type Terminal } from './display.ts';
import { type Fetched, fetchPlain, type PlainFetch } from './fetch.ts';
import type { Household } from './household.ts';
import { type Neighbourhood, startNeighbourhood } from './neighbourhood.ts';
import { patternSha256 } from './pattern.ts';
import { ORIGIN_HOST } from './processes.ts';
import { figuresOf, type LineShown, type Measured, type Report } from './report.ts';

export interface DemoOptions {
  /** How linepool is run: `[process.execPath, script]`. */
  readonly command: readonly [string, ...string[]];
  /** Of each line; default 40 Mbit/s. */
  readonly rate: BytesPerSecond | undefined;
  /** Of the file; default what the lines carry together in `POOLED_MS`. */
  readonly size: Bytes | undefined;
  readonly clock: Clock;
  readonly signal: AbortSignal;
  readonly terminal: Terminal;
}

const RATE: BytesPerSecond = 40e6 / 8;
const HOUSEHOLDS: readonly { name: string; delay: Milliseconds }[] = [
  { name: 'First floor', delay: 10 },
  { name: 'Second floor', delay: 15 },
  { name: 'Third floor', delay: 25 },
];
/** How long the pooled downloads shall take; the whole demo takes some nine times as long. */
const POOLED_MS: Milliseconds = 3_800;
/** Home lines carry less up than down. */
const UP_SHARE = 1 / 4;

/** What `linepool get --json` prints, as far as it is needed here. */
interface GetPrinted {
  readonly ms: Milliseconds;
  readonly bytes: Bytes;
  readonly bytesByPath: Readonly<Record<string, Bytes>>;
}

/** Runs the demo. @throws LinepoolError `demo_failed`; `interrupted` when the signal aborts */
export async function runDemo(options: DemoOptions): Promise<Report> {
  const { clock, signal, terminal, command } = options;
  const begun = clock.now();
  const rate = options.rate ?? RATE;
  const size = options.size ?? Math.round((rate * HOUSEHOLDS.length * POOLED_MS) / 1000 / MIB) * MIB;
  const lines: readonly LineShown[] = HOUSEHOLDS.map(({ name, delay }) => ({ name, rate, delay }));
  try {
    terminal.write(
      `One file of ${(size / 1e6).toFixed(1)} MB, one origin, ${lines.length} households, ` +
        `each with a line of ${formatRate(rate)}.\n`,
    );
    await using neighbourhood = await startNeighbourhood({
      command,
      households: lines.map((line) => ({ ...line, down: rate, up: rate * UP_SHARE })),
      clock,
      signal,
    });
    using display = new Display(terminal, lines, () => neighbourhood.carried, clock);
    display.say(
      `Households are up and paired (${formatDuration(clock.now() - begun)}); all is on this machine.`,
    );
    const course = new Course(neighbourhood, size, { clock, signal }, display);
    const http = figuresOf(lines, await course.overHttp());
    const https = figuresOf(lines, await course.overHttps());
    return { ...http, https, totalMs: Math.round(clock.now() - begun) };
  } catch (error) {
    if (signal.aborted) throw new LinepoolError('interrupted', '', { cause: error });
    throw error;
  }
}

/** The downloads, one after the other. */
class Course {
  readonly #neighbourhood: Neighbourhood;
  readonly #borrower: Household;
  readonly #size: Bytes;
  readonly #sha256: string;
  readonly #means: Pick<PlainFetch, 'clock' | 'signal'>;
  readonly #display: Display;

  constructor(
    neighbourhood: Neighbourhood,
    size: Bytes,
    means: Pick<PlainFetch, 'clock' | 'signal'>,
    display: Display,
  ) {
    const [borrower] = neighbourhood.households;
    if (borrower === undefined) throw new LinepoolError('demo_failed', 'there is no household');
    this.#neighbourhood = neighbourhood;
    this.#borrower = borrower;
    this.#size = size;
    this.#sha256 = patternSha256(size);
    this.#means = means;
    this.#display = display;
  }

  async overHttp(): Promise<Measured> {
    const alone = await this.#alone('http');
    this.#display.say('http, pooled, a plain HTTP client through the proxy of the first household …');
    const { http } = this.#neighbourhood.ports;
    const pooled = await fetchPlain({
      ...this.#means,
      to: this.#borrower.proxy,
      origin: { host: ORIGIN_HOST, port: http },
      path: this.#path,
      kind: { proxied: true },
    });
    this.#tell(pooled);
    const [download] = await this.#borrower.control.downloads();
    return await this.#measured(alone, pooled, download?.bytesByPath ?? { own: pooled.bytes });
  }

  async overHttps(): Promise<Measured> {
    const alone = await this.#alone('https');
    this.#display.say('https, pooled, with `linepool get` …');
    const { caFile, folder, ports } = this.#neighbourhood;
    const file = join(folder, 'pooled.bin');
    const url = `https://${ORIGIN_HOST}:${ports.https}${this.#path}`;
    const printed = await this.#borrower.runJson<GetPrinted>(
      'get',
      url,
      '-o',
      file,
      '--cacert',
      caFile,
      '--quiet',
    );
    const hash = createHash('sha256');
    await pipeline(createReadStream(file), hash);
    const pooled = { ms: printed.ms, bytes: printed.bytes, sha256: hash.digest('hex') };
    this.#tell(pooled);
    return await this.#measured(alone, pooled, printed.bytesByPath);
  }

  get #path(): string {
    return `/file/${this.#size}`;
  }

  /** The file over every line at the same time, each by itself: straight to the line, past the daemons. */
  async #alone(scheme: 'http' | 'https'): Promise<Fetched[]> {
    this.#display.say(`${scheme}, each line alone …`);
    const { households, ports, ca } = this.#neighbourhood;
    const fetched = await Promise.all(
      households.map(({ lineHost }) =>
        fetchPlain({
          ...this.#means,
          to: { host: lineHost, port: ports[scheme] },
          origin: { host: ORIGIN_HOST, port: ports[scheme] },
          path: this.#path,
          kind: scheme === 'https' ? { tls: ca } : { plain: true },
        }),
      ),
    );
    this.#display.say(`  ${fetched.map(({ ms }) => formatDuration(ms)).join(', ')}`);
    return fetched;
  }

  #tell({ ms, bytes }: Fetched): void {
    this.#display.say(`  ${formatDuration(ms)}, ${formatRate((bytes * 1000) / ms)}`);
  }

  async #measured(
    alone: readonly Fetched[],
    pooled: Fetched,
    bytesByPath: Readonly<Record<string, Bytes>>,
  ): Promise<Measured> {
    const neighbours = await this.#borrower.control.neighbours();
    const pathOf = (household: Household): string =>
      household === this.#borrower
        ? 'own'
        : (neighbours.find(({ name }) => name === household.name)?.id ?? household.name);
    return {
      bytes: this.#size,
      aloneMs: alone.map(({ ms }) => ms),
      pooledMs: pooled.ms,
      bytesByLine: this.#neighbourhood.households.map((household) => bytesByPath[pathOf(household)] ?? 0),
      sha256Match: [...alone, pooled].every(({ sha256 }) => sha256 === this.#sha256),
    };
  }
}
