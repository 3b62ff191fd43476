/** The link's door: strangers get nothing but pairing, neighbours get in, hostile bytes do no harm. */
import assert from 'node:assert/strict';
import { once } from 'node:events';
import type { IncomingMessage } from 'node:http';
import { request as httpsRequest } from 'node:https';
import { type Socket, connect as tcpConnect } from 'node:net';
import { Duplex } from 'node:stream';
import { test } from 'node:test';
import { type ConnectionOptions, type TLSSocket, connect as tlsConnect } from 'node:tls';
import * as fc from 'fast-check';
import { systemClock } from '../../src/core/clock.ts';
import { parseAuthority } from '../../src/core/target.ts';
import { PATHS, PROTOCOL } from '../../src/neighbours/channel.ts';
import { type Identity, loadIdentity, makeIdentity } from '../../src/neighbours/identity.ts';
import { LinkClient } from '../../src/neighbours/link-client.ts';
import { MESSAGE_MAX_BYTES } from '../../src/neighbours/messages.ts';
import { FakeClock } from '../support/fake-clock.ts';
import { eventOf, type Household, household, pair, until } from './household.ts';

const REQUESTS = 5;
const BODY = Buffer.alloc(2_000_000, 'x');

const certificateOf = ({ privateKeyPem, certificate }: Identity) => ({
  key: privateKeyPem,
  cert: certificate,
});

/** TLS to a household's link as somebody who doesn't keep to our client's habits. */
async function tls(to: Household, options: ConnectionOptions): Promise<TLSSocket> {
  const { host, port } = parseAuthority(to.address);
  const socket = tlsConnect({ host, port, rejectUnauthorized: false, ...options });
  socket.on('error', () => socket.destroy());
  await new Promise<void>((resolve) => {
    socket.once('secureConnect', resolve);
    socket.once('close', () => resolve());
  });
  return socket;
}

async function tcp(to: Household, localAddress = '127.0.0.1'): Promise<Socket> {
  const { host, port } = parseAuthority(to.address);
  const socket = tcpConnect({ host, port, localAddress });
  socket.on('error', () => socket.destroy());
  await once(socket, 'connect');
  return socket;
}

/** Everything that comes until the other side ends. */
async function rest(socket: Socket): Promise<string> {
  let text = '';
  socket.on('data', (chunk: Buffer) => {
    text += chunk.toString('latin1');
  });
  if (!socket.destroyed && !socket.readableEnded) {
    await Promise.race([once(socket, 'end'), once(socket, 'close')]);
  }
  socket.destroy();
  return text;
}

async function ask(
  to: Household,
  as: Identity,
  method: string,
  path: string,
): Promise<{ readonly status: number; readonly body: string }> {
  const { host, port } = parseAuthority(to.address);
  const request = httpsRequest({
    host,
    port,
    method,
    path,
    ...certificateOf(as),
    rejectUnauthorized: false,
    agent: false,
  });
  request.end();
  const [response] = (await once(request, 'response')) as [IncomingMessage];
  let body = '';
  for await (const chunk of response) body += String(chunk);
  return { status: response.statusCode ?? 0, body };
}

/** The household still does what it is for. */
async function stillServing(anna: Household): Promise<void> {
  await using berta = await household('Berta');
  await pair(anna, berta);
  await eventOf(berta.events, 'neighbour_up');
  await berta.room.part(anna.room.id);
}

test('a household that is not paired gets nothing but the pairing endpoint', async () => {
  await using anna = await household('Anna');
  const stranger = await makeIdentity();
  let reached = 0;
  anna.relay.request = (_neighbour, _request, response) => {
    reached += 1;
    response.end();
  };
  anna.relay.connect = (_neighbour, _request, socket) => {
    reached += 1;
    socket.destroy();
  };
  for (const [method, path] of [
    ['GET', PATHS.hello],
    ['GET', PATHS.offers],
    ['POST', PATHS.part],
    ['GET', PATHS.pair],
    ['GET', '/'],
    ['GET', 'http://example.org/'],
    ['POST', '/linepool/v1/pair/../offers'],
  ] as const) {
    const { status, body } = await ask(anna, stranger, method, path);
    assert.equal(status, 403, `${method} ${path}`);
    assert.equal((JSON.parse(body) as { code: string }).code, 'not_paired');
  }
  const socket = await tls(anna, certificateOf(stranger));
  socket.write('CONNECT 127.0.0.1:80 HTTP/1.1\r\nHost: 127.0.0.1:80\r\n\r\n');
  assert.match(await rest(socket), /^HTTP\/1\.1 403 .*"code":"not_paired"/s);
  assert.equal(reached, 0);
  await eventOf(anna.events, 'neighbour_refused', (e) => e.code === 'not_paired');
});

