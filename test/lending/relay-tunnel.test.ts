import assert from 'node:assert/strict';
import { once } from 'node:events';
import type { IncomingMessage } from 'node:http';
import { createServer, type Socket } from 'node:net';
import { duplexPair } from 'node:stream';
import { test } from 'node:test';
import { connect as tlsConnect } from 'node:tls';
import { KIB, MIB } from '../../src/core/units.ts';
import { isPattern, patternAt } from '../../src/demo/pattern.ts';
import { burstOf } from '../../src/lending/token-bucket.ts';
import { FakeClock } from '../support/fake-clock.ts';
import { checkLeaksOfEach } from '../support/leaks.ts';
import { startTestOrigin } from '../support/origin.ts';
import type { RawPeer } from '../support/raw-client.ts';
import { RawOrigin } from '../support/raw-origin.ts';
import { until } from '../support/until.ts';
import { codeOf, connectText, type LentLine, lentAt, OFF, ON, startLentLine } from './lent-line.ts';

checkLeaksOfEach();

const httpsOf = (port: number): string => `https://127.0.0.1:${port}`;

interface TunnelOptions {
  readonly maxBytes?: number;
  readonly borrower?: 0 | 1;
  /** Sent along with CONNECT. */
  readonly head?: string;
}

/** A tunnel that is open. */
async function tunnel(
  line: LentLine,
  port: number,
  { maxBytes = 64 * MIB, borrower = 0, head = '' }: TunnelOptions = {},
): Promise<RawPeer> {
  const from = line.borrowers[borrower];
  const lease = await from.lease(httpsOf(port), { maxBytes });
  const peer = await from.connect();
  peer.send(connectText(`127.0.0.1:${port}`, lease) + head);
  assert.match(await peer.through('\r\n\r\n'), /^HTTP\/1\.1 200 /);
  return peer;
}

/** Sends the pattern for as long as anybody takes it. */
function pour(socket: Socket, from = 0): void {
  let at = from;
  const step = (): void => {
    for (;;) {
      const piece = patternAt(at, 64 * KIB);
      at += piece.length;
      if (!socket.write(piece)) return;
    }
  };
  socket.on('drain', step);
  step();
}

test('an https origin is reached end to end', async () => {
  await using origin = await startTestOrigin({ secure: true });
  await using line = await startLentLine();
  await using peer = await tunnel(line, origin.port);
  peer.socket.removeAllListeners('data');
  const tls = tlsConnect({ socket: peer.socket, ca: origin.ca, servername: 'localhost' });
  await once(tls, 'secureConnect');
  tls.write('GET /file/3000000 HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n');
  const chunks: Buffer[] = [];
  for await (const chunk of tls as AsyncIterable<Buffer>) chunks.push(chunk);
  const whole = Buffer.concat(chunks);
  const body = whole.subarray(whole.indexOf('\r\n\r\n') + 4);
  assert.equal(body.length, 3_000_000);
  assert.ok(isPattern(body, 0));
  assert.ok(line.lender.status().bytesCarried > 3_000_000);
});

test('bytes sent along with CONNECT are not lost, and each direction ends by itself', async () => {
  await using origin = await RawOrigin.open(async (peer) => {
    await peer.ended;
    const heard = await peer.rest();
    peer.send(`${heard.toString()} and back`).end();
  });
  await using line = await startLentLine();
  await using peer = await tunnel(line, origin.port, { head: 'early ' });
  peer.send('late').end();
  assert.equal((await peer.rest()).toString(), 'early late and back');
  await peer.closed;
  await until('nothing is open', () => line.lender.status().borrowers[0]?.connections === 0);
  assert.equal(line.lender.status().bytesCarried, 'early late'.length + 'early late and back'.length);
  assert.deepEqual(line.refused(), []);
});

test('the origin may end first', async () => {
  await using origin = await RawOrigin.open(async (peer) => {
    peer.send('hello').end();
    assert.equal((await peer.rest()).toString(), 'answer');
  });
  await using line = await startLentLine();
  await using peer = await tunnel(line, origin.port);
  assert.equal((await peer.rest()).toString(), 'hello');
  peer.send('answer').end();
  await peer.closed;
  await (await origin.peer()).closed;
  assert.deepEqual(origin.errors, []);
});

test('what waits for its rate still arrives when both sides have said that they are done', async () => {
  await using origin = await RawOrigin.open(async (peer) => {
    peer.end();
    await peer.ended;
  });
  await using line = await startLentLine({ lent: lentAt(400_000) });
  await using peer = await tunnel(line, origin.port);
  peer.send(Buffer.from(patternAt(0, 200_000))).end();
  const there = await origin.peer();
  const got = await there.rest();
  assert.equal(got.length, 200_000);
  assert.ok(isPattern(got, 0));
  assert.equal(there.error, undefined);
});

