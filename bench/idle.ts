/**
 * Memory of an idle daemon: the bundle, paired with one neighbour that is up, once what it takes has settled. Each
 * start is a new process; medians.
 *
 *     node bench/idle.ts [--json] [--starts 3]
 */
import { readFileSync } from 'node:fs';
import { parseArgs } from 'node:util';
import { sleep, systemClock } from '../src/core/clock.ts';
import { formatBytes, MIB } from '../src/core/units.ts';
import { startNeighbourhood, untilOffered } from '../src/demo/neighbourhood.ts';
import { buildBundle } from './bundle.ts';
import { freePort } from './programs.ts';
import { median, printTable, verdict } from './table.ts';
import { residentBytes } from './usage.ts';

const { values } = parseArgs({
  options: { json: { type: 'boolean', default: false }, starts: { type: 'string', default: '3' } },
});
const starts = Number(values.starts);
const BAR = 80 * MIB;
/** Settled: no change of more than this over so long. */
const SETTLED_BYTES = MIB / 4;
const SETTLED_MS = 3_000;
const SETTLE_BOUND_MS = 30_000;
const means = { clock: systemClock, signal: new AbortController().signal };

/** Private memory: what goes when the process does. */
function privateBytes(pid: number): number {
  const rollup = readFileSync(`/proc/${pid}/smaps_rollup`, 'utf8');
  const kb = (name: string): number => Number(new RegExp(`^${name}:\\s*(\\d+)`, 'm').exec(rollup)?.[1] ?? 0);
  return (kb('Private_Clean') + kb('Private_Dirty')) * 1024;
}

async function settled(pid: number): Promise<number> {
  let bytes = residentBytes(pid);
  let since = systemClock.now();
  const begun = since;
  while (systemClock.now() - since < SETTLED_MS && systemClock.now() - begun < SETTLE_BOUND_MS) {
    await sleep(systemClock, 100);
    const next = residentBytes(pid);
    if (Math.abs(next - bytes) < SETTLED_BYTES) continue;
    bytes = next;
    since = systemClock.now();
  }
  return residentBytes(pid);
}

await using bundle = await buildBundle();
// The clock's timers do not keep a process alive.
using _alive = {
  keep: setInterval(() => undefined, 60_000),
  [Symbol.dispose]() {
    clearInterval(this.keep);
  },
};
const results: { name: string; rss: number[]; ownMemory: number[] }[] = [
  { name: 'plain', rss: [], ownMemory: [] },
  { name: 'MALLOC_ARENA_MAX=1', rss: [], ownMemory: [] },
];
for (const { name, rss, ownMemory } of results) {
  const [variable = '', value] = name.split('=');
  if (value !== undefined) process.env[variable] = value;
  await using neighbourhood = await startNeighbourhood({
    command: bundle.command,
    households: await Promise.all(
      ['A', 'B'].map(async (household) => ({
        name: household,
        down: 5e6,
        up: 1e6,
        delay: 10,
        // After a restart it is to be found where it was.
        config: { link: [`listen = ["127.0.0.1:${await freePort()}"]`] },
      })),
    ),
    ...means,
  });
  const [household, neighbour] = neighbourhood.households;
  if (household === undefined || neighbour === undefined) throw new Error('no household');
  for (let start = 0; start < starts; start += 1) {
    await household.kill();
    await household.restart();
    // Asked of the neighbour: a daemon that answers questions is not idle.
    await untilOffered(neighbour, 1, means);
    const pid = household.pid ?? 0;
    rss.push(await settled(pid));
    ownMemory.push(privateBytes(pid));
  }
  if (value !== undefined) delete process.env[variable];
}
printTable([
  ['idle daemon', 'RSS', 'of it private', `bar <= ${formatBytes(BAR)}`, 'starts'],
  ...results.map(({ name, rss, ownMemory }) => [
    name,
    formatBytes(median(rss)),
    formatBytes(median(ownMemory)),
    verdict(median(rss) <= BAR),
    rss.map(formatBytes).join(', '),
  ]),
]);
if (values.json) {
  console.log(
    JSON.stringify({
      barBytes: BAR,
      results: results.map(({ name, rss, ownMemory }) => ({
        name,
        rssBytes: median(rss),
        privateBytes: median(ownMemory),
        rss,
      })),
    }),
  );
}
