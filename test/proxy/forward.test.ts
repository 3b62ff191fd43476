/**
 * Forwarding as the client and the origin see it on the wire: heads, framing, interim responses, trailers, order.
 */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { isPattern } from '../../src/demo/pattern.ts';
import { startTestOrigin } from '../support/origin.ts';
import { header, type RawMessage } from '../support/raw-client.ts';
import { RawOrigin } from '../support/raw-origin.ts';
import { openProxy, PSEUDONYM } from './open-proxy.ts';

const OK = 'HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok';

/** Plays one exchange; what the origin got, and what the client got. */
async function exchange(
  request: (origin: RawOrigin) => string,
  response: string | Buffer,
  bodyless = false,
): Promise<{ readonly asked: RawMessage; readonly answer: RawMessage }> {
  const asked: RawMessage[] = [];
  await using origin = await RawOrigin.open(async (peer) => {
    for (;;) {
      asked.push(await peer.message());
      peer.send(response);
    }
  });
  await using proxy = await openProxy();
  await using client = await proxy.connect();
  client.send(request(origin));
  const answer = await client.message({ bodyless });
  const [first] = asked;
  assert.ok(first !== undefined, answer.body.toString());
  return { asked: first, answer };
}

const get = (origin: RawOrigin, fields = '', method = 'GET'): string =>
  `${method} ${origin.url}/ HTTP/1.1\r\nHost: ${origin.host}\r\n${fields}\r\n`;

/** The values of a field, in order. */
const values = (message: RawMessage, name: string): string[] =>
  message.headers.filter((_, i) => i % 2 === 1 && message.headers[i - 1]?.toLowerCase() === name);

test('the request: own fields of the hop are dropped, the rest is kept in order, with case and repeats', async () => {
  const { asked } = await exchange(
    (origin) =>
      get(
        origin,
        'X-Two: 1\r\nProxy-Connection: keep-alive\r\nx-two: 2\r\nConnection: X-Hop, Host, Authorization\r\n' +
          'X-Hop: gone\r\nAuthorization: kept\r\nKeep-Alive: 5\r\nTE: gzip\r\nProxy-Authorization: gone\r\n' +
          'X-High: caf\xe9\r\nVia: 1.1 other\r\n',
      ),
    OK,
  );
  assert.equal(asked.line, 'GET / HTTP/1.1');
  assert.deepEqual(
    asked.headers.filter((_, i) => !/^(host|connection)$/i.test(asked.headers[i - (i % 2)] ?? '')),
    [
      'X-Two',
      '1',
      'x-two',
      '2',
      'Authorization',
      'kept',
      'X-High',
      'caf\xe9',
      'Via',
      '1.1 other',
      'Via',
      `1.1 ${PSEUDONYM}`,
    ],
  );
  assert.equal(values(asked, 'host').length, 1);
});

test('Host is that of the target, whatever the client wrote', async () => {
  await using origin = await RawOrigin.answering(OK);
  await using proxy = await openProxy();
  await using client = await proxy.connect();
  client.send(`GET ${origin.url.toUpperCase()}/ HTTP/1.1\r\nHost: elsewhere.example\r\n\r\n`);
  assert.equal((await client.message()).status, 200);
  const { asked } = await exchange((o) => get(o).replace(/Host: .*/, 'Host: elsewhere.example'), OK);
  assert.match(header(asked, 'host') ?? '', /^127\.0\.0\.1:\d+$/);
});

test('the response: order, case, repeats and bytes above 0x7f are kept; Set-Cookie is not merged; no Date is made up', async () => {
  const { answer } = await exchange(
    get,
    Buffer.from(
      'HTTP/1.1 200 Alles Gut\r\nset-cookie: a=1\r\nX-High: \xe9\xff\r\nSet-Cookie: b=2\r\nConnection: X-Hop\r\n' +
        'X-Hop: gone\r\nProxy-Authenticate: gone\r\nContent-Length: 2\r\nVia: 1.0 other\r\n\r\nok',
      'latin1',
    ),
  );
  assert.equal(answer.line, 'HTTP/1.1 200 Alles Gut');
  assert.deepEqual(answer.headers.slice(0, 12), [
    'set-cookie',
    'a=1',
    'X-High',
    '\xe9\xff',
    'Set-Cookie',
    'b=2',
    'Content-Length',
    '2',
    'Via',
    '1.0 other',
    'Via',
    `1.1 ${PSEUDONYM}`,
  ]);
  assert.equal(header(answer, 'date'), undefined);
});

