import assert from 'node:assert/strict';
import { test } from 'node:test';
import { barChart, densityChart, lineChart, stackedChart, strokeChart, ticks } from '../../lab/report/svg.ts';

const axes = { title: 'A <title>', x: 'time, s', y: 'Mbit/s' };
const points = [
  [0, 0],
  [7.18, 119.6],
] as const;
const CHARTS: Readonly<Record<string, string>> = {
  line: lineChart(axes, [{ name: 'adaptive', points }]),
  stacked: stackedChart(axes, [{ name: 'own line', points }]),
  bars: barChart(axes, ['adaptive'], [{ name: 'fast', values: [{ value: 7, least: 6, most: 8 }] }]),
  strokes: strokeChart(axes, ['own line'], [{ series: 0, from: [0, -3], to: [2, 5] }]),
  density: densityChart(axes, 'adaptive', [
    [-20, 0.001],
    [0, 0.999],
  ]),
};

test('every picture has its title, its units, a legend and a background of its own', () => {
  for (const [name, svg] of Object.entries(CHARTS)) {
    for (const text of ['A &lt;title&gt;', 'time, s', 'Mbit/s', 'fill="#ffffff"'])
      assert.ok(svg.includes(text), `${name}: ${text}`);
    assert.match(svg, />(adaptive|own line)</, name);
  }
});

test('nothing is drawn outside of a picture, and nothing that is no number', () => {
  for (const [name, svg] of Object.entries(CHARTS)) {
    assert.doesNotMatch(svg, /NaN|Infinity|undefined/, name);
    const [, width = 0, height = 0] = (/viewBox="0 0 (\d+) (\d+)"/.exec(svg) ?? []).map(Number);
    for (const [, axis = '', value = ''] of svg.matchAll(/ c?([xy])[12]?="(-?[\d.]+)"/g)) {
      const most = axis === 'x' ? width : height;
      assert.ok(Number(value) >= 0 && Number(value) <= most, `${name}: ${axis} ${value}`);
    }
  }
});

test('marks of an axis are round numbers, some five of them, none beyond its ends', () => {
  const texts = (least: number, most: number): string =>
    ticks(least, most)
      .map(({ text }) => text)
      .join(' ');
  assert.equal(texts(0, 7.18), '0 2 4 6');
  assert.equal(texts(0, 100), '0 20 40 60 80 100');
  assert.equal(texts(-110, 106), '-100 -50 0 50 100');
  assert.equal(texts(0, 0.3), '0 0.1 0.2 0.3');
});
