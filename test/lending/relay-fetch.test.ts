import assert from 'node:assert/strict';
import { test } from 'node:test';
import { fieldValue } from '../../src/core/http.ts';
import { KIB, MIB } from '../../src/core/units.ts';
import { isPattern } from '../../src/demo/pattern.ts';
import { DISCARD_MAX } from '../../src/lending/fetch-exchange.ts';
import { ORIGINS_PER_CONNECTION, OUTSTANDING_MAX } from '../../src/lending/relay.ts';
import { FakeClock } from '../support/fake-clock.ts';
import { checkLeaksOfEach } from '../support/leaks.ts';
import { startTestOrigin } from '../support/origin.ts';
import { header } from '../support/raw-client.ts';
import { RawOrigin } from '../support/raw-origin.ts';
import { until } from '../support/until.ts';
import { codeOf, fetchText, lentAt, startLentLine } from './lent-line.ts';

checkLeaksOfEach();

const FILE = '/file/10000000';

test('a span is fetched, with nothing of the client in the request', async () => {
  await using origin = await startTestOrigin();
  await using line = await startLentLine();
  const [borrower] = line.borrowers;
  const lease = await borrower.lease(origin.url(''));
  await using peer = await borrower.connect();
  const client = [
    'User-Agent: secret',
    'Referer: http://secret/',
    'X-Secret: 1',
    'If-Range: "x"',
    'Via: 1.1 x',
  ];
  peer.send(fetchText(origin.url(FILE), '1000-5999', lease, [...client, 'Accept-Encoding: gzip']));
  const answer = await peer.message();
  assert.equal(answer.status, 206);
  assert.equal(answer.body.length, 5_000);
  assert.ok(isPattern(answer.body, 1_000));
  assert.equal(header(answer, 'content-range'), 'bytes 1000-5999/10000000');
  assert.equal(header(answer, 'etag'), '"10000000-1"');
  const asked = origin.exchanges[0]?.asked.headers ?? [];
  const names = asked.filter((_, i) => i % 2 === 0).map((name) => name.toLowerCase());
  assert.deepEqual(names.toSorted(), ['accept-encoding', 'connection', 'forwarded', 'host', 'range']);
  assert.equal(fieldValue(asked, 'host'), `127.0.0.1:${origin.port}`);
  assert.equal(fieldValue(asked, 'accept-encoding'), 'identity');
  assert.match(fieldValue(asked, 'forwarded') ?? '', /^for="_[A-Za-z0-9_-]{22}"$/);
  assert.ok(!JSON.stringify(asked).includes(borrower.neighbour.id));
  const [status] = line.lender.status().borrowers;
  assert.equal(status?.bytesCarried, 5_000);
});

test('pipelined requests go out at once over one connection and come back in order', async () => {
  await using origin = await startTestOrigin({
    faults: [{ kind: 'late', delay: Number.POSITIVE_INFINITY, toNth: 0 }],
  });
  await using line = await startLentLine();
  const [borrower] = line.borrowers;
  const lease = await borrower.lease(origin.url(''));
  await using peer = await borrower.connect();
  const starts = [0, 3_000_000, 1_000_000, 9_000_000, 2_000_000];
  peer.send(starts.map((at) => fetchText(origin.url(FILE), `${at}-${at + 299_999}`, lease)).join(''));
  for (const at of starts) {
    const answer = await peer.message();
    assert.equal(header(answer, 'content-range'), `bytes ${at}-${at + 299_999}/10000000`);
    assert.ok(isPattern(answer.body, at));
    assert.equal(answer.body.length, 300_000);
  }
  assert.equal(origin.connections, 1);
  assert.equal(line.lender.status().bytesCarried, 1_500_000);
});

