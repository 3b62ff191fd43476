import assert from 'node:assert/strict';
import { request as httpRequest, type IncomingMessage } from 'node:http';
import { request as httpsRequest } from 'node:https';
import { connect } from 'node:net';
import { buffer } from 'node:stream/consumers';
import { test } from 'node:test';
import { gunzipSync } from 'node:zlib';
import { isPattern } from '../../src/demo/pattern.ts';
import { FakeClock } from '../support/fake-clock.ts';
import type { Fault } from '../support/faults.ts';
import { startTestOrigin, type TestOrigin } from '../support/origin.ts';
import { until } from '../support/until.ts';

interface Got {
  readonly status: number;
  readonly version: string;
  readonly headers: IncomingMessage['headers'];
  readonly body: Buffer;
  /** False when the connection ended before the body did. */
  readonly complete: boolean;
}

/** One request with node's own client; a body that breaks off is given as far as it came. */
function get(
  origin: TestOrigin,
  path: string,
  headers: Record<string, string> = {},
  method = 'GET',
): Promise<Got> {
  return new Promise((resolve, reject) => {
    const send = origin.ca === '' ? httpRequest : httpsRequest;
    const request = send(origin.url(path), { method, headers, ca: origin.ca, agent: false }, (response) => {
      const pieces: Buffer[] = [];
      response.on('data', (piece: Buffer) => pieces.push(piece));
      response.on('error', () => undefined);
      response.on('close', () =>
        resolve({
          status: response.statusCode ?? 0,
          version: response.httpVersion,
          headers: response.headers,
          body: Buffer.concat(pieces),
          complete: response.complete,
        }),
      );
    });
    request.on('error', reject);
    request.end();
  });
}

/** The same request with a fault switched on. */
async function broken(fault: Fault, headers: Record<string, string> = { range: 'bytes=100-299' }) {
  await using origin = await startTestOrigin({ faults: [fault] });
  return await get(origin, '/file/1000', headers);
}

for (const secure of [false, true]) {
  test(`${secure ? 'https' : 'http'}: whole files, ranges and HEAD are exact`, async () => {
    await using origin = await startTestOrigin({ secure });
    const size = 3_000_001;
    const whole = await get(origin, `/file/${size}`);
    assert.equal(whole.body.length, size);
    assert.ok(isPattern(whole.body, 0));
    const part = await get(origin, `/file/${size}`, { range: 'bytes=1048570-2097159' });
    assert.equal(part.status, 206);
    assert.equal(part.headers['content-range'], `bytes 1048570-2097159/${size}`);
    assert.equal(part.body.length, 1_048_590);
    assert.ok(isPattern(part.body, 1_048_570));
    const head = await get(origin, `/file/${size}`, {}, 'HEAD');
    assert.equal(head.headers['content-length'], String(size));
    assert.equal(head.body.length, 0);
    assert.deepEqual(origin.ranges(`/file/${size}`), [undefined, 'bytes=1048570-2097159', undefined]);
    assert.equal(origin.bodyBytes, size + 1_048_590);
    await until('the connections end', () => origin.openConnections === 0);
  });
}

test('pipelined requests are answered in order on one connection', async () => {
  await using origin = await startTestOrigin();
  const socket = connect(origin.port, '127.0.0.1');
  const asked = [70_000, 10, 300_000];
  const lines = asked.map((size, i) => {
    const last = i === asked.length - 1 ? 'Connection: close\r\n' : '';
    return `GET /file/${size} HTTP/1.1\r\nHost: x\r\n${last}\r\n`;
  });
  socket.write(lines.join(''));
  let got = await buffer(socket);
  for (const size of asked) {
    const body = got.indexOf('\r\n\r\n') + 4;
    assert.match(got.subarray(0, body).toString(), new RegExp(`content-length: ${size}\r\n`, 'i'));
    assert.ok(isPattern(got.subarray(body, body + size), 0));
    got = got.subarray(body + size);
  }
  assert.equal(got.length, 0);
  assert.equal(origin.connections, 1);
});

