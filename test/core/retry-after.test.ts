import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { retryAfterOf } from '../../src/core/retry-after.ts';

const NOW = Date.UTC(1994, 10, 6, 8, 49, 37);
const asks = (value: string, ...more: string[]): number | undefined =>
  retryAfterOf(['Retry-After', value, ...more], NOW);

describe('Retry-After', () => {
  it('is seconds', () => {
    assert.equal(asks('0'), 0);
    assert.equal(asks('120'), 120_000);
  });

  it('is a date by the clock of the server, or by ours where it sent none', () => {
    const sent = ['Date', 'Sun, 06 Nov 1994 07:00:00 GMT'];
    assert.equal(asks('Sun, 06 Nov 1994 07:00:09 GMT', ...sent), 9_000);
    assert.equal(asks('Sun, 06 Nov 1994 06:00:00 GMT', ...sent), 0);
    assert.equal(asks('Sun, 06 Nov 1994 08:49:47 GMT'), 10_000);
  });

  it('is no wish when it is negative, garbage, or not there', () => {
    for (const value of ['-1', '-3600', '1.5', 'soon', '1e9', '99999999999999', 'garbage 1', ''])
      assert.equal(asks(value), undefined, value);
    assert.equal(retryAfterOf([], NOW), undefined);
  });
});
