import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { isPattern } from '../../src/demo/pattern.ts';
import { BorrowedLine } from '../support/borrowed-line.ts';
import type { Fault } from '../support/faults.ts';
import { checkLeaksOfEach } from '../support/leaks.ts';
import { startTestOrigin, type TestOrigin } from '../support/origin.ts';
import { header } from '../support/raw-client.ts';
import { until } from '../support/until.ts';
import { type Got, openPooling, type PoolingProxy, type PoolingProxyOptions } from './open-pooling.ts';

const SIZE = 3_000_000;
const PATH = `/file/${SIZE}`;
/** Slow enough that others have time to join, fast enough for a test. */
const STEADY: Fault = { kind: 'trickle', rate: 4e6 };

checkLeaksOfEach();

/** Every byte as the origin has it. */
function expectWhole(got: Got, start = 0, end = SIZE): void {
  assert.equal(got.whole, true, `broke off after ${got.body.length} bytes`);
  assert.equal(got.body.length, end - start);
  assert.ok(isPattern(got.body, start), 'a wrong byte');
}

/** A failed transfer that looks like one, and what came of it is right. */
function expectBroken(got: Got): void {
  assert.equal(got.whole, false, 'looks complete');
  assert.ok(got.body.length < SIZE);
  assert.ok(isPattern(got.body, 0), 'a wrong byte');
}

const bytesBy = (home: PoolingProxy): Record<string, number> =>
  Object.fromEntries(home.register.downloads()[0]?.lines.map((line) => [line.id, line.bytes]) ?? []);

async function quiet(origin: TestOrigin, home: PoolingProxy): Promise<void> {
  await until('no download goes on', () => home.register.live().length === 0);
  await home[Symbol.asyncDispose]();
  await until('the connections to the origin are closed', () => origin.openConnections === 0);
  assert.equal(home.budget.heldBytes, 0);
  assert.ok(home.budget.peakBytes <= home.budget.capBytes, `window held ${home.budget.peakBytes}`);
}

