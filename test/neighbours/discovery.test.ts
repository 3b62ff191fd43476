/** Finding routers on the local network: real processes and real multicast, on the loopback interface alone. */
import assert from 'node:assert/strict';
import { type ChildProcess, spawn } from 'node:child_process';
import { createSocket } from 'node:dgram';
import { once } from 'node:events';
import { resolve } from 'node:path';
import { createInterface } from 'node:readline';
import { after, test } from 'node:test';
import type { Answer } from 'dns-packet';
import multicastDns from 'multicast-dns';
import { systemClock } from '../../src/core/clock.ts';
import { PROTOCOL } from '../../src/neighbours/channel.ts';
import { DISCOVERED_MAX, type Discovered, discover, localAddresses } from '../../src/neighbours/discovery.ts';
import { isPseudonym, SERVICE } from '../../src/neighbours/dns-sd.ts';
import { until } from '../support/until.ts';

const LOOPBACK = ['127.0.0.1:7468'];
const look = (forMs = 1_500): Promise<readonly Discovered[]> =>
  discover(LOOPBACK, { clock: systemClock, forMs, except: undefined });

const started: ChildProcess[] = [];
after(() => {
  for (const child of started) child.kill('SIGKILL');
});

async function announcer(
  ...listening: readonly string[]
): Promise<{ name: string; at: string[]; end(): Promise<void> }> {
  const child = spawn(process.execPath, [resolve(import.meta.dirname, 'announcing.ts'), ...listening], {
    stdio: ['pipe', 'pipe', 'inherit'],
  });
  started.push(child);
  const [line] = (await once(createInterface(child.stdout), 'line')) as [string];
  const { name, at } = JSON.parse(line) as { name: string; at: string[] };
  return {
    name,
    at,
    end: async () => {
      child.stdin.end();
      await once(child, 'exit');
    },
  };
}

/** Everything that is said on the air while `during` runs. */
async function overheard(during: () => Promise<unknown>): Promise<string> {
  const socket = createSocket({ type: 'udp4', reuseAddr: true });
  let heard = '';
  socket.on('message', (message) => {
    heard += message.toString('latin1');
  });
  socket.bind(5353, '0.0.0.0');
  await once(socket, 'listening');
  socket.addMembership('224.0.0.251', '127.0.0.1');
  await during();
  socket.close();
  return heard;
}

test('two processes are found under names of this time, with their ports, and are gone after their goodbye', async () => {
  const one = await announcer('127.0.0.1:7468');
  const two = await announcer('127.0.0.1:17468');
  assert.deepEqual(one.at, ['127.0.0.1']);
  let found: readonly string[] = [];
  await until('both are found', async () => {
    found = (await look())
      .filter(({ name }) => name === one.name || name === two.name)
      .map(({ address }) => address)
      .sort();
    return found.length === 2;
  });
  assert.deepEqual(found, ['127.0.0.1:17468', '127.0.0.1:7468']);
  // Until long after the goodbye.
  const away = look(4_000);
  await one.end();
  const left = await away;
  assert.ok(!left.some(({ name }) => name === one.name));
  await two.end();
  const again = await announcer('127.0.0.1:7468');
  assert.notEqual(again.name, one.name, 'a new name each time');
  await again.end();
});

test('on the air there is no name of the machine, and nothing that stays the same', async () => {
  const { hostname, userInfo } = await import('node:os');
  let name = '';
  const heard = await overheard(async () => {
    const one = await announcer('127.0.0.1:7468');
    name = one.name;
    await look(800);
    await one.end();
  });
  assert.ok(heard.includes(name));
  assert.ok(heard.includes('_linepool'));
  for (const telling of [hostname(), userInfo().username]) {
    if (telling.length > 3) assert.ok(!heard.includes(telling), telling);
  }
  // The texts: lengths and one version.
  assert.ok(heard.includes(`\u0003v=${PROTOCOL}`));
});

test('hostile answers are bounded and harmless, and do not end anything', async () => {
  const mdns = multicastDns({ interface: '127.0.0.1', bind: '0.0.0.0' });
  await once(mdns, 'ready');
  const raw = createSocket({ type: 'udp4' });
  raw.bind(0, '127.0.0.1');
  await once(raw, 'listening');
  raw.setMulticastInterface('127.0.0.1');
  const looking = look(2_000);
  const alphabet = 'abcdefghijklmnopqrstuvwxyz234567';
  const record = (name: string, target: string): Answer[] => [
    { name: `${name}.${SERVICE}`, type: 'SRV', ttl: 120, data: { port: 80, target } },
    { name: `${name}.${SERVICE}`, type: 'TXT', ttl: 120, data: [`v=${PROTOCOL}`, 'x'.repeat(200)] },
    { name: target, type: 'A', ttl: 120, data: '203.0.113.9' },
  ];
  for (let i = 0; i < 3 * DISCOVERED_MAX; i += 1) {
    const suffix = alphabet.charAt(i % 32) + alphabet.charAt(Math.floor(i / 32));
    mdns.respond({ answers: record(`lp-flood${suffix}a`, 'x.local') });
    mdns.respond({ answers: record(`\u001b[2JBank${i}`, 'files.example') });
  }
  // No packets at all, cut ones, and names that point at themselves.
  for (const bytes of [
    '',
    'rubbish',
    '\0\0\x84\0\0\0\0\x01\0\0\0\0\xc0\x0c\0\x21\0\x01',
    '\xff'.repeat(1_400),
  ]) {
    raw.send(Buffer.from(bytes, 'latin1'), 5353, '224.0.0.251');
  }
  const found = await looking;
  assert.ok(found.length > 0, 'something came through');
  assert.ok(found.length <= DISCOVERED_MAX);
  for (const { name, address } of found) {
    assert.ok(isPseudonym(name), name);
    assert.match(address, /^127\.0\.0\.1:\d+$/, 'where it came from, not where it says');
  }
  raw.close();
  await new Promise<void>((done) => {
    mdns.destroy(() => done());
  });
});

test('it is at work on addresses of home networks only', () => {
  assert.deepEqual(localAddresses(['192.168.1.1:7468', '10.0.0.1:1', '169.254.1.1:2']), [
    { host: '192.168.1.1', port: 7468 },
    { host: '10.0.0.1', port: 1 },
    { host: '169.254.1.1', port: 2 },
  ]);
  assert.deepEqual(localAddresses(['203.0.113.7:7468', '8.8.8.8:7468', '[2001:db8::1]:7468']), []);
  assert.deepEqual(localAddresses(['127.0.0.1:1', '127.0.0.1:2']), [{ host: '127.0.0.1', port: 2 }]);
  for (const { host } of localAddresses(['0.0.0.0:7468'])) assert.doesNotMatch(host, /^127\./);
});
