/**
 * What useless neighbours cost: a household with two of them downloads through its daemon, next to its own line
 * alone. The bar is that pooling is never below 0.98 of the own line. Real daemons (the bundle), shaped lines, runs in
 * turns, medians; every pooled run begins with a daemon that has just started and knows nothing of its neighbours.
 *
 *     node bench/neighbours.ts [--json] [--rounds 3] [--size "60 MB"] [--only TEXT]
 */
import { createHash } from 'node:crypto';
import { createReadStream } from 'node:fs';
import { rm } from 'node:fs/promises';
import { join } from 'node:path';
import { pipeline } from 'node:stream/promises';
import { parseArgs } from 'node:util';
import { systemClock } from '../src/core/clock.ts';
import { parseBytes } from '../src/core/units.ts';
import { fetchPlain } from '../src/demo/fetch.ts';
import type { Household } from '../src/demo/household.ts';
import { type HouseholdPlan, pair, startNeighbourhood, untilOffered } from '../src/demo/neighbourhood.ts';
import { patternSha256 } from '../src/demo/pattern.ts';
import { ORIGIN_HOST } from '../src/demo/processes.ts';
import { startTestOrigin } from '../test/support/origin.ts';
import { buildBundle } from './bundle.ts';
import { median, printTable, verdict } from './table.ts';

const { values } = parseArgs({
  options: {
    json: { type: 'boolean', default: false },
    rounds: { type: 'string', default: '3' },
    size: { type: 'string', default: '60 MB' },
    only: { type: 'string', default: '' },
  },
});
const rounds = Number(values.rounds);
const size = parseBytes(values.size) ?? Number.NaN;
const path = `/file/${size}`;
const sha256 = patternSha256(size);
const means = { clock: systemClock, signal: new AbortController().signal };

const RATE = 40e6 / 8;
/** The line of a neighbour that offers the full rate and has next to nothing. */
const SLOW = 0.03 * RATE;
const STALL_AFTER_MS = 1_000;
const BAR = 0.98;

await using bundle = await buildBundle();
await using wrongRange = await startTestOrigin({ faults: [{ kind: 'wrong-range', what: 'start' }] });
await using noRanges = await startTestOrigin({ faults: [{ kind: 'ranges-ignored' }] });

const full = `down = "${RATE} B/s"`;
const line = { down: RATE, up: RATE / 4, delay: 10 };
/** Every borrower uses the line of the first household, one after the other. */
const borrower = (name: string, config: HouseholdPlan['config'] = {}): HouseholdPlan => ({
  ...line,
  name,
  sharesLineOf: 0,
  config,
});
const lenders = (kind: string, other: Partial<HouseholdPlan> = {}): HouseholdPlan[] =>
  [15, 25].map((delay, i) => ({
    ...line,
    delay,
    name: `${kind} ${i + 1}`,
    config: { line: [full] },
    ...other,
  }));
const plans = [
  borrower('no pooling', { pool: ['enabled = false'] }),
  borrower('stalled'),
  ...lenders('stalling'),
  borrower('lied to about ranges'),
  ...lenders('lying', { origin: { http: wrongRange.port, https: wrongRange.port } }),
  borrower('given no ranges'),
  ...lenders('ignoring', { origin: { http: noRanges.port, https: noRanges.port } }),
  borrower('slowed'),
  ...lenders('slow', { down: SLOW }),
];
await using neighbourhood = await startNeighbourhood({
  command: bundle.command,
  households: plans,
  paired: false,
  ...means,
});
const { ports, ca, caFile, folder } = neighbourhood;
const at = (name: string): number => plans.findIndex((plan) => plan.name === name);
const household = (index: number): Household => {
  const found = neighbourhood.households[index];
  if (found === undefined) throw new Error(`no household ${index}`);
  return found;
};
for (const name of ['stalled', 'lied to about ranges', 'given no ranges', 'slowed']) {
  await pair(neighbourhood.households.slice(at(name), at(name) + 3), means);
}

/** Milliseconds of one download, its bytes checked. */
type Run = () => Promise<number>;

async function plain(
  to: { host: string; port: number },
  scheme: 'http' | 'https',
  proxied: boolean,
): Promise<number> {
  const origin = { host: ORIGIN_HOST, port: ports[scheme] };
  const kind = proxied ? { proxied } : scheme === 'https' ? { tls: ca } : { plain: true as const };
  const fetched = await fetchPlain({ ...means, to, origin, path, kind });
  if (fetched.sha256 !== sha256) throw new Error('wrong bytes');
  return fetched.ms;
}

