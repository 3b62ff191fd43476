import assert from 'node:assert/strict';
import { it } from 'node:test';
import { type ErrorCode, LinepoolError } from '../../src/core/errors.ts';
import { LAST_STRIKES, MOST_STRIKES, type Next, nextAfter } from '../../src/download/failure.ts';

const fresh = { strikes: 0, broughtSome: false, isLastResort: false };
const next = (code: ErrorCode, path: Partial<typeof fresh> = {}): Next =>
  nextAfter(new LinepoolError(code), { ...fresh, ...path });

it('what can not fit is left out', () => {
  for (const code of [
    'span_range',
    'span_validator',
    'span_coding',
    'not_paired',
    'tls_certificate',
  ] as const) {
    assert.equal(next(code), 'out', code);
    assert.equal(next(code, { isLastResort: true }), 'out', code);
  }
});

it('a refusal leaves a path out, but the own line rests when it is all there is', () => {
  assert.equal(next('span_status'), 'out');
  assert.equal(next('span_status', { isLastResort: true }), 'bench');
});

it('a lease that ran out is renewed at once, for all that was asked under it', () => {
  for (const code of ['lease_expired', 'lease_exhausted'] as const) assert.equal(next(code), 'renew', code);
});

it('a connection that broke is tried again at once when it brought something, else later', () => {
  assert.equal(next('connection_lost', { broughtSome: true }), 'retry');
  assert.equal(next('connection_lost'), 'bench');
  assert.equal(next('connect_timeout'), 'bench');
});

it('failures in a row come to an end, those of the own line last', () => {
  for (const code of ['connection_lost', 'lease_expired'] as const) {
    assert.equal(next(code, { strikes: MOST_STRIKES, broughtSome: true }), 'out');
    assert.equal(next(code, { strikes: MOST_STRIKES, isLastResort: true }), 'bench');
    assert.equal(next(code, { strikes: LAST_STRIKES, isLastResort: true }), 'out');
  }
});
