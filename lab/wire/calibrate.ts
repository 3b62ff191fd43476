/**
 * Is the wire what it says it is? Its rate, delay, loss and cost, measured with curl from nginx and with ping-like
 * connects, on lines alone and all at once. Used by main.ts; it must know nothing of linepool.
 */
import { setTimeout as wait } from 'node:timers/promises';
import { PAYLOAD } from '../figures.ts';
import { addNamespace, clientNs, ORIGIN_NS, routerNs } from '../namespaces.ts';
import { layLine, layOrigins, wireOf } from '../neighbourhood.ts';
import { makeCertificates, ORIGIN_ADDRESS, originFile, startOrigin } from '../origin.ts';
import { must } from '../process.ts';
import { Scenario } from '../scenario.ts';
import { openWires } from './wires.ts';

export interface Calibration {
  readonly congestion: 'bbr' | 'cubic';
  readonly lines: readonly {
    /** Of all packets, headers included, in a second in which the line was full. */
    readonly mbit: number;
    readonly wantedMbit: number;
    /** A TCP handshake, less what it takes without a wire. */
    readonly roundTripMs: number;
    readonly wantedRoundTripMs: number;
    readonly lostPart: number;
    readonly wantedLoss: number;
    /** Of what a line can carry of files, what curl got in the whole time. */
    readonly goodputPart: number;
  }[];
  readonly wireCpuPart: number;
  readonly worstLateUs: number;
}

const LINES = Scenario.shape.lines.parse([
  { down: '100 Mbit/s', delay: '5 ms' },
  { down: '100 Mbit/s', delay: '5 ms', up: '100 Mbit/s' },
  { down: '50 Mbit/s', delay: '10 ms' },
  { down: '50 Mbit/s', delay: '20 ms', loss: 0.005 },
]);
const WARM_MS = 1500;
const FULL_MS = 3000;

export async function calibrate(congestion: 'bbr' | 'cubic', signal: AbortSignal): Promise<Calibration> {
  await using owned = new AsyncDisposableStack();
  const namespaces = [ORIGIN_NS, ...LINES.flatMap((_, i) => [routerNs(i + 1), clientNs(i + 1)])];
  for (const name of namespaces) owned.use(await addNamespace(name));
  const wires = owned.use(await openWires());
  await layOrigins(namespaces);
  for (const [i, line] of LINES.entries()) await layLine(wires, i + 1, line, congestion);
  await makeCertificates();
  const name = originFile(200_000_000);
  owned.use(await startOrigin({ ns: ORIGIN_NS, kind: 'honest', signal }));
  const url = `http://${ORIGIN_ADDRESS}/${name}`;
  const connects = await Promise.all(LINES.map((_, i) => connectMs(clientNs(i + 1), url)));
  const seconds = (WARM_MS + FULL_MS + 500) / 1000;
  const began = performance.now();
  const transfers = LINES.map(async (_, i) => {
    const curl = [
      'curl',
      '-s',
      '-o',
      '/dev/null',
      '-m',
      String(seconds),
      '-w',
      '%{size_download} %{time_total}',
    ];
    const { stdout } = await must(
      ['sh', '-c', `${curl.map((word) => `'${word}'`).join(' ')} '${url}' || true`],
      {
        ns: clientNs(i + 1),
        signal,
      },
    );
    const [bytes = 0, s = 1] = stdout.split(' ').map(Number);
    return bytes / s;
  });
  await wait(WARM_MS - (performance.now() - began));
  const from = { at: performance.now(), ...(await wires.counters()) };
  await wait(FULL_MS);
  const to = { at: performance.now(), ...(await wires.counters()) };
  const ms = to.at - from.at;
  const goodputs = await Promise.all(transfers);
  return {
    congestion,
    lines: LINES.map((line, i) => {
      const way = `${wireOf(i + 1)}.down`;
      const [before, after] = [from.ways[way], to.ways[way]];
      const bytes = (after?.bytes ?? 0) - (before?.bytes ?? 0);
      const packets = (after?.packets ?? 0) - (before?.packets ?? 0);
      const lost = (after?.lost ?? 0) - (before?.lost ?? 0);
      return {
        mbit: (bytes * 8) / ms / 1000,
        wantedMbit: (line.down * 8) / 1e6,
        roundTripMs: connects[i] ?? 0,
        wantedRoundTripMs: 2 * line.delay,
        lostPart: lost / (lost + packets),
        wantedLoss: line.loss,
        goodputPart: (goodputs[i] ?? 0) / (line.down * PAYLOAD),
      };
    }),
    wireCpuPart: (to.cpuMs - from.cpuMs) / ms,
    worstLateUs: to.worstLateUs,
  };
}

/** The least of several, in ms: what is longer had to wait for this machine. */
async function connectMs(ns: string, url: string): Promise<number> {
  let least = Number.POSITIVE_INFINITY;
  for (let i = 0; i < 5; i += 1) {
    const { stdout } = await must(
      ['curl', '-s', '-o', '/dev/null', '-r', '0-0', '-w', '%{time_connect}', url],
      {
        ns,
      },
    );
    least = Math.min(least, Number(stdout) * 1000);
  }
  return least;
}

export const showCalibration = ({ congestion, lines, wireCpuPart, worstLateUs }: Calibration): string =>
  [
    ...lines.map(
      (line) =>
        `${congestion.padEnd(6)} ${line.wantedMbit} Mbit/s: ${line.mbit.toFixed(2)}; round trip ${line.wantedRoundTripMs} ms: ${line.roundTripMs.toFixed(1)}; loss ${line.wantedLoss}: ${line.lostPart.toFixed(4)}; goodput ${(line.goodputPart * 100).toFixed(1)} % of what it carries`,
    ),
    `${congestion.padEnd(6)} wire: ${(wireCpuPart * 100).toFixed(0)} % of a processor, at most ${(worstLateUs / 1000).toFixed(1)} ms late`,
  ].join('\n');