test('a client that does not read is not sent more than the connection holds', async () => {
  await using origin = await startTestOrigin();
  const socket = connect(origin.port, '127.0.0.1');
  socket.pause();
  socket.write('GET /file/900000000 HTTP/1.1\r\nHost: x\r\n\r\n');
  await until('the request comes', () => origin.exchanges.length === 1);
  let before = -1;
  await until('sending stops', () => {
    const still = before === origin.bodyBytes;
    before = origin.bodyBytes;
    return still;
  });
  assert.ok(origin.bodyBytes < 100_000_000, `${origin.bodyBytes} bytes were sent`);
  socket.destroy();
  await until('the connection ends', () => origin.openConnections === 0);
});

test('fault: connections cut after exactly so many bytes, then well again', async () => {
  for (const secure of [false, true]) {
    await using origin = await startTestOrigin({ secure });
    for (const afterBytes of [0, 1, 65_536, 99_999]) {
      const path = `/file/100000?${afterBytes}`;
      origin.setFaults(path, { kind: 'cut', afterBytes, toNth: 1 });
      const cut = await get(origin, path);
      assert.equal(cut.body.length, afterBytes);
      assert.ok(isPattern(cut.body, 0));
      assert.equal(cut.complete, false);
      const well = await get(origin, path);
      assert.equal(well.body.length, 100_000);
    }
    origin.setFaults('/file/100000', { kind: 'cut', afterBytes: 50_000, how: 'reset' });
    // A reset may overtake the head.
    const reset = await get(origin, '/file/100000').catch((error: NodeJS.ErrnoException) => error);
    assert.ok(reset instanceof Error ? reset.code === 'ECONNRESET' : !reset.complete);
  }
});

test('fault: ranges are not offered, refused or ignored', async () => {
  const missing = await broken({ kind: 'accept-ranges-missing' });
  assert.equal(missing.status, 206);
  assert.equal(missing.headers['accept-ranges'], undefined);
  const none = await broken({ kind: 'accept-ranges-none' });
  assert.equal(none.status, 200);
  assert.equal(none.headers['accept-ranges'], 'none');
  const ignored = await broken({ kind: 'ranges-ignored' });
  assert.equal(ignored.status, 200);
  assert.equal(ignored.body.length, 1000);
});

test('fault: Content-Range says something else than what comes', async () => {
  const says = async (what: Extract<Fault, { kind: 'wrong-range' }>['what']) => {
    const got = await broken({ kind: 'wrong-range', what });
    assert.ok(got.body.length === 200 && isPattern(got.body, 100));
    return got.headers['content-range'];
  };
  assert.equal(await says('start'), 'bytes 99-299/1000');
  assert.equal(await says('end'), 'bytes 100-300/1000');
  assert.equal(await says('total'), 'bytes 100-299/1001');
  assert.equal(await says('star'), 'bytes 100-299/*');
  assert.equal(await says('missing'), undefined);
  const wrong = await broken({ kind: 'wrong-bytes' });
  assert.equal(wrong.headers['content-range'], 'bytes 100-299/1000');
  assert.ok(!isPattern(wrong.body, 100));
});

test('fault: short and long parts, honest or not', async () => {
  const short = await broken({ kind: 'short', byBytes: 50, honest: true });
  assert.equal(short.headers['content-range'], 'bytes 100-249/1000');
  assert.equal(short.body.length, 150);
  const lying = await broken({ kind: 'short', byBytes: 50, honest: false });
  assert.equal(lying.headers['content-range'], 'bytes 100-299/1000');
  assert.equal(lying.body.length, 150);
  const long = await broken({ kind: 'long', byBytes: 50, honest: false });
  assert.equal(long.headers['content-range'], 'bytes 100-299/1000');
  assert.equal(long.body.length, 250);
});

test('fault: validators that change, are weak or missing', async () => {
  await using origin = await startTestOrigin({ faults: [{ kind: 'etag-by-connection' }] });
  const first = await get(origin, '/file/10');
  assert.notEqual((await get(origin, '/file/10')).headers.etag, first.headers.etag);
  assert.equal((await broken({ kind: 'etag-by-server', server: 'b' })).headers.etag, '"by-server-b"');
  assert.equal((await broken({ kind: 'etag-weak' })).headers.etag, 'W/"1000-1"');
  const bare = await broken({ kind: 'validators-missing' });
  assert.equal(bare.headers.etag, undefined);
  assert.equal(bare.headers['last-modified'], undefined);
  const dated = await broken({ kind: 'etag-missing' });
  assert.equal(dated.headers.etag, undefined);
  assert.notEqual(dated.headers['last-modified'], undefined);
});

