/**
 * Pictures: bars, stacked areas and lines, as SVG with text that can be read and colours that tell apart. Pure; used by
 * report.ts. Every picture says its units.
 */

const WIDTH = 760;
const HEIGHT = 320;
const LEFT = 64;
const RIGHT = 16;
const TOP = 44;
const BOTTOM = 52;
/** Told apart by people who see colours differently (Okabe and Ito). */
const COLOURS = ['#0072b2', '#e69f00', '#009e73', '#cc79a7', '#56b4e9', '#d55e00', '#999999', '#f0e442'];

export interface Axes {
  readonly title: string;
  readonly x: string;
  readonly y: string;
}

export interface Series {
  readonly name: string;
  readonly points: readonly (readonly [x: number, y: number])[];
}

const escape = (text: string): string =>
  text.replaceAll('&', '&amp;').replaceAll('<', '&lt;').replaceAll('>', '&gt;');
const at = (value: number): string => value.toFixed(1);
const colour = (i: number): string => COLOURS[i % COLOURS.length] ?? '#000000';

/** A round number above the value, for the end of an axis. */
function roundUp(value: number): number {
  const step = 10 ** Math.floor(Math.log10(Math.max(value, 1e-9)));
  const factor = [1, 1.5, 2, 2.5, 3, 4, 5, 6, 8, 10].find((one) => one * step >= value) ?? 10;
  return factor * step;
}

interface Frame {
  readonly x: (value: number) => number;
  readonly y: (value: number) => number;
  readonly parts: string[];
}

function frame(
  axes: Axes,
  most: { x: number; y: number },
  legend: readonly string[],
  ticksX: boolean,
): Frame {
  const x = (value: number): number => LEFT + (value / most.x) * (WIDTH - LEFT - RIGHT);
  const y = (value: number): number => HEIGHT - BOTTOM - (value / most.y) * (HEIGHT - TOP - BOTTOM);
  const parts = [
    `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 ${WIDTH} ${HEIGHT}" font-family="sans-serif" font-size="12">`,
    `<title>${escape(axes.title)}</title>`,
    `<rect width="${WIDTH}" height="${HEIGHT}" fill="#ffffff"/>`,
    `<text x="${LEFT}" y="16" font-size="14">${escape(axes.title)}</text>`,
    `<text x="${(LEFT + WIDTH) / 2}" y="${HEIGHT - 6}" text-anchor="middle">${escape(axes.x)}</text>`,
    `<text transform="translate(14 ${HEIGHT / 2}) rotate(-90)" text-anchor="middle">${escape(axes.y)}</text>`,
  ];
  for (let i = 0; i <= 5; i += 1) {
    const value = (most.y * i) / 5;
    parts.push(
      `<line x1="${LEFT}" x2="${WIDTH - RIGHT}" y1="${at(y(value))}" y2="${at(y(value))}" stroke="#dddddd"/>`,
      `<text x="${LEFT - 6}" y="${at(y(value) + 4)}" text-anchor="end">${Number(value.toPrecision(3))}</text>`,
    );
    if (ticksX)
      parts.push(
        `<text x="${at(x((most.x * i) / 5))}" y="${HEIGHT - BOTTOM + 16}" text-anchor="middle">${Number(((most.x * i) / 5).toPrecision(3))}</text>`,
      );
  }
  let left = LEFT;
  legend.forEach((name, i) => {
    parts.push(
      `<rect x="${left}" y="24" width="10" height="10" fill="${colour(i)}"/>`,
      `<text x="${left + 14}" y="33">${escape(name)}</text>`,
    );
    left += 28 + name.length * 7;
  });
  return { x, y, parts };
}

const close = ({ parts }: Frame): string => `${[...parts, '</svg>'].join('\n')}\n`;

const largest = (values: readonly number[]): number =>
  values.reduce((most, value) => Math.max(most, value), 0);