test('the next request reaches the origin before the one before it is answered', async () => {
  let askedAll: () => void = () => undefined;
  const seen = new Promise<void>((resolve) => {
    askedAll = resolve;
  });
  await using origin = await RawOrigin.open(async (peer) => {
    await peer.through('\r\n\r\n');
    await peer.through('\r\n\r\n');
    askedAll();
    peer.send('HTTP/1.1 206 A\r\nContent-Length: 1\r\n\r\nxHTTP/1.1 206 B\r\nContent-Length: 1\r\n\r\ny');
  });
  await using line = await startLentLine();
  const [borrower] = line.borrowers;
  const url = `http://127.0.0.1:${origin.port}`;
  const lease = await borrower.lease(url);
  await using peer = await borrower.connect();
  peer.send(fetchText(`${url}/a`, '0-0', lease) + fetchText(`${url}/b`, '0-0', lease));
  await seen;
  assert.equal((await peer.message()).body.toString(), 'x');
  assert.equal((await peer.message()).body.toString(), 'y');
});

test('without a good lease nothing is fetched, and the refusal says why', async () => {
  await using origin = await startTestOrigin();
  await using line = await startLentLine();
  const [first, second] = line.borrowers;
  const own = origin.url('');
  const now = Date.now();
  const flipped = await first.lease(own);
  const cases: readonly (readonly [string | undefined, string])[] = [
    [undefined, 'lease_missing'],
    ['', 'lease_invalid'],
    ['nonsense', 'lease_invalid'],
    [await second.lease(own), 'lease_invalid'],
    [await second.lease(own, { borrower: first.neighbour.id }), 'lease_invalid'],
    [await first.lease(own, { lender: 'another' }), 'lease_invalid'],
    [await first.lease(`https://127.0.0.1:${origin.port}`), 'lease_invalid'],
    [await first.lease('http://127.0.0.1:80'), 'lease_invalid'],
    [await first.lease(own, { issuedAt: now - 2e6, expiresAt: now - 1e6 }), 'lease_expired'],
    [await first.lease(own, { issuedAt: now + 1e6, expiresAt: now + 2e6 }), 'lease_invalid'],
    [await first.lease(own, { expiresAt: now + 30 * 86_400_000 }), 'lease_invalid'],
    [`${flipped.slice(0, -20)}AAAA${flipped.slice(-16)}`, 'lease_invalid'],
  ];
  for (const [lease, code] of cases) {
    await using peer = await first.connect();
    peer.send(fetchText(origin.url(FILE), '0-9', lease));
    const answer = await peer.message();
    assert.equal(codeOf(answer), code, lease);
    assert.equal(header(answer, 'linepool-error'), code);
    assert.match(header(answer, 'proxy-status') ?? '', /error=http_request_denied/);
    assert.equal(answer.status, 403);
    await peer.ended;
  }
  await using peer = await first.connect();
  peer.send(fetchText(origin.url(FILE), '0-9', flipped, [`Linepool-Lease: ${flipped}`]));
  assert.equal(codeOf(await peer.message()), 'lease_invalid');
  assert.equal(origin.connections, 0);
});

test('other methods, ports, addresses, ranges and credentials are refused', async () => {
  await using origin = await startTestOrigin();
  await using line = await startLentLine({
    ports: [origin.port, 80],
    allowNetworks: ['127.0.0.1/32'],
    dial: {
      connectTimeout: 3_000,
      pinned: new Map([
        ['home.example', '192.168.1.1'],
        ['meta.example', '169.254.169.254'],
        ['mapped.example', '::ffff:127.0.0.1'],
        ['loop.example', '127.0.0.2'],
      ]),
    },
  });
  const [borrower] = line.borrowers;
  const { port } = origin;
  const ask = async (url: string, code: string, status: number, range = '0-9', more: string[] = []) => {
    await using peer = await borrower.connect();
    const { protocol, hostname } = new URL(url);
    const lease = await borrower.lease(`${protocol}//${hostname}:${new URL(url).port || '80'}`);
    peer.send(fetchText(url, range === '' ? undefined : range, lease, more));
    const answer = await peer.message();
    assert.equal(codeOf(answer), code, url);
    assert.equal(answer.status, status);
  };
  const hosts = [
    'home.example',
    'meta.example',
    'mapped.example',
    'loop.example',
    '127.0.0.2',
    '10.0.0.1',
    '0.0.0.0',
  ];
  const literals = [
    '[::1]',
    '[::ffff:7f00:1]',
    '[64:ff9b::7f00:1]',
    '2130706434',
    '0x7f.2',
    '192.168.1.1',
    '169.254.169.254',
  ];
  for (const host of [...hosts, ...literals]) await ask(`http://${host}:${port}/`, 'address_refused', 403);
  await ask(`http://127.0.0.1:${port + 1}/`, 'port_refused', 403);
  await ask(`http://127.0.0.1:${port}/`, 'method_refused', 405, '');
  await ask(`http://127.0.0.1:${port}/`, 'method_refused', 405, '0-9,20-29');
  await ask(`http://127.0.0.1:${port}/`, 'credentials_refused', 403, '0-9', ['Cookie: a=b']);
  await ask(`http://127.0.0.1:${port}/`, 'credentials_refused', 403, '0-9', ['Authorization: Bearer x']);
  await ask(`https://127.0.0.1:${port}/`, 'bad_target', 400);
  await using peer = await borrower.connect();
  peer.send(`POST http://127.0.0.1:${port}/ HTTP/1.1\r\nHost: x\r\nContent-Length: 0\r\n\r\n`);
  assert.equal(codeOf(await peer.message()), 'method_refused');
  assert.equal(origin.connections, 0);
});

