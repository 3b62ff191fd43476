/**
 * Real households for tests: daemons, lines and commands of the checkout in processes of their own, paired. The
 * first borrows from all the others. With an origin of the test's own, its faults can be switched on.
 *
 *     await using http = await startTestOrigin();
 *     await using https = await startTestOrigin({ secure: true });
 *     await using here = await startHouseholds([plan('A'), plan('B')], { http, https });
 */
import { resolve } from 'node:path';
import { systemClock } from '../../src/core/clock.ts';
import { type HouseholdPlan, type Neighbourhood, startNeighbourhood } from '../../src/demo/neighbourhood.ts';
import type { TestOrigin } from './origin.ts';

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
  origins?: { readonly http: TestOrigin; readonly https: TestOrigin },
): Promise<Neighbourhood> {
  return startNeighbourhood({
    command: COMMAND,
    households,
    clock: systemClock,
    signal: new AbortController().signal,
    ...(origins === undefined
      ? {}
      : { origin: { http: origins.http.port, https: origins.https.port, ca: origins.https.ca } }),
  });
}
