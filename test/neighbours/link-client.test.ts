/** Our side of the link: tunnels, requests by undici, warm connections, and every way that they can fail. */
import assert from 'node:assert/strict';
import { randomBytes } from 'node:crypto';
import { once } from 'node:events';
import type { Duplex } from 'node:stream';
import { buffer } from 'node:stream/consumers';
import { test } from 'node:test';
import { Client } from 'undici';
import { LinepoolError } from '../../src/core/errors.ts';
import { MIB } from '../../src/core/units.ts';
import { TUNNEL_ANSWER_MS } from '../../src/neighbours/link-client.ts';
import { refuse, refuseConnect } from '../../src/neighbours/refusal.ts';
import { SPARE_IDLE_MS, SPARES_MAX } from '../../src/neighbours/warm-connections.ts';
import { FakeClock } from '../support/fake-clock.ts';
import { eventOf, type Household, household, pair, until } from './household.ts';

const OK = 'HTTP/1.1 200 OK\r\n\r\n';
const HOUR = 3_600_000;

/** A lender and a borrower that are paired, and see each other. */
async function neighbours(
  options: { readonly clock?: FakeClock } = {},
): Promise<AsyncDisposable & { readonly lender: Household; readonly borrower: Household }> {
  await using owned = new AsyncDisposableStack();
  const lender = owned.use(await household('Lender', { retry: HOUR }));
  const borrower = owned.use(await household('Borrower', { retry: HOUR, ...options }));
  await pair(lender, borrower);
  options.clock?.advance(0);
  await eventOf(borrower.events, 'neighbour_up');
  await eventOf(lender.events, 'neighbour_up');
  const kept = owned.move();
  return { lender, borrower, [Symbol.asyncDispose]: () => kept.disposeAsync() };
}

test('a tunnel carries bytes both ways, and is half-closed by either side', async () => {
  await using both = await neighbours();
  const { lender, borrower } = both;
  const asked: unknown[] = [];
  lender.relay.connect = (neighbour, request, socket) => {
    asked.push(neighbour.name, request.url, request.headers['x-lease']);
    socket.write(OK);
    // Says what it heard only after the borrower has ended its side.
    void buffer(socket).then((heard) => socket.end(heard));
  };
  const tunnel = await borrower.room.client.tunnel(lender.room, 'example.org:443', ['X-Lease', 'abc']);
  assert.deepEqual(asked, ['Borrower', 'example.org:443', 'abc']);
  const sent = randomBytes(2 * MIB);
  tunnel.end(sent);
  assert.ok((await buffer(tunnel)).equals(sent));
});

test('the lender may end first, and still hears', async () => {
  await using both = await neighbours();
  const { lender, borrower } = both;
  const heard = Promise.withResolvers<Buffer>();
  lender.relay.connect = (_neighbour, _request, socket) => {
    socket.end(`${OK}bye`);
    buffer(socket).then(heard.resolve, heard.reject);
  };
  const tunnel = await borrower.room.client.tunnel(lender.room, 'example.org:443', []);
  assert.equal((await buffer(tunnel)).toString(), 'bye');
  tunnel.end('still here');
  assert.equal((await heard.promise).toString(), 'still here');
});

test('bytes that come with the answer, or with the question, are not lost', async () => {
  await using both = await neighbours();
  const { lender, borrower } = both;
  lender.relay.connect = (_neighbour, _request, socket, head) => socket.end(`${OK}first ${head.toString()}`);
  const tunnel = await borrower.room.client.tunnel(lender.room, 'example.org:443', []);
  assert.match((await buffer(tunnel)).toString(), /^first /);
  const socket = await borrower.room.client.take(lender.room);
  socket.write('CONNECT example.org:443 HTTP/1.1\r\nHost: example.org:443\r\n\r\nearly');
  assert.match((await buffer(socket)).toString(), /first early$/);
});

