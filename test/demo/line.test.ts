import assert from 'node:assert/strict';
import { once } from 'node:events';
import { type AddressInfo, connect, createServer, type Server, type Socket } from 'node:net';
import { buffer } from 'node:stream/consumers';
import { test } from 'node:test';
import { systemClock } from '../../src/core/clock.ts';
import { type LineOptions, startLine } from '../../src/demo/line.ts';
import { isPattern, patternAt } from '../../src/demo/pattern.ts';
import { FakeClock } from '../support/fake-clock.ts';
import { freePort } from '../support/free-port.ts';
import { startTestOrigin } from '../support/origin.ts';
import { until } from '../support/until.ts';

const FAST = { clock: systemClock, down: 1e9, up: 1e9, delay: 0 };

async function server(onConnection: (socket: Socket) => void): Promise<Server & AsyncDisposable> {
  const listening = createServer({ allowHalfOpen: true }, onConnection).listen(0, '127.0.0.1');
  await once(listening, 'listening');
  return listening;
}

const portOf = (listening: Server): number => (listening.address() as AddressInfo).port;

/** A line to a port, and a connection over it. */
async function over(port: number, options: Partial<LineOptions> = {}) {
  const line = await startLine({
    ...FAST,
    ...options,
    routes: [{ listen: { host: '127.0.0.1', port: 0 }, to: { host: '127.0.0.1', port } }],
  });
  const at = line.listening[0]?.port ?? 0;
  return { line, at, dial: () => connect({ port: at, host: '127.0.0.1', allowHalfOpen: true }) };
}

test('bytes come through unaltered both ways, and half-close works', async () => {
  // The server answers only when the client has ended its direction.
  await using echo = await server((socket) => {
    void buffer(socket).then((got) => socket.end(got));
  });
  const { line, dial } = await over(portOf(echo), { down: 40e6, up: 30e6, delay: 3 });
  await using _ = line;
  const sent = patternAt(0, 1_000_003);
  const socket = dial();
  socket.end(sent);
  const got = await buffer(socket);
  assert.ok(got.equals(sent));
  assert.equal(line.upBytes, sent.length);
  assert.equal(line.downBytes, sent.length);
  await until('the passage ends', () => line.openConnections === 0);
});

test('several connections at once, over two routes', async () => {
  await using origin = await startTestOrigin();
  const route = {
    listen: { host: '127.0.0.1', port: 0 },
    to: { host: '127.0.0.1', port: origin.port },
  };
  await using line = await startLine({ ...FAST, down: 60e6, delay: 2, routes: [route, route] });
  const sizes = [1, 65_536, 700_001, 2_000_000];
  const bodies = await Promise.all(
    sizes.map(async (size, i) => {
      const response = await fetch(`http://127.0.0.1:${line.listening[i % 2]?.port}/file/${size}`);
      return Buffer.from(await response.arrayBuffer());
    }),
  );
  for (const [i, body] of bodies.entries()) {
    assert.equal(body.length, sizes[i]);
    assert.ok(isPattern(body, 0));
  }
});

test('the delay goes for the connect and for each way', async () => {
  const clock = new FakeClock();
  let connected = 0;
  let asked = 0;
  await using target = await server((socket) => {
    connected += 1;
    socket.on('data', () => {
      asked += 1;
      socket.write('answer');
    });
    socket.on('end', () => socket.end());
  });
  const { line, dial } = await over(portOf(target), { clock, delay: 20 });
  await using _ = line;
  const socket = dial();
  let answered = '';
  socket.on('data', (piece: Buffer) => (answered += piece.toString()));
  socket.write('question');
  await until('the line has accepted it', () => line.openConnections === 1);
  clock.advance(19);
  assert.equal(connected, 0);
  clock.advance(1);
  await until('the target is reached after one delay', () => connected === 1);
  clock.advance(20);
  // The question leaves after the round trip of the handshake, and arrives a delay after that.
  await until('the question is on its way', () => {
    clock.advance(1);
    return asked === 1;
  });
  assert.equal(answered, '');
  await until('the answer comes back', () => {
    clock.advance(1);
    return answered === 'answer';
  });
  assert.ok(clock.now() - 1000 >= 80, `answered after ${clock.now() - 1000} ms`);
  socket.end();
  await until('the passage ends', () => {
    clock.advance(1);
    return line.openConnections === 0;
  });
});