test('a lease carries its bytes, over any number of connections, and none beyond', async () => {
  await using origin = await startTestOrigin();
  await using line = await startLentLine();
  const [borrower] = line.borrowers;
  const lease = await borrower.lease(origin.url(''), { maxBytes: 1_000_000 });
  await using first = await borrower.connect();
  first.send(fetchText(origin.url(FILE), '0-599999', lease));
  assert.equal((await first.message()).body.length, 600_000);
  await using second = await borrower.connect();
  second.send(fetchText(origin.url(FILE), '600000-1199999', lease));
  await second.through('\r\n\r\n');
  const rest = await second.rest();
  assert.ok(rest.length <= 400_000, `${rest.length}`);
  assert.ok(isPattern(rest, 600_000));
  await second.ended;
  for (let again = 0; again < 3; again += 1) {
    await using third = await borrower.connect();
    third.send(fetchText(origin.url(FILE), '0-0', lease));
    assert.equal(codeOf(await third.message()), 'lease_exhausted');
  }
  assert.equal(line.lender.status().bytesCarried, 1_000_000);
  assert.deepEqual(
    line.eventsOf('lease_ended').map(({ bytes }) => bytes),
    [1_000_000],
  );
  await until('the origin is left', () => origin.openConnections <= 1);
});

test('a lease for more than the lender allows carries what the lender allows', async () => {
  await using origin = await startTestOrigin();
  await using line = await startLentLine({ leaseLimits: { maxBytes: 500_000, maxTime: 3_600_000 } });
  const [borrower] = line.borrowers;
  const lease = await borrower.lease(origin.url(''), { maxBytes: 2 ** 50 });
  await using peer = await borrower.connect();
  peer.send(fetchText(origin.url(FILE), '0-999999', lease));
  await peer.rest();
  assert.equal(line.lender.status().bytesCarried, 500_000);
  assert.deepEqual(line.refused(), ['lease_exhausted']);
});

test('a lease that is used up exactly is no failure', async () => {
  await using origin = await startTestOrigin();
  await using line = await startLentLine();
  const [borrower] = line.borrowers;
  const lease = await borrower.lease(origin.url(''), { maxBytes: 600_000 });
  await using peer = await borrower.connect();
  peer.send(fetchText(origin.url(FILE), '0-599999', lease));
  assert.equal((await peer.message()).body.length, 600_000);
  peer.send(fetchText(origin.url(FILE), '0-0', lease));
  assert.equal(codeOf(await peer.message()), 'lease_exhausted');
});