describe('a large response', () => {
  it('is pooled, byte for byte, and its head is the origin’s', async () => {
    await using origin = await startTestOrigin({ faults: [STEADY] });
    await using home = await openPooling();
    const got = await home.get(origin.url(PATH));
    expectWhole(got);
    assert.equal(got.status, 200);
    assert.equal(header(got, 'content-length'), String(SIZE));
    assert.equal(header(got, 'etag'), `"${SIZE}-1"`);
    assert.equal(header(got, 'accept-ranges'), 'bytes');
    assert.equal(header(got, 'content-range'), undefined);
    assert.equal(home.verdict()?.pool, true);
    for (const [path, bytes] of Object.entries(bytesBy(home)))
      assert.ok(bytes > 0, `${path} brought nothing`);
    assert.equal(origin.ranges(PATH)[0], undefined, 'the first request is the client’s own');
    await quiet(origin, home);
  });

  it('is pooled where the client asked for one range', async () => {
    await using origin = await startTestOrigin({ faults: [STEADY] });
    await using home = await openPooling();
    const got = await home.get(origin.url(PATH), { Range: 'bytes=1000001-2500000' });
    expectWhole(got, 1_000_001, 2_500_001);
    assert.equal(got.status, 206);
    assert.equal(header(got, 'content-range'), `bytes 1000001-2500000/${SIZE}`);
    assert.equal(home.verdict()?.pool, true);
    await quiet(origin, home);
  });

  it('is pooled where the client resumes, to the end and from the end', async () => {
    await using origin = await startTestOrigin({ faults: [STEADY] });
    await using home = await openPooling();
    expectWhole(await home.get(origin.url(PATH), { Range: 'bytes=999999-' }), 999_999);
    assert.equal(home.verdict()?.pool, true);
    expectWhole(await home.get(origin.url(PATH), { Range: 'bytes=-1500000' }), SIZE - 1_500_000);
    assert.equal(home.verdict()?.pool, true);
    await quiet(origin, home);
  });

  it('is shared with neighbours that offer something only after it has begun', async () => {
    await using origin = await startTestOrigin({ faults: [STEADY] });
    // By what is known of the own line it would take a minute.
    await using home = await openPooling({ offers: [0, 0], ownDown: SIZE / 60 });
    const got = home.get(origin.url(PATH));
    await until('it has begun', () => (bytesBy(home)['own'] ?? 0) > 0);
    assert.equal(home.verdict()?.reason, 'long, and neighbours may offer before its end');
    for (const neighbour of home.neighbours) neighbour.setOffer(20e6);
    home.changed();
    expectWhole(await got);
    for (const [path, bytes] of Object.entries(bytesBy(home)))
      assert.ok(bytes > 0, `${path} brought nothing`);
    assert.equal(Object.keys(bytesBy(home)).length, 3);
    await quiet(origin, home);
  });

  it('comes whole where nobody ever offers anything', async () => {
    await using origin = await startTestOrigin({ faults: [STEADY] });
    await using home = await openPooling({ offers: [0, 0], ownDown: SIZE / 60 });
    expectWhole(await home.get(origin.url(PATH)));
    assert.equal(home.verdict()?.pool, true);
    assert.equal(origin.exchanges.length, 1, 'one request, as without us');
    await quiet(origin, home);
  });

  it('is the server’s where nobody else brought any of it, whatever digest the server gives for it', async () => {
    class Checked extends BorrowedLine {
      isChecked(): boolean {
        return true;
      }
    }
    await using origin = await startTestOrigin({ faults: [STEADY, { kind: 'digest-wrong' }] });
    await using home = await openPooling({ neighbours: [new Checked('n1', 0)], ownDown: SIZE / 60 });
    expectWhole(await home.get(origin.url(PATH)));
    assert.equal(home.verdict()?.pool, true);
    home.neighbours[0]?.setOffer(20e6);
    expectBroken(await home.get(origin.url(PATH)));
    await quiet(origin, home);
  });

  for (const scheme of ['fixed', 'proportional', 'round-robin'] as const) {
    it(`is pooled by the scheme ${scheme}`, async () => {
      await using origin = await startTestOrigin({ faults: [STEADY] });
      await using home = await openPooling({ settings: { scheme, fixedBytes: 262_144 } });
      expectWhole(await home.get(origin.url(PATH)));
      await quiet(origin, home);
    });
  }

  it('is what a HTTP/1.0 client gets, framed as it can read it', async () => {
    await using origin = await startTestOrigin({ faults: [STEADY] });
    await using home = await openPooling();
    await using client = await home.proxy.connect();
    client.send(`GET ${origin.url(PATH)} HTTP/1.0\r\nHost: x\r\n\r\n`);
    const message = await client.message();
    assert.equal(message.body.length, SIZE);
    assert.ok(isPattern(message.body, 0));
    await client.ended;
    await quiet(origin, home);
  });

  it('leaves the connection usable for the next request', async () => {
    await using origin = await startTestOrigin({ faults: [STEADY] });
    await using home = await openPooling();
    await using client = await home.proxy.connect();
    const ask = `GET ${origin.url(PATH)} HTTP/1.1\r\nHost: 127.0.0.1:${origin.port}\r\n\r\n`;
    client.send(ask + ask);
    for (let n = 0; n < 2; n += 1) {
      const { body } = await client.message();
      assert.equal(body.length, SIZE);
      assert.ok(isPattern(body, 0));
    }
    await client[Symbol.asyncDispose]();
    await quiet(origin, home);
  });

  it('teaches what the own line carries', async () => {
    await using origin = await startTestOrigin({ faults: [STEADY] });
    await using home = await openPooling();
    expectWhole(await home.get(origin.url(PATH)));
    await quiet(origin, home);
    assert.ok((home.ownLine.down ?? 0) > 0);
  });

  it('tells neighbours nothing of the client', async () => {
    await using origin = await startTestOrigin({ faults: [STEADY] });
    await using home = await openPooling();
    expectWhole(await home.get(origin.url(PATH), { 'User-Agent': 'secret', Referer: 'http://secret.test/' }));
    const spans = origin.exchanges.filter(({ asked }) => header(asked, 'range') !== undefined);
    const told = spans.filter(({ asked }) => header(asked, 'user-agent') !== undefined);
    assert.ok(told.length < spans.length, 'somebody else than the own line asked');
    assert.equal(new Set(told.map(({ asked }) => asked.connection)).size, told.length > 0 ? 1 : 0);
    await quiet(origin, home);
  });
});

