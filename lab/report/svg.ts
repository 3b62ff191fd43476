/**
 * Pictures: bars, stacked areas, lines and densities, as SVG with text that can be read and colours that tell apart. Pure; used by
 * pictures.ts and the report of lending. Every picture says its units.
 */

const WIDTH = 760;
const HEIGHT = 340;
const LEFT = 64;
const RIGHT = 32;
const TOP = 58;
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

export interface Tick {
  readonly at: number;
  readonly text: string;
}

/** Round numbers, some five of them, from the least to the most. */
export function ticks(least: number, most: number): readonly Tick[] {
  const rough = Math.max((most - least) / 5, 1e-9);
  const power = 10 ** Math.floor(Math.log10(rough));
  const step = ([1, 2, 2.5, 5, 10].find((one) => one * power >= rough * 0.999) ?? 10) * power;
  const all: Tick[] = [];
  for (let n = Math.ceil(least / step - 1e-9); n * step <= most + step * 1e-9; n += 1)
    all.push({ at: n * step, text: String(Number((n * step).toPrecision(6))) });
  return all;
}

/** The same, and one more where the values go beyond the last. */
function ticksAbove(most: number): readonly Tick[] {
  const [first, second] = ticks(0, most);
  const step = (second?.at ?? 1) - (first?.at ?? 0);
  return ticks(0, Math.ceil(most / step - 1e-9) * step);
}

interface Frame {
  readonly x: (value: number) => number;
  readonly y: (value: number) => number;
  readonly parts: string[];
}

interface Scale {
  readonly least: number;
  readonly most: number;
  readonly ticks: readonly Tick[];
}

const upTo = (most: number): Scale => ({ least: 0, most, ticks: ticks(0, most) });
const above = (most: number): Scale => {
  const all = ticksAbove(Math.max(most, 1e-6));
  return { least: 0, most: all.at(-1)?.at ?? 1, ticks: all };
};

function frame(axes: Axes, scale: { x: Scale; y: Scale }, legend: readonly string[]): Frame {
  const along = ({ least, most }: Scale, value: number): number => (value - least) / (most - least);
  const x = (value: number): number => LEFT + along(scale.x, value) * (WIDTH - LEFT - RIGHT);
  const y = (value: number): number => HEIGHT - BOTTOM - along(scale.y, value) * (HEIGHT - TOP - BOTTOM);
  const parts = [
    `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 ${WIDTH} ${HEIGHT}" font-family="sans-serif" font-size="12" fill="#222222">`,
    `<title>${escape(axes.title)}</title>`,
    `<rect width="${WIDTH}" height="${HEIGHT}" rx="6" fill="#ffffff"/>`,
    `<text x="${LEFT}" y="20" font-size="14">${escape(axes.title)}</text>`,
    `<text x="${(LEFT + WIDTH) / 2}" y="${HEIGHT - 8}" text-anchor="middle">${escape(axes.x)}</text>`,
    `<text transform="translate(16 ${(HEIGHT + TOP - BOTTOM) / 2}) rotate(-90)" text-anchor="middle">${escape(axes.y)}</text>`,
    ...scale.y.ticks.flatMap((tick) => [
      `<line x1="${LEFT}" x2="${WIDTH - RIGHT}" y1="${at(y(tick.at))}" y2="${at(y(tick.at))}" stroke="#dddddd"/>`,
      `<text x="${LEFT - 6}" y="${at(y(tick.at) + 4)}" text-anchor="end">${escape(tick.text)}</text>`,
    ]),
    ...scale.x.ticks.flatMap((tick) => [
      `<line x1="${at(x(tick.at))}" x2="${at(x(tick.at))}" y1="${HEIGHT - BOTTOM}" y2="${HEIGHT - BOTTOM + 4}" stroke="#888888"/>`,
      `<text x="${at(x(tick.at))}" y="${HEIGHT - BOTTOM + 18}" text-anchor="middle">${escape(tick.text)}</text>`,
    ]),
  ];
  let left = LEFT;
  legend.forEach((name, i) => {
    parts.push(
      `<rect x="${left}" y="32" width="10" height="10" fill="${colour(i)}"/>`,
      `<text x="${left + 14}" y="41">${escape(name)}</text>`,
    );
    left += 32 + name.length * 6.5;
  });
  return { x, y, parts };
}

const close = ({ parts }: Frame): string => `${[...parts, '</svg>'].join('\n')}\n`;

const largest = (values: readonly number[]): number =>
  values.reduce((most, value) => Math.max(most, value), 0);

/** Of the width, beside what is marked. */
const MARK_ROOM = 0.06;