test('time cuts a fetch under way', async () => {
  const clock = new FakeClock();
  await using origin = await startTestOrigin({ faults: [{ kind: 'stall', afterBytes: 1_000 }] });
  await using line = await startLentLine({ clock, transferIdle: 1e9 });
  const [borrower] = line.borrowers;
  const lease = await borrower.lease(origin.url(''), { expiresAt: clock.wall() + 60_000 });
  await using peer = await borrower.connect();
  peer.send(fetchText(origin.url(FILE), '0-9999', lease));
  await until('it is asked', () => origin.exchanges.length === 1);
  await until('it waits at the gate', () => {
    clock.advance(1);
    return line.lender.status().bytesCarried === 1_000;
  });
  clock.advance(60_000 + 5 * 60_000);
  await peer.ended;
  await until('the origin is left', () => origin.openConnections === 0);
  assert.deepEqual(line.refused(), ['lease_expired']);
});

test('an origin that does not send the span is named as such', async () => {
  await using origin = await startTestOrigin();
  await using line = await startLentLine();
  const [borrower] = line.borrowers;
  const lease = await borrower.lease(origin.url(''));
  const ask = async (
    ...faults: Parameters<typeof origin.setFaults> extends [string, ...infer F] ? F : never
  ) => {
    origin.setFaults(FILE, ...faults);
    const peer = await borrower.connect();
    peer.send(fetchText(origin.url(FILE), '1000-5999', lease));
    return peer;
  };
  {
    await using peer = await ask({ kind: 'ranges-ignored' });
    assert.equal(codeOf(await peer.message()), 'span_status');
  }
  {
    await using peer = await ask({ kind: 'long', byBytes: 1, honest: true });
    assert.equal(codeOf(await peer.message()), 'span_length');
  }
  {
    // Without a length its excess shows only at the end: what is passed on is never more than was asked.
    await using peer = await ask({ kind: 'long', byBytes: 70_000, honest: false }, { kind: 'chunked' });
    const rest = (await peer.rest()).toString('latin1');
    assert.ok(rest.length < 6_000, `${rest.length}`);
    assert.match(rest, /span_length/);
  }
  {
    await using peer = await ask({ kind: 'short', byBytes: 10, honest: false });
    const answer = await peer.message();
    assert.equal(answer.body.length, 4_990);
  }
  {
    await using peer = await ask({ kind: 'garbage', bytes: 'SSH-2.0-nonsense\r\n\r\n' });
    assert.equal(codeOf(await peer.message()), 'bad_response');
  }
  {
    await using peer = await ask({ kind: 'gzip' });
    assert.equal(codeOf(await peer.message()), 'span_coding');
  }
  await until('the origin is left', () => origin.openConnections <= 2);
});

test('redirects and errors of the origin are passed on as they are, without their bodies', async () => {
  await using origin = await startTestOrigin();
  await using line = await startLentLine();
  const [borrower] = line.borrowers;
  const lease = await borrower.lease(origin.url(''));
  await using peer = await borrower.connect();
  origin.setFaults(FILE, { kind: 'redirect', to: 'http://127.0.0.1/elsewhere', status: 302 });
  peer.send(fetchText(origin.url(FILE), '0-9', lease));
  const moved = await peer.message();
  assert.equal(moved.status, 302);
  assert.equal(header(moved, 'location'), 'http://127.0.0.1/elsewhere');
  assert.equal(moved.body.length, 0);
  assert.equal(header(moved, 'linepool-error'), undefined);
  origin.setFaults(FILE, { kind: 'status', status: 503, headers: ['Retry-After', '7'] });
  peer.send(fetchText(origin.url(FILE), '0-9', lease));
  const busy = await peer.message();
  assert.equal(busy.status, 503);
  assert.equal(header(busy, 'retry-after'), '7');
  origin.setFaults(FILE);
  peer.send(fetchText(origin.url(FILE), '20000000-20000009', lease));
  assert.equal((await peer.message()).status, 416);
  peer.send(fetchText(origin.url(FILE), '0-9', lease));
  assert.equal((await peer.message()).status, 206);
  assert.equal(origin.connections, 1);
});