describe('what passes', () => {
  interface Passing {
    readonly reason: string;
    readonly faults?: readonly Fault[];
    readonly headers?: Record<string, string>;
    readonly home?: PoolingProxyOptions;
    readonly path?: string;
    readonly status?: number;
    readonly sameBytes?: boolean;
  }
  const cases: readonly Passing[] = [
    { reason: 'small', path: '/file/1000' },
    { reason: 'pooling is off', home: { enabled: false } },
    { reason: 'no neighbour offers anything', home: { offers: [0, 0] } },
    { reason: 'no neighbour offers anything', home: { offers: [] } },
    { reason: 'no neighbour offers anything', headers: { Cookie: 'a=b' } },
    { reason: 'content coding', faults: [{ kind: 'gzip' }], sameBytes: false },
    { reason: 'length unknown', faults: [{ kind: 'chunked' }] },
    { reason: 'origin takes no ranges', faults: [{ kind: 'accept-ranges-none' }] },
    { reason: 'no strong validator', faults: [{ kind: 'etag-weak' }] },
    { reason: 'no strong validator', faults: [{ kind: 'validators-missing' }] },
    {
      reason: 'status 302',
      faults: [{ kind: 'redirect', to: '/other', status: 302 }],
      status: 302,
      sameBytes: false,
    },
    { reason: 'status 403', faults: [{ kind: 'status', status: 403 }], status: 403, sameBytes: false },
    { reason: 'status 503', faults: [{ kind: 'status', status: 503 }], status: 503, sameBytes: false },
    { reason: 'saves too little', home: { ownDown: 125e6, minSavingMs: 200 } },
  ];
  for (const {
    reason,
    faults = [],
    headers = {},
    home: options = {},
    path = PATH,
    status = 200,
    sameBytes = true,
  } of cases) {
    it(`${reason} (${JSON.stringify({ faults, headers, options, path })}): as it is, by one request`, async () => {
      await using origin = await startTestOrigin({ faults });
      await using home = await openPooling(options);
      const got = await home.get(origin.url(path), headers);
      assert.equal(got.whole, true);
      assert.equal(got.status, status);
      const verdict = home.verdict();
      assert.equal(verdict?.pool, false);
      assert.equal(verdict?.reason, reason);
      assert.equal(origin.exchanges.length, 1);
      if (sameBytes) assert.ok(isPattern(got.body, 0));
      assert.equal(got.body.length, origin.bodyBytes);
      await quiet(origin, home);
    });
  }
});

