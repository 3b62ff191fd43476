/**
 * The front door itself: who is let in, how many, for how long, and where it listens.
 */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { formatAuthority } from '../../src/core/target.ts';
import { header, RawPeer } from '../support/raw-client.ts';
import { RawOrigin } from '../support/raw-origin.ts';
import { openProxy } from './open-proxy.ts';

const OK = 'HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok';
const get = (origin: RawOrigin, fields = ''): string =>
  `GET ${origin.url}/ HTTP/1.1\r\nHost: ${origin.host}\r\n${fields}\r\n`;

test('strangers are refused, whatever they ask', async () => {
  await using origin = await RawOrigin.answering(OK);
  await using proxy = await openProxy({ clients: ['192.0.2.0/24'] });
  for (const message of [
    get(origin),
    `CONNECT ${origin.host} HTTP/1.1\r\nHost: x\r\n\r\n`,
    'GET / HTTP/1.1\r\nHost: x\r\n\r\n',
  ]) {
    await using client = await proxy.connect();
    client.send(message);
    const answer = await client.message();
    assert.equal(answer.status, 403);
    assert.match(header(answer, 'proxy-status') ?? '', /error=http_request_denied/);
    await client.ended;
  }
  assert.equal(origin.peers.length, 0);
});

test('connections beyond the limit are told so, and far beyond it closed', async () => {
  await using origin = await RawOrigin.answering(OK);
  await using proxy = await openProxy({ maxConnections: 2 });
  {
    await using first = await proxy.connect();
    await using second = await proxy.connect();
    first.send(get(origin));
    second.send(get(origin));
    assert.equal((await first.message()).status, 200);
    assert.equal((await second.message()).status, 200);
    await using third = await proxy.connect();
    third.send(get(origin));
    assert.equal((await third.message()).status, 503);
    const more = await Promise.all(Array.from({ length: 80 }, () => proxy.connect()));
    await more.at(-1)?.ended;
    assert.ok(proxy.proxy.connections <= 2 + 64);
    for (const client of more) await client[Symbol.asyncDispose]();
  }
  while (proxy.proxy.connections > 0) await new Promise((resolve) => setImmediate(resolve));
  assert.ok(await proxy.serves(origin));
});

test('too many unanswered requests on one connection are refused', async () => {
  await using origin = await RawOrigin.open(() => undefined);
  await using proxy = await openProxy({ responseTimeout: 300 });
  await using client = await proxy.connect();
  client.send(get(origin).repeat(65));
  for (let i = 0; i < 64; i += 1) assert.equal((await client.message()).status, 504);
  assert.equal((await client.message()).status, 503);
  await client.ended;
});

test('a request head that is too large, or too slow, is refused', async () => {
  await using origin = await RawOrigin.answering(OK);
  await using proxy = await openProxy({ maxHeaderBytes: 8_192 });
  await using large = await proxy.connect();
  large.send(get(origin, `X-A: ${'a'.repeat(10_000)}\r\n`));
  assert.equal((await large.message()).status, 431);
  await using many = await proxy.connect();
  many.send(get(origin, 'X-Many: of-these\r\n'.repeat(1_000)));
  assert.equal((await many.message()).status, 431);
  await using hasty = await openProxy({ headerTimeout: 100 });
  await using slow = await hasty.connect();
  slow.send('GET ');
  assert.equal((await slow.message()).status, 408);
  await slow.ended;
  await using silent = await hasty.connect();
  assert.equal((await silent.rest()).length, 0);
  assert.equal(origin.peers.length, 0);
});

test('a slow upload is not cut', async () => {
  await using origin = await RawOrigin.answering(OK);
  await using proxy = await openProxy({ headerTimeout: 250, responseTimeout: 300 });
  await using client = await proxy.connect();
  client.send(get(origin, 'Content-Length: 4\r\n').replace('GET', 'PUT'));
  for (const byte of 'slow') {
    await new Promise((resolve) => setTimeout(resolve, 300));
    client.send(byte);
  }
  assert.equal((await client.message()).status, 200);
});