test('without a certificate there is no answer at all', async () => {
  await using anna = await household('Anna');
  const socket = await tls(anna, {});
  socket.write(`GET ${PATHS.hello} HTTP/1.1\r\nHost: link\r\n\r\n`);
  assert.equal(await rest(socket), '');
  await eventOf(anna.events, 'neighbour_refused', (e) => e.code === 'identity_mismatch');
});

test('TLS 1.2 is not spoken', async () => {
  await using anna = await household('Anna');
  const socket = await tls(anna, { ...certificateOf(await makeIdentity()), maxVersion: 'TLSv1.2' });
  await until(() => socket.destroyed);
  assert.equal(socket.getProtocol(), null);
});

test('a session is never resumed, so that a certificate is shown each time', async () => {
  await using anna = await household('Anna');
  await using berta = await household('Berta');
  await pair(anna, berta);
  const sessions: Buffer[] = [];
  const first = await tls(anna, certificateOf(berta.room.identity));
  first.on('session', (session: Buffer) => sessions.push(session));
  first.write(`GET ${PATHS.hello} HTTP/1.1\r\nHost: link\r\nConnection: close\r\n\r\n`);
  assert.match(await rest(first), /^HTTP\/1\.1 200 /);
  // Whether or not a ticket came, it must be worth nothing to somebody without the key.
  for (const session of [undefined, ...sessions]) {
    const second = await tls(anna, session === undefined ? {} : { session });
    assert.equal(second.isSessionReused(), false);
    second.write(`GET ${PATHS.hello} HTTP/1.1\r\nHost: link\r\n\r\n`);
    assert.equal(await rest(second), '');
  }
});

test('what a neighbour sees of us', async () => {
  await using anna = await household('Anna');
  await using berta = await household('Berta');
  await pair(anna, berta);
  const as = berta.room.identity;
  assert.deepEqual(JSON.parse((await ask(anna, as, 'GET', PATHS.hello)).body), {
    name: 'Anna',
    version: '0.0.0',
    protocol: PROTOCOL,
  });
  assert.equal((await ask(anna, as, 'GET', '/linepool/v2/hello')).status, 404);
  assert.equal((await ask(anna, as, 'DELETE', PATHS.offers)).status, 404);
  // Absolute-form goes to the relay, whatever its path looks like.
  const lent = await ask(anna, as, 'GET', `http://example.org${PATHS.hello}`);
  assert.equal(lent.status, 503);
  assert.match(lent.body, /lending_off/);
});

test('being parted holds at once on a connection that is open', async () => {
  await using anna = await household('Anna');
  await using berta = await household('Berta');
  await pair(anna, berta);
  const socket = await berta.room.client.take(anna.room);
  socket.write(`GET ${PATHS.hello} HTTP/1.1\r\nHost: link\r\n\r\n`);
  const [answer] = (await once(socket, 'data')) as [Buffer];
  assert.match(answer.toString(), /^HTTP\/1\.1 200 /);
  const ended = once(socket, 'close');
  await anna.room.part('Berta');
  await ended;
  assert.equal((await ask(anna, berta.room.identity, 'GET', PATHS.hello)).status, 403);
});

test('hostile bytes leave it serving: noise before TLS', async () => {
  // Also Berta, who pairs at the end, has no longer.
  await using anna = await household('Anna', { limits: { handshakeMs: 2_000 } });
  await fc.assert(
    fc.asyncProperty(fc.uint8Array({ minLength: 1, maxLength: 300 }), async (noise) => {
      const socket = await tcp(anna);
      socket.end(noise);
      await rest(socket);
    }),
    { numRuns: 50 },
  );
  const silent = await tcp(anna);
  await rest(silent);
  await stillServing(anna);
});