test('each direction has its rate: what is sent is held to that up, and what comes is not', async () => {
  await using origin = await RawOrigin.open(async (peer) => {
    await peer.ended;
    peer.send(Buffer.from(patternAt(0, 800_000))).end();
  });
  await using line = await startLentLine({ lent: { ...ON, rate: { down: ON.rate.down, up: 400_000 } } });
  await using peer = await tunnel(line, origin.port);
  const began = performance.now();
  peer.send(Buffer.alloc(200_000)).end();
  await (await origin.peer()).ended;
  const sentMs = performance.now() - began;
  // Later than this on a busy machine, but never sooner: a burst is all that may come at once.
  assert.ok(sentMs >= ((200_000 - burstOf(400_000)) / 400_000) * 1_000 * 0.95, `${sentMs} ms`);
  assert.equal((await peer.rest()).length, 800_000);
  assert.deepEqual(line.lender.status().carried, { down: 800_000, up: 200_000 });
});

test('switching lending off refuses a tunnel that is only being opened', async () => {
  await using line = await startLentLine();
  const [borrower] = line.borrowers;
  const lease = await borrower.lease('https://127.0.0.1:443');
  const [ours, theirs] = duplexPair();
  const request = { url: '127.0.0.1:443', rawHeaders: ['Linepool-Lease', lease] } as IncomingMessage;
  line.lender.connect(borrower.neighbour, request, ours, Buffer.alloc(0));
  line.lender.setLent(OFF);
  const [said] = (await once(theirs, 'data')) as [Buffer];
  assert.match(said.toString(), /^HTTP\/1\.1 503 [^]*lending_off/);
  assert.equal(line.lender.status().borrowers[0]?.connections, 0);
});

test('large amounts pass unchanged, both ways at once', async () => {
  await using origin = await RawOrigin.open(async (peer) => {
    peer.socket.removeAllListeners('data');
    peer.socket.pipe(peer.socket);
    await peer.closed;
  });
  await using line = await startLentLine({ bufferBytes: 64 * KIB });
  await using peer = await tunnel(line, origin.port, { maxBytes: 1024 * MIB });
  const size = 24 * MIB;
  let received = 0;
  let right = true;
  peer.socket.removeAllListeners('data');
  peer.socket.on('data', (chunk: Buffer) => {
    right &&= isPattern(chunk, received);
    received += chunk.length;
  });
  let at = 0;
  const step = (): void => {
    while (at < size) {
      const piece = patternAt(at, Math.min(64 * KIB, size - at));
      at += piece.length;
      if (!peer.socket.write(piece)) return;
    }
    peer.socket.end();
  };
  peer.socket.on('drain', step);
  step();
  await peer.ended;
  assert.equal(received, size);
  assert.ok(right);
  assert.equal(line.lender.status().bytesCarried, 2 * size);
});

test('without a good lease, port or address there is no tunnel', async () => {
  await using origin = await RawOrigin.open(() => undefined);
  await using line = await startLentLine({
    ports: [origin.port, 80, 443],
    allowNetworks: ['127.0.0.1/32'],
    dial: { connectTimeout: 3_000, pinned: new Map([['home.example', '192.168.0.1']]) },
  });
  const [first, second] = line.borrowers;
  const { port } = origin;
  const now = Date.now();
  const good = httpsOf(port);
  const cases: readonly (readonly [string, string | undefined, string, number])[] = [
    [`127.0.0.1:${port}`, undefined, 'lease_missing', 403],
    [`127.0.0.1:${port}`, 'x.y.z', 'lease_invalid', 403],
    [`127.0.0.1:${port}`, await second.lease(good), 'lease_invalid', 403],
    [`127.0.0.1:${port}`, await first.lease(`http://127.0.0.1:${port}`), 'lease_invalid', 403],
    [`127.0.0.1:${port}`, await first.lease('https://127.0.0.1:443'), 'lease_invalid', 403],
    [
      `127.0.0.1:${port}`,
      await first.lease(good, { issuedAt: now - 2e6, expiresAt: now - 1e6 }),
      'lease_expired',
      403,
    ],
    [`127.0.0.1:${port + 1}`, await first.lease(httpsOf(port + 1)), 'port_refused', 403],
    ['127.0.0.1:22', await first.lease(httpsOf(22)), 'port_refused', 403],
    ['127.0.0.1:80', await first.lease(httpsOf(80)), 'port_refused', 403],
    [`127.0.0.2:${port}`, await first.lease(`https://127.0.0.2:${port}`), 'address_refused', 403],
    [`[::1]:${port}`, await first.lease(`https://[::1]:${port}`), 'address_refused', 403],
    [
      `[::ffff:127.0.0.1]:${port}`,
      await first.lease(`https://[::ffff:7f00:1]:${port}`),
      'address_refused',
      403,
    ],
    [`home.example:${port}`, await first.lease(`https://home.example:${port}`), 'address_refused', 403],
    ['127.0.0.1', await first.lease(good), 'bad_target', 400],
    ['127.0.0.1:99999', await first.lease(good), 'bad_target', 400],
    ['127.0.0.1:443/path', await first.lease(good), 'bad_target', 400],
    ['127.0.0.1:443', await first.lease('https://127.0.0.1:443'), 'connect_refused', 502],
  ];
  for (const [authority, lease, code, status] of cases) {
    await using peer = await first.connect();
    peer.send(connectText(authority, lease));
    const answer = await peer.message();
    assert.equal(codeOf(answer), code, authority);
    assert.equal(answer.status, status, authority);
    await peer.ended;
  }
  assert.equal(origin.peers.length, 0);
  assert.equal(line.lender.status().borrowers[0]?.connections, 0);
  const unreadable = line.eventsOf('lend_refused').filter(({ code }) => code === 'bad_target');
  assert.ok(unreadable.length > 0 && unreadable.every(({ detail }) => detail === ''));
});

