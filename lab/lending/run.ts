/**
 * Runs a lending scenario: the neighbourhood, then rounds of what happens in it, while the line's counters are sampled.
 * Used by measured.ts.
 *
 *     alone:    small requests ─ own downloads        nobody borrows
 *     lending:  borrowers begin ─ small requests on an idle line ─ own download, rest, own download, rest …
 */
import { mkdtempSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as wait } from 'node:timers/promises';
import type { Milliseconds } from '../../src/core/units.ts';
import { curl } from '../clients.ts';
import { PAYLOAD } from '../figures.ts';
import type { Household } from '../household.ts';
import { addNamespace, ORIGIN_NS, PROBE_NS } from '../namespaces.ts';
import { Neighbourhood, untilOffered, wireOf } from '../neighbourhood.ts';
import { CA_FILE, ORIGIN_ADDRESS, ORIGIN_NAME, originFile, TINY_FILE } from '../origin.ts';
import { RUN_FOLDER } from '../places.ts';
import { must, Running, run } from '../process.ts';
import { wireKind } from '../wire/wires.ts';
import type { LendingRound, OwnDownload, Stretch } from './figures.ts';
import { LineSamples } from './line-samples.ts';
import { ceilingOf, type LendingScenario, neighbourhoodOf } from './scenario.ts';

/** How many own downloads the ones while lending are compared with. */
const ALONE_TIMES = 2;
const ALONE_REST_MS: Milliseconds = 300;
const SMALL_EVERY_MS: Milliseconds = 60;
/** How long borrowers may take until they fill what is lent, and how long it then runs before anything is measured. */
const BEGIN_BOUND_MS: Milliseconds = 10_000;
const SETTLE_MS: Milliseconds = 5_000;
const FILLED_PART = 0.8;
const RATE_MS: Milliseconds = 500;
const LOOK_MS: Milliseconds = 50;

const TROUBLES = new Set(['lend_refused', 'span_failed', 'path_out', 'neighbour_down', 'warning']);

export interface LendingSettings {
  readonly rounds: number;
  readonly signal: AbortSignal;
  readonly profiles?: string;
  /** Told what is going on, for people. */
  readonly say: (line: string) => void;
  /** Told all rounds after each. */
  readonly kept?: (rounds: readonly LendingRound[]) => void;
}

/** Why it can't be measured on this machine; undefined when it can. */
export async function whyLeftOut({ fairQueue }: LendingScenario): Promise<string | undefined> {
  if (!fairQueue) return undefined;
  if ((await wireKind()) !== 'tun') return 'netem has a queue of its own: LINEPOOL_LAB_WIRE=tun';
  await using _ns = await addNamespace(PROBE_NS);
  const { code } = await run(['tc', '-n', PROBE_NS, 'qdisc', 'add', 'dev', 'lo', 'root', 'fq_codel']);
  return code === 0 ? undefined : 'this kernel has no fq_codel';
}

/** Everything measured, round by round. */
export async function runLending(
  scenario: LendingScenario,
  { rounds, signal, profiles, say, kept }: LendingSettings,
): Promise<readonly LendingRound[]> {
  const isTun = (await wireKind()) === 'tun';
  await using neighbourhood = await Neighbourhood.start(neighbourhoodOf(scenario), signal, profiles);
  if (scenario.fairQueue) await layFairQueue(scenario);
  await begin(neighbourhood, scenario, signal);
  const all: LendingRound[] = [];
  for (let n = 1; n <= rounds; n += 1) {
    await neighbourhood.wires.seed(n);
    const round = await new Round(neighbourhood, scenario, signal).run(isTun);
    all.push(round);
    kept?.(all);
    say(`${scenario.name}, round ${n}: done`);
  }
  return all;
}

