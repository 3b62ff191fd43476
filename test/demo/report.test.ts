import assert from 'node:assert/strict';
import { test } from 'node:test';
import { drawBars } from '../../src/demo/display.ts';
import { figuresOf, formatReport, type Measured } from '../../src/demo/report.ts';

const LINES = [
  { name: 'First floor', rate: 5e6, delay: 10 },
  { name: 'Second floor', rate: 2.5e6, delay: 15 },
];

const MEASURED: Measured = {
  bytes: 10_000_000,
  aloneMs: [2000, 4000],
  pooledMs: 1400,
  bytesByLine: [6_500_000, 3_500_000],
  sha256Match: true,
};

test('efficiency is the pooled rate over the sum of what the lines reach alone', () => {
  const figures = figuresOf(LINES, MEASURED);
  // 10 MB in 1.4 s, of 5 + 2.5 MB/s.
  assert.equal(figures.efficiency, 0.9524);
  assert.equal(figures.speedup, 1.429);
  assert.equal(figures.ownMs, 2000);
  assert.deepEqual(figures.bytesByPath, { 'First floor': 6_500_000, 'Second floor': 3_500_000 });
  assert.deepEqual(figures.lines[1], { name: 'Second floor', mbit: 20, aloneMbit: 20, delayMs: 15 });
});

test('the table shows every line, both schemes and a wrong checksum', () => {
  const http = figuresOf(LINES, MEASURED);
  const https = figuresOf(LINES, { ...MEASURED, pooledMs: 1500, sha256Match: false });
  const text = formatReport({ ...http, https, totalMs: 9000 });
  assert.match(text, /First floor +40\.0 Mbit\/s +10 ms +40\.0 Mbit\/s +6\.5 MB +65 % .* 6\.5 MB +65 %/);
  assert.match(text, /Second floor .* 3\.5 MB +35 %/);
  assert.match(text, /pooled +1\.40 s +1\.50 s/);
  assert.match(text, /share of the sum +0\.952 +0\.889/);
  assert.match(text, /checksum +ok +WRONG/);
});

test('bars are full at the rate of the line, and no longer', () => {
  const [first = '', second = '', together = ''] = drawBars(LINES, [2.5e6, 9e6]).split('\n');
  const full = (row: string): number => row.split('█').length - 1;
  assert.equal(full(first), 15);
  assert.equal(full(second), 30);
  assert.equal(full(together), 30);
  assert.match(first, /20\.0 Mbit\/s$/);
});
