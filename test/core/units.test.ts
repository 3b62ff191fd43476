import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import * as fc from 'fast-check';
import {
  formatBytes,
  formatDuration,
  formatRate,
  GIB,
  KIB,
  MIB,
  parseBytes,
  parseDuration,
  parseRate,
} from '../../src/core/units.ts';

const within = (got: number | undefined, want: number, part: number): boolean =>
  got !== undefined && Math.abs(got - want) <= Math.max(1, want * part);

describe('sizes', () => {
  it('are read with their unit', () => {
    assert.equal(parseBytes('16 MiB'), 16 * MIB);
    assert.equal(parseBytes('1.5 GB'), 1.5e9);
    assert.equal(parseBytes('512'), 512);
    assert.equal(parseBytes('  3kib '), 3 * KIB);
    assert.equal(parseBytes('1 TiB'), 1024 * GIB);
  });

  it('are refused when they are none', () => {
    for (const text of ['', '-1', '1 MiB/s', '1e3', '1,5 MB', 'MiB', '5 bananas', '1 2', '0x10', '1 Mbit'])
      assert.equal(parseBytes(text), undefined, text);
  });

  it('come back as they were, as far as they are shown', () => {
    fc.assert(
      fc.property(fc.integer({ min: 0, max: 2 ** 50 }), (bytes) =>
        within(parseBytes(formatBytes(bytes)), bytes, 0.01),
      ),
    );
  });
});

describe('rates', () => {
  it('are read in bits and in bytes', () => {
    assert.equal(parseRate('50 Mbit/s'), 6.25e6);
    assert.equal(parseRate('6 MB/s'), 6e6);
    assert.equal(parseRate('8 bit/s'), 1);
  });

  it('need a unit', () => {
    for (const text of ['50', '50 MB', '50 Mbit', '/s', '50 s'])
      assert.equal(parseRate(text), undefined, text);
  });

  it('come back as they were, as far as they are shown', () => {
    fc.assert(
      fc.property(fc.integer({ min: 1, max: 1e12 }), (rate) =>
        within(parseRate(formatRate(rate)), rate, 0.01),
      ),
    );
  });
});

describe('times', () => {
  it('are read with their unit, which is required', () => {
    assert.equal(parseDuration('300 ms'), 300);
    assert.equal(parseDuration('15 min'), 900_000);
    assert.equal(parseDuration('30 d'), 2_592_000_000);
    assert.equal(parseDuration('0.5 s'), 500);
    assert.equal(parseDuration('0.07 s'), 70);
    assert.equal(parseDuration('33.3 ms'), 33);
    assert.equal(parseDuration('0.2 ms'), 1);
    assert.equal(parseDuration('0 s'), 0);
    for (const text of ['5', '5 m', 'soon', '-1 s']) assert.equal(parseDuration(text), undefined, text);
  });

  it('are shown as people say them', () => {
    assert.equal(formatDuration(420), '420 ms');
    assert.equal(formatDuration(3_240), '3.2 s');
    assert.equal(formatDuration(245_000), '4 min 05 s');
    assert.equal(formatDuration(7_800_000), '2 h 10 min');
    assert.equal(formatDuration(3_599_700), '1 h 00 min');
    assert.equal(formatDuration(999.7), '1.0 s');
    assert.equal(formatDuration(59_960), '1 min 00 s');
  });

  it('never show sixty of anything', () => {
    fc.assert(
      fc.property(fc.double({ min: 0, max: 1e9, noNaN: true }), (ms) => {
        assert.doesNotMatch(formatDuration(ms), /\b(60(\.0)? s|60 min|1000 ms)\b/);
      }),
    );
  });
});
