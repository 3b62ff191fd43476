/**
 * How fast the proxy forwards, next to squid, in one run on loopback: one large response, many small ones, and
 * the time that it adds to the first byte. The runs alternate, and medians are given: only ratios mean anything
 * on a machine that does other things as well.
 *
 *     node bench/forward.ts [--json] [--quick] [--alone | -- COMMAND...]
 *
 * The daemon of the bundle is measured; with --alone the proxy without the rest of it. COMMAND starts any other proxy
 * and prints its URL.
 */
import { execFile } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { connect, type Socket } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { parseArgs, promisify } from 'node:util';
import { formatBytes } from '../src/core/units.ts';
import { type Program, startDaemon, startOrigin, startProxy, startSquid } from './programs.ts';
import { median, printTable, verdict } from './table.ts';
import { cpuSeconds, peakResidentBytes } from './usage.ts';

const run = promisify(execFile);

const { values, positionals } = parseArgs({
  options: {
    json: { type: 'boolean', default: false },
    quick: { type: 'boolean', default: false },
    alone: { type: 'boolean', default: false },
  },
  allowPositionals: true,
});
const startTested = (): Promise<Program> => {
  if (positionals.length > 0) return startProxy(positionals);
  return values.alone
    ? startProxy([process.execPath, join(import.meta.dirname, 'proxy-alone.ts')])
    : startDaemon();
};
const rounds = values.quick ? 1 : 3;
const seconds = values.quick ? 2 : 5;
const samples = values.quick ? 50 : 200;
const CONNECTIONS = 32;

/** Bytes per second of one large response, by curl. */
async function download(url: string, proxy: string | undefined): Promise<number> {
  const via = proxy === undefined ? ['--noproxy', '*'] : ['--proxy', proxy];
  const format = '%{http_code} %{size_download} %{speed_download}';
  const { stdout } = await run('curl', ['-sS', ...via, '-o', '/dev/null', '-w', format, url]);
  const [status, size, speed] = stdout.split(' ').map(Number);
  if (status !== 200 || size !== 2 ** 30) throw new Error(`curl got ${stdout}`);
  return speed ?? 0;
}

/** Responses per second to small requests, by wrk with absolute-form targets. */
async function requests(url: string, proxy: string, folder: string, forSeconds: number): Promise<number> {
  const script = join(folder, 'absolute.lua');
  writeFileSync(script, `wrk.path = "${url}"\n`);
  const load = ['-t1', `-c${CONNECTIONS}`, `-d${forSeconds}s`, '-s', script, proxy];
  const { stdout } = await run('wrk', load);
  const rate = /Requests\/sec:\s*([\d.]+)/.exec(stdout)?.[1];
  if (rate === undefined || /Non-2xx|Socket errors/.test(stdout)) throw new Error(`wrk said:\n${stdout}`);
  return Number(rate);
}

async function connected(url: string): Promise<Socket> {
  const { hostname, port } = new URL(url);
  const socket = connect({ host: hostname, port: Number(port), noDelay: true });
  await once(socket, 'connect');
  return socket;
}

/** Sends one request; milliseconds until the first byte of the answer. Reads the answer to its end. */
async function firstByte(socket: Socket, message: string): Promise<number> {
  const start = performance.now();
  socket.write(message);
  let took = Number.NaN;
  let text = '';
  for (;;) {
    const [chunk] = (await once(socket, 'data')) as [Buffer];
    if (text === '') took = performance.now() - start;
    text += chunk.toString('latin1');
    const end = text.indexOf('\r\n\r\n');
    const length = Number(/^content-length: *(\d+)/im.exec(text)?.[1]);
    if (end !== -1 && text.length >= end + 4 + length) return took;
  }
}

interface FirstByte {
  readonly directMs: number;
  readonly proxiedMs: number;
  readonly addedMs: number;
}

/** Medians of the time to the first byte, direct and through the proxy, in turns. */
async function firstBytes(origin: string, proxy: string, fresh: boolean): Promise<FirstByte> {
  const host = new URL(origin).host;
  const ways = [
    { via: origin, message: `GET /small HTTP/1.1\r\nHost: ${host}\r\n\r\n`, times: [] as number[] },
    { via: proxy, message: `GET ${origin}/small HTTP/1.1\r\nHost: ${host}\r\n\r\n`, times: [] as number[] },
  ];
  if (fresh) {
    for (let i = 0; i < samples; i += 1) {
      for (const way of ways) {
        const start = performance.now();
        const socket = await connected(way.via);
        const connecting = performance.now() - start;
        way.times.push(connecting + (await firstByte(socket, way.message)));
        socket.destroy();
      }
    }
  } else {
    const kept = await Promise.all(ways.map((way) => connected(way.via)));
    for (let i = 0; i < samples; i += 1) {
      for (const [index, way] of ways.entries()) {
        const socket = kept[index];
        if (socket !== undefined) way.times.push(await firstByte(socket, way.message));
      }
    }
    for (const socket of kept) socket.destroy();
  }
  const [directMs = Number.NaN, proxiedMs = Number.NaN] = ways.map((way) => median(way.times));
  return { directMs, proxiedMs, addedMs: proxiedMs - directMs };
}