test("the lender's refusal is an error with its code", async () => {
  await using both = await neighbours();
  const { lender, borrower } = both;
  const ask = () => borrower.room.client.tunnel(lender.room, 'example.org:443', []);
  lender.relay.connect = (_neighbour, _request, socket) =>
    refuseConnect(socket, new LinepoolError('lease_expired', 'yesterday'));
  await assert.rejects(ask(), { code: 'lease_expired', detail: 'yesterday' });
  const unknown = JSON.stringify({ code: 'of_2031', detail: '\u0007hm' });
  lender.relay.connect = (_neighbour, _request, socket) =>
    socket.end(`HTTP/1.1 503 Later\r\nContent-Length: ${unknown.length}\r\n\r\n${unknown}`);
  await assert.rejects(ask(), { code: 'neighbour_refused', detail: 'It answered 503 "of_2031". hm' });
  lender.relay.connect = (_neighbour, _request, socket) => socket.end('HTTP/1.1 502 \r\n\r\n<html>');
  await assert.rejects(ask(), { code: 'neighbour_refused' });
  lender.relay.connect = (_neighbour, _request, socket) =>
    socket.end('HTTP/1.1 502 No\r\nContent-Length: 99\r\n\r\n{');
  await assert.rejects(ask(), { code: 'neighbour_refused' });
  lender.relay.connect = (_neighbour, _request, socket) => socket.end('nonsense\r\n\r\n');
  await assert.rejects(ask(), { code: 'connection_lost' });
  lender.relay.connect = (_neighbour, _request, socket) => socket.destroy();
  await assert.rejects(ask(), { code: 'connection_lost' });
});

test('a lender that never answers is given up, and so is one that we no longer want', async () => {
  const clock = new FakeClock();
  await using both = await neighbours({ clock });
  const { lender, borrower } = both;
  const asked = Promise.withResolvers<Duplex>();
  lender.relay.connect = (_neighbour, _request, socket) => asked.resolve(socket);
  const first = assert.rejects(borrower.room.client.tunnel(lender.room, 'example.org:443', []), {
    code: 'response_timeout',
  });
  await asked.promise;
  clock.advance(TUNNEL_ANSWER_MS);
  await first;
  const gone = new Error('the client went away');
  const wanted = new AbortController();
  lender.relay.connect = () => wanted.abort(gone);
  await assert.rejects(borrower.room.client.tunnel(lender.room, 'example.org:443', [], wanted.signal), gone);
});

test('undici speaks over the link, several requests on one connection', async () => {
  await using both = await neighbours();
  const { lender, borrower } = both;
  const ports = new Set<number | undefined>();
  lender.relay.request = (_neighbour, request, response) => {
    ports.add(request.socket.remotePort);
    response.end(`${request.method} ${request.url} ${request.headers.range}`);
  };
  const http = new Client('http://link', {
    connect: borrower.room.client.undiciConnector(lender.room),
    pipelining: 4,
  });
  const answers = await Promise.all(
    [1, 2, 3, 4].map(async (n) => {
      const { body } = await http.request({
        method: 'GET',
        path: `http://example.org/${n}`,
        headers: { range: `bytes=${n}-` },
      });
      return body.text();
    }),
  );
  assert.deepEqual(
    answers,
    [1, 2, 3, 4].map((n) => `GET http://example.org/${n} bytes=${n}-`),
  );
  assert.equal(ports.size, 1);
  lender.relay.request = (_neighbour, _request, response) =>
    refuse(response, new LinepoolError('address_refused'));
  const refused = await http.request({ method: 'GET', path: 'http://192.168.0.1/' });
  assert.equal(refused.statusCode, 403);
  assert.match(await refused.body.text(), /address_refused/);
  await http.close();
});

test('after the first connection a few are kept warm, bounded in number and in time', async () => {
  const clock = new FakeClock();
  await using both = await neighbours({ clock });
  const { lender, borrower } = both;
  const { client } = borrower.room;
  const before = client.connections(lender.room.id);
  const used = await client.take(lender.room);
  await until(() => client.connections(lender.room.id) === before + 1 + SPARES_MAX);
  client.warm(lender.room);
  client.warm(lender.room);
  const warm = await client.take(lender.room);
  await until(() => client.connections(lender.room.id) === before + 2 + SPARES_MAX);
  clock.advance(SPARE_IDLE_MS);
  // Those in use stay. The offers went as well: on this clock, the lender was silent for too long.
  await until(() => client.connections(lender.room.id) === 2);
  assert.equal(used.destroyed || warm.destroyed, false);
  used.destroy();
  warm.destroy();
});