test('hostile bytes leave it serving: noise inside TLS, from strangers and from a neighbour', async () => {
  await using anna = await household('Anna');
  await using mallory = await household('Mallory', { retry: 3_600_000 });
  await pair(anna, mallory);
  const hello = `GET ${PATHS.hello} HTTP/1.1\r\nHost: link\r\n`;
  const messages = [
    '\0\0\0\0',
    'GET / HTTP/9.9\r\n\r\n',
    'GET  /  HTTP/1.1\r\nHost: x\r\n\r\n',
    'CONNECT a:99999 HTTP/1.1\r\nHost: a\r\n\r\n',
    'CONNECT / HTTP/1.1\r\n\r\n',
    `${hello}Content-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n`,
    `${hello}X: ${'x'.repeat(40_000)}\r\n\r\n`,
    `POST ${PATHS.pair} HTTP/1.1\r\nHost: link\r\nContent-Length: 4\r\n\r\n\xff\xff\xff\xff`,
    `POST ${PATHS.pair} HTTP/1.1\r\nHost: link\r\nContent-Length: 2\r\n\r\n[]`,
    `POST ${PATHS.confirm} HTTP/1.1\r\nHost: link\r\nContent-Length: 20000\r\n\r\n${'x'.repeat(20_000)}`,
    `POST ${PATHS.part} HTTP/1.1\r\nHost: link\r\nContent-Length: 2\r\n\r\n{}`,
    `${hello}Upgrade: websocket\r\nConnection: Upgrade\r\n\r\n`,
    `${hello}Expect: nonsense\r\n\r\n`,
    hello,
  ];
  for (const identity of [await makeIdentity(), mallory.room.identity]) {
    for (const message of messages) {
      const socket = await tls(anna, certificateOf(identity));
      socket.end(Buffer.from(message, 'latin1'));
      assert.match(await rest(socket), /^(HTTP\/1\.1 [2-5]\d\d .*)?$/s);
    }
  }
  assert.equal(anna.room.neighbours().length, 1, 'nobody was paired or parted by noise');
  await stillServing(anna);
});

test('huge heads are refused with 431, long messages are cut', async () => {
  await using anna = await household('Anna');
  const stranger = certificateOf(await makeIdentity());
  const head = await tls(anna, stranger);
  head.write(`GET / HTTP/1.1\r\nHost: link\r\nX: ${'x'.repeat(20_000)}\r\n\r\n`);
  assert.match(await rest(head), /^HTTP\/1\.1 431 /);
  const long = await tls(anna, stranger);
  const length = MESSAGE_MAX_BYTES * 3;
  long.write(
    `POST ${PATHS.pair} HTTP/1.1\r\nHost: link\r\nContent-Length: ${length}\r\n\r\n${' '.repeat(length)}`,
  );
  assert.doesNotMatch(await rest(long), /^HTTP\/1\.1 2/);
});

test('what is not HTTP behind a request gets no word into the answer that is under way', async () => {
  await using anna = await household('Anna');
  await using berta = await household('Berta');
  await pair(anna, berta);
  const { promise: answering, resolve } = Promise.withResolvers<void>();
  anna.relay.request = (_neighbour, _request, response) => {
    response.writeHead(206, { 'Content-Length': 10_000 });
    response.write('bytes of the file', () => resolve());
  };
  const socket = await tls(anna, certificateOf(await loadIdentity(berta.stateDir)));
  const heard = rest(socket);
  socket.write('GET http://origin.example/file HTTP/1.1\r\nHost: origin.example\r\n\r\n');
  await answering;
  socket.write('no HTTP at all\r\n\r\n');
  assert.match(await heard, /\r\n\r\nbytes of the file$/);
});

test('requests that come at once while an answer waits for its reader are all answered', async () => {
  await using anna = await household('Anna');
  await using berta = await household('Berta');
  await pair(anna, berta);
  const { promise: answering, resolve } = Promise.withResolvers<void>();
  anna.relay.request = (_neighbour, _request, response) => {
    response.writeHead(206, { 'Content-Length': BODY.length });
    response.end(BODY);
    resolve();
  };
  const wire = await tcp(anna);
  const held: Buffer[] = [];
  let holds = false;
  // Several TLS records in one segment: what a burst of requests is on a busy machine.
  const transport = new Duplex({
    read: () => undefined,
    write(chunk: Buffer, _encoding, done) {
      if (holds) held.push(chunk);
      else wire.write(chunk);
      done();
    },
  });
  wire.on('data', (chunk: Buffer) => transport.push(chunk));
  wire.on('close', () => transport.push(null));
  const identity = certificateOf(await loadIdentity(berta.stateDir));
  const socket = tlsConnect({ socket: transport, rejectUnauthorized: false, ...identity });
  socket.on('error', () => socket.destroy());
  await once(socket, 'secureConnect');
  wire.pause();
  const get = 'GET http://origin.example/file HTTP/1.1\r\nHost: origin.example\r\n\r\n';
  socket.write(get);
  await answering;
  holds = true;
  for (let i = 0; i < REQUESTS - 1; i += 1) {
    await new Promise((written) => {
      socket.write(get, written);
    });
  }
  wire.write(Buffer.concat(held));
  let heads = 0;
  let came = 0;
  socket.on('data', (chunk: Buffer) => {
    came += chunk.length;
    heads += chunk.toString('latin1').split('HTTP/1.1 206').length - 1;
  });
  wire.resume();
  await until(() => wire.destroyed || came > REQUESTS * BODY.length);
  assert.equal(heads, REQUESTS);
  socket.destroy();
  wire.destroy();
});

