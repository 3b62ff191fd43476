/**
 * An origin that takes no more than so many connections at once, for tests of how polite we are to such. Each one is an
 * address of its own to it: a neighbour that is to look like another address gets another one, of the same files.
 *
 *     await using strict = await startStrictOrigin({ most: 1, refuse: { kind: 'status', status: 429 } });
 */
import { systemClock } from '../../src/core/clock.ts';
import { fieldValue } from '../../src/core/http.ts';
import { parseTarget } from '../../src/core/target.ts';
import type { Bytes, BytesPerSecond } from '../../src/core/units.ts';
import { type Exchange, type RunningOrigin, startOrigin } from '../../src/demo/origin.ts';
import { answerWithFaults, type Fault, type FaultKind } from './faults.ts';

export interface StrictOptions {
  /** Connections that are served at once; the others are refused. */
  readonly most: number;
  /** What those get. */
  readonly refuse: FaultKind;
  /** Slow enough that a second request comes while the first is running. */
  readonly rate?: BytesPerSecond;
  /** Of those that are served. */
  readonly faults?: readonly Fault[];
}

export interface StrictOrigin extends RunningOrigin {
  readonly exchanges: readonly Exchange[];
  /** Those that were refused. */
  readonly refused: readonly Exchange[];
  /** Bytes of all bodies. */
  readonly bodyBytes: Bytes;
  /** Most connections that brought parts at the same time. */
  readonly mostAtOnce: number;
  readonly origin: ReturnType<typeof parseTarget>['origin'];
  url(path: string): string;
  /** From now on. */
  allow(most: number): void;
}

export async function startStrictOrigin(options: StrictOptions): Promise<StrictOrigin> {
  const exchanges: Exchange[] = [];
  const refused = new Set<Exchange['asked']>();
  let { most } = options;
  const served = (): Set<number> =>
    new Set(
      exchanges
        .filter(({ ended, asked }) => !ended && !refused.has(asked))
        .map(({ asked }) => asked.connection),
    );
  let mostAtOnce = 0;
  const isPart = ({ headers }: Exchange['asked']): boolean => fieldValue(headers, 'range') !== undefined;
  const running = await startOrigin({
    clock: systemClock,
    respond: (asked) => {
      const now = served().add(asked.connection);
      if (now.size > most) {
        refused.add(asked);
        return answerWithFaults(asked, [options.refuse]);
      }
      const parts = exchanges.filter(({ ended, asked: one }) => !ended && isPart(one));
      const bringing = new Set(parts.map(({ asked: { connection } }) => connection));
      if (isPart(asked)) mostAtOnce = Math.max(mostAtOnce, bringing.add(asked.connection).size);
      return answerWithFaults(asked, [
        { kind: 'trickle', rate: options.rate ?? 8e6 },
        ...(options.faults ?? []),
      ]);
    },
    onExchange: (exchange) => exchanges.push(exchange),
  });
  const url = (path: string): string => `http://127.0.0.1:${running.port}${path}`;
  return {
    port: running.port,
    get openConnections() {
      return running.openConnections;
    },
    get connections() {
      return running.connections;
    },
    exchanges,
    get refused() {
      return exchanges.filter(({ asked }) => refused.has(asked));
    },
    get bodyBytes() {
      return exchanges.reduce((sum, { bodyBytes }) => sum + bodyBytes, 0);
    },
    get mostAtOnce() {
      return mostAtOnce;
    },
    origin: parseTarget(url('/')).origin,
    url,
    allow: (next) => {
      most = next;
    },
    [Symbol.asyncDispose]: () => running[Symbol.asyncDispose](),
  };
}
