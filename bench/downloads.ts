/**
 * Memory of several pooled downloads at once through one daemon: the recorded peak of all their windows next to its
 * cap, and what the process takes. Four fast clients first; then two fast ones beside two that read at a trickle.
 *
 *     node bench/downloads.ts [--json] [--size "40 MB"]
 */
import { once } from 'node:events';
import { connect, type Socket } from 'node:net';
import { parseArgs } from 'node:util';
import { systemClock } from '../src/core/clock.ts';
import { formatBytes, parseBytes } from '../src/core/units.ts';
import { fetchPlain } from '../src/demo/fetch.ts';
import type { Household } from '../src/demo/household.ts';
import { startNeighbourhood, untilOffered } from '../src/demo/neighbourhood.ts';
import { patternSha256 } from '../src/demo/pattern.ts';
import { ORIGIN_HOST } from '../src/demo/processes.ts';
import { buildBundle } from './bundle.ts';
import { printTable, verdict } from './table.ts';
import { peakResidentBytes, residentBytes } from './usage.ts';

const { values } = parseArgs({
  options: { json: { type: 'boolean', default: false }, size: { type: 'string', default: '40 MB' } },
});
const size = parseBytes(values.size) ?? Number.NaN;
const DOWNLOADS = 4;
/** What a slow client takes at a time, and how long it then waits. */
const SIP_BYTES = 16 * 1024;
const SIP_EVERY_MS = 100;
const LOOK_EVERY_MS = 100;
const means = { clock: systemClock, signal: new AbortController().signal };

await using bundle = await buildBundle();
await using neighbourhood = await startNeighbourhood({
  command: bundle.command,
  households: [10, 15, 25].map((delay, i) => ({
    name: `floor ${i + 1}`,
    down: 40e6 / 8,
    up: 10e6 / 8,
    delay,
  })),
  ...means,
});
const [here] = neighbourhood.households;
if (here === undefined) throw new Error('no household');
const port = neighbourhood.ports.http;

async function fast(bytes: number): Promise<void> {
  const fetched = await fetchPlain({
    ...means,
    to: (here as Household).proxy,
    origin: { host: ORIGIN_HOST, port },
    path: `/file/${bytes}`,
    kind: { proxied: true },
  });
  if (fetched.sha256 !== patternSha256(bytes)) throw new Error('wrong bytes');
}

/** A client that reads a little now and then, until it is disposed of. */
async function slow(bytes: number): Promise<Disposable> {
  const { host, port: at } = (here as Household).proxy;
  const socket: Socket = connect({ host, port: at });
  await once(socket, 'connect');
  const name = `${ORIGIN_HOST}:${port}`;
  socket.write(`GET http://${name}/file/${bytes} HTTP/1.1\r\nHost: ${name}\r\n\r\n`);
  // Paused, it takes what it is made to read, and the rest waits in the kernel and at the proxy.
  const timer = systemClock.every(SIP_EVERY_MS, () => void socket.read(SIP_BYTES));
  return {
    [Symbol.dispose]: () => {
      timer[Symbol.dispose]();
      socket.destroy();
    },
  };
}

interface Measured {
  readonly name: string;
  readonly seconds: number;
  readonly capBytes: number;
  readonly peakBytes: number;
  readonly rssBeforeBytes: number;
  readonly rssPeakBytes: number;
  readonly atOnce: number;
}

/** Runs the downloads on a daemon that has just started, and looks at it all the while. */
async function measure(name: string, run: () => Promise<void>): Promise<Measured> {
  const household = here as Household;
  await household.kill();
  await household.restart();
  await untilOffered(household, 2, means);
  const pid = household.pid ?? 0;
  const rssBeforeBytes = residentBytes(pid);
  let atOnce = 0;
  let looking = Promise.resolve();
  const timer = systemClock.every(LOOK_EVERY_MS, () => {
    looking = household.control.downloads().then((downloads) => {
      atOnce = Math.max(atOnce, downloads.filter(({ state }) => state === 'live').length);
    });
  });
  const begun = systemClock.now();
  await run();
  const seconds = (systemClock.now() - begun) / 1000;
  timer[Symbol.dispose]();
  await looking;
  const { window } = await household.control.status();
  const { capBytes, peakBytes } = window;
  return { name, seconds, capBytes, peakBytes, rssBeforeBytes, rssPeakBytes: peakResidentBytes(pid), atOnce };
}

const each = Array.from({ length: DOWNLOADS }, (_, i) => size + i);
const results = [
  await measure(`${DOWNLOADS} fast clients`, async () => {
    await Promise.all(each.map(fast));
  }),
  await measure(`${DOWNLOADS - 2} fast, 2 at a trickle`, async () => {
    const [one = size, two = size, ...rest] = each;
    using _first = await slow(one);
    using _second = await slow(two);
    await Promise.all(rest.map(fast));
  }),
];
printTable([
  ['', 'at once', 'took', 'window, peak', 'its cap', 'bar', 'RSS before', 'RSS at most'],
  ...results.map((one) => [
    one.name,
    String(one.atOnce),
    `${one.seconds.toFixed(1)} s`,
    formatBytes(one.peakBytes),
    formatBytes(one.capBytes),
    `never over its cap: ${verdict(one.peakBytes <= one.capBytes)}`,
    formatBytes(one.rssBeforeBytes),
    formatBytes(one.rssPeakBytes),
  ]),
]);
if (values.json) console.log(JSON.stringify({ bytesEach: size, results }));
