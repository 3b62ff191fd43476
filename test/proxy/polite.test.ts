/** How downloads treat an origin that wants fewer connections or requests: over real sockets, through the real proxy. */
import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { isPattern } from '../../src/demo/pattern.ts';
import { BorrowedLine } from '../support/borrowed-line.ts';
import type { FaultKind } from '../support/faults.ts';
import { checkLeaksOfEach } from '../support/leaks.ts';
import { startTestOrigin } from '../support/origin.ts';
import { startStrictOrigin } from '../support/strict-origin.ts';
import { until } from '../support/until.ts';
import { type Got, openPooling, type PoolingProxy } from './open-pooling.ts';

const SIZE = 3_000_000;
const PATH = `/file/${SIZE}`;
/** What may come over the own line beyond the file: the heads of refusals have short bodies. */
const REFUSALS_BYTES = 1_000;

checkLeaksOfEach();

function expectWhole(got: Got): void {
  assert.equal(got.whole, true, `broke off after ${got.body.length} bytes`);
  assert.equal(got.body.length, SIZE);
  assert.ok(isPattern(got.body, 0), 'a wrong byte');
}

const bytesBy = (home: PoolingProxy): Record<string, number> =>
  Object.fromEntries(home.register.downloads()[0]?.lines.map((line) => [line.id, line.bytes]) ?? []);

const refusals: Record<string, FaultKind> = {
  '429': { kind: 'status', status: 429 },
  '503 with Retry-After: 1': { kind: 'status', status: 503, headers: ['Retry-After', '1'] },
  '503 with Retry-After: 3600': { kind: 'status', status: 503, headers: ['Retry-After', '3600'] },
  '503 with a date': {
    kind: 'status',
    status: 503,
    headers: ['Retry-After', new Date(Date.now() + 60_000).toUTCString()],
  },
  '503 with garbage': { kind: 'status', status: 503, headers: ['Retry-After', 'soon'] },
  '503 with a negative wish': { kind: 'status', status: 503, headers: ['Retry-After', '-10'] },
  '403': { kind: 'status', status: 403 },
  'the end of the connection': { kind: 'garbage', bytes: '' },
  'a reset': { kind: 'cut', afterBytes: 0, how: 'reset' },
};

describe('an origin that takes one connection at once, and answers more with', () => {
  for (const [what, refuse] of Object.entries(refusals)) {
    it(`${what}: the response that runs brings everything, and the next passes`, async () => {
      await using origin = await startStrictOrigin({
        most: 1,
        refuse,
        rate: refuse.kind === 'status' ? 6e6 : 1.5e6,
      });
      await using home = await openPooling();
      expectWhole(await home.get(origin.url(PATH)));
      const [first, ...others] = origin.exchanges;
      assert.equal(first?.bodyBytes, SIZE, 'it was never given up');
      assert.ok(others.length >= 1, 'nothing was tried');
      assert.ok(others.length <= 12, `${others.length} more requests of an origin that refuses them`);
      assert.ok(origin.bodyBytes <= SIZE + REFUSALS_BYTES * others.length, 'more than the own line alone');
      await until('it is over', () => home.register.live().length === 0);
      const before = origin.exchanges.length;
      expectWhole(await home.get(origin.url(PATH)));
      assert.equal(origin.exchanges.length, before + 1, 'one request, as without us');
      assert.equal(home.verdict()?.pool, false);
      assert.match(home.verdict()?.reason ?? '', /^origin (asked|refused|breaks)/);
      assert.ok(home.health.leftOut().length > 0);
      for (const { until: end } of home.health.leftOut()) {
        assert.ok(end <= Date.now() + 3_600_000 + 1_000, 'longer than any wish is believed');
      }
    });
  }
});

describe('an origin that takes one connection of each address', () => {
  it('refuses the own line a second one: the response runs on, and neighbours are left in peace', async () => {
    const refuse: FaultKind = { kind: 'status', status: 429 };
    await using origin = await startStrictOrigin({ most: 1, refuse });
    await using elsewhere = await startStrictOrigin({ most: 1, refuse });
    await using home = await openPooling({
      neighbours: [new BorrowedLine('n1', 8e6, { instead: elsewhere.origin })],
    });
    expectWhole(await home.get(origin.url(PATH)));
    assert.equal(origin.exchanges[0]?.bodyBytes, SIZE);
    assert.equal(elsewhere.refused.length, 0);
    await until('the other connections are closed', () => elsewhere.openConnections === 0);
  });

  it('refuses one neighbour: that address is left out, the others go on, and so does the next download', async () => {
    await using origin = await startTestOrigin({ faults: [{ kind: 'trickle', rate: 3e6 }] });
    await using busy = await startTestOrigin({ faults: [{ kind: 'status', status: 429 }] });
    const { port } = busy;
    const instead = { scheme: 'http' as const, host: '127.0.0.1', port };
    await using home = await openPooling({
      neighbours: [new BorrowedLine('n1', 8e6, { instead }), new BorrowedLine('n2', 8e6)],
    });
    expectWhole(await home.get(origin.url(PATH)));
    assert.equal(busy.exchanges.length, 1);
    assert.ok((bytesBy(home)['n2'] ?? 0) > 0);
    assert.deepEqual(
      home.health.leftOut().map(({ path, code }) => [path, code]),
      [['n1', 'origin_busy']],
    );
    await until('it is over', () => home.register.live().length === 0);
    expectWhole(await home.get(origin.url(PATH)));
    assert.equal(home.verdict()?.pool, true, 'pooled with less');
    assert.equal(busy.exchanges.length, 1);
  });

  it('refuses two: it means all, and none of them is asked again', async () => {
    await using origin = await startTestOrigin({ faults: [{ kind: 'trickle', rate: 3e6 }] });
    await using busy = await startTestOrigin({ faults: [{ kind: 'status', status: 429 }] });
    const { port } = busy;
    const instead = { scheme: 'http' as const, host: '127.0.0.1', port };
    await using home = await openPooling({
      neighbours: ['n1', 'n2', 'n3'].map((id) => new BorrowedLine(id, 8e6, { instead })),
    });
    expectWhole(await home.get(origin.url(PATH)));
    await until('it is over', () => home.register.live().length === 0);
    const before = busy.exchanges.length;
    assert.ok(before <= 3, `${before}`);
    expectWhole(await home.get(origin.url(PATH)));
    assert.equal(home.verdict()?.reason, 'origin asked for fewer requests');
    assert.equal(busy.exchanges.length, before);
  });
});

