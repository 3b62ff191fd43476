import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { LONG_MS, type Question, verdict } from '../../src/download/verdict.ts';

const SIZE = 10_000_000;
const HEADERS = ['Content-Length', String(SIZE), 'ETag', '"a"', 'Accept-Ranges', 'bytes'];
const GOOD: Question = {
  method: 'GET',
  scheme: 'http',
  requestHeaders: ['User-Agent', 'x'],
  status: 200,
  headers: HEADERS,
  enabled: true,
  minBytes: 1_000_000,
  minSavingMs: 200,
  ownRate: 1e6,
  offered: 1e6,
  mayOffer: true,
  memory: true,
  roomAtOrigin: true,
  refusal: undefined,
};

const without = (name: string): string[] =>
  HEADERS.filter((_, i) => HEADERS[i - (i % 2)]?.toLowerCase() !== name);
const partial = (range: string, content: string, length: number): Partial<Question> => ({
  status: 206,
  requestHeaders: ['Range', range],
  headers: [...without('content-length'), 'Content-Length', String(length), 'Content-Range', content],
});

describe('what is pooled', () => {
  it('a large response that neighbours would shorten', () => {
    assert.deepEqual(verdict(GOOD), {
      pool: true,
      reason: 'saves about 4.8 s',
      span: { start: 0, end: SIZE },
      total: SIZE,
      validator: { kind: 'etag', value: '"a"' },
    });
  });

  it('also while nothing is known of the own line, and where nothing is said of ranges', () => {
    assert.equal(verdict({ ...GOOD, ownRate: undefined }).reason, 'large, and neighbours offer');
    assert.equal(verdict({ ...GOOD, headers: without('accept-ranges') }).pool, true);
  });

  it('what the own line takes long for, while neighbours that may offer something do not', () => {
    const long: Question = { ...GOOD, offered: 0, ownRate: (SIZE * 1000) / (LONG_MS + 1) };
    assert.equal(verdict(long).reason, 'long, and neighbours may offer before its end');
    assert.equal(verdict({ ...long, ownRate: (SIZE * 1000) / (LONG_MS - 1) }).pool, false);
  });

  const parts: readonly [string, string, number, number, number][] = [
    ['bytes=5000000-', `bytes 5000000-9999999/${SIZE}`, 5_000_000, 5_000_000, SIZE],
    ['bytes=1000000-3999999', `bytes 1000000-3999999/${SIZE}`, 3_000_000, 1_000_000, 4_000_000],
    ['bytes=-3000000', `bytes 7000000-9999999/${SIZE}`, 3_000_000, 7_000_000, SIZE],
    ['bytes=5000000-99999999', `bytes 5000000-9999999/${SIZE}`, 5_000_000, 5_000_000, SIZE],
    ['bytes=-99999999', `bytes 0-9999999/${SIZE}`, SIZE, 0, SIZE],
  ];
  for (const [asked, came, length, start, end] of parts) {
    it(`the part ${asked}`, () => {
      const result = verdict({ ...GOOD, ...partial(asked, came, length) });
      assert.deepEqual(result.pool && result.span, { start, end });
      assert.equal(result.pool && result.total, SIZE);
    });
  }

  it('the whole, where a range was asked for and ignored', () => {
    assert.deepEqual(verdict({ ...GOOD, requestHeaders: ['Range', 'bytes=5-'] }).pool, true);
  });
});

describe('what passes, and why', () => {
  const rows: readonly [string, Partial<Question>][] = [
    ['method POST', { method: 'POST' }],
    ['method HEAD', { method: 'HEAD' }],
    ['status 404', { status: 404 }],
    ['status 304', { status: 304 }],
    ['length unknown', { headers: without('content-length') }],
    ['length unknown', { headers: [...HEADERS, 'Content-Length', '5'] }],
    ['length unknown', { headers: [...without('content-length'), 'Content-Length', '10000000, 10000000'] }],
    ['small', { minBytes: SIZE + 1 }],
    ['pooling is off', { enabled: false }],
    ['no neighbour offers anything', { offered: 0 }],
    ['no neighbour offers anything', { offered: 0, ownRate: undefined }],
    ['no neighbour offers anything', { offered: 0, ownRate: SIZE / 60, mayOffer: false }],
    ['no strong validator', { offered: 0, ownRate: SIZE / 60, headers: without('etag') }],
    ['content coding', { headers: [...HEADERS, 'Content-Encoding', 'gzip'] }],
    ['several ranges', { ...partial('bytes=0-1,5-6', `bytes 0-9/${SIZE}`, SIZE) }],
    [
      'several ranges',
      {
        ...partial('bytes=0-', `bytes 0-9999999/${SIZE}`, SIZE),
        requestHeaders: ['Range', 'bytes=0-', 'Range', 'bytes=1-'],
      },
    ],
    ['several ranges', { ...partial('bytes=0-', `bytes 0-9999999/${SIZE}`, SIZE), requestHeaders: [] }],
    ['several ranges', { headers: [...HEADERS, 'Content-Type', 'Multipart/ByteRanges; boundary=x'] }],
    ['part of an unknown whole', { ...partial('bytes=0-', 'bytes 0-9999999/*', SIZE) }],
    ['part of an unknown whole', { ...partial('bytes=0-', 'nonsense', SIZE) }],
    ['part of an unknown whole', { ...partial('bytes=0-', `bytes 0-9999998/${SIZE}`, SIZE) }],
    ['not the range that was asked for', { ...partial('bytes=5-', `bytes 0-9999999/${SIZE}`, SIZE) }],
    ['not the range that was asked for', { ...partial('bytes=0-', `bytes 0-4999999/${SIZE}`, 5_000_000) }],
    ['not the range that was asked for', { ...partial('bytes=-5', `bytes 0-9999999/${SIZE}`, SIZE) }],
    ['origin takes no ranges', { headers: [...without('accept-ranges'), 'Accept-Ranges', ' None'] }],
    ['too many downloads of that origin at once', { roomAtOrigin: false }],
    ['origin asked for fewer requests', { refusal: 'origin asked for fewer requests' }],
    ['no strong validator', { headers: without('etag') }],
    ['no strong validator', { headers: [...without('etag'), 'ETag', 'W/"a"'] }],
    ['request carries credentials', { requestHeaders: ['cookie', 'a=b'] }],
    ['request carries credentials', { requestHeaders: ['AUTHORIZATION', 'x'] }],
    ['too many downloads at once', { memory: false }],
    ['saves too little', { ownRate: 100e6 }],
    ['saves too little', { offered: 10_000 }],
  ];
  for (const [reason, change] of rows) {
    it(`${reason}: ${JSON.stringify(change).slice(0, 120)}`, () => {
      assert.deepEqual({ ...verdict({ ...GOOD, ...change }), bytes: 0 }, { pool: false, reason, bytes: 0 });
    });
  }
});