/** A shaper just under the line's rate, so that what waits does so in the kernel's fair queue before the wire. */
async function layFairQueue({ lender }: LendingScenario): Promise<void> {
  const device = ['-n', ORIGIN_NS, 'qdisc', 'add', 'dev', wireOf(1)];
  const rate = `${Math.round(lender.down * 8 * 0.995)}bit`;
  await must([
    'tc',
    ...device,
    'root',
    'handle',
    '1:',
    'tbf',
    'rate',
    rate,
    'burst',
    '6000',
    'latency',
    '1s',
  ]);
  await must(['tc', ...device, 'parent', '1:1', 'fq_codel']);
}

/** The lender's settings, and one small download of every borrower, whose daemons have just started. */
async function begin(
  neighbourhood: Neighbourhood,
  scenario: LendingScenario,
  signal: AbortSignal,
): Promise<void> {
  const lender = neighbourhood.household(1);
  const lend = async (...args: readonly string[]): Promise<void> => {
    await must(lender.command('lend', ...args), { ns: lender.ns, signal });
  };
  const { ceiling } = scenario;
  for (const [key, value] of Object.entries(scenario.lend)) await lend('set', key, value);
  if (ceiling !== undefined) await lend('set', 'rate', `${ceiling} B/s`);
  for (const [i, { weight }] of scenario.borrowers.entries())
    if (weight !== undefined) await lend('neighbour', `Household ${i + 2}`, '--weight', String(weight));
  const borrowers = neighbourhood.households.slice(1);
  for (const borrower of borrowers)
    await untilOffered(borrower, neighbourhood.households.slice(0, 1), signal);
  const warm = originFile(4_000_000);
  for (const { clientNs: ns, proxy } of borrowers)
    await must(curl('/dev/null', '-x', proxy, `http://${ORIGIN_NAME}/${warm}`), { ns, signal });
  originFile(scenario.bytes);
}

class Round {
  readonly #neighbourhood: Neighbourhood;
  readonly #scenario: LendingScenario;
  readonly #signal: AbortSignal;

  constructor(neighbourhood: Neighbourhood, scenario: LendingScenario, signal: AbortSignal) {
    this.#neighbourhood = neighbourhood;
    this.#scenario = scenario;
    this.#signal = signal;
  }