for (const method of [
  'GET',
  'POST',
  'PUT',
  'DELETE',
  'PATCH',
  'OPTIONS',
  'PROPFIND',
  'REPORT',
  'MKCOL',
  'QUERY',
]) {
  test(`${method} with content arrives whole`, async () => {
    for (const [framing, content] of [
      ['Content-Length: 5\r\n', 'hello'],
      ['Transfer-Encoding: chunked\r\n', '3\r\nhel\r\n2;ext=1\r\nlo\r\n0\r\n\r\n'],
    ] as const) {
      const bodies: string[] = [];
      await using origin = await RawOrigin.open(async (peer) => {
        bodies.push((await peer.message()).body.toString());
        peer.send(OK);
      });
      await using proxy = await openProxy();
      await using client = await proxy.connect();
      client.send(`${get(origin, framing, method)}${content}`);
      assert.equal((await client.message()).status, 200);
      assert.deepEqual(bodies, ['hello']);
    }
  });
}

test('POST without content is sent with a length of 0', async () => {
  const { asked } = await exchange((origin) => get(origin, 'Content-Length: 0\r\n', 'POST'), OK);
  assert.equal(asked.line, 'POST / HTTP/1.1');
  assert.equal(header(asked, 'content-length'), '0');
  assert.equal(header(asked, 'transfer-encoding'), undefined);
});

test('HEAD, 204 and 304 have no content, and HEAD and 304 keep the length', async () => {
  const cases = [
    ['HEAD', 'HTTP/1.1 200 OK\r\nContent-Length: 1234\r\n\r\n', '1234'],
    ['HEAD', 'HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n', undefined],
    ['HEAD', 'HTTP/1.1 200 OK\r\nTrailer: X\r\n\r\n', undefined],
    ['GET', 'HTTP/1.1 204 No Content\r\n\r\n', undefined],
    ['GET', 'HTTP/1.1 204 No Content\r\nTrailer: X\r\nContent-Length: 0\r\n\r\n', undefined],
    ['GET', 'HTTP/1.1 304 Not Modified\r\nContent-Length: 99\r\nTrailer: X\r\n\r\n', '99'],
  ] as const;
  for (const [method, response, length] of cases) {
    await using origin = await RawOrigin.answering(response);
    await using proxy = await openProxy();
    await using client = await proxy.connect();
    client.send(get(origin, '', method));
    const answer = await client.message({ bodyless: true });
    assert.equal(header(answer, 'content-length'), length, response);
    assert.equal(header(answer, 'transfer-encoding'), undefined, response);
    // The connection goes on, and the next head is where it should be.
    client.send('GET / HTTP/1.1\r\nHost: proxy\r\n\r\n');
    assert.equal((await client.message()).status, 200, response);
  }
});

test('interim responses are passed on, to HTTP/1.1 clients', async () => {
  const response =
    'HTTP/1.1 103 Early Hints\r\nLink: </a.css>; rel=preload\r\nSet-Cookie: a\r\n\r\nHTTP/1.1 102 Processing\r\n\r\n' +
    OK;
  await using origin = await RawOrigin.answering(response);
  await using proxy = await openProxy();
  for (const content of ['', 'Content-Length: 1\r\n']) {
    await using client = await proxy.connect();
    client.send(get(origin, content, content === '' ? 'GET' : 'POST')).send(content === '' ? '' : 'x');
    const hints = await client.message();
    assert.equal(hints.status, 103);
    assert.equal(header(hints, 'link'), '</a.css>; rel=preload');
    assert.equal((await client.message()).status, 102);
    assert.equal((await client.message()).status, 200);
  }
  await using old = await proxy.connect();
  old.send(`GET ${origin.url}/ HTTP/1.0\r\n\r\n`);
  assert.equal((await old.message()).status, 200);
});

