/**
 * Real households for tests: daemons, lines and commands of the checkout in processes of their own, paired. The
 * first borrows from all the others. With an origin of the test's own, its faults can be switched on.
 *
 *     await using http = await startTestOrigin();
 *     await using https = await startTestOrigin({ secure: true });
 *     await using here = await startHouseholds([plan('A'), plan('B')], { http, https });
 */
import { readFileSync } from 'node:fs';
import { resolve } from 'node:path';
import { readRunFile } from '../../src/control/runfile.ts';
import type { Neighbour } from '../../src/control/schema.ts';
import { systemClock } from '../../src/core/clock.ts';
import { parseAuthority } from '../../src/core/target.ts';
import type { Bytes } from '../../src/core/units.ts';
import { type Fetched, fetchPlain } from '../../src/demo/fetch.ts';
import type { Household } from '../../src/demo/household.ts';
import { type HouseholdPlan, type Neighbourhood, startNeighbourhood } from '../../src/demo/neighbourhood.ts';
import { ORIGIN_HOST } from '../../src/demo/processes.ts';
import { type Running, start } from '../cli/ran.ts';
import { freePort } from './free-port.ts';
import { startTestOrigin, type TestOrigin } from './origin.ts';
import { until } from './until.ts';

/** How linepool is run from the checkout. */
export const COMMAND: readonly [string, ...string[]] = [
  process.execPath,
  resolve(import.meta.dirname, '../../src/main.ts'),
];

/** A household with a line of 32 Mbit/s and a delay of 4 ms, unless it is said otherwise. */
export const plan = (name: string, other: Partial<HouseholdPlan> = {}): HouseholdPlan => ({
  name,
  down: 4e6,
  up: 1e6,
  delay: 4,
  ...other,
});

/** Ready, paired and offering; without origins, the demo's own is started in a process. */
export function startHouseholds(
  households: readonly HouseholdPlan[],
  origins?: Pick<Origins, 'http' | 'https'>,
  { paired = true } = {},
): Promise<Neighbourhood> {
  return startNeighbourhood({
    command: COMMAND,
    households,
    paired,
    clock: systemClock,
    signal: new AbortController().signal,
    ...(origins === undefined
      ? {}
      : { origin: { http: origins.http.port, https: origins.https.port, ca: origins.https.ca } }),
  });
}

/** Two origins of the test's own with the same files, http and https. */
export interface Origins extends AsyncDisposable {
  readonly http: TestOrigin;
  readonly https: TestOrigin;
}

export async function startOrigins(): Promise<Origins> {
  await using owned = new AsyncDisposableStack();
  // One that goes away can come back to the port that it had.
  const http = owned.use(await startTestOrigin({ port: await freePort() }));
  const https = owned.use(await startTestOrigin({ port: await freePort(), secure: true }));
  const both = owned.move();
  return { http, https, [Symbol.asyncDispose]: () => both.disposeAsync() };
}

/** Runs the command line on a household, whatever comes of it. */
export function runOn(household: Household, ...args: readonly string[]): Running {
  const places = ['--state', household.stateDir, '--config', household.configFile];
  return start([...args, ...places], { main: COMMAND[1] ?? '' });
}

/** The neighbour of that name, as the household lists it. */
export async function neighbourOf(household: Household, name: string): Promise<Neighbour> {
  const found = (await household.control.neighbours()).find((neighbour) => neighbour.name === name);
  if (found === undefined) throw new Error(`${household.name} has no neighbour ${name}`);
  return found;
}

/** Until the household has those neighbours, all up and offering. */
export async function untilOffering(household: Household, ...names: readonly string[]): Promise<void> {
  await until(`${household.name} is offered something by ${names.join(', ')}`, async () => {
    const neighbours = await household.control.neighbours();
    return names.every((name) =>
      neighbours.some((one) => one.name === name && one.up && (one.offer?.bytesPerSecond ?? 0) > 0),
    );
  });
}

/** A plain client's download of `/file/<size>` through the household's proxy; its promise is handled. */
export interface ProxiedDownload {
  readonly fetched: Promise<Fetched>;
  /** The client goes away. */
  leave(): void;
  /** Until that neighbour has brought at least so many bytes of it. */
  untilBrought(name: string, bytes: Bytes): Promise<void>;
  /** Bytes by path, "own" and names of neighbours. */
  brought(): Promise<Readonly<Record<string, Bytes>>>;
}

export function startDownload(household: Household, port: number, size: Bytes): ProxiedDownload {
  const leaving = new AbortController();
  const fetched = fetchPlain({
    clock: systemClock,
    signal: leaving.signal,
    to: household.proxy,
    origin: { host: ORIGIN_HOST, port },
    path: `/file/${size}`,
    kind: { proxied: true },
  });
  // Whoever awaits it hears of a failure; one that nobody awaits must not end the test's process.
  fetched.catch(() => undefined);
  const brought = async (): Promise<Record<string, Bytes>> => {
    const [download] = await household.control.downloads();
    const names = new Map((await household.control.neighbours()).map(({ id, name }) => [id, name]));
    return Object.fromEntries(
      Object.entries(download?.bytes === size ? download.bytesByPath : {}).map(([id, bytes]) => [
        names.get(id) ?? id,
        bytes,
      ]),
    );
  };
  return {
    fetched,
    leave: () => leaving.abort(),
    brought,
    untilBrought: (name, bytes) =>
      until(`${name} has brought ${bytes} bytes`, async () => ((await brought())[name] ?? 0) >= bytes),
  };
}

/** A child that has ended and was not waited for is a zombie: gone, for us. */
export function isAlive(pid: number): boolean {
  try {
    return !/^\d+ \(.*\) Z/s.test(readFileSync(`/proc/${pid}/stat`, 'utf8'));
  } catch (error) {
    // Waited for by now, before the file was opened or after it.
    if (['ENOENT', 'ESRCH'].includes((error as NodeJS.ErrnoException).code ?? '')) return false;
    throw error;
  }
}

/** As the kernel numbers them: established, and with an end of the other side that was not read yet. */
export const TCP_STATE = { established: '01', closeWait: '08' } as const;

/** TCP connections on this machine with that port at either end; established ones, unless it is said otherwise. */
export function connectionsAt(port: number, states: readonly string[] = [TCP_STATE.established]): number {
  const hex = `:${port.toString(16).toUpperCase().padStart(4, '0')}`;
  const lines = readFileSync('/proc/net/tcp', 'utf8').split('\n').slice(1);
  return lines.filter((line) => {
    const [, local = '', remote = '', state] = line.trim().split(/\s+/);
    return states.includes(state ?? '') && (local.endsWith(hex) || remote.endsWith(hex));
  }).length;
}

/** The port of the household's link. */
export function linkPort(household: Household): number {
  return parseAuthority(readRunFile(household.stateDir)?.link[0] ?? '').port;
}
