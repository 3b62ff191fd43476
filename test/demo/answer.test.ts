import assert from 'node:assert/strict';
import { test } from 'node:test';
import * as fc from 'fast-check';
import { fieldValue, formatRange, parseContentRange } from '../../src/core/http.ts';
import { span } from '../../src/core/span.ts';
import { type Asked, answerFile, bodyLength, etagOf } from '../../src/demo/answer.ts';

const ask = (path: string, headers: string[] = [], method = 'GET'): Asked => ({
  method,
  path,
  headers,
  connection: 1,
  nth: 1,
});

test('a whole file has its length, a strong validator and the offer of ranges', () => {
  const answer = answerFile(ask('/file/1000'));
  assert.equal(answer.status, 200);
  assert.deepEqual(answer.body, [span(0, 1000)]);
  assert.equal(fieldValue(answer.headers, 'content-length'), '1000');
  assert.equal(fieldValue(answer.headers, 'etag'), etagOf(1000, 1));
  assert.equal(fieldValue(answer.headers, 'accept-ranges'), 'bytes');
});

test('every range of a file is answered with exactly that range', () => {
  fc.assert(
    fc.property(fc.nat(5000), fc.nat(5000), fc.integer({ min: 1, max: 5000 }), (start, length, size) => {
      const wanted = span(start, start + length + 1);
      const answer = answerFile(ask(`/file/${size}`, ['Range', formatRange(wanted)]));
      if (start >= size) {
        assert.equal(answer.status, 416);
        return;
      }
      const got = span(start, Math.min(wanted.end, size));
      assert.equal(answer.status, 206);
      assert.deepEqual(answer.body, [got]);
      assert.deepEqual(parseContentRange(fieldValue(answer.headers, 'content-range') ?? ''), {
        span: got,
        total: size,
      });
    }),
  );
});

const rows: [string, string[], number, [number, number] | undefined][] = [
  ['the last bytes', ['Range', 'bytes=-10'], 206, [90, 100]],
  ['more of the last bytes than there are', ['Range', 'bytes=-200'], 206, [0, 100]],
  ['from a byte to the end', ['Range', 'bytes=40-'], 206, [40, 100]],
  ['several ranges', ['Range', 'bytes=0-1,4-5'], 200, [0, 100]],
  ['If-Range of this version', ['Range', 'bytes=0-1', 'If-Range', '"100-1"'], 206, [0, 2]],
  ['If-Range of another version', ['Range', 'bytes=0-1', 'If-Range', '"100-2"'], 200, [0, 100]],
  ['If-None-Match of this version', ['If-None-Match', '"100-1"'], 304, undefined],
];
for (const [name, headers, status, part] of rows) {
  test(`ranges and conditions: ${name}`, () => {
    const answer = answerFile(ask('/file/100', headers));
    assert.equal(answer.status, status);
    assert.deepEqual(answer.body, part === undefined ? [] : [span(...part)]);
  });
}

test('another version has other bytes and another validator', () => {
  const answer = answerFile(ask('/file/100'), 2);
  assert.notDeepEqual(answer.body, [span(0, 100)]);
  assert.equal(bodyLength(answer.body), 100);
  assert.equal(fieldValue(answer.headers, 'etag'), '"100-2"');
});

test('what is not a file is not there', () => {
  for (const path of ['/', '/file/', '/file/-1', '/file/1e9', '/file/10/x'])
    assert.equal(answerFile(ask(path)).status, 404);
  assert.equal(answerFile(ask('/file/1', [], 'POST')).status, 405);
});