test('of a long body that is not passed on only a little is read', async () => {
  await using origin = await RawOrigin.open(async (peer) => {
    await peer.through('\r\n\r\n');
    peer.send(`HTTP/1.1 404 No\r\nContent-Length: ${64 * MIB}\r\n\r\n`);
    peer.send(Buffer.alloc(64 * MIB));
    await peer.ended;
  });
  await using line = await startLentLine();
  const [borrower] = line.borrowers;
  const url = `http://127.0.0.1:${origin.port}`;
  await using peer = await borrower.connect();
  peer.send(fetchText(`${url}/`, '0-9', await borrower.lease(url)));
  assert.equal((await peer.message()).status, 404);
  await (await origin.peer()).ended;
  const carried = line.lender.status().bytesCarried;
  assert.ok(carried > 0 && carried <= DISCARD_MAX + 64 * KIB, `${carried}`);
});

test('an origin that breaks off, stalls or refuses: what came is passed on, and the end is honest', async () => {
  await using origin = await startTestOrigin();
  // Long enough for what does come.
  await using line = await startLentLine({ originSilence: 2_000 });
  const [borrower] = line.borrowers;
  const lease = await borrower.lease(origin.url(''));
  for (const fault of [
    { kind: 'cut', afterBytes: 3_000, how: 'end' },
    { kind: 'stall', afterBytes: 3_000 },
  ] as const) {
    origin.setFaults(FILE, fault);
    await using peer = await borrower.connect();
    peer.send(fetchText(origin.url(FILE), '0-9999', lease));
    assert.match(await peer.through('\r\n\r\n'), /206/);
    const rest = await peer.rest();
    assert.equal(rest.length, 3_000, fault.kind);
    assert.ok(isPattern(rest, 0));
    await peer.ended;
  }
  origin.setFaults(FILE, { kind: 'late', delay: Number.POSITIVE_INFINITY });
  await using hasty = await startLentLine({ originSilence: 300 });
  const [other] = hasty.borrowers;
  await using silent = await other.connect();
  silent.send(fetchText(origin.url(FILE), '0-9', await other.lease(origin.url(''))));
  const answer = await silent.message();
  assert.equal(codeOf(answer), 'response_timeout');
  assert.equal(answer.status, 504);
  await using nobody = await borrower.connect();
  nobody.send(fetchText('http://127.0.0.1:1/', '0-9', await borrower.lease('http://127.0.0.1:1')));
  assert.equal(codeOf(await nobody.message()), 'connect_refused');
});

test('when the borrower goes away the origin is left at once', async () => {
  await using origin = await startTestOrigin({ faults: [{ kind: 'trickle', rate: 50_000 }] });
  await using line = await startLentLine();
  const [borrower] = line.borrowers;
  const lease = await borrower.lease(origin.url(''));
  await using peer = await borrower.connect();
  const text = fetchText(origin.url(FILE), '0-9999999', lease);
  peer.send(text + text + text);
  await peer.bytes(1_000);
  assert.equal(origin.openConnections, 1);
  peer.reset();
  await until('the origin is left', () => origin.openConnections === 0);
  await until('nothing is open', () => line.lender.status().borrowers[0]?.connections === 0);
});

test('a borrower that does not read makes the origin wait; memory stays bounded', async () => {
  await using origin = await startTestOrigin();
  await using line = await startLentLine({ bufferBytes: 128 * KIB });
  const [borrower] = line.borrowers;
  const size = 200 * MIB;
  const lease = await borrower.lease(origin.url(''), { maxBytes: 1024 * MIB });
  await using peer = await borrower.connect();
  peer.socket.pause();
  const url = origin.url(`/file/${size}`);
  peer.send(fetchText(url, `0-${size - 1}`, lease) + fetchText(url, `0-${size - 1}`, lease));
  const { lender } = line;
  // It carries until the kernel's buffers are full, then no more.
  let before = -1;
  await until('it stands still', async () => {
    const now = lender.status().bytesCarried;
    const still = now > 0 && now === before;
    before = now;
    await new Promise((resolve) => setTimeout(resolve, 100));
    return still && now === lender.status().bytesCarried;
  });
  const [socket] = borrower.sockets;
  assert.ok((socket?.writableLength ?? 0) <= 128 * KIB + 128 * KIB, `${socket?.writableLength}`);
  assert.ok(before < 50 * MIB, `${before}`);
  peer.socket.resume();
  const carried = before;
  await until('it goes on', () => lender.status().bytesCarried > carried + 8 * MIB);
});

