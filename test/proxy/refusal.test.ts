/**
 * Refusals as text: the Proxy-Status of RFC 9209, and what people read.
 */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import * as fc from 'fast-check';
import { parseList, Token } from 'structured-headers';
import { ERRORS, type ErrorCode, LinepoolError } from '../../src/core/errors.ts';
import { proxyStatus, refusal } from '../../src/proxy/refusal.ts';

const codes = Object.keys(ERRORS) as ErrorCode[];

test('every error has a Proxy-Status that parses, or none, whatever its detail', () => {
  fc.assert(
    fc.property(fc.constantFrom(...codes), fc.string({ unit: 'binary' }), (code, detail) => {
      const text = proxyStatus(new LinepoolError(code, detail), 'linepool-ab12cd');
      const type = ERRORS[code].proxyStatus;
      if (type === null) {
        assert.equal(text, undefined);
        return;
      }
      const [item] = parseList(text ?? '');
      assert.deepEqual(item?.[0], new Token('linepool-ab12cd'));
      assert.deepEqual(item?.[1].get('error'), new Token(type));
    }),
  );
});

test('the body says what happened, to what, and what to do; HTML is escaped', () => {
  const error = new LinepoolError('dns_failed', '<script>.example');
  const text = refusal(error, 'p');
  assert.ok(text.body.includes('could not be resolved'));
  assert.ok(text.body.includes('<script>.example'));
  assert.ok(text.body.includes(ERRORS.dns_failed.advice));
  const html = refusal(error, 'p', 'text/html;q=0.9');
  assert.ok(html.body.includes('&lt;script&gt;'));
  assert.ok(!html.body.includes('<script>'));
  const length = html.headers[html.headers.indexOf('Content-Length') + 1];
  assert.equal(length, String(Buffer.byteLength(html.body)));
});
