/**
 * A proxy for tests, on a free loopback port, with everything that a test doesn't care about filled in.
 */

import { type EventRecord, Events } from '../../src/core/events.ts';
import { Proxy, type ProxyDeps, type ProxyOptions } from '../../src/proxy/server.ts';
import { FakeClock } from '../support/fake-clock.ts';
import { RawPeer } from '../support/raw-client.ts';

export interface TestProxy extends AsyncDisposable {
  readonly proxy: Proxy;
  readonly port: number;
  /** `http://127.0.0.1:PORT` */
  readonly url: string;
  readonly clock: FakeClock;
  readonly events: Events;
  connect(): Promise<RawPeer>;
  /** True when a plain request through it still works. */
  serves(origin: { readonly url: string; readonly host: string }): Promise<boolean>;
  reported(): readonly EventRecord[];
}

export const PSEUDONYM = 'linepool-t1';

export async function openProxy(
  options: Partial<ProxyOptions> = {},
  deps: Partial<ProxyDeps> = {},
): Promise<TestProxy> {
  const clock = new FakeClock();
  const events = new Events(() => clock.wall());
  const proxy = await Proxy.open(
    {
      listen: ['127.0.0.1:0'],
      clients: ['127.0.0.0/8', '::1/128'],
      maxConnections: 1024,
      maxHeaderBytes: 16_384,
      headerTimeout: 30_000,
      idleTimeout: 75_000,
      tunnelIdleTimeout: 900_000,
      responseTimeout: 60_000,
      dial: { pinned: new Map(), connectTimeout: 10_000 },
      pseudonym: PSEUDONYM,
      forbidden: () => false,
      ...options,
    },
    { clock, events, ...deps },
  );
  const port = proxy.addresses[0]?.port ?? 0;
  const connect = (): Promise<RawPeer> => RawPeer.connect(port);
  return {
    proxy,
    port,
    url: `http://127.0.0.1:${port}`,
    clock,
    events,
    connect,
    async serves(origin) {
      await using client = await connect();
      client.send(`GET ${origin.url}/still HTTP/1.1\r\nHost: ${origin.host}\r\n\r\n`);
      return (await client.message()).status === 200;
    },
    reported: () => events.since(0),
    [Symbol.asyncDispose]: () => proxy[Symbol.asyncDispose](),
  };
}