test('Expect: 100-continue goes to the origin, and its 100 comes back, before any content is sent', async () => {
  await using origin = await RawOrigin.open(async (peer) => {
    const head = await peer.through('\r\n\r\n');
    assert.match(head, /\r\nexpect: 100-continue\r\n/i);
    assert.equal(peer.pending, '');
    peer.send('HTTP/1.1 100 Continue\r\n\r\n');
    assert.equal((await peer.bytes(5)).toString(), 'hello');
    peer.send(OK);
  });
  await using proxy = await openProxy();
  await using client = await proxy.connect();
  client.send(get(origin, 'Expect: 100-continue\r\nContent-Length: 5\r\n', 'PUT'));
  assert.equal((await client.message()).status, 100);
  client.send('hello');
  const answer = await client.message();
  assert.equal(answer.status, 200);
  assert.notEqual(header(answer, 'connection'), 'close');
  assert.deepEqual(origin.errors, []);
});

test('a refusal instead of 100: the answer comes, and the connection ends with it', async () => {
  await using origin = await RawOrigin.open(async (peer) => {
    await peer.through('\r\n\r\n');
    peer.send('HTTP/1.1 413 Too Large\r\nContent-Length: 0\r\n\r\n');
  });
  await using proxy = await openProxy();
  await using client = await proxy.connect();
  client.send(get(origin, 'Expect: 100-continue\r\nContent-Length: 5\r\n', 'PUT'));
  const answer = await client.message();
  assert.equal(answer.status, 413);
  assert.equal(header(answer, 'connection'), 'close');
  await client.ended;
});

test('an origin that sends 100 without being asked is understood', async () => {
  await using origin = await RawOrigin.answering(`HTTP/1.1 100 Continue\r\n\r\n${OK}`);
  await using proxy = await openProxy();
  await using client = await proxy.connect();
  client.send(`${get(origin, 'Content-Length: 1\r\n', 'POST')}x`);
  assert.equal((await client.message()).status, 100);
  assert.equal((await client.message()).status, 200);
});

test('an origin that refuses content early is heard, and the rest of the content hurts nobody', async () => {
  await using origin = await RawOrigin.open(async (peer) => {
    await peer.through('\r\n\r\n');
    peer.send('HTTP/1.1 413 Too Large\r\nContent-Length: 3\r\nConnection: close\r\n\r\nbig').end();
  });
  await using proxy = await openProxy();
  await using client = await proxy.connect();
  const size = 4_000_000;
  client.send(get(origin, `Content-Length: ${size}\r\n`, 'PUT'));
  client.send(Buffer.alloc(size / 2));
  const answer = await client.message();
  assert.equal(answer.status, 413);
  assert.equal(answer.body.toString(), 'big');
  client.send(Buffer.alloc(size / 2));
  client.send('GET / HTTP/1.1\r\nHost: proxy\r\n\r\n');
  assert.equal((await client.message()).status, 200);
});

test('content that never comes after an early refusal does not hold the connection', async () => {
  await using origin = await RawOrigin.open(async (peer) => {
    await peer.through('\r\n\r\n');
    peer.send('HTTP/1.1 403 No\r\nContent-Length: 0\r\n\r\n');
  });
  await using proxy = await openProxy();
  await using client = await proxy.connect();
  client.send(get(origin, 'Content-Length: 100\r\n', 'PUT'));
  assert.equal((await client.message()).status, 403);
  while (proxy.clock.pending === 0) await new Promise((resolve) => setImmediate(resolve));
  proxy.clock.advance(5_000);
  await client.ended;
});

test('trailers of chunked responses are passed on, without those that mean something earlier', async () => {
  const response =
    'HTTP/1.1 200 OK\r\nTrailer: X-Sum\r\nTransfer-Encoding: chunked\r\n\r\n' +
    '5\r\nhello\r\n0\r\nX-Sum: 1\r\nSet-Cookie: a\r\nx-sum: 2\r\n\r\n';
  const { answer } = await exchange(get, response);
  assert.equal(answer.body.toString(), 'hello');
  assert.equal(header(answer, 'trailer'), 'X-Sum');
  assert.deepEqual(answer.trailers, ['X-Sum', '1', 'x-sum', '2']);
});

test('trailers of requests are passed on', async () => {
  let content = '';
  await using origin = await RawOrigin.open(async (peer) => {
    await peer.through('\r\n\r\n');
    content = await peer.through('\r\n\r\n');
    peer.send(OK);
  });
  await using proxy = await openProxy();
  await using client = await proxy.connect();
  client.send(
    `${get(origin, 'Trailer: X-Sum\r\nTransfer-Encoding: chunked\r\n', 'POST')}2\r\nab\r\n0\r\nX-Sum: 9\r\n\r\n`,
  );
  assert.equal((await client.message()).status, 200);
  assert.match(content, /0\r\nX-Sum: 9\r\n\r\n$/);
});

