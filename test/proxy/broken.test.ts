/**
 * What goes wrong between a request and the end of its response: origins that break, lie or stall, and clients that
 * go away. Each ends in an honest error, in nothing that looks whole and is not, and in no socket left behind.
 */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import * as fc from 'fast-check';
import { header } from '../support/raw-client.ts';
import { RawOrigin } from '../support/raw-origin.ts';
import { openProxy } from './open-proxy.ts';

const OK = 'HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok';

const get = (origin: RawOrigin, method = 'GET', fields = ''): string =>
  `${method} ${origin.url}/ HTTP/1.1\r\nHost: ${origin.host}\r\n${fields}\r\n`;

/** Both roads: without content over shared connections, with content alone. */
const ROADS = { shared: ['GET', '', ''], alone: ['PUT', 'Content-Length: 1\r\n', 'x'] } as const;

/** Answers the first connection so, and all later ones well. */
const badThenGood = (bad: string, after: 'end' | 'reset' | 'wait' = 'wait'): Promise<RawOrigin> =>
  RawOrigin.open(async (peer, index) => {
    for (;;) {
      await peer.message();
      peer.send(index === 0 ? bad : OK);
      if (index === 0 && after === 'end') peer.end();
      if (index === 0 && after === 'reset') {
        // The bytes must be out before the reset, which drops what is not.
        await new Promise<void>((resolve) => peer.socket.write('', () => resolve()));
        peer.reset();
      }
    }
  });

const AMBIGUOUS: Readonly<Record<string, string>> = {
  'Content-Length and Transfer-Encoding':
    'HTTP/1.1 200 OK\r\nContent-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n',
  'Content-Length twice, unequal': 'HTTP/1.1 200 OK\r\nContent-Length: 2\r\nContent-Length: 3\r\n\r\nok!',
  'Content-Length as a list': 'HTTP/1.1 200 OK\r\nContent-Length: 2, 2\r\n\r\nok',
  'Content-Length negative': 'HTTP/1.1 200 OK\r\nContent-Length: -2\r\n\r\nok',
  'unknown transfer coding': 'HTTP/1.1 200 OK\r\nTransfer-Encoding: gzip\r\n\r\nok',
  'transfer coding before chunked':
    'HTTP/1.1 200 OK\r\nTransfer-Encoding: gzip, chunked\r\n\r\n2\r\nok\r\n0\r\n\r\n',
  'folded line': 'HTTP/1.1 200 OK\r\nX-A: a\r\n b\r\nContent-Length: 2\r\n\r\nok',
  'space before the colon': 'HTTP/1.1 200 OK\r\nContent-Length : 2\r\n\r\nok',
  'NUL in a value': 'HTTP/1.1 200 OK\r\nX-A: a\0b\r\nContent-Length: 2\r\n\r\nok',
  'bare CR in a value': 'HTTP/1.1 200 OK\r\nX-A: a\rb\r\nContent-Length: 2\r\n\r\nok',
  'no HTTP at all': 'SSH-2.0-OpenSSH_9.2\r\n\r\n',
  'a switch of protocols that nobody asked for':
    'HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: x\r\n\r\n',
  'a head without end': `HTTP/1.1 200 OK\r\nX-A: ${'a'.repeat(40_000)}\r\n`,
};

for (const [name, response] of Object.entries(AMBIGUOUS)) {
  test(`a response with ${name} becomes a 502`, async () => {
    for (const [method, fields, content] of Object.values(ROADS)) {
      await using origin = await badThenGood(response);
      await using proxy = await openProxy();
      await using client = await proxy.connect();
      client.send(get(origin, method, fields) + content);
      const answer = await client.message();
      assert.equal(answer.status, 502, `${method}: ${answer.line}`);
      assert.match(header(answer, 'proxy-status') ?? '', /^linepool-t1;\s?error=/);
      assert.ok(await proxy.serves(origin));
    }
  });
}

test('a response that is cut short is cut short for the client, and nothing makes it whole', async () => {
  const cuts = [
    ['HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nhello', 'end'],
    ['HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nhello', 'reset'],
    ['HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n', 'end'],
    ['HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n5\r\nwo', 'reset'],
    ['HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\nzz\r\n', 'end'],
  ] as const;
  for (const [response, how] of cuts) {
    for (const [method, fields, content] of Object.values(ROADS)) {
      await using origin = await badThenGood(response, how);
      await using proxy = await openProxy();
      await using client = await proxy.connect();
      client.send(get(origin, method, fields) + content);
      const all = (await client.rest()).toString();
      // A reset may overtake the first bytes; then there is an error instead of a part.
      if (/^HTTP\/1.1 200/.test(all)) {
        assert.ok(all.includes('\r\n\r\n'));
        assert.ok(!all.includes('0\r\n\r\n'), 'no last chunk');
        assert.ok((all.split('\r\n\r\n')[1] ?? '').length < 10 + '5\r\n\r\n'.length + 3);
      } else assert.match(all, /^HTTP\/1.1 502/, `${method} ${how} ${response}`);
      assert.ok(await proxy.serves(origin));
    }
  }
});