test('fault: the file changes after some requests', async () => {
  await using origin = await startTestOrigin({ faults: [{ kind: 'changed', fromNth: 2 }] });
  const first = await get(origin, '/file/1000');
  const second = await get(origin, '/file/1000');
  assert.notEqual(first.headers.etag, second.headers.etag);
  assert.ok(!first.body.equals(second.body));
});

test('fault: codings, framings and statuses', async () => {
  const gzip = await broken({ kind: 'gzip' });
  assert.equal(gzip.headers['content-encoding'], 'gzip');
  assert.ok(isPattern(gunzipSync(gzip.body), 100));
  const chunked = await broken({ kind: 'chunked' }, {});
  assert.equal(chunked.headers['content-length'], undefined);
  assert.ok(chunked.body.length === 1000 && chunked.complete);
  const multipart = await broken({ kind: 'multipart' });
  assert.equal(multipart.status, 206);
  assert.match(String(multipart.headers['content-type']), /^multipart\/byteranges/);
  assert.match(multipart.body.toString('latin1'), /Content-Range: bytes 100-299\/1000\r\n\r\n/);
  const old = await broken({ kind: 'http-1.0' });
  assert.equal(old.version, '1.0');
  assert.ok(old.body.length === 200 && isPattern(old.body, 100));
  const elsewhere = await broken({ kind: 'redirect', status: 302, to: '/file/5' });
  assert.equal(elsewhere.headers.location, '/file/5');
  const busy = await broken({ kind: 'status', status: 503, headers: ['Retry-After', '1'] });
  assert.equal(busy.status, 503);
  const closing = await broken({ kind: 'closes' });
  assert.equal(closing.headers.connection, 'close');
  await assert.rejects(broken({ kind: 'garbage', bytes: 'SSH-2.0-OpenSSH\r\n' }), { code: /^HPE_/ });
});

test('faults apply to the requests they are meant for', async () => {
  await using origin = await startTestOrigin({ faults: [{ kind: 'status', status: 429, ranged: true }] });
  assert.equal((await get(origin, '/file/10')).status, 200);
  assert.equal((await get(origin, '/file/10', { range: 'bytes=0-1' })).status, 429);
  origin.setFaults('/file/20', { kind: 'status', status: 403, fromNth: 2, toNth: 2 });
  const statuses = [];
  for (let i = 0; i < 3; i += 1) statuses.push((await get(origin, '/file/20')).status);
  assert.deepEqual(statuses, [200, 403, 200]);
});

test('fault: stalls, trickles and late answers follow the clock', async () => {
  const clock = new FakeClock();
  await using origin = await startTestOrigin({ clock });
  origin.setFaults('/file/100000', { kind: 'stall', afterBytes: 1234 });
  origin.setFaults('/file/5000', { kind: 'trickle', rate: 10_000 });
  origin.setFaults('/file/7', { kind: 'late', delay: 3_000 });
  const received = new Map<string, number>();
  const ended = new Set<string>();
  const requests = ['/file/100000', '/file/5000', '/file/7'].map((path) => {
    const request = httpRequest(origin.url(path), { agent: false }, (response) => {
      response.on('data', (piece: Buffer) => received.set(path, (received.get(path) ?? 0) + piece.length));
      response.on('end', () => ended.add(path));
      response.on('error', () => undefined);
    });
    request.on('error', () => undefined);
    request.end();
    return request;
  });
  await until('all are asked', () => origin.exchanges.length === 3);
  await until('the stalled one has its bytes', () => received.get('/file/100000') === 1234);
  clock.advance(250);
  await until('a quarter of a second trickles', () => (received.get('/file/5000') ?? 0) >= 2400);
  assert.ok((received.get('/file/5000') ?? 0) <= 2500);
  assert.equal(received.get('/file/7'), undefined);
  clock.advance(2750);
  await until('the rest comes', () => ended.has('/file/5000') && ended.has('/file/7'));
  assert.equal(received.get('/file/100000'), 1234);
  for (const request of requests) request.destroy();
  await until('the connections end', () => origin.openConnections === 0);
  assert.equal(clock.pending, 0);
});
