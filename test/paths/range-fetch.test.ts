import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { systemClock } from '../../src/core/clock.ts';
import type { LinepoolError } from '../../src/core/errors.ts';
import { LinepoolError as Failure } from '../../src/core/errors.ts';
import { type Span, span } from '../../src/core/span.ts';
import { parseTarget } from '../../src/core/target.ts';
import { isPattern } from '../../src/demo/pattern.ts';
import type { Lane } from '../../src/paths/path.ts';
import { LENDER_ERROR, RangeFetch, refusalOf } from '../../src/paths/range-fetch.ts';
import { ownLine } from '../support/borrowed-line.ts';
import type { Fault } from '../support/faults.ts';
import { checkLeaksOfEach } from '../support/leaks.ts';
import { startTestOrigin, type TestOrigin } from '../support/origin.ts';
import { header } from '../support/raw-client.ts';
import { RawOrigin } from '../support/raw-origin.ts';
import { until } from '../support/until.ts';

const SIZE = 1_000_000;
const PATH = `/file/${SIZE}`;
const ETAG = { kind: 'etag', value: `"${SIZE}-1"` } as const;

checkLeaksOfEach();

/** A fetch and everything that its listener heard. */
class Heard {
  readonly fetch: RangeFetch;
  readonly told: string[] = [];
  error: LinepoolError | undefined;
  retryAfterMs: number | undefined;
  next: number;
  wrong = 0;
  onData: () => void = () => undefined;

  constructor(part: Span) {
    this.next = part.start;
    this.fetch = new RangeFetch(
      { path: PATH, headers: ['X-Own', '1'], span: part, total: SIZE, validator: ETAG },
      {
        proven: () => this.told.push('proven'),
        data: (offset, chunk) => {
          if (offset !== this.next || !isPattern(chunk, offset)) this.wrong += 1;
          this.next = offset + chunk.length;
          this.onData();
        },
        ended: () => this.told.push('ended'),
        failed: (error, retryAfterMs) => {
          this.told.push('failed');
          this.error = error;
          this.retryAfterMs = retryAfterMs;
        },
      },
      systemClock,
    );
  }

  get isDone(): boolean {
    return this.told.includes('ended') || this.told.includes('failed');
  }
}

function laneTo(url: string): Lane & Disposable {
  const lane = ownLine().lane(parseTarget(url).origin);
  return {
    dispatch: (path, headers, handler) => lane.dispatch(path, headers, handler),
    destroy: (reason) => lane.destroy(reason),
    [Symbol.dispose]: () => lane.destroy(new Failure('interrupted')),
  };
}

const toOrigin = (origin: TestOrigin): Lane & Disposable => laneTo(origin.url('/'));

describe('a span that comes', () => {
  it('is told of byte by byte, and asked for as it should be', async () => {
    await using origin = await startTestOrigin();
    using lane = toOrigin(origin);
    const heard = new Heard(span(100_001, 700_000));
    heard.fetch.send(lane);
    await until('it is done', () => heard.isDone);
    assert.deepEqual(heard.told, ['proven', 'ended']);
    assert.equal(heard.next, 700_000);
    assert.equal(heard.wrong, 0);
    const asked = origin.exchanges[0]?.asked ?? { headers: [] };
    assert.equal(header(asked, 'range'), 'bytes=100001-699999');
    assert.equal(header(asked, 'accept-encoding'), 'identity');
    assert.equal(header(asked, 'x-own'), '1');
    assert.equal(heard.fetch.isOver, true);
  });

  it('and those queued behind it on one connection, in order', async () => {
    await using origin = await startTestOrigin();
    using lane = toOrigin(origin);
    const all = [0, 1, 2, 3, 4].map((n) => new Heard(span(n * 100_000, (n + 1) * 100_000)));
    for (const { fetch } of all) fetch.send(lane);
    await until('all are done', () => all.every((one) => one.isDone));
    for (const one of all) assert.deepEqual([one.told, one.wrong], [['proven', 'ended'], 0]);
    assert.equal(origin.connections, 1);
  });

  it('over connections that close after each response: undici asks again', async () => {
    await using origin = await startTestOrigin({ faults: [{ kind: 'closes' }] });
    using lane = toOrigin(origin);
    const all = [0, 1, 2, 3].map((n) => new Heard(span(n * 100_000, (n + 1) * 100_000)));
    for (const { fetch } of all) fetch.send(lane);
    await until('all are done', () => all.every((one) => one.isDone));
    for (const one of all)
      assert.deepEqual([one.told, one.wrong, one.next % 100_000], [['proven', 'ended'], 0, 0]);
  });
});

