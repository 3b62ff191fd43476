/**
 * The seam to pooling: what the other side is told, and who does what from then on.
 */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { Consider, ResponseHead, Takeover } from '../../src/proxy/takeover.ts';
import { header } from '../support/raw-client.ts';
import { RawOrigin } from '../support/raw-origin.ts';
import { openProxy, PSEUDONYM } from './open-proxy.ts';

const get = (origin: RawOrigin, method = 'GET', fields = 'Cookie: a\r\n'): string =>
  `${method} ${origin.url}/file?x HTTP/1.1\r\nHost: ${origin.host}\r\n${fields}\r\n`;

/** Passes everything on in upper case, to show who wrote it. */
function taking(heads: ResponseHead[], failures: Error[] = []): Consider {
  return (head): Takeover => {
    heads.push(head);
    return {
      data: (chunk) => void head.response.write(chunk.toString().toUpperCase()),
      end: () => void head.response.end(),
      fail: (error) => {
        failures.push(error);
        head.response.destroy();
      },
    };
  };
}

test('a response that is taken over has the same head, and the body of its taker', async () => {
  const heads: ResponseHead[] = [];
  await using origin = await RawOrigin.answering(
    'HTTP/1.1 103 Early Hints\r\n\r\nHTTP/1.1 200 OK\r\nETag: "a"\r\nConnection: X\r\nX: 1\r\nContent-Length: 5\r\n\r\nhello',
  );
  await using proxy = await openProxy({}, { consider: taking(heads) });
  await using plain = await openProxy();
  await using client = await proxy.connect();
  await using other = await plain.connect();
  for (const one of [client, other]) {
    one.send(get(origin));
    assert.equal((await one.message()).status, 103);
  }
  const taken = await client.message();
  const passed = await other.message();
  assert.deepEqual([taken.line, taken.headers], [passed.line, passed.headers]);
  assert.equal(taken.body.toString(), 'HELLO');
  assert.equal(passed.body.toString(), 'hello');
  const [head] = heads;
  assert.equal(heads.length, 1, 'asked once, about the final response');
  assert.deepEqual(head?.target, {
    origin: { scheme: 'http', host: '127.0.0.1', port: origin.port },
    path: '/file?x',
  });
  assert.deepEqual(head?.requestHeaders, ['Cookie', 'a', 'Via', `1.1 ${PSEUDONYM}`]);
  assert.deepEqual(head?.headers, ['ETag', '"a"', 'Content-Length', '5']);
  assert.deepEqual([head?.method, head?.status], ['GET', 200]);
  // The connection goes on.
  client.send(get(origin));
  await client.message();
  assert.equal((await client.message()).body.toString(), 'HELLO');
});

test('the head goes out at once, before any of the body', async () => {
  await using origin = await RawOrigin.answering('HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\n');
  for (const consider of [taking([]), (): undefined => undefined]) {
    await using proxy = await openProxy({}, { consider });
    await using client = await proxy.connect();
    client.send(get(origin));
    assert.match(await client.through('\r\n\r\n'), /^HTTP\/1.1 200 /);
  }
});

test("a failure, and a client that goes away, are the taker's business", async () => {
  const failures: Error[] = [];
  const heads: ResponseHead[] = [];
  await using origin = await RawOrigin.open(async (peer, index) => {
    await peer.message();
    peer.send('HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhel');
    if (index === 0) peer.end();
  });
  await using proxy = await openProxy({}, { consider: taking(heads, failures) });
  await using cut = await proxy.connect();
  cut.send(get(origin));
  assert.match((await cut.rest()).toString(), /HEL$/);
  assert.equal(failures.length, 1);
  await using leaving = await proxy.connect();
  leaving.send(get(origin));
  await leaving.through('HEL');
  const [, head] = heads;
  assert.ok(head !== undefined);
  const closed = new Promise((resolve) => head.response.once('close', resolve));
  leaving.reset();
  await closed;
  assert.equal(head.controller.aborted, false, 'the taker decides what becomes of the origin');
  head.controller.abort(new Error('enough'));
  await (await origin.peer(1)).ended;
  assert.equal(failures.length, 2);
});

test('it is asked about every method and status, and the answer "pass" changes nothing', async () => {
  const asked: string[] = [];
  await using origin = await RawOrigin.answering('HTTP/1.1 404 Not Found\r\nContent-Length: 2\r\n\r\nno');
  await using proxy = await openProxy(
    {},
    {
      consider: ({ method, status }) => {
        asked.push(`${method} ${status}`);
        return undefined;
      },
    },
  );
  await using client = await proxy.connect();
  client.send(get(origin));
  const answer = await client.message();
  assert.equal(answer.body.toString(), 'no');
  assert.equal(header(answer, 'content-length'), '2');
  client.send(`${get(origin, 'POST', 'Content-Length: 1\r\n')}x`);
  assert.equal((await client.message()).status, 404);
  assert.deepEqual(asked, ['GET 404', 'POST 404']);
});
