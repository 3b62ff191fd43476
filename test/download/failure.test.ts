import assert from 'node:assert/strict';
import { it } from 'node:test';
import { type ErrorCode, LinepoolError } from '../../src/core/errors.ts';
import {
  type FailedPath,
  judge,
  LAST_STRIKES,
  LONGEST_REST_MS,
  MOST_STRIKES,
  type Next,
} from '../../src/download/failure.ts';

const fresh: FailedPath = {
  strikes: 0,
  broughtSome: false,
  isLastResort: false,
  isProven: false,
  isBeside: false,
};
const judged = (code: ErrorCode, path: Partial<FailedPath> = {}, waitMs?: number) =>
  judge(new LinepoolError(code), waitMs, { ...fresh, ...path });
const next = (code: ErrorCode, path: Partial<FailedPath> = {}): Next => judged(code, path).next;

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

it('an origin that asks for less is left alone; by the own line only for a while when that is all there is', () => {
  assert.deepEqual(judged('origin_busy', {}, 7_000).next, 'out');
  const last = { isLastResort: true };
  const rest = judged('origin_busy', last, 7_000);
  assert.deepEqual([rest.next, rest.restMs, rest.forMs], ['bench', 7_000, 30_000]);
  assert.match(rest.error.message, /asks to wait 7\.0 s/);
  assert.equal(judged('origin_busy', last).next, 'bench', 'it did not say for how long');
  const long = judged('origin_busy', last, LONGEST_REST_MS + 1);
  assert.equal(long.next, 'out', 'no client waits for that');
  assert.ok(long.restMs <= LONGEST_REST_MS);
});

it('connections that break beside the running response are refused, from the second in a row on', () => {
  for (const code of ['connection_lost', 'connect_refused', 'connect_timeout'] as const) {
    const beside = { isBeside: true };
    assert.equal(judged(code, beside).next, 'bench', code);
    const second = judged(code, { ...beside, strikes: 1 });
    assert.deepEqual([second.next, second.error.code], ['out', 'parallel_refused']);
    assert.ok(second.forMs > 0, 'and that is remembered');
    assert.equal(judged(code, { ...beside, strikes: 1, broughtSome: true }).next, 'retry');
    assert.equal(judged(code, { strikes: 1 }).next, 'bench', 'a neighbour: its link may be to blame');
    assert.equal(judged(code, { strikes: 1, isLastResort: true }).next, 'bench', 'nothing runs beside it');
  }
});

it('what failed too often in a row is left out for others too', () => {
  assert.equal(judged('connection_lost').forMs, 0);
  assert.ok(judged('connection_lost', { strikes: 1 }).forMs > 0, 'one that never brought anything');
  assert.equal(judged('connection_lost', { strikes: 1, isProven: true }).forMs, 0);
  assert.ok(judged('connection_lost', { strikes: MOST_STRIKES }).forMs > 0);
});

it('where nobody listens, there is nothing to wait for', () => {
  for (const path of [{}, { isLastResort: true }]) {
    assert.equal(next('connect_refused', { ...path, strikes: 1 }), 'bench');
    assert.equal(next('connect_refused', { ...path, strikes: 2 }), 'out');
  }
});