describe('a span that is refused', () => {
  const rows: readonly [string, Fault, string][] = [
    ['a whole file', { kind: 'ranges-ignored' }, 'span_status'],
    ['a redirect', { kind: 'redirect', to: '/x', status: 302 }, 'span_status'],
    ['416', { kind: 'status', status: 416 }, 'span_status'],
    ['another start', { kind: 'wrong-range', what: 'start' }, 'span_range'],
    ['another end', { kind: 'wrong-range', what: 'end' }, 'span_range'],
    ['another total', { kind: 'wrong-range', what: 'total' }, 'span_range'],
    ['no total', { kind: 'wrong-range', what: 'star' }, 'span_range'],
    ['no Content-Range', { kind: 'wrong-range', what: 'missing' }, 'span_range'],
    ['nonsense', { kind: 'wrong-range', what: 'garbage' }, 'span_range'],
    ['several parts', { kind: 'multipart' }, 'span_range'],
    ['less', { kind: 'short', byBytes: 5, honest: true }, 'span_range'],
    ['less than it says', { kind: 'short', byBytes: 5, honest: false }, 'span_length'],
    ['more than it says', { kind: 'long', byBytes: 5, honest: false }, 'span_length'],
    ['another version', { kind: 'changed' }, 'span_validator'],
    ['a weak ETag', { kind: 'etag-weak' }, 'span_validator'],
    ['no validator', { kind: 'validators-missing' }, 'span_validator'],
    ['a coding', { kind: 'gzip' }, 'span_coding'],
    ['429', { kind: 'status', status: 429 }, 'origin_busy'],
    ['503', { kind: 'status', status: 503 }, 'origin_busy'],
    ['garbage', { kind: 'garbage', bytes: 'nonsense\r\n\r\n' }, 'bad_response'],
    ['nothing', { kind: 'garbage', bytes: '' }, 'connection_lost'],
  ];
  for (const [what, fault, code] of rows) {
    it(`${what}: ${code}, and not a byte`, async () => {
      await using origin = await startTestOrigin({ faults: [fault] });
      using lane = toOrigin(origin);
      const heard = new Heard(span(1_000, 50_000));
      heard.fetch.send(lane);
      await until('it is done', () => heard.isDone);
      assert.equal(heard.error?.code, code);
      assert.deepEqual(heard.told, ['failed']);
      assert.equal(heard.next, 1_000);
      await until('its connection is closed', () => origin.openConnections === 0);
    });
  }

  for (const [says, waitMs] of [
    ['1', 1_000],
    ['3600', 3_600_000],
    ['soon', undefined],
    ['-5', undefined],
  ] as const) {
    it(`for now, Retry-After: ${says}, is told with that wish`, async () => {
      const fault = { kind: 'status', status: 503, headers: ['Retry-After', says] } as const;
      await using origin = await startTestOrigin({ faults: [fault] });
      using lane = toOrigin(origin);
      const heard = new Heard(span(1_000, 50_000));
      heard.fetch.send(lane);
      await until('it is done', () => heard.isDone);
      assert.equal(heard.error?.code, 'origin_busy');
      assert.equal(heard.retryAfterMs, waitMs);
    });
  }

  it('by a lender is told by the lender’s own code', async () => {
    const answer = `HTTP/1.1 503 No\r\n${LENDER_ERROR}: lending_off\r\nContent-Length: 0\r\n\r\n`;
    await using origin = await RawOrigin.answering(answer);
    using lane = laneTo(origin.url);
    const heard = new Heard(span(0, 10));
    heard.fetch.send(lane);
    await until('it is done', () => heard.isDone);
    assert.equal(heard.error?.code, 'lending_off');
  });

  it('when its port refuses', async () => {
    const origin = await startTestOrigin();
    const url = origin.url('/');
    await origin[Symbol.asyncDispose]();
    using lane = laneTo(url);
    const heard = new Heard(span(0, 10));
    heard.fetch.send(lane);
    await until('it is done', () => heard.isDone);
    assert.equal(heard.error?.code, 'connect_refused');
  });

  it('for one reason at a time, the status first', () => {
    const wanted = { path: PATH, headers: [], span: span(0, 10), total: SIZE, validator: ETAG };
    assert.equal(refusalOf(200, ['Content-Encoding', 'gzip'], wanted)?.code, 'span_status');
    assert.equal(refusalOf(206, ['Content-Encoding', 'gzip'], wanted)?.code, 'span_coding');
    const good = ['Content-Range', `bytes 0-9/${SIZE}`, 'ETag', ETAG.value];
    assert.equal(refusalOf(206, good, wanted), undefined);
    assert.equal(refusalOf(206, [...good, 'Content-Length', '11'], wanted)?.code, 'span_length');
    assert.equal(refusalOf(206, [...good, 'Content-Range', 'bytes 1-9/10'], wanted)?.code, 'span_range');
  });
});