test('both directions count, and at the limit both sides are cut, no byte beyond', async () => {
  await using origin = await RawOrigin.open(async (peer) => {
    pour(peer.socket);
    await peer.closed;
  });
  await using line = await startLentLine();
  await using peer = await tunnel(line, origin.port, { maxBytes: 500_000, head: 'x'.repeat(1_000) });
  const got = await peer.rest();
  assert.ok(got.length <= 499_000, `${got.length}`);
  assert.ok(isPattern(got, 0));
  const there = await origin.peer();
  await there.ended;
  assert.equal(line.lender.status().bytesCarried, 500_000);
  assert.deepEqual(line.refused(), ['lease_exhausted']);
});

test('one lease over two tunnels is one account', async () => {
  await using origin = await RawOrigin.open(async (peer) => {
    pour(peer.socket);
    await peer.closed;
  });
  await using line = await startLentLine();
  const [borrower] = line.borrowers;
  const lease = await borrower.lease(httpsOf(origin.port), { maxBytes: 1_000_000 });
  const text = connectText(`127.0.0.1:${origin.port}`, lease);
  await using first = await borrower.connect();
  await using second = await borrower.connect();
  first.send(text);
  second.send(text);
  await Promise.all([first.ended, second.ended]);
  assert.equal(line.lender.status().bytesCarried, 1_000_000);
  assert.equal(line.eventsOf('lease_opened').length, 1);
  await using third = await borrower.connect();
  third.send(text);
  assert.equal(codeOf(await third.message()), 'lease_exhausted');
});

test('when one side is reset the other is too', async () => {
  await using origin = await RawOrigin.open(async (peer) => {
    peer.send('hello');
    await peer.closed;
  });
  await using line = await startLentLine();
  {
    await using peer = await tunnel(line, origin.port);
    await peer.through('hello');
    peer.reset();
    const there = await origin.peer(0);
    await there.closed;
    assert.equal(there.error?.code, 'ECONNRESET');
  }
  {
    await using peer = await tunnel(line, origin.port);
    await peer.through('hello');
    (await origin.peer(1)).reset();
    await peer.ended;
  }
  await until('nothing is open', () => line.lender.status().borrowers[0]?.connections === 0);
});

test('switching lending off and parting cut tunnels before the call returns', async () => {
  await using origin = await RawOrigin.open(async (peer) => {
    pour(peer.socket);
    await peer.closed;
  });
  await using line = await startLentLine();
  const { lender, borrowers } = line;
  {
    await using peer = await tunnel(line, origin.port, { maxBytes: 4096 * MIB });
    await peer.bytes(100_000);
    const sockets = [...borrowers[0].sockets];
    lender.setLent(OFF);
    assert.ok(sockets.every(({ destroyed }) => destroyed));
    await peer.ended;
    await (await origin.peer(0)).ended;
  }
  lender.setLent(ON);
  {
    await using peer = await tunnel(line, origin.port, { maxBytes: 4096 * MIB });
    await using other = await tunnel(line, origin.port, { maxBytes: 4096 * MIB, borrower: 1 });
    await peer.bytes(100_000);
    const sockets = [...borrowers[0].sockets];
    lender.drop(borrowers[0].neighbour.id);
    assert.ok(sockets.every(({ destroyed }) => destroyed));
    assert.deepEqual(
      lender.status().borrowers.map(({ name }) => name),
      ['second'],
    );
    const before = lender.status().bytesCarried;
    assert.ok(before > 100_000);
    await until('the other one goes on', () => lender.status().bytesCarried > before + MIB);
    await peer.ended;
    await other[Symbol.asyncDispose]();
  }
});