test('an idle connection is closed', async () => {
  await using origin = await RawOrigin.answering(OK);
  await using proxy = await openProxy({ idleTimeout: 50 });
  await using client = await proxy.connect();
  client.send(get(origin));
  assert.equal((await client.message()).status, 200);
  await client.ended;
});

test('it listens on each address, and says which ports it was given', async () => {
  await using origin = await RawOrigin.answering(OK);
  await using proxy = await openProxy({ listen: ['127.0.0.1:0', '127.0.0.2:0'] });
  assert.deepEqual(
    proxy.proxy.addresses.map(({ host }) => host),
    ['127.0.0.1', '127.0.0.2'],
  );
  for (const { host, port } of proxy.proxy.addresses) {
    await using client = await RawPeer.connect(port, host);
    client.send(get(origin));
    assert.equal((await client.message()).status, 200);
  }
});

test('a port that is taken is named, and nothing stays open', async () => {
  await using first = await openProxy();
  const [taken] = first.proxy.addresses;
  assert.ok(taken !== undefined);
  await assert.rejects(openProxy({ listen: ['127.0.0.1:0', formatAuthority(taken)] }), {
    code: 'port_taken',
    detail: formatAuthority(taken),
  });
});

test('an address that this machine lacks: an error, but a warning for a loopback default', async () => {
  await assert.rejects(openProxy({ listen: ['192.0.2.1:0'] }), {
    code: 'config_invalid',
    message: /192\.0\.2\.1:0/,
  });
  await assert.rejects(openProxy({ listen: ['localhost:0'] }), { code: 'config_invalid' });
  await assert.rejects(openProxy({ clients: ['10.0.0.0/99'] }), { code: 'config_invalid' });
  await using proxy = await openProxy({ listen: ['127.0.0.1:0', '[::1]:0'] });
  const warned = proxy
    .reported()
    .some(({ event }) => event.kind === 'warning' && event.detail.includes('::1'));
  assert.equal(proxy.proxy.addresses.length, warned ? 1 : 2);
});

test('what is forbidden is not reached by request, by name, or by address', async () => {
  await using origin = await RawOrigin.answering(OK);
  await using proxy = await openProxy({
    forbidden: ({ host, port }) => host === '127.0.0.1' && port === origin.port,
    dial: { pinned: new Map([['own.example', '127.0.0.1']]), connectTimeout: 5_000 },
  });
  for (const host of ['127.0.0.1', 'own.example', '0x7f.1', '2130706433']) {
    for (const method of ['GET', 'PUT']) {
      await using client = await proxy.connect();
      const content = method === 'PUT' ? 'Content-Length: 1\r\n' : '';
      client.send(
        `${method} http://${host}:${origin.port}/ HTTP/1.1\r\nHost: x\r\n${content}\r\n${content && 'x'}`,
      );
      assert.equal((await client.message()).status, 403, `${method} ${host}`);
    }
  }
  assert.equal(origin.peers.length, 0);
});

test('a failure is told to people in HTML when they like it, and to programs in text', async () => {
  await using proxy = await openProxy();
  await using client = await proxy.connect();
  client.send('GET http://nowhere.invalid:1/<b> HTTP/1.1\r\nHost: x\r\nAccept: text/html,*/*\r\n\r\n');
  const html = await client.message();
  assert.ok(html.status === 502 || html.status === 504);
  assert.match(header(html, 'content-type') ?? '', /^text\/html/);
  assert.match(header(html, 'proxy-status') ?? '', /error=dns_(error|timeout)/);
  assert.doesNotMatch(html.body.toString(), /<b>/);
  client.send('GET http://nowhere.invalid:1/ HTTP/1.1\r\nHost: x\r\nAccept: */*\r\n\r\n');
  assert.match(header(await client.message(), 'content-type') ?? '', /^text\/plain/);
});
