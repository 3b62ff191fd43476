/**
 * The proxy alone, as a process, for bench/forward.ts: listens on a free loopback port and prints its URL as the
 * first line. Ends when its standard input ends.
 */
import { randomBytes } from 'node:crypto';
import { systemClock } from '../src/core/clock.ts';
import { Events } from '../src/core/events.ts';
import { formatAuthority } from '../src/core/target.ts';
import { Proxy } from '../src/proxy/server.ts';

await using proxy = await Proxy.open(
  {
    listen: ['127.0.0.1:0'],
    clients: ['127.0.0.0/8'],
    maxConnections: 1024,
    maxHeaderBytes: 65_536,
    headerTimeout: 30_000,
    idleTimeout: 75_000,
    tunnelIdleTimeout: 900_000,
    responseTimeout: 60_000,
    dial: { pinned: new Map(), connectTimeout: 10_000 },
    pseudonym: `linepool-${randomBytes(3).toString('hex')}`,
    forbidden: () => false,
  },
  { clock: systemClock, events: new Events(() => systemClock.wall()) },
);
for (const address of proxy.addresses) console.log(`http://${formatAuthority(address)}`);
process.stdin.resume();
await new Promise((resolve) => process.stdin.once('end', resolve));