describe('a span that breaks off', () => {
  for (const how of ['end', 'reset'] as const) {
    it(`(${how}) keeps what came`, async () => {
      await using origin = await startTestOrigin({
        faults: [{ kind: 'cut', afterBytes: 30_000, how, toNth: 1 }],
      });
      using lane = toOrigin(origin);
      const heard = new Heard(span(1_000, 100_000));
      const behind = new Heard(span(200_000, 300_000));
      heard.fetch.send(lane);
      behind.fetch.send(lane);
      await until('both are done', () => heard.isDone && behind.isDone);
      assert.deepEqual(heard.told.at(-1), 'failed');
      assert.ok(heard.next <= 31_000 && heard.fetch.at === heard.next);
      if (how === 'end') assert.equal(heard.next, 31_000);
      assert.equal(heard.wrong, 0);
      assert.deepEqual(
        [behind.told, behind.wrong],
        [['proven', 'ended'], 0],
        'the one behind it is asked again',
      );
    });
  }

  it('that goes on for ever is cut, and tells nothing beyond its end', async () => {
    const faults: Fault[] = [{ kind: 'long', byBytes: 50_000_000, honest: false }, { kind: 'chunked' }];
    await using origin = await startTestOrigin({ faults });
    using lane = toOrigin(origin);
    const heard = new Heard(span(1_000, 100_000));
    heard.fetch.send(lane);
    await until('it is done', () => heard.isDone);
    assert.equal(heard.error?.code, 'span_length');
    assert.equal(heard.next, 100_000);
    await until('its connection is closed', () => origin.openConnections === 0);
    assert.ok(origin.bodyBytes < 50_000_000);
  });

  it('that ends early without having said its length', async () => {
    const faults: Fault[] = [{ kind: 'short', byBytes: 10, honest: false }, { kind: 'chunked' }];
    await using origin = await startTestOrigin({ faults });
    using lane = toOrigin(origin);
    const heard = new Heard(span(1_000, 100_000));
    heard.fetch.send(lane);
    await until('it is done', () => heard.isDone);
    assert.equal(heard.error?.code, 'span_length');
    assert.equal(heard.next, 99_990);
  });
});