test('every place where an origin can break off gives an error or a part, never a whole response', async () => {
  const whole = 'HTTP/1.1 200 OK\r\nContent-Length: 5\r\nX-A: b\r\n\r\nhello';
  await using proxy = await openProxy();
  for (let cut = 0; cut < whole.length; cut += 1) {
    await using origin = await badThenGood(whole.slice(0, cut), 'end');
    await using client = await proxy.connect();
    client.send(get(origin, 'PUT', 'Content-Length: 1\r\n') + 'x');
    const answer = await client.through('\r\n\r\n');
    if (cut < whole.indexOf('\r\n\r\n') + 4) assert.match(answer, /^HTTP\/1.1 502 /, String(cut));
    else assert.ok((await client.rest()).length < 5, String(cut));
  }
});

test('whatever an origin sends, the client gets a response or an error, and the proxy goes on serving', async () => {
  const piece = fc.oneof(
    fc.constantFrom(
      'HTTP/1.1 200 OK\r\n',
      'HTTP/1.1 204 No Content\r\n',
      'HTTP/1.1 103 Early Hints\r\n\r\n',
      'HTTP/1.1 101 Switching\r\n\r\n',
      'HTTP/1.0 999 \x01\r\n',
      'Content-Length: 3\r\n',
      'Transfer-Encoding: chunked\r\n',
      'Connection: close, upgrade\r\n',
      'Upgrade: x\r\n',
      'Trailer: x\r\n',
      'X-A: \x7f\xe9\r\n',
      '\r\n',
      '3\r\nabc\r\n',
      '0\r\n\r\n',
      'abc',
    ),
    fc.string({ unit: 'binary-ascii', maxLength: 8 }),
  );
  await using proxy = await openProxy({ responseTimeout: 2_000 });
  await fc.assert(
    fc.asyncProperty(
      fc.array(piece, { maxLength: 9 }),
      fc.constantFrom('GET', 'PUT', 'HEAD'),
      async (pieces, method) => {
        await using origin = await RawOrigin.open(async (peer) => {
          await peer.message();
          peer.send(pieces.join('')).end();
        });
        await using client = await proxy.connect();
        client.send(
          method === 'PUT'
            ? `${get(origin, method, 'Connection: close\r\nContent-Length: 1\r\n')}x`
            : get(origin, method, 'Connection: close\r\n'),
        );
        assert.match((await client.rest()).toString('latin1'), /^(HTTP\/1\.1 \d{3} |$)/);
      },
    ),
    { numRuns: 150 },
  );
  await using origin = await badThenGood(OK);
  assert.ok(await proxy.serves(origin));
});

test('a dead kept-alive connection costs nothing: the request is sent once more, on a new one', async () => {
  for (const how of ['end', 'reset'] as const) {
    const lines: string[] = [];
    await using origin = await RawOrigin.open(async (peer, index) => {
      for (let n = 0; ; n += 1) {
        const { line } = await peer.message();
        lines.push(line);
        if (index === 0 && n === 1) {
          peer[how]();
          return;
        }
        peer.send(OK);
      }
    });
    await using proxy = await openProxy();
    await using client = await proxy.connect();
    for (let i = 0; i < 3; i += 1) {
      client.send(get(origin));
      assert.equal((await client.message()).status, 200);
    }
    assert.equal(lines.length, 4);
  }
});

test('a request is not sent twice when its connection was new, or when an answer had begun', async () => {
  for (const response of ['', 'HTTP/1.1 2']) {
    await using origin = await RawOrigin.open(async (peer) => {
      await peer.message();
      peer.send(response).end();
    });
    await using proxy = await openProxy();
    await using client = await proxy.connect();
    client.send(get(origin));
    assert.equal((await client.message()).status, 502);
    assert.equal(origin.peers.length, 1);
  }
});

test('a request that may not be repeated gets a connection of its own, and is sent once', async () => {
  await using origin = await RawOrigin.open(async (peer, index) => {
    await peer.message();
    if (index === 0) peer.send(OK);
    else peer.end();
  });
  await using proxy = await openProxy();
  await using client = await proxy.connect();
  client.send(get(origin));
  assert.equal((await client.message()).status, 200);
  client.send(get(origin, 'POST', 'Content-Length: 0\r\n'));
  assert.equal((await client.message()).status, 502);
  assert.equal(origin.peers.length, 2);
});

test('a silent origin is given up, before and within its response', async () => {
  for (const [method, fields, content] of Object.values(ROADS)) {
    await using origin = await badThenGood('');
    await using proxy = await openProxy({ responseTimeout: 100 });
    await using client = await proxy.connect();
    client.send(get(origin, method, fields) + content);
    const answer = await client.message();
    assert.equal(answer.status, 504);
    assert.match(header(answer, 'proxy-status') ?? '', /error=http_response_timeout/);
    await (await origin.peer()).ended;
  }
  await using origin = await badThenGood('HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nhello');
  // Long enough for what does come.
  await using proxy = await openProxy({ responseTimeout: 500 });
  await using client = await proxy.connect();
  client.send(get(origin));
  assert.match((await client.rest()).toString(), /hello$/);
});