describe('many downloads of one origin at once', () => {
  const free: FaultKind = { kind: 'status', status: 429 };

  it('have no more connections to it than are allowed, and each its part of them', async () => {
    await using origin = await startStrictOrigin({ most: 1e9, refuse: free, rate: 2e6 });
    await using home = await openPooling({
      offers: [2e6, 2e6, 2e6, 2e6],
      seats: { origin: 6, line: 3 },
      windowBytes: 16_777_216,
    });
    const first = home.get(origin.url(PATH));
    await until('the first is under way', () => origin.mostAtOnce === 5);
    const second = home.get(origin.url(PATH));
    await until('the second has joined', () => home.register.live().length === 2);
    for (const { lines } of home.register.live()) {
      const using = lines.filter(({ state }) => state !== 'out');
      assert.ok(using.length <= 3, using.map(({ id }) => id).join(', '));
    }
    for (const got of await Promise.all([first, second])) expectWhole(got);
    assert.ok(origin.mostAtOnce <= 6, `${origin.mostAtOnce} connections`);
    for (const { lines } of home.register.downloads())
      assert.ok(
        lines.some(({ id, bytes }) => id !== 'own' && bytes > 0),
        'nothing was borrowed for it',
      );
  });

  it('are pooled while there is room for them, then passed', async () => {
    await using origin = await startStrictOrigin({ most: 1e9, refuse: free, rate: 2e6 });
    await using home = await openPooling({
      offers: [2e6],
      seats: { origin: 24, line: 1 },
      windowBytes: 16_777_216,
    });
    const first = home.get(origin.url(PATH));
    await until('the first is under way', () => home.register.live().length === 1);
    const second = home.get(origin.url(PATH));
    for (const got of await Promise.all([first, second])) expectWhole(got);
    const reasons = home.register.verdicts().map(({ reason }) => reason);
    assert.equal(reasons.filter((one) => one === 'too many downloads of that origin at once').length, 1);
    await until('it is over', () => home.register.live().length === 0);
    expectWhole(await home.get(origin.url(PATH)));
    assert.equal(home.verdict()?.pool, true, 'its place is free again');
  });
});

describe('an origin that has enough in the middle of a download', () => {
  /** The response breaks off, and the requests for parts that follow are answered like this. */
  const broken = (refuse: FaultKind, times: number) =>
    startTestOrigin({
      faults: [
        { kind: 'trickle', rate: 6e6 },
        { kind: 'cut', afterBytes: 600_000, ranged: false },
        { ...refuse, fromNth: 2, toNth: 1 + times },
      ],
    });

  it('and asks to wait a second: it is waited for, and the rest comes', async () => {
    await using origin = await broken({ kind: 'status', status: 503, headers: ['Retry-After', '1'] }, 2);
    await using home = await openPooling({ offers: [6e6] });
    expectWhole(await home.get(origin.url(PATH)));
  });

  it('and asks to wait an hour: the transfer fails, and looks like it', async () => {
    await using origin = await broken({ kind: 'status', status: 503, headers: ['Retry-After', '3600'] }, 1e9);
    await using home = await openPooling({ offers: [6e6] });
    const got = await home.get(origin.url(PATH));
    assert.equal(got.whole, false, 'looks complete');
    assert.ok(isPattern(got.body, 0), 'a wrong byte');
    await until('it is over', () => home.register.live().length === 0);
    assert.equal(home.register.downloads()[0]?.code, 'origin_busy');
    assert.ok(origin.exchanges.length < 12, `${origin.exchanges.length} requests`);
  });

  it('and goes away for good: that is said as it is, and soon', async () => {
    const origin = await startTestOrigin({ faults: [{ kind: 'trickle', rate: 2e6 }] });
    // Silence alone would be borne for longer than this test may take.
    await using home = await openPooling({ offers: [2e6], silenceTimeout: 600_000 });
    const coming = home.get(origin.url(PATH));
    await until('it is under way', () => (bytesBy(home)['n1'] ?? 0) > 100_000);
    await origin[Symbol.asyncDispose]();
    const got = await coming;
    assert.equal(got.whole, false, 'looks complete');
    assert.ok(isPattern(got.body, 0), 'a wrong byte');
    await until('it is over', () => home.register.live().length === 0);
    assert.equal(home.register.downloads()[0]?.code, 'connect_refused');
  });
});