test('slow heads are cut', async () => {
  await using anna = await household('Anna', { limits: { headMs: 200 } });
  const socket = await tls(anna, certificateOf(await makeIdentity()));
  socket.write('GET / HTTP/1.1\r\nHost');
  assert.match(await rest(socket), /^HTTP\/1\.1 408 /);
});

test('strangers are few: the oldest of a source makes room for its newest', async () => {
  await using anna = await household('Anna', { limits: { strangersPerSource: 3 } });
  const oldest = await tcp(anna);
  const others = [await tcp(anna), await tcp(anna)];
  await until(() => anna.room.strangers === 3);
  const newest = await tcp(anna);
  await eventOf(anna.events, 'neighbour_refused', (e) => e.code === 'overloaded');
  assert.equal(await rest(oldest), '');
  assert.deepEqual(
    [...others, newest].map(({ destroyed, readableEnded }) => destroyed || readableEnded),
    [false, false, false],
  );
  assert.equal(anna.room.strangers, 3);
  await stillServing(anna);
  for (const socket of [...others, newest]) socket.destroy();
  await until(() => anna.room.strangers === 0);
});

test('strangers who take all there is keep no neighbour out, and none who has less', async () => {
  await using anna = await household('Anna', { limits: { strangers: 5, strangersPerSource: 3 } });
  const oldest = await tcp(anna, '127.0.0.2');
  const greedy = [await tcp(anna, '127.0.0.2'), await tcp(anna, '127.0.0.2')];
  const modest = [await tcp(anna, '127.0.0.3'), await tcp(anna, '127.0.0.3')];
  await until(() => anna.room.strangers === 5);
  const next = await tcp(anna, '127.0.0.4');
  assert.equal(await rest(oldest), '');
  assert.equal(anna.room.strangers, 5);
  assert.deepEqual(
    [...greedy, ...modest, next].filter((socket) => socket.destroyed || socket.readableEnded),
    [],
  );
  await stillServing(anna);
  for (const socket of [...greedy, ...modest, next]) socket.destroy();
});

test('a stranger may not stay, a neighbour may', async () => {
  const clock = new FakeClock();
  await using anna = await household('Anna', { clock, limits: { strangerMs: 30_000 } });
  await using berta = await household('Berta', { retry: 3_600_000 });
  await pair(anna, berta);
  const stranger = await tls(anna, certificateOf(await makeIdentity()));
  const neighbour = await tls(anna, certificateOf(berta.room.identity));
  // The server's end of TLS 1.3 is done after the client's: an answer says that it is.
  for (const socket of [stranger, neighbour]) {
    socket.write('POST /linepool/v1/pair HTTP/1.1\r\nHost: link\r\nContent-Length: 200\r\n\r\n');
  }
  await until(() => anna.room.strangers === 1);
  await until(() => anna.room.neighbours()[0]?.connections.in === 2);
  clock.advance(30_000);
  await until(() => stranger.destroyed);
  assert.equal(neighbour.destroyed, false);
  neighbour.destroy();
});

test('connections of one neighbour are bounded', async () => {
  await using anna = await household('Anna', { limits: { perNeighbour: 2 } });
  await using berta = await household('Berta', { listen: [], retry: 3_600_000 });
  await pair(anna, berta);
  await until(() => anna.room.neighbours()[0]?.connections.in === 0);
  const [a, b] = [
    await tls(anna, certificateOf(berta.room.identity)),
    await tls(anna, certificateOf(berta.room.identity)),
  ];
  await until(() => anna.room.neighbours()[0]?.connections.in === 2);
  const third = await tls(anna, certificateOf(berta.room.identity));
  assert.equal(await rest(third), '');
  a.destroy();
  b.destroy();
});

test('a client that knows the id refuses a household with another key at that address', async () => {
  await using anna = await household('Anna');
  await using mallory = await household('Mallory');
  await using client = new LinkClient({
    identity: await makeIdentity(),
    clock: systemClock,
    connectTimeout: 3_000,
    paired: () => undefined,
  });
  await assert.rejects(client.connect({ id: anna.room.id, addresses: [mallory.address] }), {
    code: 'identity_mismatch',
  });
  const socket = await client.connect({ id: anna.room.id, addresses: [mallory.address, anna.address] });
  socket.destroy();
});

test('an address that is taken, or is none, is said so', async () => {
  await using anna = await household('Anna');
  await assert.rejects(household('Berta', { listen: [anna.address] }), { code: 'port_taken' });
  await assert.rejects(household('Berta', { listen: ['nonsense'] }), { code: 'config_invalid' });
  await assert.rejects(household('Berta', { listen: ['192.0.2.1:0'] }), { code: 'config_invalid' });
});