test('a warm connection that was cut meanwhile is not handed out', async () => {
  await using both = await neighbours();
  const { lender, borrower } = both;
  const { client } = borrower.room;
  (await client.take(lender.room)).destroy();
  await until(() => client.connections(lender.room.id) > SPARES_MAX);
  lender.room.cut(borrower.room.id);
  await until(() => client.connections(lender.room.id) === 0);
  lender.relay.connect = (_neighbour, _request, socket) => socket.end(`${OK}fine`);
  const tunnel = await client.tunnel(lender.room, 'example.org:443', []);
  assert.equal((await buffer(tunnel)).toString(), 'fine');
});

test('a household that is not in the book is never called', async () => {
  await using lender = await household('Lender');
  await using borrower = await household('Borrower');
  const { client } = borrower.room;
  await assert.rejects(client.take(lender.room), { code: 'not_paired' });
  await assert.rejects(client.tunnel(lender.room, 'example.org:443', []), { code: 'not_paired' });
  const http = new Client('http://link', { connect: client.undiciConnector(lender.room) });
  await assert.rejects(http.request({ method: 'GET', path: '/' }), { code: 'not_paired' });
  await http.destroy();
});

test('a neighbour that is away: every address is tried, and the failure says why', async () => {
  await using both = await neighbours();
  const { lender, borrower } = both;
  const { client, book } = borrower.room;
  await book.prefer(lender.room.id, '127.0.0.1:9');
  (await client.take(lender.room)).destroy();
  await until(() => book.byId(lender.room.id)?.addresses[0] === lender.address);
  const nowhere = { id: lender.room.id, addresses: ['127.0.0.1:9', '[::1]:9'] };
  await assert.rejects(client.connect(nowhere), {
    code: 'neighbour_unreachable',
    detail: /ECONNREFUSED|EADDRNOTAVAIL/,
  });
  await assert.rejects(client.connect({ ...nowhere, addresses: [] }), { code: 'neighbour_unreachable' });
});

test('somebody who accepts and says nothing is given up after connectTimeout', async () => {
  const { createServer } = await import('node:net');
  const silent = createServer();
  silent.listen(0, '127.0.0.1');
  await once(silent, 'listening');
  const accepted = once(silent, 'connection');
  const { port } = silent.address() as { port: number };
  const clock = new FakeClock();
  await using borrower = await household('Borrower', { clock, connectTimeout: 3_000 });
  const failed = assert.rejects(
    borrower.room.client.connect({ id: borrower.room.id, addresses: [`127.0.0.1:${port}`] }),
    { code: 'neighbour_unreachable' },
  );
  const [socket] = (await accepted) as [Duplex];
  clock.advance(3_000);
  await failed;
  assert.equal(clock.pending, 0);
  socket.destroy();
  silent.close();
});

test('parting ends live tunnels at once, on both sides, whoever parts', async () => {
  for (const parting of ['lender', 'borrower'] as const) {
    await using both = await neighbours();
    const { lender, borrower } = both;
    const lent = Promise.withResolvers<Duplex>();
    lender.relay.connect = (_neighbour, _request, socket) => {
      socket.write(OK);
      lent.resolve(socket);
    };
    const tunnel = await borrower.room.client.tunnel(lender.room, 'example.org:443', []);
    const socket = await lent.promise;
    // One that is cut from afar is seen to end by whoever reads it.
    tunnel.resume();
    const ended = Promise.all([
      Promise.race([once(tunnel, 'end'), once(tunnel, 'close')]),
      once(socket, 'close'),
    ]);
    const other = parting === 'lender' ? borrower : lender;
    await both[parting].room.part(other.room.id);
    await ended;
    await assert.rejects(borrower.room.client.take(lender.room), { code: 'not_paired' });
    assert.equal(lender.room.neighbours().length, 0);
  }
});

test('nothing is left when a household ends', async () => {
  const clock = new FakeClock();
  await using lender = await household('Lender');
  const borrower = await household('Borrower', { clock });
  await pair(lender, borrower);
  lender.relay.connect = (_neighbour, _request, socket) => {
    socket.write(OK);
    socket.on('end', () => socket.end()).resume();
  };
  const tunnel = await borrower.room.client.tunnel(lender.room, 'example.org:443', []);
  const closed = once(tunnel, 'close');
  await borrower[Symbol.asyncDispose]();
  await closed;
  assert.equal(clock.pending, 0, 'no timer is left');
  assert.equal(borrower.room.client.connections(lender.room.id), 0);
  await until(() => lender.room.neighbours()[0]?.connections.in === 0);
});
