/**
 * A household for tests: the real proxy with pooling behind it, borrowed lines that stand in for neighbours, and a
 * client that tells exactly what it got. Everything runs on the real clock, since bytes really move.
 */
import { once } from 'node:events';
import { request as httpRequest, type IncomingMessage } from 'node:http';
import { systemClock } from '../../src/core/clock.ts';
import { Events } from '../../src/core/events.ts';
import type { Bytes, BytesPerSecond, Milliseconds } from '../../src/core/units.ts';
import { OriginSeats } from '../../src/download/origin-seats.ts';
import type { PlanSettings } from '../../src/download/plan-state.ts';
import { type NotedVerdict, Register } from '../../src/download/register.ts';
import type { SeatLimits } from '../../src/download/seats.ts';
import { WindowBudget } from '../../src/download/window.ts';
import { Health } from '../../src/paths/health.ts';
import { OwnLine } from '../../src/paths/own-line.ts';
import { pooling } from '../../src/proxy/pooled.ts';
import { SETTINGS } from '../download/simulation.ts';
import { BorrowedLine, DIAL } from '../support/borrowed-line.ts';
import { openProxy, type TestProxy } from './open-proxy.ts';

export interface PoolingProxyOptions {
  /** What each neighbour offers; their ids are n1, n2, … */
  readonly offers?: readonly BytesPerSecond[];
  /** In place of those. */
  readonly neighbours?: readonly BorrowedLine[];
  readonly enabled?: boolean;
  readonly minBytes?: Bytes;
  readonly minSavingMs?: Milliseconds;
  readonly ownDown?: BytesPerSecond;
  readonly windowBytes?: Bytes;
  readonly eachBytes?: Bytes;
  readonly settings?: Partial<PlanSettings>;
  readonly silenceTimeout?: Milliseconds;
  readonly forbidden?: () => boolean;
  readonly seats?: SeatLimits;
}

export interface PoolingProxy extends AsyncDisposable {
  readonly proxy: TestProxy;
  readonly budget: WindowBudget;
  readonly register: Register;
  readonly health: Health;
  readonly ownLine: OwnLine;
  readonly events: Events;
  readonly neighbours: readonly BorrowedLine[];
  /** Tells downloads that offers changed. */
  changed(): void;
  /** The reason of the last verdict. */
  verdict(): NotedVerdict | undefined;
  get(url: string, headers?: Record<string, string>): Promise<Got>;
  /** The response as soon as its head is there, nothing read yet. */
  open(url: string, headers?: Record<string, string>): Promise<IncomingMessage>;
}

export interface Got {
  readonly status: number;
  readonly headers: readonly string[];
  readonly body: Buffer;
  /** True when the response came to its proper end. */
  readonly whole: boolean;
}

export async function openPooling(options: PoolingProxyOptions = {}): Promise<PoolingProxy> {
  const clock = systemClock;
  const events = new Events(() => clock.wall());
  const neighbours =
    options.neighbours ??
    (options.offers ?? [20e6, 20e6]).map((rate, i) => new BorrowedLine(`n${i + 1}`, rate));
  const budget = new WindowBudget({
    capBytes: options.windowBytes ?? 4_194_304,
    eachBytes: options.eachBytes ?? 8_388_608,
  });
  const register = new Register();
  const health = new Health(clock);
  const ownLine = new OwnLine({ dial: DIAL, down: options.ownDown, responseTimeout: 10_000 });
  const listeners = new Set<() => void>();
  const pooled = pooling(
    {
      enabled: options.enabled ?? true,
      minBytes: options.minBytes ?? 262_144,
      minSavingMs: options.minSavingMs ?? 0,
      settings: { ...SETTINGS, ...options.settings },
      silenceTimeout: options.silenceTimeout ?? 5_000,
    },
    {
      clock,
      events,
      budget,
      ownLine,
      health,
      seats: new OriginSeats(options.seats ?? { origin: 24, line: 6 }),
      register,
      neighbours: {
        neighbours: () => neighbours,
        onChange(listener) {
          listeners.add(listener);
          return { [Symbol.dispose]: () => listeners.delete(listener) };
        },
      },
    },
  );
  const proxy = await openProxy(
    { dial: DIAL, forbidden: options.forbidden ?? (() => false) },
    { clock, events, ...pooled },
  );
  const open = async (url: string, headers: Record<string, string> = {}): Promise<IncomingMessage> => {
    const request = httpRequest({ host: '127.0.0.1', port: proxy.port, path: url, headers, agent: false });
    request.end();
    const [response] = (await once(request, 'response')) as [IncomingMessage];
    return response;
  };
  return {
    proxy,
    budget,
    register,
    health,
    ownLine,
    events,
    neighbours,
    changed: () => listeners.forEach((listener) => listener()),
    verdict: () => register.verdicts()[0],
    open,
    async get(url, headers) {
      const response = await open(url, headers);
      const chunks: Buffer[] = [];
      response.on('data', (chunk: Buffer) => chunks.push(chunk));
      const whole = await new Promise<boolean>((resolve) => {
        // A body that breaks off is told as an error; the connection's end is what counts.
        response.on('error', () => undefined);
        response.on('close', () => resolve(response.complete));
      });
      return {
        status: response.statusCode ?? 0,
        headers: response.rawHeaders,
        body: Buffer.concat(chunks),
        whole,
      };
    },
    [Symbol.asyncDispose]: () => proxy[Symbol.asyncDispose](),
  };
}
