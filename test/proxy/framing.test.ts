/**
 * Messages that two parsers could frame in two ways, and messages that made others of our kind fall over: each is
 * refused, its connection closed, nothing of it reaches an origin, and the next request is served.
 */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import * as fc from 'fast-check';
import { header } from '../support/raw-client.ts';
import { RawOrigin } from '../support/raw-origin.ts';
import { openProxy } from './open-proxy.ts';

const OK = 'HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok';

/** `{url}` and `{host}` stand for the origin's. */
const REFUSED: Readonly<Record<string, string>> = {
  'Content-Length and Transfer-Encoding':
    'POST {url}/ HTTP/1.1\r\nHost: {host}\r\nContent-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n',
  'Transfer-Encoding and Content-Length':
    'POST {url}/ HTTP/1.1\r\nHost: {host}\r\nTransfer-Encoding: chunked\r\nContent-Length: 5\r\n\r\n0\r\n\r\n',
  'Content-Length twice, unequal':
    'POST {url}/ HTTP/1.1\r\nHost: {host}\r\nContent-Length: 5\r\nContent-Length: 6\r\n\r\nabcdef',
  'Content-Length twice, equal':
    'POST {url}/ HTTP/1.1\r\nHost: {host}\r\nContent-Length: 5\r\nContent-Length: 5\r\n\r\nabcde',
  'Content-Length as a list': 'POST {url}/ HTTP/1.1\r\nHost: {host}\r\nContent-Length: 5, 5\r\n\r\nabcde',
  'Content-Length with a sign': 'POST {url}/ HTTP/1.1\r\nHost: {host}\r\nContent-Length: +5\r\n\r\nabcde',
  'Content-Length in hex': 'POST {url}/ HTTP/1.1\r\nHost: {host}\r\nContent-Length: 0x5\r\n\r\nabcde',
  'Content-Length empty': 'POST {url}/ HTTP/1.1\r\nHost: {host}\r\nContent-Length: \r\n\r\n',
  'Content-Length beyond all numbers':
    'POST {url}/ HTTP/1.1\r\nHost: {host}\r\nContent-Length: 99999999999999999999\r\n\r\n',
  'unknown transfer coding':
    'POST {url}/ HTTP/1.1\r\nHost: {host}\r\nTransfer-Encoding: gzip\r\n\r\n0\r\n\r\n',
  'transfer coding before chunked':
    'POST {url}/ HTTP/1.1\r\nHost: {host}\r\nTransfer-Encoding: gzip, chunked\r\n\r\n0\r\n\r\n',
  'chunked not last':
    'POST {url}/ HTTP/1.1\r\nHost: {host}\r\nTransfer-Encoding: chunked, identity\r\n\r\n0\r\n\r\n',
  'chunked twice':
    'POST {url}/ HTTP/1.1\r\nHost: {host}\r\nTransfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n',
  'chunked in HTTP/1.0':
    'POST {url}/ HTTP/1.0\r\nHost: {host}\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n',
  'chunked misspelt': 'POST {url}/ HTTP/1.1\r\nHost: {host}\r\nTransfer-Encoding: xchunked\r\n\r\n0\r\n\r\n',
  'bare CR in a value': 'GET {url}/ HTTP/1.1\r\nHost: {host}\r\nX-A: a\rb\r\n\r\n',
  'bare LF at the line ends': 'GET {url}/ HTTP/1.1\nHost: {host}\n\n',
  'folded line': 'GET {url}/ HTTP/1.1\r\nHost: {host}\r\nX-A: a\r\n b\r\n\r\n',
  'folded first line': 'GET {url}/ HTTP/1.1\r\n X-A: a\r\nHost: {host}\r\n\r\n',
  'space before the colon': 'GET {url}/ HTTP/1.1\r\nHost: {host}\r\nX-A : a\r\n\r\n',
  'field without a name': 'GET {url}/ HTTP/1.1\r\nHost: {host}\r\n: a\r\n\r\n',
  'field without a colon': 'GET {url}/ HTTP/1.1\r\nHost: {host}\r\nX-A\r\n\r\n',
  'NUL in a value': 'GET {url}/ HTTP/1.1\r\nHost: {host}\r\nX-A: a\0b\r\n\r\n',
  'NUL in a name': 'GET {url}/ HTTP/1.1\r\nHost: {host}\r\nX\0A: a\r\n\r\n',
  'control character in a value': 'GET {url}/ HTTP/1.1\r\nHost: {host}\r\nX-A: a\x01b\r\n\r\n',
  'space in the target': 'GET {url}/a b HTTP/1.1\r\nHost: {host}\r\n\r\n',
  'tab in the request line': 'GET\t{url}/ HTTP/1.1\r\nHost: {host}\r\n\r\n',
  'space after the version': 'GET {url}/ HTTP/1.1 \r\nHost: {host}\r\n\r\n',
  'two Hosts': 'GET {url}/ HTTP/1.1\r\nHost: {host}\r\nHost: {host}\r\n\r\n',
  'no Host': 'GET {url}/ HTTP/1.1\r\n\r\n',
  'Host that is no host': 'GET {url}/ HTTP/1.1\r\nHost: a, b\r\n\r\n',
  'user name in the target': 'GET http://me:secret@{host}/ HTTP/1.1\r\nHost: {host}\r\n\r\n',
  'empty host': 'GET http:///x HTTP/1.1\r\nHost: {host}\r\n\r\n',
  'port 0': 'GET http://127.0.0.1:0/ HTTP/1.1\r\nHost: {host}\r\n\r\n',
  'port beyond 65535': 'GET http://127.0.0.1:99999/ HTTP/1.1\r\nHost: {host}\r\n\r\n',
  'scheme that is not HTTP': 'GET ftp://{host}/ HTTP/1.1\r\nHost: {host}\r\n\r\n',
  'unknown version': 'GET {url}/ HTTP/1.2\r\nHost: {host}\r\n\r\n',
  'version 0.9': 'GET {url}/\r\n\r\n',
  'version 2': 'GET {url}/ HTTP/2.0\r\nHost: {host}\r\n\r\n',
  'preface of HTTP/2': 'PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n',
  'method that is no token': 'G{T {url}/ HTTP/1.1\r\nHost: {host}\r\n\r\n',
  'bad chunk size':
    'POST {url}/ HTTP/1.1\r\nHost: {host}\r\nTransfer-Encoding: chunked\r\n\r\nxyz\r\nabc\r\n',
  'chunk size with a sign':
    'POST {url}/ HTTP/1.1\r\nHost: {host}\r\nTransfer-Encoding: chunked\r\n\r\n-1\r\nabc\r\n',
  'chunk longer than it says':
    'POST {url}/ HTTP/1.1\r\nHost: {host}\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nabc\r\n0\r\n\r\n',
  'chunk size beyond all numbers':
    'POST {url}/ HTTP/1.1\r\nHost: {host}\r\nTransfer-Encoding: chunked\r\n\r\nfffffffffffffffff\r\nabc\r\n',
  'TRACE with content': 'TRACE {url}/ HTTP/1.1\r\nHost: {host}\r\nContent-Length: 2\r\n\r\nab',
  'TLS on the plain port': '\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03',
};