/** Lines that join points. */
export function lineChart(axes: Axes, series: readonly Series[]): string {
  const all = series.flatMap(({ points }) => points);
  const most = { x: roundUp(largest(all.map(([x]) => x))), y: roundUp(largest(all.map(([, y]) => y))) };
  const drawn = frame(
    axes,
    most,
    series.map(({ name }) => name),
    true,
  );
  series.forEach(({ points }, i) => {
    const path = points.map(([x, y]) => `${at(drawn.x(x))},${at(drawn.y(y))}`).join(' ');
    drawn.parts.push(`<polyline points="${path}" fill="none" stroke="${colour(i)}" stroke-width="2"/>`);
    if (points.length <= 12)
      for (const [x, y] of points)
        drawn.parts.push(
          `<circle cx="${at(drawn.x(x))}" cy="${at(drawn.y(y))}" r="3.5" fill="${colour(i)}"/>`,
        );
  });
  return close(drawn);
}

/** Areas on top of each other; every series has the same x. */
export function stackedChart(axes: Axes, series: readonly Series[]): string {
  const xs = series[0]?.points.map(([x]) => x) ?? [];
  const sums = xs.map((_, k) => series.reduce((sum, { points }) => sum + (points[k]?.[1] ?? 0), 0));
  const drawn = frame(
    axes,
    { x: largest(xs), y: roundUp(largest(sums)) },
    series.map(({ name }) => name),
    true,
  );
  let below = xs.map(() => 0);
  series.forEach(({ points }, i) => {
    const above = below.map((value, k) => value + (points[k]?.[1] ?? 0));
    const forth = xs.map((x, k) => `${at(drawn.x(x))},${at(drawn.y(above[k] ?? 0))}`);
    const back = xs.map((x, k) => `${at(drawn.x(x))},${at(drawn.y(below[k] ?? 0))}`).reverse();
    drawn.parts.push(`<polygon points="${[...forth, ...back].join(' ')}" fill="${colour(i)}"/>`);
    below = above;
  });
  return close(drawn);
}

export interface Group {
  readonly name: string;
  /** In the order of the legend; undefined where nothing was measured. */
  readonly values: readonly (
    | { readonly value: number; readonly least: number; readonly most: number }
    | undefined
  )[];
}

/** Groups of bars, with the least and the most as a whisker. */
export function barChart(axes: Axes, legend: readonly string[], groups: readonly Group[]): string {
  const highest = largest(groups.flatMap(({ values }) => values.map((one) => one?.most ?? 0)));
  const drawn = frame(axes, { x: groups.length, y: roundUp(highest) }, legend, false);
  const wide = (drawn.x(1) - drawn.x(0)) * 0.8;
  groups.forEach(({ name, values }, g) => {
    const each = wide / legend.length;
    values.forEach((bar, i) => {
      if (bar === undefined) return;
      const x = drawn.x(g + 0.1) + i * each;
      const middle = at(x + each / 2);
      drawn.parts.push(
        `<rect x="${at(x)}" y="${at(drawn.y(bar.value))}" width="${at(each * 0.9)}" height="${at(drawn.y(0) - drawn.y(bar.value))}" fill="${colour(i)}"/>`,
        `<line x1="${middle}" x2="${middle}" y1="${at(drawn.y(bar.least))}" y2="${at(drawn.y(bar.most))}" stroke="#000000"/>`,
      );
    });
    drawn.parts.push(
      `<text x="${at(drawn.x(g + 0.5))}" y="${HEIGHT - BOTTOM + 16}" text-anchor="middle">${escape(name)}</text>`,
    );
  });
  return close(drawn);
}

export interface Stretch {
  readonly series: number;
  readonly from: readonly [x: number, y: number];
  readonly to: readonly [x: number, y: number];
}

/** Many short strokes, each of the colour of its series. */
export function strokeChart(axes: Axes, legend: readonly string[], strokes: readonly Stretch[]): string {
  const most = {
    x: largest(strokes.map(({ to }) => to[0])),
    y: roundUp(largest(strokes.map(({ to }) => to[1]))),
  };
  const drawn = frame(axes, most, legend, true);
  for (const { series, from, to } of strokes)
    drawn.parts.push(
      `<line x1="${at(drawn.x(from[0]))}" y1="${at(drawn.y(from[1]))}" x2="${at(drawn.x(to[0]))}" y2="${at(drawn.y(to[1]))}" stroke="${colour(series)}" stroke-width="1.6"/>`,
    );
  return close(drawn);
}