test('a lease that was ended is not taken again', async () => {
  await using origin = await RawOrigin.open(async (peer) => {
    peer.send('hello');
    await peer.closed;
  });
  await using line = await startLentLine();
  const [borrower] = line.borrowers;
  const lease = await borrower.lease(httpsOf(origin.port));
  await using first = await borrower.connect();
  first.send(connectText(`127.0.0.1:${origin.port}`, lease));
  await first.through('hello');
  line.lender.drop(borrower.neighbour.id);
  await first.ended;
  await using second = await borrower.connect();
  second.send(connectText(`127.0.0.1:${origin.port}`, lease));
  assert.equal(codeOf(await second.message()), 'lease_invalid');
});

test('a silent tunnel ends by its limit, one that moves does not', async () => {
  const clock = new FakeClock();
  await using origin = await RawOrigin.open(async (peer) => {
    for (;;) peer.send(await peer.bytes(4));
  });
  await using line = await startLentLine({ clock, transferIdle: 60_000 });
  await using peer = await tunnel(line, origin.port);
  for (let i = 0; i < 5; i += 1) {
    const before = line.lender.status().bytesCarried;
    peer.send('ping');
    await until('it moves', () => {
      clock.advance(1);
      return line.lender.status().bytesCarried === before + 8;
    });
    assert.equal((await peer.bytes(4)).toString(), 'ping');
    clock.advance(59_000);
  }
  clock.advance(1_000);
  await peer.ended;
  assert.deepEqual(line.refused(), ['response_timeout']);
  await line[Symbol.asyncDispose]();
  assert.equal(clock.pending, 0);
});

test('a borrower that does not read makes the origin wait', async () => {
  await using origin = await RawOrigin.open(async (peer) => {
    pour(peer.socket);
    await peer.closed;
  });
  await using line = await startLentLine({ bufferBytes: 128 * KIB });
  await using peer = await tunnel(line, origin.port, { maxBytes: 4096 * MIB });
  peer.socket.pause();
  const { lender } = line;
  let before = -1;
  await until('it stands still', async () => {
    const now = lender.status().bytesCarried;
    const still = now > 0 && now === before;
    before = now;
    await new Promise((resolve) => setTimeout(resolve, 100));
    return still && now === lender.status().bytesCarried;
  });
  const [socket] = line.borrowers[0].sockets;
  assert.ok((socket?.writableLength ?? 0) <= 256 * KIB, `${socket?.writableLength}`);
  peer.socket.resume();
  const carried = before;
  await until('it goes on', () => lender.status().bytesCarried > carried + 8 * MIB);
});

test('a change of rate holds for what runs; two borrowers get the same, whatever their connections', async () => {
  await using origin = await RawOrigin.open(async (peer) => {
    pour(peer.socket);
    await peer.closed;
  });
  await using line = await startLentLine();
  const { lender } = line;
  const rate = 4_000_000;
  lender.setLent(lentAt(rate));
  await using stack = new AsyncDisposableStack();
  const open = async (borrower: 0 | 1): Promise<void> => {
    const peer = stack.use(await tunnel(line, origin.port, { maxBytes: 4096 * MIB, borrower }));
    peer.socket.removeAllListeners('data');
    peer.socket.resume();
  };
  for (let i = 0; i < 4; i += 1) await open(0);
  await open(1);
  const before = lender.status().borrowers.map(({ bytesCarried }) => bytesCarried);
  await until('a few megabytes have come', () => lender.status().bytesCarried > 5_000_000);
  const after = lender.status().borrowers.map(({ bytesCarried }) => bytesCarried);
  const [many = 0, one = 0] = after.map((bytes, i) => bytes - (before[i] ?? 0));
  assert.ok(many / one > 0.8 && many / one < 1.25, `${many} against ${one}`);
  assert.deepEqual(lender.offer(line.borrowers[0].neighbour), {
    bytesPerSecond: rate / 2,
    bufferBytes: 256 * KIB,
  });
  lender.setLent(ON);
  await until('it is fast again', () => lender.status().bytesCarried > 60_000_000);
});

test('one that never answers, or is asked while the borrower leaves, leaves nothing behind', async () => {
  await using line = await startLentLine({ dial: { pinned: new Map(), connectTimeout: 200 } });
  // A listener whose queue is full takes no more connections.
  await using server = createServer().listen(0, '127.0.0.1', 0);
  await once(server, 'listening');
  const [borrower] = line.borrowers;
  const address = server.address();
  const port = typeof address === 'object' && address !== null ? address.port : 0;
  await using peer = await borrower.connect();
  peer.send(connectText(`127.0.0.1:${port}`, await borrower.lease(httpsOf(port))));
  peer.reset();
  await until('nothing is open', () => (line.lender.status().borrowers[0]?.connections ?? 0) === 0);
});
