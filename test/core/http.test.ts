import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import * as fc from 'fast-check';
import {
  endToEnd,
  fieldValue,
  fieldValues,
  formatRange,
  formatRangeFrom,
  fromWire,
  isIdentity,
  parseContentLength,
  parseContentRange,
  parseRange,
  sameValidator,
  strongValidator,
} from '../../src/core/http.ts';
import { span } from '../../src/core/span.ts';

describe('ranges', () => {
  it('are inclusive on the wire and half-open here', () => {
    assert.equal(formatRange(span(0, 500)), 'bytes=0-499');
    assert.deepEqual(parseRange(formatRangeFrom(500)), { kind: 'from', start: 500, end: undefined });
    fc.assert(
      fc.property(fc.nat(), fc.integer({ min: 1, max: 1e6 }), (start, length) => {
        assert.deepEqual(parseRange(formatRange(span(start, start + length))), {
          kind: 'from',
          start,
          end: start + length,
        });
      }),
    );
  });

  it('may be open at either end', () => {
    assert.deepEqual(parseRange('bytes=7-'), { kind: 'from', start: 7, end: undefined });
    assert.deepEqual(parseRange('Bytes= -500'), { kind: 'suffix', length: 500 });
  });

  it('are refused when there are several, another unit, or nonsense', () => {
    for (const text of [
      '',
      'bytes',
      'bytes=',
      'bytes=-',
      'bytes=5-4',
      'bytes=0-1,3-4',
      'bytes=0-1,',
      'items=0-1',
      'bytes=a-b',
      'bytes=0x1-2',
      'bytes=1 -2',
      'bytes=--5',
      'bytes=1-2-3',
      'bytes=9999999999999999-',
      '0-1',
    ])
      assert.equal(parseRange(text), undefined, text);
  });

  it('as they came are read back with their whole', () => {
    assert.deepEqual(parseContentRange('bytes 0-499/1234'), { span: span(0, 500), total: 1234 });
    assert.deepEqual(parseContentRange('bytes 7-7/*'), { span: span(7, 8), total: undefined });
    for (const text of [
      '',
      'bytes */100',
      'bytes 0-100/100',
      'bytes 5-4/100',
      'bytes 0-4',
      'bytes 0-4/',
      'bytes=0-4/9',
      'items 0-4/9',
      'bytes 0-4/9 x',
      'bytes -4/9',
      'bytes 0-4/-9',
    ])
      assert.equal(parseContentRange(text), undefined, text);
  });

  it('and lengths are plain numbers', () => {
    assert.equal(parseContentLength('0'), 0);
    assert.equal(parseContentLength('123'), 123);
    for (const text of ['', '-1', '+1', '1.0', '1e3', '0x1', '1, 1', ' 1', '9999999999999999'])
      assert.equal(parseContentLength(text), undefined, text);
  });
});

describe('validators', () => {
  const DATE = ['Date', 'Wed, 01 Jan 2025 12:00:00 GMT'];
  it('a strong ETag is one, byte for byte', () => {
    assert.deepEqual(strongValidator(['ETag', '"a-1"']), { kind: 'etag', value: '"a-1"' });
    assert.deepEqual(strongValidator(['etag', '""']), { kind: 'etag', value: '""' });
    assert.deepEqual(strongValidator(['ETag', '"\xe9"']), { kind: 'etag', value: '"\xe9"' });
  });

  it('a weak, unquoted, broken or repeated one is none, and rules Last-Modified out', () => {
    const settled = ['Last-Modified', 'Tue, 31 Dec 2024 12:00:00 GMT', ...DATE];
    for (const tag of ['W/"a"', 'w/"a"', 'a', '"a', 'a"', '"a"b"', '"a b"', ''])
      assert.equal(strongValidator(['ETag', tag, ...settled]), undefined, tag);
    assert.equal(strongValidator(['ETag', '"a"', 'ETag', '"b"', ...settled]), undefined);
  });

  it('Last-Modified is one when it is a minute older than Date (RFC 9110 section 8.8.2.2)', () => {
    const modified = (at: string): string[] => ['Last-Modified', at, ...DATE];
    const at = 'Wed, 01 Jan 2025 11:59:00 GMT';
    assert.deepEqual(strongValidator(modified(at)), { kind: 'last-modified', value: at });
    for (const young of [
      'Wed, 01 Jan 2025 11:59:01 GMT',
      'Wed, 01 Jan 2025 12:00:00 GMT',
      'Thu, 02 Jan 2025 12:00:00 GMT',
      'soon',
      '2024-12-31',
      'build 7',
      '',
    ])
      assert.equal(strongValidator(modified(young)), undefined, young);
    assert.equal(strongValidator(['Last-Modified', at]), undefined, 'no Date');
    assert.equal(strongValidator([]), undefined);
  });

  it('are the same only when they are the same bytes', () => {
    const validator = { kind: 'etag', value: '"a"' } as const;
    assert.ok(sameValidator(['ETag', '"a"'], validator));
    for (const headers of [
      [],
      ['ETag', '"A"'],
      ['ETag', 'W/"a"'],
      ['ETag', '"a"', 'ETag', '"b"'],
      ['Last-Modified', '"a"'],
    ])
      assert.ok(!sameValidator(headers, validator), headers.join(' '));
  });
});

