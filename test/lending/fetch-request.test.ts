import assert from 'node:assert/strict';
import { test } from 'node:test';
import { type ErrorCode, LinepoolError } from '../../src/core/errors.ts';
import { fetchWanted, originHeaders, passedHeaders } from '../../src/lending/fetch-request.ts';
import { borrowerPseudonym } from '../../src/lending/relay.ts';

const URL_ASKED = 'http://files.example:8080/a%20b?x=1';
const RANGE = ['Range', 'bytes=100-199'];

test('an absolute-form GET with one range is what may be fetched', () => {
  assert.deepEqual(
    fetchWanted('GET', URL_ASKED, ['Host', 'other', ...RANGE, 'User-Agent', 'x', 'Content-Length', '0']),
    {
      target: { origin: { scheme: 'http', host: 'files.example', port: 8080 }, path: '/a%20b?x=1' },
      span: { start: 100, end: 200 },
    },
  );
});

test('everything else is refused', () => {
  const cases: readonly (readonly [string, string, readonly string[], ErrorCode])[] = [
    ['POST', URL_ASKED, RANGE, 'method_refused'],
    ['HEAD', URL_ASKED, RANGE, 'method_refused'],
    ['get', URL_ASKED, RANGE, 'method_refused'],
    ['OPTIONS', URL_ASKED, RANGE, 'method_refused'],
    ['GET', '/relative', RANGE, 'bad_target'],
    ['GET', '*', RANGE, 'bad_target'],
    ['GET', 'https://files.example/', RANGE, 'bad_target'],
    ['GET', 'ftp://files.example/', RANGE, 'bad_target'],
    ['GET', 'http://user:pass@files.example/', RANGE, 'bad_target'],
    ['GET', 'http://files.example:0/', RANGE, 'bad_target'],
    ['GET', URL_ASKED, [], 'method_refused'],
    ['GET', URL_ASKED, [...RANGE, ...RANGE], 'method_refused'],
    ['GET', URL_ASKED, ['Range', 'bytes=0-9,20-29'], 'method_refused'],
    ['GET', URL_ASKED, ['Range', 'bytes=5-'], 'method_refused'],
    ['GET', URL_ASKED, ['Range', 'bytes=-5'], 'method_refused'],
    ['GET', URL_ASKED, ['Range', 'bytes=9-5'], 'method_refused'],
    ['GET', URL_ASKED, ['Range', 'lines=0-9'], 'method_refused'],
    ['GET', URL_ASKED, [...RANGE, 'Cookie', 'a=b'], 'credentials_refused'],
    ['GET', URL_ASKED, [...RANGE, 'AUTHORIZATION', 'Basic eA=='], 'credentials_refused'],
    ['GET', URL_ASKED, [...RANGE, 'Proxy-Authorization', 'Basic eA=='], 'credentials_refused'],
    ['GET', URL_ASKED, [...RANGE, 'Cookie', ''], 'credentials_refused'],
    ['GET', URL_ASKED, [...RANGE, 'Content-Length', '5'], 'bad_request'],
    ['GET', URL_ASKED, [...RANGE, 'Transfer-Encoding', 'chunked'], 'bad_request'],
  ];
  for (const [method, url, headers, code] of cases) {
    assert.throws(
      () => fetchWanted(method, url, headers),
      (error) => error instanceof LinepoolError && error.code === code,
      `${method} ${url} ${headers.join(' ')}`,
    );
  }
});

test('of an address that can not be read nothing is quoted', () => {
  for (const url of [
    'http://user:secret@files.example/',
    'http://files.example:0/secret?secret',
    'http://files.example/secret\\',
    'http://secret.example\t/',
    'ftp://files.example/secret',
    '/secret',
  ]) {
    assert.throws(
      () => fetchWanted('GET', url, RANGE),
      (error) => error instanceof LinepoolError && error.code === 'bad_target' && error.detail === '',
      url,
    );
  }
});

test('the origin is asked for the range, plainly, for another party', () => {
  assert.deepEqual(originHeaders({ start: 0, end: 10 }, '_abc'), [
    'Range',
    'bytes=0-9',
    'Accept-Encoding',
    'identity',
    'Forwarded',
    'for="_abc"',
  ]);
});

test('a pseudonym is an obfuscated identifier of RFC 7239, one for each pair', () => {
  const one = borrowerPseudonym('lender', 'borrower');
  assert.match(one, /^_[A-Za-z0-9._-]+$/);
  assert.equal(one, borrowerPseudonym('lender', 'borrower'));
  assert.notEqual(one, borrowerPseudonym('lender-2', 'borrower'));
  assert.notEqual(one, borrowerPseudonym('lender', 'borrower-2'));
});

test('of a response only what the borrower needs is passed', () => {
  assert.deepEqual(
    passedHeaders(
      `Server|x|ETag|"a"|Set-Cookie|a=b|content-range|bytes 0-9/10|Connection|close|Linepool-Error|internal|Content-Length|10|Retry-After|5|Last-Modified|bad\u0001value|Content-Type|caf\u00e9/x`.split(
        '|',
      ),
    ),
    ['ETag', '"a"', 'content-range', 'bytes 0-9/10', 'Retry-After', '5', 'Content-Type', 'caf\u00e9/x'],
  );
});
