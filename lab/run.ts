/**
 * Runs one scenario: the neighbourhood, then rounds of all measurements one after the other, so that what the machine
 * does meanwhile meets all of them. Used by matrix.ts, and for soaking by main.ts.
 */
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import type { Download, Neighbour } from '../src/control/schema.ts';
import type { Milliseconds } from '../src/core/units.ts';
import type { Household } from './household.ts';
import {
  allLinesByMptcp,
  asOne,
  linesAlone,
  linesAloneAllTheWhile,
  mustBeWhole,
  ownLineByAria2,
  ownLineWithSmallPages,
  pooled,
  smallPages,
  warmUp,
} from './measure.ts';
import { Neighbourhood } from './neighbourhood.ts';
import { REPOSITORY, RUN_FOLDER } from './places.ts';
import { Running } from './process.ts';
import type { Look } from './report/spans.ts';
import { commit, keep, machine, type PooledRun, type Result, type Round } from './results.ts';
import type { PoolScheme, Scenario } from './scenario.ts';
import type { Told, Watched } from './watched.ts';
import { Weather } from './weather.ts';

const SPY_BOUND_MS: Milliseconds = 5_000;

export interface RunSettings {
  readonly rounds: number;
  /** Its number is the seed of the wire's dice. */
  readonly firstRound: number;
  readonly signal: AbortSignal;
  /** How long each line is measured alone; those with long round trips longer. */
  readonly aloneMs: Milliseconds;
  /** A folder for processor profiles of all daemons; they cost time. */
  readonly profiles?: string;
  /** Of the short matrix: not for the report. */
  readonly quick: boolean;
  /** Told what is going on, for people. */
  readonly say: (line: string) => void;
}

/** Everything measured, and kept in the results folder, each round as soon as it was. */
export async function runScenario(scenario: Scenario, settings: RunSettings): Promise<Result> {
  const { rounds: wanted, firstRound, signal, say, profiles, quick } = settings;
  const about = {
    scenario: scenario.name,
    at: new Date().toISOString(),
    machine: machine(),
    commit: commit(),
    quick,
    profiled: profiles !== undefined,
  };
  await using neighbourhood = await Neighbourhood.start(scenario, signal, profiles);
  const rounds: Round[] = [];
  for (let n = firstRound; n < firstRound + wanted; n += 1) {
    await neighbourhood.wires.seed(n);
    const round = await runRound(neighbourhood, settings, n === firstRound);
    rounds.push(round);
    keep({ ...about, rounds, complete: false } satisfies Result);
    say(`${scenario.name}, round ${n}: ${summary(round)}`);
  }
  const looks = scenario.spanMap ? await lookedAt(neighbourhood, signal) : undefined;
  // Or a daemon whose line stalls would not end before it must.
  await neighbourhood.restore();
  const result: Result = { ...about, rounds, complete: true, ...(looks !== undefined && { looks }) };
  keep(result);
  return result;
}

