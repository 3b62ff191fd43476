/** Several downloads of one household at once, with real processes: each has its part of all lines. */
import assert from 'node:assert/strict';
import { it } from 'node:test';
import type { Bytes } from '../../src/core/units.ts';
import type { Household } from '../../src/demo/household.ts';
import { plan, startDownload, startHouseholds, startOrigins, untilOffering } from '../support/household.ts';
import { until } from '../support/until.ts';

const SIZE = 6_000_000;
/** Of what another download comes to later: most of it is still to come then, also where that one is slow to begin. */
const LONG = 24_000_000;

/** Jain's index of fairness: 1 when all are equal, 1/n when one has everything. */
function jain(shares: readonly number[]): number {
  const sum = shares.reduce((n, share) => n + share, 0);
  return sum ** 2 / (shares.length * shares.reduce((n, share) => n + share ** 2, 0));
}

/** What the downloads of these sizes have brought. */
async function brought(household: Household, sizes: readonly Bytes[]): Promise<Bytes[]> {
  const downloads = await household.control.downloads();
  return sizes.map((size) => {
    const found = downloads.find(({ bytes }) => bytes === size);
    return Object.values(found?.bytesByPath ?? {}).reduce((sum, bytes) => sum + bytes, 0);
  });
}

it('four at once each get about a quarter, and one that comes later its part', async () => {
  await using origins = await startOrigins();
  await using here = await startHouseholds([plan('A'), plan('B')], origins);
  const [a] = here.households;
  assert.ok(a !== undefined);
  await untilOffering(a, 'B');
  // Told apart by their sizes.
  const sizes = [0, 1, 2, 3].map((n) => SIZE + n);
  const downloads = sizes.map((size) => startDownload(a, here.ports.http, size));
  await Promise.race(downloads.map(({ fetched }) => fetched));
  const shares = await brought(a, sizes);
  assert.ok(jain(shares) >= 0.9, shares.join(', '));
  for (const { fetched } of downloads) await fetched;
  const [first, second] = [LONG, LONG + 1];
  const before = startDownload(a, here.ports.http, first);
  await until('it is under way', async () => ((await brought(a, [first]))[0] ?? 0) > 500_000);
  const [had = 0] = await brought(a, [first]);
  const late = startDownload(a, here.ports.http, second);
  await before.fetched;
  const [, got = 0] = await brought(a, [first, second]);
  assert.ok(got >= 0.5 * (first - had) * 0.7, `${got} while the first brought ${first - had}`);
  await late.fetched;
});
