/**
 * Runs one scenario: the neighbourhood, then rounds of all measurements one after the other, so that what the machine
 * does meanwhile meets all of them. Used by main.ts.
 */
import type { Download } from '../src/control/schema.ts';
import type { Milliseconds } from '../src/core/units.ts';
import {
  allLinesByMptcp,
  linesAlone,
  ownLineByAria2,
  ownLineWithSmallPages,
  pooled,
  smallPages,
} from './measure.ts';
import { Neighbourhood } from './neighbourhood.ts';
import { commit, keep, machine, type PooledRun, type Result, type Round } from './results.ts';
import type { PoolScheme, Scenario } from './scenario.ts';
import { Weather } from './weather.ts';

export interface RunSettings {
  readonly rounds: number;
  readonly signal: AbortSignal;
  /** Told what is going on, for people. */
  readonly say: (line: string) => void;
}

/** Everything measured, and kept in the results folder. */
export async function runScenario(scenario: Scenario, settings: RunSettings): Promise<Result> {
  const { rounds: wanted, signal, say } = settings;
  await using neighbourhood = await Neighbourhood.start(scenario, signal);
  const rounds: Round[] = [];
  for (let n = 1; n <= wanted; n += 1) {
    await neighbourhood.wires.seed(n);
    const round = await runRound(neighbourhood, signal);
    rounds.push(round);
    say(`${scenario.name}, round ${n}: ${summary(round)}`);
  }
  const at = new Date().toISOString();
  const result = { scenario: scenario.name, at, machine: machine(), commit: commit(), rounds };
  keep(result);
  return result;
}

const mbit = (bytes: number, ms: Milliseconds): string => ((bytes * 8) / ms / 1000).toFixed(1);

function summary({ alone, aria2, mptcp, pooled: runs }: Round): string {
  const lines = alone.map(({ bytes, ms }) => mbit(bytes, ms)).join(' + ');
  const others = [
    aria2 && `aria2 ${mbit(aria2.bytes, aria2.ms)}`,
    mptcp && `mptcp ${mbit(mptcp.bytes, mptcp.ms)}`,
    ...runs.map((run) => `${run.scheme} ${mbit(run.bytes, run.ms)}${run.isRight ? '' : ' WRONG BYTES'}`),
  ].filter((text) => text !== undefined);
  return `alone ${lines}; ${others.join(', ')} Mbit/s`;
}

async function runRound(neighbourhood: Neighbourhood, signal: AbortSignal): Promise<Round> {
  const { scenario } = neighbourhood;
  const fair = async <T>(measure: (n: Neighbourhood, s: AbortSignal) => Promise<T>): Promise<T> => {
    await using _weather = await Weather.begin(neighbourhood, []);
    return await measure(neighbourhood, signal);
  };
  const alone = await fair(linesAlone);
  const aria2 = scenario.beside.includes('aria2') ? await fair(ownLineByAria2) : undefined;
  const mptcp = scenario.beside.includes('mptcp') ? await fair(allLinesByMptcp) : undefined;
  const ownSmallMs = scenario.smallPages ? await fair(ownLineWithSmallPages) : [];
  const runs: PooledRun[] = [];
  for (const scheme of scenario.schemes) runs.push(await runPooled(neighbourhood, scheme, signal));
  return { alone, aria2, mptcp, pooled: runs, ownSmallMs };
}

/** Every household's daemon is new: nobody has learnt anything of the run before. */
async function runPooled(
  neighbourhood: Neighbourhood,
  scheme: PoolScheme,
  signal: AbortSignal,
): Promise<PooledRun> {
  const { scenario, households, borrower, wires } = neighbourhood;
  const later = new Set(scenario.faults.flatMap((fault) => (fault.kind === 'join' ? fault.household : [])));
  await neighbourhood.restore();
  await Promise.all(
    households.map(async (household) => {
      await household.down();
      if (!later.has(household.number)) await household.up(scheme);
    }),
  );
  await neighbourhood.offersMade();
  const before = new Map(households.map((household) => [household.name, household.cpuMs]));
  const wireBefore = (await wires.counters()).cpuMs;
  await using _weather = await Weather.begin(neighbourhood, scenario.faults, scheme);
  const downloads = Promise.all(
    Array.from({ length: scenario.downloads }, (_, n) => pooled(neighbourhood, n, signal)),
  );
  const [done, smallMs] = await Promise.all([
    downloads,
    scenario.smallPages ? smallPages(neighbourhood, 'proxy', downloads) : [],
  ]);
  const cpuMs = Object.fromEntries(
    households.map((household) => [
      household.name,
      Math.max(0, household.cpuMs - (before.get(household.name) ?? 0)),
    ]),
  );
  const wireAfter = (await wires.counters()).cpuMs;
  const { downloads: known } = await borrower.ask<{ downloads: Download[] }>('downloads');
  return {
    scheme,
    bytes: done.reduce((sum, { bytes }) => sum + bytes, 0),
    ms: Math.max(...done.map(({ ms }) => ms)),
    isRight: done.every(({ isRight }) => isRight),
    codes: done.map(({ code }) => code),
    samples: done[0]?.samples ?? [],
    cpuMs: { ...cpuMs, wire: wireAfter - wireBefore },
    smallMs,
    ...known.reduce(
      (sum, { peakWindowBytes, bytesTwice, bytesByPath }) => ({
        peakWindowBytes: (sum.peakWindowBytes ?? 0) + peakWindowBytes,
        bytesTwice: (sum.bytesTwice ?? 0) + bytesTwice,
        bytesByPath: added(sum.bytesByPath, bytesByPath),
      }),
      { peakWindowBytes: undefined, bytesTwice: undefined, bytesByPath: {} } as Pick<
        PooledRun,
        'peakWindowBytes' | 'bytesTwice' | 'bytesByPath'
      >,
    ),
  };
}

function added(
  sum: Readonly<Record<string, number>>,
  more: Readonly<Record<string, number>>,
): Record<string, number> {
  const all = { ...sum };
  for (const [path, bytes] of Object.entries(more)) all[path] = (all[path] ?? 0) + bytes;
  return all;
}
