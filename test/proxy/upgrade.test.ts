/**
 * Upgrade: passed on, joined when the origin agrees, an ordinary response when it does not.
 */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { header } from '../support/raw-client.ts';
import { RawOrigin } from '../support/raw-origin.ts';
import { openProxy } from './open-proxy.ts';

const upgrade = (origin: RawOrigin, fields = 'Connection: Upgrade\r\nUpgrade: websocket\r\n'): string =>
  `GET ${origin.url}/chat HTTP/1.1\r\nHost: ${origin.host}\r\nSec-WebSocket-Key: abc\r\n${fields}\r\n`;

const SWITCH =
  'HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Accept: x\r\n\r\n';

test('a switch that was asked for joins the two ends, with the first bytes of both', async () => {
  await using origin = await RawOrigin.open(async (peer) => {
    const asked = await peer.message();
    assert.equal(header(asked, 'upgrade'), 'websocket');
    assert.match(header(asked, 'connection') ?? '', /upgrade/i);
    peer.send(`${SWITCH}hello`);
    assert.equal(await peer.through('!'), 'early and late!');
    peer.send('bye').end();
  });
  await using proxy = await openProxy();
  await using client = await proxy.connect();
  client.send(`${upgrade(origin)}early`);
  const answer = await client.message();
  assert.equal(answer.status, 101);
  assert.equal(header(answer, 'upgrade'), 'websocket');
  assert.equal(header(answer, 'sec-websocket-accept'), 'x');
  assert.match(header(answer, 'connection') ?? '', /upgrade/i);
  client.send(' and late!');
  assert.equal((await client.rest()).toString(), 'hellobye');
  assert.deepEqual(origin.errors, []);
});

test('other answers are ordinary responses', async () => {
  await using proxy = await openProxy();
  for (const [response, status, body] of [
    ['HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok', 200, 'ok'],
    ['HTTP/1.1 426 Upgrade Required\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nno\r\n0\r\n\r\n', 426, 'no'],
    ['nonsense', 502, undefined],
  ] as const) {
    await using origin = await RawOrigin.open(async (peer) => {
      await peer.message();
      peer.send(response).end();
    });
    await using client = await proxy.connect();
    client.send(upgrade(origin));
    const answer = await client.message();
    assert.equal(answer.status, status);
    if (body !== undefined) assert.equal(answer.body.toString(), body);
    assert.equal(header(answer, 'connection'), 'close');
    assert.equal((await client.rest()).length, 0);
  }
});

test('a switch to another protocol than those asked for is an error', async () => {
  await using origin = await RawOrigin.open(async (peer) => {
    await peer.message();
    peer.send(SWITCH.replace('websocket', 'smtp'));
  });
  await using proxy = await openProxy();
  await using client = await proxy.connect();
  client.send(upgrade(origin));
  const answer = await client.message();
  assert.equal(answer.status, 502);
  assert.match(header(answer, 'proxy-status') ?? '', /error=http_upgrade_failed/);
  await (await origin.peer()).ended;
});

test('HTTP/2 is not upgraded to, nor with content; the request goes on as it is', async () => {
  const asked: string[] = [];
  await using origin = await RawOrigin.open(async (peer) => {
    for (;;) {
      const message = await peer.message();
      asked.push(header(message, 'upgrade') ?? 'none');
      peer.send('HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok');
    }
  });
  await using proxy = await openProxy();
  await using client = await proxy.connect();
  client.send(
    upgrade(origin, 'Connection: Upgrade, HTTP2-Settings\r\nUpgrade: h2c\r\nHTTP2-Settings: AA\r\n'),
  );
  assert.equal((await client.message()).status, 200);
  client.send(`${upgrade(origin, 'Connection: Upgrade\r\nUpgrade: websocket\r\nContent-Length: 1\r\n')}x`);
  assert.equal((await client.message()).status, 200);
  client.send(upgrade(origin, 'Upgrade: websocket\r\n'));
  assert.equal((await client.message()).status, 200);
  assert.deepEqual(asked, ['none', 'none', 'none']);
});

test('a broken request to upgrade is refused, and a client that goes away takes it along', async () => {
  await using origin = await RawOrigin.open(async (peer) => {
    await peer.message();
    return undefined;
  });
  await using proxy = await openProxy();
  await using client = await proxy.connect();
  client.send(upgrade(origin).replace('Host:', 'X-Host:'));
  assert.equal((await client.message()).status, 400);
  await using other = await proxy.connect();
  other.send(upgrade(origin));
  const peer = await origin.peer();
  while (peer.socket.bytesRead === 0) await new Promise((resolve) => setImmediate(resolve));
  other.reset();
  await peer.ended;
});

test('a silent connection ends after its limit', async () => {
  await using origin = await RawOrigin.answering(SWITCH);
  await using proxy = await openProxy({ tunnelIdleTimeout: 50 });
  await using client = await proxy.connect();
  client.send(upgrade(origin));
  assert.equal((await client.message()).status, 101);
  await client.ended;
});