test('answers that wait for their turn can not block the one before them', async () => {
  await using slow = await startTestOrigin({ faults: [{ kind: 'trickle', rate: 400_000 }] });
  await using fast = await startTestOrigin();
  await using line = await startLentLine({ bufferBytes: 64 * KIB });
  const [borrower] = line.borrowers;
  await using peer = await borrower.connect();
  const first = fetchText(slow.url(FILE), '0-99999', await borrower.lease(slow.url('')));
  const second = fetchText(fast.url(FILE), '0-4999999', await borrower.lease(fast.url('')));
  peer.send(first + second);
  assert.ok(isPattern((await peer.message()).body, 0));
  const answer = await peer.message();
  assert.equal(answer.body.length, 5_000_000);
  assert.ok(isPattern(answer.body, 0));
});

test('requests keep their order, also when the lease of the first takes longer to verify', async () => {
  await using origin = await startTestOrigin();
  await using line = await startLentLine({ bufferBytes: 64 * KIB });
  const [borrower] = line.borrowers;
  const known = await borrower.lease(origin.url(''));
  await using peer = await borrower.connect();
  peer.send(fetchText(origin.url(FILE), '0-0', known));
  await peer.message();
  for (let at = 1_000_000; at < 5_000_000; at += 1_000_000) {
    const fresh = await borrower.lease(origin.url(''));
    const first = fetchText(origin.url(FILE), `${at}-${at + 499_999}`, fresh);
    const second = fetchText(origin.url(FILE), `${at + 500_000}-${at + 999_999}`, known);
    peer.send(first + second);
    assert.ok(isPattern((await peer.message()).body, at));
    assert.ok(isPattern((await peer.message()).body, at + 500_000));
  }
  const starts = origin.ranges(FILE).map((range) => Number(/\d+/.exec(range ?? '')?.[0]));
  assert.deepEqual(
    starts,
    starts.toSorted((a, b) => a - b),
  );
});

test('an answer that waits for its turn is read ahead no further than the buffer', async () => {
  await using silent = await startTestOrigin({ faults: [{ kind: 'late', delay: Number.POSITIVE_INFINITY }] });
  await using fast = await startTestOrigin();
  const bufferBytes = 128 * KIB;
  await using line = await startLentLine({ bufferBytes });
  const [borrower] = line.borrowers;
  await using peer = await borrower.connect();
  const url = fast.url('/file/50000000');
  peer.send(fetchText(silent.url(FILE), '0-9', await borrower.lease(silent.url(''))));
  peer.send(fetchText(url, '0-49999999', await borrower.lease(fast.url(''))));
  const carried = (): number => line.lender.status().bytesCarried;
  await until('the buffer is full', () => carried() >= bufferBytes);
  await new Promise((resolve) => setTimeout(resolve, 50));
  assert.ok(carried() <= bufferBytes + 128 * KIB, `${carried()}`);
});

test('a fetch that is cut resets the origin', async () => {
  await using origin = await RawOrigin.open(async (peer) => {
    await peer.through('\r\n\r\n');
    peer.send('HTTP/1.1 206 OK\r\nContent-Length: 10\r\n\r\nhello');
    await peer.closed;
  });
  await using line = await startLentLine();
  const [borrower] = line.borrowers;
  await using peer = await borrower.connect();
  peer.send(fetchText(`${origin.url}/`, '0-9', await borrower.lease(origin.url)));
  await peer.through('hello');
  line.lender.drop(borrower.neighbour.id);
  const there = await origin.peer();
  await there.closed;
  assert.equal(there.error?.code, 'ECONNRESET');
});

