/**
 * An origin for tests: the demo's, with faults that can be switched on for one path or for all, and a record
 * of what was asked of it.
 *
 *     await using origin = await startTestOrigin();
 *     const url = origin.url('/file/100000');           // the bytes are pattern(0), pattern(1), …
 *     origin.setFaults('/file/100000', { kind: 'cut', afterBytes: 70_000, toNth: 1 });
 */

import { type Clock, systemClock } from '../../src/core/clock.ts';
import { fieldValue } from '../../src/core/http.ts';
import type { Bytes } from '../../src/core/units.ts';
import { type Authority, type Credentials, makeAuthority } from '../../src/demo/certificate.ts';
import { type Exchange, type RunningOrigin, startOrigin } from '../../src/demo/origin.ts';
import { answerWithFaults, type Fault } from './faults.ts';

export interface TestOriginOptions {
  /** Https, with a certificate of `ca` for `names`. */
  readonly secure?: boolean;
  /** Names and addresses in the certificate; default localhost, origin.demo and 127.0.0.1. */
  readonly names?: readonly [string, ...string[]];
  readonly host?: string;
  readonly port?: number;
  /** Of every path that has none of its own. */
  readonly faults?: readonly Fault[];
  readonly clock?: Clock;
}

export interface TestOrigin extends RunningOrigin {
  /** Of the authority behind the certificate, PEM; empty for http. */
  readonly ca: string;
  /** Every request so far, oldest first, with its answer and the bytes of its body that were sent. */
  readonly exchanges: readonly Exchange[];
  /** Bytes of all bodies handed to connections. */
  readonly bodyBytes: Bytes;
  /** Range fields asked for on a path, in order; undefined for a request without. */
  ranges(path: string): readonly (string | undefined)[];
  /** From the next request for the path on; without faults, it is well again. `*` is every other path. */
  setFaults(path: string, ...faults: readonly Fault[]): void;
  /** An absolute address at this origin; `host` when it is to be reached under a name. */
  url(path: string, host?: string): string;
}

// One for all tests of a process: making keys takes a while.
let authority: Promise<Authority> | undefined;

/** The authority that signs the certificates of all test origins of this process. */
export function testAuthority(): Promise<Authority> {
  authority ??= makeAuthority(systemClock);
  return authority;
}

/** Listens on a free loopback port until disposed of. */
export async function startTestOrigin(options: TestOriginOptions = {}): Promise<TestOrigin> {
  const faults = new Map<string, readonly Fault[]>([['*', options.faults ?? []]]);
  const exchanges: Exchange[] = [];
  let tls: Credentials | undefined;
  let ca = '';
  if (options.secure === true) {
    const signer = await testAuthority();
    tls = await signer.issue(options.names ?? ['localhost', 'origin.demo', '127.0.0.1']);
    ca = signer.ca;
  }
  const host = options.host ?? '127.0.0.1';
  const running = await startOrigin({
    clock: options.clock ?? systemClock,
    host,
    port: options.port ?? 0,
    ...(tls === undefined ? {} : { tls }),
    respond: (asked) => answerWithFaults(asked, faults.get(asked.path) ?? faults.get('*') ?? []),
    onExchange: (exchange) => exchanges.push(exchange),
  });
  return {
    port: running.port,
    get openConnections() {
      return running.openConnections;
    },
    get connections() {
      return running.connections;
    },
    ca,
    exchanges,
    get bodyBytes() {
      return exchanges.reduce((sum, exchange) => sum + exchange.bodyBytes, 0);
    },
    ranges: (path) =>
      exchanges
        .filter(({ asked }) => asked.path === path)
        .map(({ asked }) => fieldValue(asked.headers, 'range')),
    setFaults: (path, ...list) => void faults.set(path, list),
    url: (path, name = host) => `${tls === undefined ? 'http' : 'https'}://${name}:${running.port}${path}`,
    [Symbol.asyncDispose]: () => running[Symbol.asyncDispose](),
  };
}
