/**
 * CONNECT: the bytes of both directions, their ends, and everything that can be wrong with it.
 */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { header } from '../support/raw-client.ts';
import { RawOrigin } from '../support/raw-origin.ts';
import { openProxy } from './open-proxy.ts';

const connectTo = (authority: string, fields = ''): string =>
  `CONNECT ${authority} HTTP/1.1\r\nHost: ${authority}\r\n${fields}\r\n`;

test('bytes go both ways, those sent along with CONNECT too, and the 200 has no content', async () => {
  await using origin = await RawOrigin.open(async (peer) => {
    await peer.through('early');
    peer.send('answer');
    await peer.through('late');
    peer.send('last').end();
  });
  await using proxy = await openProxy();
  await using client = await proxy.connect();
  client.send(`${connectTo(origin.host)}early`);
  const head = await client.through('\r\n\r\n');
  assert.match(head, /^HTTP\/1.1 200 /);
  assert.doesNotMatch(head, /content-length|transfer-encoding/i);
  assert.equal((await client.bytes(6)).toString(), 'answer');
  client.send('late');
  assert.equal((await client.rest()).toString(), 'last');
});

test('half-close works both ways', async () => {
  await using origin = await RawOrigin.open(async (peer, index) => {
    if (index === 0) {
      assert.equal((await peer.rest()).toString(), 'all of it');
      peer.send('answer after the end').end();
    } else {
      peer.send('first').end();
      assert.equal((await peer.rest()).toString(), 'still heard');
    }
  });
  await using proxy = await openProxy();
  await using client = await proxy.connect();
  client.send(`${connectTo(origin.host)}all of it`).end();
  await client.through('\r\n\r\n');
  assert.equal((await client.rest()).toString(), 'answer after the end');

  await using other = await proxy.connect();
  other.send(connectTo(origin.host));
  await other.through('\r\n\r\n');
  assert.equal((await other.rest()).toString(), 'first');
  other.send('still heard').end();
  const peer = await origin.peer(1);
  await peer.ended;
  peer.end();
  while (proxy.proxy.connections > 0) await new Promise((resolve) => setImmediate(resolve));
  assert.deepEqual(origin.errors, []);
});

test('a large transfer arrives whole in both directions at once', async () => {
  const size = 6_000_000;
  const sent = Buffer.alloc(size, 'linepool');
  await using origin = await RawOrigin.open(async (peer) => {
    peer.send(sent);
    assert.ok((await peer.bytes(size)).equals(sent));
    peer.end();
  });
  await using proxy = await openProxy();
  await using client = await proxy.connect();
  client.send(connectTo(origin.host));
  await client.through('\r\n\r\n');
  client.send(sent);
  assert.ok((await client.bytes(size)).equals(sent));
  assert.equal((await client.rest()).length, 0);
  assert.deepEqual(origin.errors, []);
});

test('a reset of one end is a reset for the other', async () => {
  await using origin = await RawOrigin.open(async (peer) => {
    await peer.through('x');
    return undefined;
  });
  await using proxy = await openProxy();
  for (const who of ['client', 'origin'] as const) {
    await using client = await proxy.connect();
    client.send(`${connectTo(origin.host)}x`);
    await client.through('\r\n\r\n');
    const peer = await origin.peer(origin.peers.length - 1);
    while (peer.socket.bytesRead === 0) await new Promise((resolve) => setImmediate(resolve));
    const [one, other] = who === 'client' ? [client, peer] : [peer, client];
    one.reset();
    await other.closed;
    assert.equal(other.error?.code, 'ECONNRESET');
  }
});

test('a silent tunnel ends', async () => {
  await using origin = await RawOrigin.open(() => undefined);
  await using proxy = await openProxy({ tunnelIdleTimeout: 50 });
  await using client = await proxy.connect();
  client.send(connectTo(origin.host));
  await client.through('\r\n\r\n');
  await client.ended;
  await (await origin.peer()).ended;
});

const MALFORMED = [
  'a:99999',
  'a:-1',
  '/',
  'a:80/path',
  'a',
  'a:',
  ':80',
  'a:0',
  'a:80:80',
  'me@a:80',
  '[::1:80',
  '::1:80',
  '[]:80',
  'http://a:80/',
  '*',
  'a b:80',
  '%00:80',
  'a:+80',
];

for (const authority of MALFORMED) {
  test(`CONNECT ${authority} is refused, and the proxy lives`, async () => {
    await using origin = await RawOrigin.answering('HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n');
    await using proxy = await openProxy();
    await using client = await proxy.connect();
    client.send(`CONNECT ${authority} HTTP/1.1\r\nHost: a\r\n\r\n`);
    const answer = await client.message();
    assert.equal(answer.status, 400);
    assert.match(header(answer, 'proxy-status') ?? '', /^linepool-t1;\s?error=http_request_error/);
    assert.ok(await proxy.serves(origin));
  });
}

test('CONNECT with content, without Host, or with our Via is refused', async () => {
  await using proxy = await openProxy();
  for (const [message, status] of [
    [connectTo('127.0.0.1:9', 'Content-Length: 5\r\n'), 400],
    [connectTo('127.0.0.1:9', 'Transfer-Encoding: chunked\r\n'), 400],
    ['CONNECT 127.0.0.1:9 HTTP/1.1\r\n\r\n', 400],
    [connectTo('127.0.0.1:9', 'Via: 1.1 linepool-t1\r\n'), 508],
  ] as const) {
    await using client = await proxy.connect();
    client.send(message);
    assert.equal((await client.message()).status, status);
  }
});

test('what can not be reached is answered with a Proxy-Status', async () => {
  const origin = await RawOrigin.open(() => undefined);
  const gone = origin.host;
  await origin[Symbol.asyncDispose]();
  await using proxy = await openProxy({
    forbidden: ({ port }) => port === 7467,
    dial: {
      pinned: new Map([['own.example', '127.0.0.1']]),
      connectTimeout: 5_000,
      permit: (_address, port) => (port === 25 ? 'port_refused' : undefined),
    },
  });
  for (const [authority, status, error] of [
    [gone, 502, 'connection_refused'],
    ['localhost:7467', 403, 'destination_ip_prohibited'],
    // A name that leads where it must not is caught at its address.
    ['own.example:25', 403, 'http_request_denied'],
  ] as const) {
    await using client = await proxy.connect();
    client.send(connectTo(authority));
    const answer = await client.message();
    assert.equal(answer.status, status, authority);
    assert.match(header(answer, 'proxy-status') ?? '', new RegExp(`error=${error}`));
    await client.ended;
  }
});

test('a client that goes away while its tunnel is being made leaves nothing', async () => {
  await using origin = await RawOrigin.open(() => undefined);
  await using proxy = await openProxy();
  for (let i = 0; i < 20; i += 1) {
    await using client = await proxy.connect();
    client.send(connectTo(origin.host));
    client.reset();
  }
  while (proxy.proxy.connections > 0) await new Promise((resolve) => setImmediate(resolve));
  for (const peer of origin.peers) await peer.ended;
});

test('closing the proxy ends its tunnels', async () => {
  await using origin = await RawOrigin.open(() => undefined);
  const proxy = await openProxy();
  await using client = await proxy.connect();
  client.send(connectTo(origin.host));
  await client.through('\r\n\r\n');
  await proxy[Symbol.asyncDispose]();
  await client.ended;
  await (await origin.peer()).ended;
});