test('a reset comes out as a reset, a refused connection too', async () => {
  await using resetting = await server((socket) => socket.once('data', () => socket.resetAndDestroy()));
  const first = await over(portOf(resetting));
  await using _ = first.line;
  const socket = first.dial();
  socket.write('x');
  await assert.rejects(buffer(socket), { code: 'ECONNRESET' });
  await until('the passage ends', () => first.line.openConnections === 0);

  const second = await over(await freePort());
  await using __ = second.line;
  await assert.rejects(buffer(second.dial()), { code: 'ECONNRESET' });
  await until('the passage ends', () => second.line.openConnections === 0);
});

test('a client that goes away ends the connection to the target', async () => {
  let closed = 0;
  await using target = await server((socket) => {
    socket.on('error', () => undefined);
    socket.on('close', () => (closed += 1));
    const pour = (): void => {
      while (socket.writable && socket.write(patternAt(0, 60_000)));
    };
    socket.on('drain', pour);
    pour();
  });
  const { line, dial } = await over(portOf(target), { down: 5e6 });
  await using _ = line;
  const socket = dial();
  await once(socket, 'data');
  socket.resetAndDestroy();
  await until('the target is told', () => closed === 1);
  await until('the passage ends', () => line.openConnections === 0);
});

test('a client that does not read is not sent more than the window', async () => {
  await using origin = await startTestOrigin();
  const { line, dial } = await over(origin.port);
  await using _ = line;
  const socket = dial();
  socket.pause();
  socket.write('GET /file/900000000 HTTP/1.1\r\nHost: x\r\n\r\n');
  let before = -1;
  await until('it stops', () => {
    const still = line.downBytes > 0 && before === origin.bodyBytes;
    before = origin.bodyBytes;
    return still;
  });
  assert.ok(origin.bodyBytes < 100_000_000, `${origin.bodyBytes} bytes were sent`);
  socket.destroy();
  await until('the passage ends', () => line.openConnections === 0);
});

test('a stalled line moves nothing and refuses nothing, and goes on where it was', async () => {
  await using origin = await startTestOrigin();
  const { line, at } = await over(origin.port, { down: 20e6 });
  await using _ = line;
  const response = await fetch(`http://127.0.0.1:${at}/file/3000000`);
  line.reshape({ stalled: true });
  const carried = line.downBytes;
  const other = fetch(`http://127.0.0.1:${at}/file/10`);
  await until('the other has been accepted', () => line.openConnections === 2);
  assert.equal(line.downBytes, carried);
  assert.equal(origin.exchanges.length, 1);
  line.reshape({ stalled: false, down: 1e9 });
  assert.ok(isPattern(Buffer.from(await response.arrayBuffer()), 0));
  assert.equal((await (await other).arrayBuffer()).byteLength, 10);
});

test('the end of a line ends its connections and leaves no timer', async () => {
  await using origin = await startTestOrigin();
  const clock = new FakeClock();
  const { line, dial } = await over(origin.port, { clock, delay: 5, down: 1e5 });
  const socket = dial();
  socket.write('GET /file/900000000 HTTP/1.1\r\nHost: x\r\n\r\n');
  await until('bytes come', () => {
    clock.advance(1);
    return line.downBytes > 0;
  });
  await line[Symbol.asyncDispose]();
  assert.equal(clock.pending, 0);
  socket.destroy();
  await until('the origin is left alone', () => origin.openConnections === 0);
});