for (const [name, message] of Object.entries(REFUSED)) {
  test(`refused: ${name}`, async () => {
    const seen: string[] = [];
    await using origin = await RawOrigin.open(async (peer) => {
      for (;;) {
        const { line } = await peer.message();
        seen.push(line);
        peer.send(OK);
      }
    });
    await using proxy = await openProxy();
    await using client = await proxy.connect();
    client.send(message.replaceAll('{url}', origin.url).replaceAll('{host}', origin.host));
    const answer = await client.message();
    assert.equal(answer.status, 400, answer.line);
    assert.equal(header(answer, 'connection'), 'close');
    assert.match(header(answer, 'proxy-status') ?? '', /^linepool-t1;\s?error=http_request_error/);
    assert.equal((await client.rest()).length, 0, 'nothing after it');
    // What breaks in mid-content has a head that was fine; its request must not have been completed.
    const whole = seen.filter((line) => !line.startsWith('POST'));
    assert.deepEqual(whole, []);
    assert.ok(await proxy.serves(origin));
  });
}

/** What Node's parser takes, as RFC 9112 section 3 allows: it must leave in one form only. */
for (const [name, target] of Object.entries({
  'a fragment is not sent': ' {url}/a?b#c',
  'spaces before the target are one': '   {url}/a?b',
})) {
  test(name, async () => {
    let line = '';
    await using origin = await RawOrigin.open(async (peer) => {
      ({ line } = await peer.message());
      peer.send(OK);
    });
    await using proxy = await openProxy();
    await using client = await proxy.connect();
    client.send(`GET${target.replace('{url}', origin.url)} HTTP/1.1\r\nHost: ${origin.host}\r\n\r\n`);
    assert.equal((await client.message()).status, 200);
    assert.equal(line, 'GET /a?b HTTP/1.1');
  });
}

test('a bad message behind a good one: the good one is answered first', async () => {
  await using origin = await RawOrigin.answering(OK);
  await using proxy = await openProxy();
  await using client = await proxy.connect();
  client.send(`GET ${origin.url}/ HTTP/1.1\r\nHost: ${origin.host}\r\n\r\nNONSENSE\r\n\r\n`);
  assert.equal((await client.message()).status, 200);
  const second = await client.message();
  assert.equal(second.status, 400);
  assert.equal((await client.rest()).length, 0);
  assert.ok(await proxy.serves(origin));
});

test('content that breaks off badly ends the request at the origin, unfinished', async () => {
  let finished = false;
  await using origin = await RawOrigin.open(async (peer) => {
    await peer.through('\r\n\r\n');
    await peer.through('0\r\n\r\n');
    finished = true;
  });
  await using proxy = await openProxy();
  await using client = await proxy.connect();
  client.send(
    `POST ${origin.url}/ HTTP/1.1\r\nHost: ${origin.host}\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n`,
  );
  const peer = await origin.peer();
  client.send('zz\r\n');
  assert.equal((await client.message()).status, 400);
  await peer.ended;
  assert.equal(finished, false);
});

test('whatever comes, the proxy goes on serving', async () => {
  await using origin = await RawOrigin.answering(OK);
  await using proxy = await openProxy();
  const piece = fc.oneof(
    fc.constantFrom(
      'GET ',
      'POST ',
      'CONNECT ',
      `${origin.url}/`,
      'http://',
      '/',
      ' HTTP/1.1',
      '\r\n',
      '\r\n\r\n',
      'Host: a',
      `Host: ${origin.host}`,
      'Content-Length: 3',
      'Transfer-Encoding: chunked',
      'Upgrade: x',
      'Connection: upgrade',
      'Expect: 100-continue',
      'Trailer: x',
      '0\r\n\r\n',
    ),
    fc.string({ unit: 'binary-ascii', maxLength: 8 }),
  );
  await fc.assert(
    fc.asyncProperty(fc.array(piece, { maxLength: 14 }), async (pieces) => {
      await using client = await proxy.connect();
      client.send(pieces.join('')).end();
      await client.rest();
    }),
    { numRuns: 150 },
  );
  assert.ok(await proxy.serves(origin));
});