/**
 * Lines that join points, which are marked. The marks of the x axis may be given; `plain`: many points, of which none is
 * marked.
 */
export function lineChart(axes: Axes, series: readonly Series[], marks?: readonly Tick[] | 'plain'): string {
  const all = series.flatMap(({ points }) => points);
  const xs = all.map(([x]) => x);
  const most = largest(xs);
  // Beside the first and the last mark there is room for their figures.
  const room = MARK_ROOM * (most - Math.min(...xs));
  const x =
    marks === undefined || marks === 'plain'
      ? upTo(most)
      : { least: Math.min(...xs) - room, most: most + room, ticks: marks };
  const legend = series.map(({ name }) => name);
  const drawn = frame(axes, { x, y: above(largest(all.map(([, y]) => y))) }, legend);
  series.forEach(({ points }, i) => {
    const path = points.map(([x, y]) => `${at(drawn.x(x))},${at(drawn.y(y))}`).join(' ');
    drawn.parts.push(`<polyline points="${path}" fill="none" stroke="${colour(i)}" stroke-width="2"/>`);
    for (const [x, y] of marks === 'plain' ? [] : points)
      drawn.parts.push(
        `<circle cx="${at(drawn.x(x))}" cy="${at(drawn.y(y))}" r="3.5" fill="${colour(i)}"/>`,
        `<text x="${at(drawn.x(x))}" y="${at(drawn.y(y) - 8)}" text-anchor="middle">${Number(y.toPrecision(3))}</text>`,
      );
  });
  return close(drawn);
}

/** What is less is not seen. */
const LEAST_PART = 1e-4;

/** Parts of a whole, each as a stem at its value; on a logarithmic scale, because what is rare is what is looked for. */
export function densityChart(axes: Axes, name: string, points: Series['points']): string {
  const xs = points.map(([x]) => x);
  const [least, most] = [Math.min(0, ...xs), Math.max(1, ...xs)];
  const decades = [0, -1, -2, -3, -4].map((power) => ({ at: power, text: `${100 * 10 ** power} %` }));
  const drawn = frame(
    axes,
    { x: { least, most, ticks: ticks(least, most) }, y: { least: -4, most: 0, ticks: decades } },
    [name],
  );
  for (const [x, part] of points) {
    const top = at(drawn.y(Math.log10(Math.max(part, LEAST_PART))));
    drawn.parts.push(
      `<line x1="${at(drawn.x(x))}" x2="${at(drawn.x(x))}" y1="${at(drawn.y(-4))}" y2="${top}" stroke="${colour(0)}" stroke-width="1.5"/>`,
    );
  }
  return close(drawn);
}

/** Areas on top of each other; every series has the same x. */
export function stackedChart(axes: Axes, series: readonly Series[]): string {
  const xs = series[0]?.points.map(([x]) => x) ?? [];
  const sums = xs.map((_, k) => series.reduce((sum, { points }) => sum + (points[k]?.[1] ?? 0), 0));
  const legend = series.map(({ name }) => name);
  const drawn = frame(axes, { x: upTo(largest(xs)), y: above(largest(sums)) }, legend);
  let below = xs.map(() => 0);
  series.forEach(({ points }, i) => {
    const top = below.map((value, k) => value + (points[k]?.[1] ?? 0));
    const forth = xs.map((x, k) => `${at(drawn.x(x))},${at(drawn.y(top[k] ?? 0))}`);
    const back = xs.map((x, k) => `${at(drawn.x(x))},${at(drawn.y(below[k] ?? 0))}`).reverse();
    drawn.parts.push(`<polygon points="${[...forth, ...back].join(' ')}" fill="${colour(i)}"/>`);
    below = top;
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
  const none = { least: 0, most: groups.length, ticks: [] };
  const drawn = frame(axes, { x: none, y: above(highest) }, legend);
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
  const all = { x: strokes.map(({ to }) => to[0]), y: strokes.flatMap(({ from, to }) => [from[1], to[1]]) };
  const y = { least: Math.min(0, ...all.y), most: largest(all.y) };
  const scale = { x: upTo(largest(all.x)), y: { ...y, ticks: ticks(y.least, y.most) } };
  const drawn = frame(axes, scale, legend);
  for (const { series, from, to } of strokes)
    drawn.parts.push(
      `<line x1="${at(drawn.x(from[0]))}" y1="${at(drawn.y(from[1]))}" x2="${at(drawn.x(to[0]))}" y2="${at(drawn.y(to[1]))}" stroke="${colour(series)}" stroke-width="1.6"/>`,
    );
  return close(drawn);
}