test('a client that goes away takes its request with it, wherever that is', async () => {
  const states = ['', 'HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nhello'];
  for (const response of states) {
    for (const how of ['reset', 'leave'] as const) {
      for (const [method, fields, content] of Object.values(ROADS)) {
        await using origin = await badThenGood(response);
        await using proxy = await openProxy();
        await using client = await proxy.connect();
        client.send(get(origin, method, fields) + content);
        const peer = await origin.peer();
        if (response === '') {
          while (peer.socket.bytesRead === 0) await new Promise((resolve) => setImmediate(resolve));
        } else await client.through('hello');
        if (how === 'reset') client.reset();
        else client.socket.destroy();
        await peer.ended;
        assert.ok(await proxy.serves(origin));
      }
    }
  }
});

test('a client that goes away in the middle of its content leaves no whole request behind', async () => {
  for (const framing of ['Content-Length: 10\r\n', 'Transfer-Encoding: chunked\r\n']) {
    let got = '';
    await using origin = await RawOrigin.open(async (peer) => {
      await peer.through('\r\n\r\n');
      got = (await peer.rest()).toString();
    });
    await using proxy = await openProxy();
    await using client = await proxy.connect();
    client.send(
      `${get(origin, 'PUT', framing)}5\r\nhello\r\n`.slice(0, framing.startsWith('C') ? -2 : undefined),
    );
    const peer = await origin.peer();
    while (peer.socket.bytesRead < 80) await new Promise((resolve) => setImmediate(resolve));
    client.reset();
    await peer.ended;
    assert.ok(!got.includes('0\r\n\r\n'));
    assert.ok(got.length < 12);
  }
});

test('a client that does not read stops the origin from being read', async () => {
  let sent = 0;
  let full = 0;
  await using origin = await RawOrigin.open(async (peer) => {
    await peer.message();
    peer.send('HTTP/1.1 200 OK\r\nContent-Length: 1000000000\r\n\r\n');
    const piece = Buffer.alloc(1_000_000);
    while (sent < 1_000_000_000 && !peer.socket.destroyed) {
      sent += piece.length;
      if (!peer.socket.write(piece)) {
        full = sent;
        await new Promise((resolve) => peer.socket.once('drain', resolve).once('close', resolve));
      }
    }
  });
  await using proxy = await openProxy();
  await using client = await proxy.connect();
  client.socket.pause();
  client.send(get(origin));
  // Until nothing moves any more: the kernel's buffers are full, and so is the one chunk that is held.
  let before = -1;
  for (let still = 0; still < 50; still = before === sent ? still + 1 : 0) {
    before = sent;
    await new Promise((resolve) => setTimeout(resolve, 4));
  }
  assert.ok(full > 0 && sent < 200_000_000, `${sent} bytes were taken from the origin`);
  assert.ok(process.memoryUsage().external < 200_000_000);
  // And it goes on when the client does.
  client.socket.resume();
  await client.bytes(sent);
});

test('an origin that does not read stops the client from being read', async () => {
  await using origin = await RawOrigin.open(async (peer) => {
    peer.socket.pause();
    return undefined;
  });
  await using proxy = await openProxy();
  await using client = await proxy.connect();
  client.send(get(origin, 'PUT', 'Content-Length: 1000000000\r\n'));
  const piece = Buffer.alloc(1_000_000);
  let sent = 0;
  let stuck = false;
  while (!stuck && sent < 300_000_000) {
    sent += piece.length;
    if (client.socket.write(piece)) continue;
    stuck = await new Promise<boolean>((resolve) => {
      const limit = setTimeout(() => resolve(true), 300);
      client.socket.once('drain', () => {
        clearTimeout(limit);
        resolve(false);
      });
    });
  }
  assert.ok(stuck, `${sent} bytes were taken from the client`);
});

test('nothing is left when all is over', async () => {
  const handles = (): number =>
    process.getActiveResourcesInfo().filter((name) => /TCP|Timeout/.test(name)).length;
  const before = handles();
  {
    await using origin = await badThenGood(OK);
    await using proxy = await openProxy();
    for (let i = 0; i < 20; i += 1) {
      await using client = await proxy.connect();
      client.send(get(origin));
      await client.message();
      if (i % 2 === 0) client.reset();
    }
    while (proxy.proxy.connections > 0) await new Promise((resolve) => setImmediate(resolve));
    assert.equal(proxy.clock.pending, 0);
  }
  assert.ok(handles() <= before, process.getActiveResourcesInfo().join());
});

test('no listener is added per request on a connection that is kept', async () => {
  await using origin = await RawOrigin.answering(OK);
  await using proxy = await openProxy();
  await using client = await proxy.connect();
  const warnings: Error[] = [];
  const onWarning = (warning: Error): number => warnings.push(warning);
  process.on('warning', onWarning);
  for (let i = 0; i < 50; i += 1) {
    const [method, fields, content] = i % 2 === 0 ? ROADS.shared : ROADS.alone;
    client.send(get(origin, method, fields) + content);
    assert.equal((await client.message()).status, 200);
  }
  await new Promise((resolve) => setImmediate(resolve));
  process.off('warning', onWarning);
  assert.deepEqual(warnings, []);
});