async function get(from: Household, ...flags: string[]): Promise<number> {
  const file = join(folder, 'bench.bin');
  const url = `https://${ORIGIN_HOST}:${ports.https}${path}`;
  const { ms } = await from.runJson<{ ms: number }>(
    'get',
    url,
    '-o',
    file,
    '--cacert',
    caFile,
    '--quiet',
    ...flags,
  );
  const hash = createHash('sha256');
  await pipeline(createReadStream(file), hash);
  if (hash.digest('hex') !== sha256) throw new Error('wrong bytes');
  await rm(file);
  return ms;
}

/** What the paths of each borrower brought in its last pooled run, by name: shows that the neighbours were tried. */
const tried = new Map<string, string>();

/** A run of a borrower whose daemon has just started; `during` begins with the download. */
function pooled(
  scheme: 'http' | 'https',
  name: string,
  during?: (lenders: readonly number[]) => Disposable,
): Run {
  return async () => {
    const index = at(name);
    const from = household(index);
    await from.kill();
    await from.restart();
    await untilOffered(from, 2, means);
    using _ = during?.([index + 1, index + 2]);
    const ms = scheme === 'http' ? await plain(from.proxy, 'http', true) : await get(from);
    if (scheme === 'http') {
      const [download] = await from.control.downloads();
      if (download === undefined)
        throw new Error(`not pooled: ${JSON.stringify(await from.control.verdicts())}`);
      tried.set(name, JSON.stringify({ ...download.bytesByPath, twice: download.bytesTwice }));
    }
    return ms;
  };
}

const stallAfter =
  (delay: number) =>
  (lines: readonly number[]): Disposable => {
    const stall = (stalled: boolean): void => {
      for (const index of lines) neighbourhood.reshape(index, { stalled });
    };
    const timer = delay === 0 ? undefined : systemClock.after(delay, () => stall(true));
    if (delay === 0) stall(true);
    return {
      [Symbol.dispose]: () => {
        timer?.[Symbol.dispose]();
        stall(false);
      },
    };
  };

const own = household(0);
const ownLine = (scheme: 'http' | 'https') => ({ host: own.lineHost, port: ports[scheme] });
const cases: { name: string; scheme: 'http' | 'https'; run: Run; ms: number[] }[] = (
  [
    ['own line, no proxy', 'http', () => plain(ownLine('http'), 'http', false)],
    ['own line, proxy that does not pool', 'http', () => plain(own.proxy, 'http', true)],
    ['neighbours stall after 1 s', 'http', pooled('http', 'stalled', stallAfter(STALL_AFTER_MS))],
    ['neighbours stalled from the start', 'http', pooled('http', 'stalled', stallAfter(0))],
    ['neighbours give another range than they say', 'http', pooled('http', 'lied to about ranges')],
    ['neighbours ignore ranges', 'http', pooled('http', 'given no ranges')],
    ['neighbours have 3 % of what they offer', 'http', pooled('http', 'slowed')],
    ['own line, no linepool', 'https', () => plain(ownLine('https'), 'https', false)],
    ['own line, get --own-line', 'https', () => get(own, '--own-line')],
    ['neighbours stall after 1 s', 'https', pooled('https', 'stalled', stallAfter(STALL_AFTER_MS))],
    ['neighbours stalled from the start', 'https', pooled('https', 'stalled', stallAfter(0))],
    ['neighbours have 3 % of what they offer', 'https', pooled('https', 'slowed')],
  ] as const
)
  .map(([name, scheme, run]) => ({ name, scheme, run, ms: [] as number[] }))
  .filter(({ name, scheme }) => name.startsWith('own') || `${scheme}: ${name}`.includes(values.only));

for (let round = 0; round < rounds; round += 1) {
  for (const one of cases) one.ms.push(await one.run());
}

const baseline = (scheme: 'http' | 'https'): number =>
  median(cases.find((one) => one.scheme === scheme)?.ms ?? []);
const results = cases.map(({ name, scheme, ms }) => ({
  scheme,
  name,
  medianMs: median(ms),
  ms,
  ratio: baseline(scheme) / median(ms),
}));
printTable([
  ['', '', 'median', 'of the own line', `bar >= ${BAR}`, 'runs'],
  ...results.map(({ scheme, name, medianMs, ms, ratio }) => [
    scheme,
    name,
    `${(medianMs / 1000).toFixed(2)} s`,
    ratio.toFixed(3),
    name.startsWith('own') ? '' : verdict(ratio >= BAR),
    ms.map((one) => (one / 1000).toFixed(2)).join(' '),
  ]),
]);
for (const [name, bytes] of tried) console.log(`  last run, ${name}: ${bytes}`);
const holds = results.every(({ name, ratio }) => name.startsWith('own') || ratio >= BAR);
if (values.json) console.log(JSON.stringify({ bytes: size, rate: RATE, bar: BAR, holds, results }));
