import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { assert as check, integer, property } from 'fast-check';
import { parseHttpDate } from '../../src/core/http-date.ts';

const NOW = Date.UTC(1994, 10, 6, 8, 49, 37);

describe('an HTTP-date', () => {
  it('has three forms, all of the same moment', () => {
    for (const text of [
      'Sun, 06 Nov 1994 08:49:37 GMT',
      'Sunday, 06-Nov-94 08:49:37 GMT',
      'Sun Nov  6 08:49:37 1994',
    ])
      assert.equal(parseHttpDate(text, NOW), NOW, text);
  });

  it('of two digits is never more than 50 years ahead', () => {
    const in2026 = Date.UTC(2026, 0, 1);
    assert.equal(parseHttpDate('Friday, 31-Dec-99 23:59:59 GMT', in2026), Date.UTC(1999, 11, 31, 23, 59, 59));
    assert.equal(parseHttpDate('Friday, 31-Dec-70 23:59:59 GMT', in2026), Date.UTC(2070, 11, 31, 23, 59, 59));
  });

  it('of two digits is none where nobody says what year it is', () => {
    assert.equal(parseHttpDate('Sunday, 06-Nov-94 08:49:37 GMT'), undefined);
    assert.equal(parseHttpDate('Sun, 06 Nov 1994 08:49:37 GMT'), NOW);
  });

  it('is nothing else, whatever a lenient reader would make of it', () => {
    for (const text of [
      '-5',
      'garbage 1',
      '1994-11-06',
      'Sun, 06 Nov 1994 08:49:37',
      'Sun, 06 Nov 1994 25:00:00 GMT',
      'Sun, 00 Nov 1994 08:49:37 GMT',
      '',
    ])
      assert.equal(parseHttpDate(text, NOW), undefined, text);
  });

  it('is read back as any date is written', () => {
    check(
      property(integer({ min: 0, max: 4e9 }), (seconds) => {
        const at = seconds * 1000;
        assert.equal(parseHttpDate(new Date(at).toUTCString(), NOW), at);
      }),
    );
  });
});