describe('fields', () => {
  it('keep order and repeats, and one that stands once may be repeated alike', () => {
    const headers = ['A', '1', 'b', '2', 'a', '3'];
    assert.deepEqual(fieldValues(headers, 'a'), ['1', '3']);
    assert.equal(fieldValue(headers, 'a'), undefined);
    assert.equal(fieldValue(['A', '1', 'a', '1'], 'a'), '1');
    assert.equal(fieldValue(headers, 'c'), undefined);
  });

  it('from the wire keep bytes of 0x80 and more', () => {
    assert.deepEqual(fromWire([Buffer.from([0x58]), Buffer.from([0xe9, 0xff])]), ['X', '\xe9\xff']);
    assert.throws(() => fromWire([[Buffer.from('a')]]), { code: 'internal' });
  });

  it('coding: identity in every spelling, and nothing else', () => {
    for (const headers of [
      [],
      ['Content-Encoding', 'identity'],
      ['Content-Encoding', ' Identity '],
      ['Content-Encoding', ''],
    ])
      assert.ok(isIdentity(headers));
    for (const coding of ['gzip', 'identity, gzip', 'br'])
      assert.ok(!isIdentity(['Content-Encoding', coding]));
  });
});

describe('hop-by-hop (RFC 9110 section 7.6.1)', () => {
  it('fields of this hop go, all others stay in order', () => {
    const headers = [
      'Host',
      'a',
      'TE',
      'gzip',
      'Keep-Alive',
      '5',
      'X-A',
      '1',
      'Proxy-Connection',
      'x',
      'Set-Cookie',
      'a',
      'Upgrade',
      'h2c',
      'Transfer-Encoding',
      'chunked',
      'Proxy-Authorization',
      'x',
      'Proxy-Authenticate',
      'x',
      'Set-Cookie',
      'b',
      'connection',
      'close',
    ];
    assert.deepEqual(endToEnd(headers), ['Host', 'a', 'X-A', '1', 'Set-Cookie', 'a', 'Set-Cookie', 'b']);
  });

  it('what Connection names goes, in any case, over several fields, with odd white space', () => {
    const headers = [
      'Connection',
      ' X-A ,, x-b,',
      'x-a',
      '1',
      'X-B',
      '2',
      'X-C',
      '3',
      'CONNECTION',
      'x-c, close',
    ];
    assert.deepEqual(endToEnd(headers), []);
  });

  it('Connection can not strip what belongs to the message', () => {
    const kept = [
      'Host',
      'a',
      'Content-Length',
      '1',
      'Authorization',
      'x',
      'Cookie',
      'c',
      'Via',
      'v',
      'ETag',
      '"a"',
      'Range',
      'bytes=0-1',
      'Content-Range',
      'r',
      'Forwarded',
      'f',
    ];
    const named = kept.filter((_, i) => i % 2 === 0).join(', ');
    assert.deepEqual(endToEnd([...kept, 'Connection', named]), kept);
  });

  it('names that are members of objects are just names', () => {
    assert.deepEqual(endToEnd(['Connection', 'constructor, __proto__', 'X', '1', 'Constructor', '2']), [
      'X',
      '1',
    ]);
  });
});