  async run(isTun: boolean): Promise<LendingRound> {
    const { own, idle } = this.#scenario;
    const [lender, ...borrowers] = this.#neighbourhood.households;
    using line = new LineSamples(
      lender?.pid ?? 0,
      borrowers.map(({ pid }) => pid),
      isTun,
    );
    const isOwn = own.times > 0;
    const { wires } = this.#neighbourhood;
    await wires.counters();
    const smallAloneMs = isOwn ? await this.#small(idle) : [];
    const ownAlone = isOwn ? await this.#downloads(line, ALONE_TIMES, ALONE_REST_MS) : [];
    // A download that begins while nothing is offered is not pooled.
    if (isOwn) await this.#rest(own.rests);
    for (const borrower of borrowers)
      await untilOffered(borrower, this.#neighbourhood.households.slice(0, 1), this.#signal);
    await using borrowing = new AsyncDisposableStack();
    const from = line.now;
    this.#borrow(borrowing);
    await this.#filled(line);
    const idleFrom = line.now;
    const smallLendingMs = isOwn ? await this.#small(idle) : await this.#rest(idle);
    const idleStretch: Stretch = { from: idleFrom, to: line.now };
    const ownLending = await this.#downloads(line, own.times, own.rests);
    const lending: Stretch = { from, to: line.now };
    const troubles = await this.#troubles(performance.timeOrigin + performance.now() - line.now);
    await borrowing.disposeAsync();
    const { worstLateUs } = await wires.counters();
    return {
      wireLateMs: worstLateUs / 1000,
      troubles,
      samples: line.samples.map(rounded),
      ownAlone,
      ownLending,
      smallAloneMs,
      smallLendingMs,
      lending,
      idle: idleStretch,
    };
  }

  /** What the households' daemons say went wrong, on the samples' clock. */
  async #troubles(began: number): Promise<LendingRound['troubles']> {
    const all = await Promise.all(
      this.#neighbourhood.households.map(async (household) => {
        const records = await household.events();
        return records.map((record) => ({ household: household.name, ...record }));
      }),
    );
    return all
      .flat()
      .filter(({ at, event }) => at >= began && TROUBLES.has(event.kind))
      .map(({ at, household, event }) => ({ ms: Math.round(at - began), household, event }));
  }

  /** All borrowers download until they are ended. */
  #borrow(borrowing: AsyncDisposableStack): void {
    const { borrowers, bytes } = this.#scenario;
    const name = originFile(bytes);
    const log = join(RUN_FOLDER, 'borrowing.log');
    for (const [i, { downloads, via }] of borrowers.entries()) {
      const household = this.#neighbourhood.household(i + 2);
      for (let n = 1; n <= downloads; n += 1) {
        const folder = mkdtempSync(join(RUN_FOLDER, 'borrowed-'));
        borrowing.defer(() => rmSync(folder, { recursive: true, force: true }));
        const file = join(folder, 'file');
        const [command, ns] =
          via === 'proxy'
            ? [curl('/dev/null', '-x', household.proxy, `http://${ORIGIN_NAME}/${name}`), household.clientNs]
            : [this.#get(household, `https://${ORIGIN_NAME}/${name}`, file), household.ns];
        borrowing.use(Running.start('a borrower', command, log, { ns }));
      }
    }
  }

  #get(household: Household, url: string, file: string): readonly string[] {
    return household.command('get', url, '-o', file, '--cacert', CA_FILE, '-q');
  }

  /** Waits until the borrowers fill what is lent, or as long as they may take for it, and some time more. */
  async #filled(line: LineSamples): Promise<void> {
    const enough = (ceilingOf(this.#scenario) * FILLED_PART * RATE_MS) / 1000;
    const lentAt = (ago: number): number => {
      const sample = line.samples.findLast(({ ms }) => ms <= line.now - ago);
      return sample === undefined ? 0 : sample.line - sample.own;
    };
    const end = line.now + BEGIN_BOUND_MS;
    while (line.now < end && lentAt(0) - lentAt(RATE_MS) < enough) await this.#rest(LOOK_MS);
    await this.#rest(SETTLE_MS);
  }

  async #rest(ms: Milliseconds): Promise<readonly Milliseconds[]> {
    await wait(ms, undefined, { signal: this.#signal });
    return [];
  }

  /** Small requests of the lender's client, one after the other; how long each took. */
  async #small(forMs: Milliseconds): Promise<readonly Milliseconds[]> {
    const { clientNs: ns } = this.#neighbourhood.household(1);
    const took: Milliseconds[] = [];
    const end = performance.now() + forMs;
    while (performance.now() < end) {
      const { stdout } = await must(curl('/dev/null', `http://${ORIGIN_ADDRESS}/${TINY_FILE}`), {
        ns,
        signal: this.#signal,
      });
      took.push(Number(stdout) * 1000);
      await this.#rest(SMALL_EVERY_MS);
    }
    return took;
  }

  /** Downloads of the lender's client, straight from the origin, with a rest after each. */
  async #downloads(line: LineSamples, times: number, restMs: Milliseconds): Promise<readonly OwnDownload[]> {
    const { lender, own } = this.#scenario;
    const { clientNs: ns } = this.#neighbourhood.household(1);
    const bytes = Math.round((lender.down * PAYLOAD * own.lasts) / 1000);
    const name = originFile(bytes);
    const all: OwnDownload[] = [];
    for (let n = 1; n <= times; n += 1) {
      const from = line.now;
      const { stdout } = await must(curl('/dev/null', `http://${ORIGIN_ADDRESS}/${name}`), {
        ns,
        signal: this.#signal,
        timeoutMs: own.lasts * 10,
      });
      all.push({ from, to: line.now, bytes, ms: Number(stdout) * 1000 });
      await this.#rest(restMs);
    }
    return all;
  }
}

const rounded = <T extends { readonly ms: Milliseconds }>(sample: T): T => ({
  ...sample,
  ms: Math.round(sample.ms * 10) / 10,
});