describe('a span that is stopped', () => {
  it('before its turn: it is not heard of, and those before it come whole', async () => {
    await using origin = await startTestOrigin({ faults: [{ kind: 'trickle', rate: 2e6 }] });
    using lane = toOrigin(origin);
    const before = new Heard(span(0, 100_000));
    const heard = new Heard(span(100_000, 200_000));
    const behind = new Heard(span(200_000, 300_000));
    for (const { fetch } of [before, heard, behind]) fetch.send(lane);
    heard.fetch.stopAt(100_000);
    assert.equal(heard.fetch.isOver, true);
    await until('the others are done', () => before.isDone && behind.isDone);
    assert.deepEqual([before.told, before.wrong], [['proven', 'ended'], 0]);
    assert.deepEqual([behind.told, behind.wrong], [['proven', 'ended'], 0]);
    assert.deepEqual(heard.told, []);
  });

  it('before its turn, and refused then: that is told, since it says something of those behind it', async () => {
    await using origin = await startTestOrigin({ faults: [{ kind: 'status', status: 403 }] });
    using lane = toOrigin(origin);
    const heard = new Heard(span(0, 100_000));
    heard.fetch.send(lane);
    heard.fetch.stopAt(0);
    await until('it is told', () => heard.isDone);
    assert.equal(heard.error?.code, 'span_status');
  });

  it('in the middle: it ends there, not a byte later, and its connection goes', async () => {
    await using origin = await startTestOrigin({ faults: [{ kind: 'trickle', rate: 4e6 }] });
    using lane = toOrigin(origin);
    const heard = new Heard(span(0, 900_000));
    heard.fetch.send(lane);
    await until('bytes come', () => heard.next > 0);
    heard.fetch.stopAt(200_001);
    await until('it is done', () => heard.isDone);
    assert.deepEqual(heard.told, ['proven', 'ended']);
    assert.equal(heard.next, 200_001);
    await until('its connection is closed', () => origin.openConnections === 0);
  });

  it('where it is already, or behind: it is over at once and says nothing', async () => {
    await using origin = await startTestOrigin({ faults: [{ kind: 'trickle', rate: 1e6 }] });
    using lane = toOrigin(origin);
    const heard = new Heard(span(0, 900_000));
    heard.fetch.send(lane);
    await until('bytes come', () => heard.next > 0);
    heard.fetch.stopAt(0);
    assert.equal(heard.fetch.isOver, true);
    const { next } = heard;
    await until('its connection is closed', () => origin.openConnections === 0);
    assert.deepEqual([heard.told, heard.next], [['proven'], next]);
  });

  it('from within its own data, at each of many places', async () => {
    for (const at of [1, 1_000, 65_535, 65_536, 65_537, 99_999, 100_000]) {
      await using origin = await startTestOrigin();
      using lane = toOrigin(origin);
      const heard = new Heard(span(0, 100_000));
      heard.onData = () => heard.fetch.stopAt(at);
      heard.fetch.send(lane);
      await until('it is over', () => heard.fetch.isOver);
      assert.equal(heard.wrong, 0);
      assert.ok(!heard.told.includes('failed'));
    }
  });

  it('at its end, or beyond: as if nothing had been said', async () => {
    await using origin = await startTestOrigin();
    using lane = toOrigin(origin);
    const heard = new Heard(span(0, 100_000));
    heard.fetch.send(lane);
    heard.fetch.stopAt(100_000);
    heard.fetch.stopAt(5_000_000);
    await until('it is done', () => heard.isDone);
    assert.deepEqual([heard.told, heard.next], [['proven', 'ended'], 100_000]);
    heard.fetch.stopAt(0);
    assert.deepEqual(heard.told, ['proven', 'ended']);
  });

  it('with its lane: the listener hears no more', async () => {
    await using origin = await startTestOrigin({
      faults: [{ kind: 'late', delay: Number.POSITIVE_INFINITY }],
    });
    const lane = toOrigin(origin);
    const heard = new Heard(span(0, 100_000));
    heard.fetch.send(lane);
    await until('it is asked for', () => origin.exchanges.length > 0);
    heard.fetch.forget();
    lane.destroy(new Failure('interrupted'));
    lane.destroy(new Failure('interrupted'));
    await until('its connection is closed', () => origin.openConnections === 0);
    assert.deepEqual(heard.told, []);
  });
});

describe('a span that is held back', () => {
  it('comes on when it may', async () => {
    await using origin = await startTestOrigin();
    using lane = toOrigin(origin);
    const heard = new Heard(span(0, 900_000));
    heard.onData = () => {
      heard.fetch.pause();
      setImmediate(() => heard.fetch.resume());
    };
    heard.fetch.send(lane);
    await until('it is done', () => heard.isDone);
    assert.deepEqual([heard.told, heard.next, heard.wrong], [['proven', 'ended'], 900_000, 0]);
  });
});