/** Pooled downloads alone, one after the other, until one has a wrong byte or did not end well; gives what that one was. */
export async function soakScenario(
  scenario: Scenario,
  { rounds, signal, say }: Pick<RunSettings, 'rounds' | 'signal' | 'say'>,
): Promise<PooledRun | undefined> {
  await using neighbourhood = await Neighbourhood.start(scenario, signal);
  for (let n = 1; n <= rounds; n += 1) {
    await neighbourhood.wires.seed(n);
    const run = await runPooled(
      neighbourhood,
      scenario.schemes[n % scenario.schemes.length] ?? 'adaptive',
      signal,
    );
    say(`${scenario.name}, download ${n}: ${mbit(run.bytes, run.ms)} Mbit/s`);
    if (!run.isRight) return run;
  }
  return undefined;
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

async function runRound(
  neighbourhood: Neighbourhood,
  { aloneMs, signal, say }: RunSettings,
  isFirst: boolean,
): Promise<Round> {
  const { scenario } = neighbourhood;
  const fair = async <T>(
    measure: (n: Neighbourhood, s: AbortSignal, ms: Milliseconds) => Promise<T>,
  ): Promise<T> => {
    await using _weather = await Weather.begin(neighbourhood, []);
    return await measure(neighbourhood, signal, aloneMs);
  };
  const changing = scenario.lines.some(({ trace }) => trace !== undefined);
  const { alone, carried } = await fair(changing ? linesAloneAllTheWhile : linesAlone);
  // What it is compared with says nothing when it failed.
  const whole = (one: Watched, what: string): Watched | undefined => {
    if (one.isRight) return one;
    say(`${what} failed, and is left out: exit code ${one.code}, ${one.says ?? 'wrong bytes'}`);
    return undefined;
  };
  const { beside } = scenario;
  const aria2 = isFirst && beside.includes('aria2') ? whole(await fair(ownLineByAria2), 'aria2') : undefined;
  const mptcp = beside.includes('mptcp') ? whole(await fair(allLinesByMptcp), 'MPTCP') : undefined;
  const ownSmallMs = scenario.smallPages ? await fair(ownLineWithSmallPages) : [];
  const runs: PooledRun[] = [];
  for (const scheme of scenario.schemes) runs.push(await runPooled(neighbourhood, scheme, signal));
  return {
    alone,
    aria2,
    mptcp,
    pooled: runs,
    ownSmallMs,
    ...(carried !== undefined && { aloneCarried: carried }),
  };
}

/** One more download by the adaptive scheme, with somebody who looks at its spans all the while. */
async function lookedAt(neighbourhood: Neighbourhood, signal: AbortSignal): Promise<readonly Look[]> {
  const { borrower } = neighbourhood;
  await restart(neighbourhood, 'adaptive');
  const output = join(RUN_FOLDER, 'looks');
  const command = [process.execPath, join(REPOSITORY, 'lab', 'spy.ts'), borrower.stateDir];
  await using spy = Running.start('the spy', command, output, { ns: borrower.ns });
  await spy.until(() => readFileSync(output, 'utf8').startsWith('ready'), SPY_BOUND_MS, signal);
  await using _weather = await Weather.begin(neighbourhood, []);
  mustBeWhole(await pooled(neighbourhood, 0, signal));
  const { neighbours } = await borrower.ask<{ neighbours: Neighbour[] }>('neighbours');
  const names = new Map(neighbours.map(({ id, name }) => [id, name]));
  const lines = readFileSync(output, 'utf8').split('\n');
  return lines.flatMap((line) => {
    if (!(line.startsWith('{') && line.endsWith('}'))) return [];
    const look = JSON.parse(line) as Look;
    const spans = look.spans.map((span) => ({ ...span, path: names.get(span.path) ?? span.path }));
    return { ...look, spans };
  });
}

/** Every household's daemon is new: nobody has learnt anything of the run before. */
async function restart(neighbourhood: Neighbourhood, scheme: PoolScheme): Promise<void> {
  const { scenario, households } = neighbourhood;
  const later = new Set(scenario.faults.flatMap((fault) => (fault.kind === 'join' ? fault.household : [])));
  await neighbourhood.restore();
  await Promise.all(
    households.map(async (household) => {
      await household.down();
      if (!later.has(household.number)) await household.up(scheme);
    }),
  );
  await neighbourhood.offersMade();
}

async function runPooled(
  neighbourhood: Neighbourhood,
  scheme: PoolScheme,
  signal: AbortSignal,
): Promise<PooledRun> {
  const { scenario, households, borrower, wires } = neighbourhood;
  await restart(neighbourhood, scheme);
  // A neighbour that lies would be found out by it.
  if (!scenario.cold && scenario.lines.every(({ origin }) => origin === 'honest'))
    await warmUp(neighbourhood, signal);
  const since = Date.now();
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
    households.flatMap((household) => {
      const ms = household.cpuMs - (before.get(household.name) ?? 0);
      // Of one that died meanwhile nobody knows.
      return ms < 0 ? [] : [[household.name, ms]];
    }),
  );
  const wireAfter = (await wires.counters()).cpuMs;
  const { cpuMs: clientsMs, ...together } = asOne(done);
  const told = done.flatMap((one) => one.told ?? []);
  const known =
    told.length > 0
      ? told
      : (await borrower.ask<{ downloads: Download[] }>('downloads')).downloads.filter(
          ({ startedAt }) => startedAt >= since,
        );
  return {
    scheme,
    ...together,
    wrong: done.map(({ wrong }) => wrong),
    codes: done.map(({ code }) => code),
    samples: done[0]?.samples ?? [],
    cpuMs: {
      ...cpuMs,
      ...(scenario.via === 'get-https' && { get: clientsMs }),
      wire: wireAfter - wireBefore,
    },
    troubles: await troublesOf(borrower),
    smallMs,
    ...summed(known),
  };
}

const TROUBLES = new Set(['span_failed', 'path_out', 'neighbour_down', 'warning']);

/** What the borrower's daemon says went wrong. */
async function troublesOf(borrower: Household): Promise<PooledRun['troubles']> {
  return (await borrower.events()).map(({ event }) => event).filter(({ kind }) => TROUBLES.has(kind));
}

/** Several downloads at once as if they were one. */
function summed(downloads: readonly Told[]): Pick<PooledRun, keyof Told> {
  const bytesByPath: Record<string, number> = {};
  for (const download of downloads)
    for (const [path, bytes] of Object.entries(download.bytesByPath))
      bytesByPath[path] = (bytesByPath[path] ?? 0) + bytes;
  const sum = (bytes: (one: Told) => number): number | undefined =>
    downloads.length === 0 ? undefined : downloads.reduce((all, one) => all + bytes(one), 0);
  return {
    peakWindowBytes: sum((one) => one.peakWindowBytes),
    bytesTwice: sum((one) => one.bytesTwice),
    bytesByPath,
  };
}