await using origin = await startOrigin();
await using squid = await startSquid();
await using proxy = await startTested();
const folder = mkdtempSync(join(tmpdir(), 'bench-forward-'));
const big = `${origin.url}/big`;
const small = `${origin.url}/small`;

// What is slow only the first time (pages of the file, compiled code) is not what is compared.
for (const via of [undefined, squid.url, proxy.url]) await download(big, via);
for (const via of [squid.url, proxy.url]) await requests(small, via, folder, 1);

const speeds = { direct: [] as number[], squid: [] as number[], linepool: [] as number[] };
/** Processor time for one GiB: says more than speed does while the machine is busy with other things. */
const cpu = { squid: [] as number[], linepool: [] as number[] };
for (let round = 0; round < rounds; round += 1) {
  speeds.direct.push(await download(big, undefined));
  for (const [name, tested] of [['squid', squid] as const, ['linepool', proxy] as const]) {
    const before = cpuSeconds(tested.pid);
    speeds[name].push(await download(big, tested.url));
    cpu[name].push(cpuSeconds(tested.pid) - before);
  }
}
const rates = { squid: [] as number[], linepool: [] as number[] };
for (let round = 0; round < rounds; round += 1) {
  rates.squid.push(await requests(small, squid.url, folder, seconds));
  rates.linepool.push(await requests(small, proxy.url, folder, seconds));
}
const keptAlive = await firstBytes(origin.url, proxy.url, false);
const fresh = await firstBytes(origin.url, proxy.url, true);
rmSync(folder, { recursive: true });

const result = {
  large: {
    directBytesPerSecond: median(speeds.direct),
    squidBytesPerSecond: median(speeds.squid),
    linepoolBytesPerSecond: median(speeds.linepool),
    ratio: median(speeds.linepool) / median(speeds.squid),
    squidCpuSeconds: median(cpu.squid),
    linepoolCpuSeconds: median(cpu.linepool),
  },
  small: {
    squidPerSecond: median(rates.squid),
    linepoolPerSecond: median(rates.linepool),
    ratio: median(rates.linepool) / median(rates.squid),
  },
  firstByte: { keptAlive, fresh },
  peakMemoryBytes: peakResidentBytes(proxy.pid),
};

const perSecond = (rate: number): string => `${formatBytes(rate)}/s`;
const ms = (time: number): string => `${time.toFixed(2)} ms`;
const rows: [string, string, string, string, string][] = [
  ['', 'direct', 'squid', 'linepool', 'bar'],
  [
    '1 GiB response',
    perSecond(result.large.directBytesPerSecond),
    perSecond(result.large.squidBytesPerSecond),
    `${perSecond(result.large.linepoolBytesPerSecond)} (${result.large.ratio.toFixed(2)}x squid)`,
    `>= 2x squid: ${verdict(result.large.ratio >= 2)}`,
  ],
  [
    '  processor time for it',
    '',
    `${result.large.squidCpuSeconds.toFixed(2)} s`,
    `${result.large.linepoolCpuSeconds.toFixed(2)} s`,
    '',
  ],
  [
    `1 kB, ${CONNECTIONS} connections`,
    '',
    `${result.small.squidPerSecond.toFixed(0)}/s`,
    `${result.small.linepoolPerSecond.toFixed(0)}/s (${result.small.ratio.toFixed(2)}x squid)`,
    `>= 0.9x squid: ${verdict(result.small.ratio >= 0.9)}`,
  ],
  ...Object.entries({ 'first byte, kept-alive': keptAlive, 'first byte, new connection': fresh }).map(
    ([name, { directMs, proxiedMs, addedMs }]): [string, string, string, string, string] => [
      name,
      ms(directMs),
      '',
      `${ms(proxiedMs)} (+${ms(addedMs)})`,
      `<= +2 ms: ${verdict(addedMs <= 2)}`,
    ],
  ),
  ['peak memory', '', '', formatBytes(result.peakMemoryBytes), ''],
];
printTable(rows);
if (values.json) console.log(JSON.stringify(result));