test('a Trailer field on messages without content makes nobody fall over', async () => {
  const { answer } = await exchange(
    (origin) => get(origin, 'Trailer: X-A\r\n'),
    'HTTP/1.1 200 OK\r\nTrailer: X-A\r\nContent-Length: 2\r\n\r\nok',
  );
  assert.equal(answer.body.toString(), 'ok');
});

test('control characters in a reason phrase or a field become harmless', async () => {
  for (const response of [
    'HTTP/1.1 200 O\x01K\r\nContent-Length: 2\r\n\r\nok',
    'HTTP/1.1 200 OK\r\nX-A: a\x01b\r\nContent-Length: 2\r\n\r\nok',
    'HTTP/1.1 200 caf\xe9\r\nContent-Length: 2\r\n\r\nok',
    'HTTP/1.1 200\r\nContent-Length: 2\r\n\r\nok',
  ]) {
    await using origin = await RawOrigin.answering(response);
    await using proxy = await openProxy();
    for (const method of ['GET', 'PUT']) {
      await using client = await proxy.connect();
      client.send(
        get(origin, method === 'PUT' ? 'Content-Length: 1\r\n' : '', method) + (method === 'PUT' ? 'x' : ''),
      );
      const answer = await client.message();
      assert.ok(answer.status === 200 || answer.status === 502, `${answer.line} for ${method} ${response}`);
      assert.match(answer.line + answer.headers.join(''), /^[\x20-\x7e]*$/);
    }
  }
});

test('HTTP/1.0 clients get no chunks, and the end of the connection as the end', async () => {
  await using origin = await RawOrigin.answering(
    'HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\n\r\n',
  );
  await using proxy = await openProxy();
  await using client = await proxy.connect();
  client.send(`GET ${origin.url}/ HTTP/1.0\r\n\r\n`);
  const answer = await client.message();
  assert.equal(header(answer, 'transfer-encoding'), undefined);
  assert.equal(answer.body.toString(), 'hello');
});

test('a response that ends with its connection reaches the client as one', async () => {
  await using origin = await RawOrigin.open(async (peer) => {
    await peer.message();
    peer.send('HTTP/1.0 200 OK\r\n\r\nhello').end();
  });
  await using proxy = await openProxy();
  await using client = await proxy.connect();
  client.send(get(origin));
  const answer = await client.message();
  assert.equal(header(answer, 'connection'), 'close');
  assert.equal(header(answer, 'transfer-encoding'), undefined);
  assert.equal(answer.body.toString(), 'hello');
});

test('pipelined requests are answered in order, though the origin is not asked in turn', async () => {
  const slow: (() => void)[] = [];
  await using origin = await RawOrigin.open(async (peer) => {
    for (;;) {
      const { line } = await peer.message();
      const n = Number(/\d+/.exec(line)?.[0]);
      const answer = (): unknown =>
        peer.send(`HTTP/1.1 200 OK\r\nX-N: ${n}\r\nContent-Length: 1\r\n\r\n${n}`);
      if (n !== 0) answer();
      else slow.push(answer);
      if (n === 3) for (const late of slow) late();
    }
  });
  await using proxy = await openProxy();
  await using client = await proxy.connect();
  const numbers = [0, 1, 2, 3];
  client.send(numbers.map((n) => get(origin).replace('/ HTTP', `/${n} HTTP`)).join(''));
  for (const n of numbers) assert.equal((await client.message()).body.toString(), String(n));
});

test('connections are kept on both sides', async () => {
  await using origin = await RawOrigin.answering(OK);
  await using proxy = await openProxy();
  await using client = await proxy.connect();
  for (let i = 0; i < 5; i += 1) {
    client.send(get(origin));
    const answer = await client.message();
    assert.equal(answer.status, 200);
    assert.equal(header(answer, 'connection'), 'keep-alive');
  }
  assert.equal(origin.peers.length, 1);
});