test('requests, origins and connections have limits', async () => {
  await using origin = await startTestOrigin({ faults: [{ kind: 'late', delay: Number.POSITIVE_INFINITY }] });
  await using line = await startLentLine({ maxConnections: 10 });
  const [first, second] = line.borrowers;
  const lease = await first.lease(origin.url(''));
  const text = fetchText(origin.url(FILE), '0-9', lease);
  await using peer = await first.connect();
  peer.send(text.repeat(OUTSTANDING_MAX + 1));
  await until('the last one is refused', () => line.refused().includes('overloaded'));
  const peers = await Promise.all(Array.from({ length: 4 }, () => first.connect()));
  for (const each of peers) each.send(text);
  await until('five are open', () => line.lender.status().borrowers[0]?.connections === 5);
  await using sixth = await first.connect();
  sixth.send(text);
  assert.equal(codeOf(await sixth.message()), 'overloaded');
  const others = await Promise.all(Array.from({ length: 5 }, () => second.connect()));
  for (const each of others)
    each.send(fetchText(origin.url(FILE), '0-9', await second.lease(origin.url(''))));
  await until('ten are open', () => line.lender.status().borrowers[1]?.connections === 5);
  for (const each of [...peers, ...others]) await each[Symbol.asyncDispose]();
  await until('they are gone', () => line.lender.status().borrowers[1]?.connections === 0);
});

test('one connection keeps few origins, and lets go of those that it does not use', async () => {
  await using line = await startLentLine();
  const [borrower] = line.borrowers;
  await using peer = await borrower.connect();
  await using stack = new AsyncDisposableStack();
  for (let i = 0; i < ORIGINS_PER_CONNECTION + 2; i += 1) {
    const origin = stack.use(await startTestOrigin());
    peer.send(fetchText(origin.url('/file/10'), '0-9', await borrower.lease(origin.url(''))));
    assert.equal((await peer.message()).status, 206);
  }
});

test('a refused request behind one under way leaves that one alone', async () => {
  await using origin = await startTestOrigin();
  await using line = await startLentLine();
  const [borrower] = line.borrowers;
  const lease = await borrower.lease(origin.url(''));
  await using peer = await borrower.connect();
  peer.send(fetchText(origin.url(FILE), '0-2999999', lease) + fetchText(origin.url(FILE), '0-9', undefined));
  const answer = await peer.message();
  assert.ok(isPattern(answer.body, 0));
  assert.equal(answer.body.length, 3_000_000);
  assert.equal(codeOf(await peer.message()), 'lease_missing');
});

test('a neighbour that was parted from and comes back on the same connection is served again', async () => {
  await using origin = await startTestOrigin();
  await using line = await startLentLine();
  const [borrower] = line.borrowers;
  await using peer = await borrower.connect();
  peer.send(fetchText(origin.url(FILE), '0-9', await borrower.lease(origin.url(''))));
  assert.equal((await peer.message()).status, 206);
  await until('it is answered', () => line.lender.status().borrowers[0]?.bytesCarried === 10);
  line.lender.drop(borrower.neighbour.id);
  assert.deepEqual(line.lender.status().borrowers, []);
  peer.send(fetchText(origin.url(FILE), '10-19', await borrower.lease(origin.url(''))));
  assert.ok(isPattern((await peer.message()).body, 10));
  assert.equal(line.lender.status().bytesCarried, 20);
});

test('switching lending off cuts a fetch under way before the call returns', async () => {
  await using origin = await startTestOrigin({ faults: [{ kind: 'trickle', rate: 100_000 }] });
  await using line = await startLentLine();
  const [borrower] = line.borrowers;
  await using peer = await borrower.connect();
  peer.send(fetchText(origin.url(FILE), '0-9999999', await borrower.lease(origin.url(''))));
  await peer.bytes(2_000);
  line.lender.setLent(lentAt(0));
  const [socket] = borrower.sockets;
  assert.equal(socket?.destroyed ?? true, true);
  await peer.ended;
  await until('the origin is left', () => origin.openConnections === 0);
  await using again = await borrower.connect();
  again.send(fetchText(origin.url(FILE), '0-9', await borrower.lease(origin.url(''))));
  assert.equal(codeOf(await again.message()), 'lending_off');
});