describe('response first: the origin answers the first request only', () => {
  for (const status of [403, 404, 429, 503]) {
    for (const retry of [undefined, '1', '3600']) {
      it(`then ${status}${retry === undefined ? '' : `, Retry-After ${retry}`}: the client gets everything`, async () => {
        const headers = retry === undefined ? [] : ['Retry-After', retry];
        await using origin = await startTestOrigin({
          faults: [
            { ...STEADY, toNth: 1 },
            { kind: 'status', status, headers, fromNth: 2 },
          ],
        });
        await using home = await openPooling();
        expectWhole(await home.get(origin.url(PATH)));
        // Two over each neighbour, and what the running response overtook meanwhile: it is not pestered.
        assert.ok(origin.exchanges.length <= 9, `${origin.exchanges.length} requests`);
        await quiet(origin, home);
      });
    }
  }

  it('then no more at all: connections are refused', async () => {
    await using origin = await startTestOrigin({
      faults: [
        { ...STEADY, toNth: 1 },
        { kind: 'cut', afterBytes: 0, how: 'reset', fromNth: 2 },
      ],
    });
    await using home = await openPooling();
    expectWhole(await home.get(origin.url(PATH)));
    await quiet(origin, home);
  });

  it('and our line alone is refused more: the neighbours’ bytes may be wasted, never the client’s time', async () => {
    await using origin = await startTestOrigin({ faults: [STEADY] });
    await using other = await startTestOrigin({ faults: [STEADY] });
    origin.setFaults(PATH, { ...STEADY, toNth: 1 }, { kind: 'status', status: 429, fromNth: 2 });
    const { hostname, port } = new URL(other.url('/'));
    const instead = { scheme: 'http' as const, host: hostname, port: Number(port) };
    await using home = await openPooling({
      neighbours: [new BorrowedLine('n1', 8e6, { instead }), new BorrowedLine('n2', 8e6, { instead })],
    });
    expectWhole(await home.get(origin.url(PATH)));
    assert.equal(origin.exchanges.length, 2);
    await quiet(origin, home);
    await until('the other connections are closed', () => other.openConnections === 0);
  });

  it('and has lately refused ranges: the next response passes, by one request', async () => {
    await using origin = await startTestOrigin({
      faults: [{ ...STEADY, ranged: false }, { kind: 'ranges-ignored' }],
    });
    await using home = await openPooling({ offers: [20e6] });
    expectWhole(await home.get(origin.url(PATH)));
    const before = origin.exchanges.length;
    expectWhole(await home.get(origin.url(PATH)));
    assert.equal(origin.exchanges.length, before + 1);
    assert.equal(home.verdict()?.pool, false);
    await quiet(origin, home);
  });
});

describe('a faulty origin, the same over every path', () => {
  const ranged = { ranged: true } as const;
  const whole: Record<string, readonly Fault[]> = {
    'says nothing of ranges': [{ kind: 'accept-ranges-missing' }],
    'ignores ranges': [{ kind: 'ranges-ignored' }],
    'says another start': [{ kind: 'wrong-range', what: 'start' }],
    'says another end': [{ kind: 'wrong-range', what: 'end' }],
    'says another total': [{ kind: 'wrong-range', what: 'total' }],
    'says no total': [{ kind: 'wrong-range', what: 'star' }],
    'says no range': [{ kind: 'wrong-range', what: 'missing' }],
    'says nonsense': [{ kind: 'wrong-range', what: 'garbage' }],
    'brings less than it says': [{ kind: 'short', byBytes: 10, honest: false }],
    'brings less': [{ kind: 'short', byBytes: 10, honest: true }],
    'brings more than it says': [{ kind: 'long', byBytes: 10, honest: false }],
    'brings more': [{ kind: 'long', byBytes: 10, honest: true }],
    'brings more than it says, without a length': [
      { kind: 'long', byBytes: 5e6, honest: false },
      { kind: 'chunked', ...ranged },
    ],
    'sends spans without a length': [{ kind: 'chunked', ...ranged }],
    'answers with several parts': [{ kind: 'multipart' }],
    'has an ETag for each connection': [{ kind: 'etag-by-connection' }],
    'has a weak ETag for spans': [{ kind: 'etag-weak', ...ranged }],
    'has Last-Modified only': [{ kind: 'etag-missing' }],
    'compresses spans': [{ kind: 'gzip', ...ranged }],
    'redirects spans': [{ kind: 'redirect', to: '/elsewhere', status: 302, ...ranged }],
    'changed since the first request': [{ kind: 'changed', fromNth: 2 }],
    'closes after each response': [{ kind: 'closes' }],
    'speaks HTTP/1.0': [{ kind: 'http-1.0' }],
    'sends garbage for spans': [{ kind: 'garbage', bytes: '\0\x01 not HTTP\r\n\r\n', ...ranged }],
    'never answers for spans': [{ kind: 'late', delay: Number.POSITIVE_INFINITY, ...ranged }],
  };
  for (const [what, faults] of Object.entries(whole)) {
    it(`${what}: every byte right`, { timeout: 20_000 }, async () => {
      await using origin = await startTestOrigin({ faults: [{ ...STEADY }, ...faults] });
      await using home = await openPooling();
      expectWhole(await home.get(origin.url(PATH)));
      assert.equal(home.verdict()?.pool, true);
      await quiet(origin, home);
    });
  }

  it('brings less than it says, without a length: right bytes or a visible failure', async () => {
    await using origin = await startTestOrigin({
      faults: [STEADY, { kind: 'short', byBytes: 10, honest: false }, { kind: 'chunked', ...ranged }],
    });
    await using home = await openPooling({ silenceTimeout: 1_000 });
    const got = await home.get(origin.url(PATH));
    // What a span lacks is found out only at its end; by then the first response may have been given up for it.
    if (got.whole) expectWhole(got);
    else expectBroken(got);
    await quiet(origin, home);
  });

  it('changes in mid-download: right bytes or a visible failure', { timeout: 20_000 }, async () => {
    for (const fromNth of [3, 4, 5, 6, 8, 12]) {
      await using origin = await startTestOrigin({ faults: [STEADY, { kind: 'changed', fromNth }] });
      await using home = await openPooling();
      const got = await home.get(origin.url(PATH));
      if (got.whole) expectWhole(got);
      else expectBroken(got);
      await quiet(origin, home);
    }
  });

  it('stalls for good, over every path: a visible failure after the silence limit', async () => {
    await using origin = await startTestOrigin({
      faults: [
        { kind: 'stall', afterBytes: 300_000, ranged: false },
        { kind: 'late', delay: Number.POSITIVE_INFINITY, ranged: true },
      ],
    });
    await using home = await openPooling({ silenceTimeout: 700 });
    expectBroken(await home.get(origin.url(PATH)));
    await quiet(origin, home);
  });

  it('stalls in the first response only: the rest comes by ranges', async () => {
    for (const afterBytes of [0, 1, 65_536, 300_000, SIZE - 1]) {
      await using origin = await startTestOrigin({ faults: [{ kind: 'stall', afterBytes, toNth: 1 }] });
      await using home = await openPooling();
      expectWhole(await home.get(origin.url(PATH)));
      await quiet(origin, home);
    }
  });
});