test('our own Via in a request is a loop', async () => {
  await using origin = await RawOrigin.answering(OK);
  await using proxy = await openProxy();
  for (const via of [`1.1 ${PSEUDONYM}`, `1.0 a, 1.1 ${PSEUDONYM} (x), 1.1 b`]) {
    await using client = await proxy.connect();
    client.send(get(origin, `Via: ${via}\r\n`));
    const answer = await client.message();
    assert.equal(answer.status, 508);
    assert.match(header(answer, 'proxy-status') ?? '', /error=proxy_loop_detected/);
  }
  await using client = await proxy.connect();
  client.send(get(origin, `Via: 1.1 not-${PSEUDONYM}\r\n`));
  assert.equal((await client.message()).status, 200);
  assert.equal(origin.peers.length, 1);
});

test('a proxy that is its own next hop notices', async () => {
  await using proxy = await openProxy();
  await using client = await proxy.connect();
  client.send(`GET ${proxy.url}/ HTTP/1.1\r\nHost: x\r\n\r\n`);
  // The inner request is in origin-form: it asks the proxy about itself, and ends there.
  assert.equal((await client.message()).status, 200);
});

test('Max-Forwards of TRACE and OPTIONS counts down, and ends here at 0', async () => {
  const counted = await exchange((origin) => get(origin, 'Max-Forwards: 3\r\n', 'TRACE'), OK);
  assert.equal(header(counted.asked, 'max-forwards'), '2');
  const other = await exchange((origin) => get(origin, 'Max-Forwards: 3\r\n'), OK);
  assert.equal(header(other.asked, 'max-forwards'), '3');
  await using origin = await RawOrigin.answering(OK);
  await using proxy = await openProxy();
  await using client = await proxy.connect();
  client.send(get(origin, 'Max-Forwards: 0\r\nCookie: secret\r\nX-A: 1\r\n', 'TRACE'));
  const trace = await client.message();
  assert.equal(header(trace, 'content-type'), 'message/http');
  assert.match(trace.body.toString(), /^TRACE http[^\r]*\r\n(?:.*\r\n)*X-A: 1\r\n/);
  assert.doesNotMatch(trace.body.toString(), /secret/);
  client.send(get(origin, 'Max-Forwards: 0\r\n', 'OPTIONS'));
  const options = await client.message();
  assert.equal(options.status, 204);
  assert.match(header(options, 'allow') ?? '', /CONNECT/);
  assert.equal(origin.peers.length, 0);
});

test('OPTIONS for a server as a whole is sent as OPTIONS *', async () => {
  const { asked } = await exchange((origin) => get(origin, '', 'OPTIONS').replace('/ HTTP', ' HTTP'), OK);
  assert.equal(asked.line, 'OPTIONS * HTTP/1.1');
});

test('asked directly, the proxy says what it is', async () => {
  await using proxy = await openProxy();
  await using client = await proxy.connect();
  for (const [line, status] of [
    ['GET /', 200],
    ['GET /favicon.ico', 404],
    ['POST /', 405],
    ['OPTIONS *', 204],
  ] as const) {
    client.send(`${line} HTTP/1.1\r\nHost: proxy\r\n\r\n`);
    const answer = await client.message();
    assert.equal(answer.status, status, line);
    if (status === 200) assert.match(answer.body.toString(), /linepool/);
  }
});

test('an https address in absolute-form is asked over TLS, its certificate checked', async () => {
  await using origin = await startTestOrigin({ secure: true });
  const request = `GET ${origin.url('/file/1000')} HTTP/1.1\r\nHost: x\r\n`;
  await using trusting = await openProxy({
    dial: { pinned: new Map(), connectTimeout: 5_000, ca: origin.ca },
  });
  await using client = await trusting.connect();
  for (const [fields, content] of [
    ['', ''],
    ['Content-Length: 1\r\n', 'x'],
  ] as const) {
    client.send(`${request}${fields}\r\n${content}`);
    const answer = await client.message();
    assert.equal(answer.status, 200);
    assert.ok(isPattern(answer.body, 0));
  }
  await using proxy = await openProxy();
  await using doubting = await proxy.connect();
  doubting.send(`${request}\r\n`);
  const answer = await doubting.message();
  assert.equal(answer.status, 502);
  assert.match(header(answer, 'proxy-status') ?? '', /error=tls_certificate_error/);
});

test('a path is not spelled anew', async () => {
  const path = "/a/../b//c/%7e%2F?x=%20&y=a+b|{}'\\^";
  const { asked } = await exchange(
    (origin) => get(origin).replace('/ HTTP', `${path} HTTP`).replace('\\', ''),
    OK,
  );
  assert.equal(asked.line, `GET ${path.replace('\\', '')} HTTP/1.1`);
});
