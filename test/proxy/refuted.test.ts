import assert from 'node:assert/strict';
import { test } from 'node:test';
import { LinepoolError } from '../../src/core/errors.ts';
import { parseTarget } from '../../src/core/target.ts';
import { REFUTED_MS, Refuted } from '../../src/proxy/refuted.ts';
import { FakeClock } from '../support/fake-clock.ts';

const FILE = parseTarget('http://files.example/a?b');
const OTHER = parseTarget('http://files.example/a?c');
const REST = ['Range', 'bytes=100-'];

test('the rest of what may be wrong is not given to who has the beginning, for an hour', () => {
  const clock = new FakeClock();
  const refuted = new Refuted(clock);
  assert.equal(refuted.why('10.0.0.2', FILE, REST), undefined);
  refuted.note('10.0.0.2', FILE, new LinepoolError('digest_mismatch'));
  for (const range of ['bytes=100-', 'bytes=-5', 'bytes=1-2', 'bytes=0-1,5-6', 'BYTES = nonsense']) {
    assert.equal(refuted.why('10.0.0.2', FILE, ['Range', range])?.code, 'digest_mismatch', range);
  }
  assert.equal(refuted.why('10.0.0.2', FILE, []), undefined, 'all of it');
  assert.equal(refuted.why('10.0.0.2', FILE, ['range', 'bytes=0-']), undefined, 'all of it, said otherwise');
  assert.equal(refuted.why('10.0.0.3', FILE, REST), undefined, 'another client');
  assert.equal(refuted.why('10.0.0.2', OTHER, REST), undefined, 'another file');
  clock.advance(REFUTED_MS);
  assert.equal(refuted.why('10.0.0.2', FILE, REST), undefined);
});

test('what broke off and is right so far may be gone on with', () => {
  const refuted = new Refuted(new FakeClock());
  for (const code of ['no_path', 'response_timeout'] as const)
    refuted.note('10.0.0.2', FILE, new LinepoolError(code));
  assert.equal(refuted.why('10.0.0.2', FILE, REST), undefined);
  for (const code of ['span_altered', 'span_unchecked', 'origin_changed'] as const) {
    refuted.note('10.0.0.2', FILE, new LinepoolError(code));
    assert.equal(refuted.why('10.0.0.2', FILE, REST)?.code, code);
  }
});