describe('an origin whose name leads elsewhere in mid-download', () => {
  it('is not followed to where the client may not be led', async () => {
    await using origin = await startTestOrigin({
      faults: [STEADY, { kind: 'cut', afterBytes: 300_000, toNth: 1 }],
    });
    let forbidden = false;
    await using home = await openPooling({ offers: [20e6], forbidden: () => forbidden });
    const response = await home.open(origin.url(PATH));
    forbidden = true;
    response.on('error', () => undefined).resume();
    await until('the download has ended', () => response.closed);
    const refused = home.events
      .since(0)
      .some(({ event }) => event.kind === 'span_failed' && event.code === 'destination_refused');
    assert.ok(refused);
    assert.ok((bytesBy(home)['own'] ?? 0) <= 300_000);
    await quiet(origin, home);
  });
});

describe('a connection that is cut', () => {
  const positions = [
    0, 1, 2, 16_383, 65_535, 65_536, 65_537, 100_000, 262_144, 1_000_000, 2_999_998, 2_999_999,
  ];
  for (const how of ['end', 'reset'] as const) {
    it(`the first response, ${how}, at each of many places: the rest comes by ranges`, {
      timeout: 60_000,
    }, async () => {
      for (const afterBytes of positions) {
        await using origin = await startTestOrigin({ faults: [{ kind: 'cut', afterBytes, how, toNth: 1 }] });
        await using home = await openPooling();
        expectWhole(await home.get(origin.url(PATH)));
        await quiet(origin, home);
      }
    });

    it(`each span, ${how}, at each of many places: every byte right`, { timeout: 60_000 }, async () => {
      for (const afterBytes of [0, 1, 65_535, 65_536, 65_537, 200_000]) {
        await using origin = await startTestOrigin({
          faults: [
            { ...STEADY, ranged: false },
            { kind: 'cut', afterBytes, how, ranged: true },
          ],
        });
        await using home = await openPooling();
        expectWhole(await home.get(origin.url(PATH)));
        await quiet(origin, home);
      }
    });
  }

  it('every response after half a megabyte: every byte right', { timeout: 30_000 }, async () => {
    await using origin = await startTestOrigin({ faults: [{ kind: 'cut', afterBytes: 500_000 }] });
    await using home = await openPooling();
    expectWhole(await home.get(origin.url(PATH)));
    await quiet(origin, home);
  });

  it('every response before its first byte: a visible failure', { timeout: 30_000 }, async () => {
    await using origin = await startTestOrigin({ faults: [{ kind: 'cut', afterBytes: 0 }] });
    await using home = await openPooling({ silenceTimeout: 1_500 });
    expectBroken(await home.get(origin.url(PATH)));
    await quiet(origin, home);
  });
});

describe('clients', () => {
  it('that go away in mid-body: every fetch is stopped', async () => {
    await using origin = await startTestOrigin({ faults: [{ kind: 'trickle', rate: 1e6 }] });
    await using home = await openPooling();
    const response = await home.open(origin.url(PATH));
    let bytes = 0;
    response.on('error', () => undefined).on('data', (chunk: Buffer) => (bytes += chunk.length));
    await until('bytes come', () => bytes > 0 && origin.exchanges.length > 1);
    response.destroy();
    // Also while the proxy lives on.
    await until('the connections to the origin are closed', () => origin.openConnections === 0);
    assert.equal(home.register.downloads()[0]?.state, 'abandoned');
    await quiet(origin, home);
  });

  it('that go away at once', async () => {
    await using origin = await startTestOrigin({ faults: [{ kind: 'trickle', rate: 1e6 }] });
    await using home = await openPooling();
    const response = await home.open(origin.url(PATH));
    response.on('error', () => undefined).destroy();
    await until('the connections to the origin are closed', () => origin.openConnections === 0);
    await quiet(origin, home);
  });

  it('that stop reading: the window stays under its cap, and goes on when they do', async () => {
    const size = 40_000_000;
    await using origin = await startTestOrigin();
    await using home = await openPooling({ windowBytes: 2_097_152, silenceTimeout: 1_500 });
    const response = await home.open(origin.url(`/file/${size}`));
    // Longer than the silence limit: a client that rests is not a path that is silent.
    let before = -1;
    await until(
      'nothing more moves',
      async () => {
        const { bodyBytes } = origin;
        const still = bodyBytes === before && bodyBytes > 0;
        before = bodyBytes;
        await new Promise((resolve) => setTimeout(resolve, 1_700));
        return still;
      },
      20_000,
    );
    assert.ok(home.budget.heldBytes <= home.budget.capBytes);
    let at = 0;
    for await (const chunk of response as AsyncIterable<Buffer>) {
      assert.ok(isPattern(chunk, at), `a wrong byte after ${at}`);
      at += chunk.length;
    }
    assert.equal(at, size);
    await quiet(origin, home);
  });

  it('four at once share the cap', { timeout: 30_000 }, async () => {
    const size = 12_000_000;
    await using origin = await startTestOrigin({ faults: [{ kind: 'trickle', rate: 15e6 }] });
    await using home = await openPooling({ windowBytes: 2_097_152, eachBytes: 1_048_576 });
    const all = await Promise.all([1, 2, 3, 4].map((n) => home.get(origin.url(`/file/${size}?${n}`))));
    for (const got of all) expectWhole(got, 0, size);
    await quiet(origin, home);
  });

  it('one that stops reading keeps no other from going on', { timeout: 30_000 }, async () => {
    const size = 12_000_000;
    await using origin = await startTestOrigin();
    await using home = await openPooling({ windowBytes: 2_097_152, eachBytes: 2_097_152 });
    const stuck = await home.open(origin.url(`/file/${size}?stuck`));
    stuck.on('error', () => undefined);
    await until('the window is taken', () => home.budget.heldBytes > 600_000);
    expectWhole(await home.get(origin.url(`/file/${size}`)), 0, size);
    stuck.destroy();
    await quiet(origin, home);
  });
});
