/**
 * What can be read from looks at the spans in flight: the map of one download, and how far out of order its bytes came,
 * after RFC 5236. A look is taken every few milliseconds, so what comes between two is spread evenly over that time. Pure.
 */
import type { Bytes, Milliseconds } from '../../src/core/units.ts';

export interface Look {
  readonly ms: Milliseconds;
  readonly delivered: Bytes;
  readonly spans: readonly {
    readonly path: string;
    readonly start: Bytes;
    readonly end: Bytes;
    readonly doneBytes: Bytes;
  }[];
}

/** Bytes that a path brought between two looks. */
export interface Stroke {
  readonly path: string;
  readonly from: readonly [ms: Milliseconds, offset: Bytes];
  readonly to: readonly [ms: Milliseconds, offset: Bytes];
}

/** What moved from each look to the next. A span that was seen before and is gone has come to its end. */
export function strokesOf(looks: readonly Look[]): readonly Stroke[] {
  const strokes: Stroke[] = [];
  let before: Look | undefined;
  for (const look of looks) {
    const since = before?.ms ?? look.ms;
    const earlier = new Map(before?.spans.map((span) => [`${span.path} ${span.start}`, span]));
    const draw = (path: string, from: Bytes, to: Bytes): void => {
      if (to > from) strokes.push({ path, from: [since, from], to: [look.ms, to] });
    };
    for (const span of look.spans) {
      const key = `${span.path} ${span.start}`;
      draw(span.path, span.start + (earlier.get(key)?.doneBytes ?? 0), span.start + span.doneBytes);
      earlier.delete(key);
    }
    for (const gone of earlier.values()) draw(gone.path, gone.start + gone.doneBytes, gone.end);
    before = look;
  }
  return strokes;
}

/** Size of what is counted as one arrival. */
export const BLOCK_BYTES: Bytes = 65_536;

/** The blocks in the order in which they came. */
function arrivals(strokes: readonly Stroke[]): readonly number[] {
  const cameAt = new Map<number, Milliseconds>();
  for (const { from, to } of strokes) {
    for (let block = Math.ceil(from[1] / BLOCK_BYTES); block * BLOCK_BYTES < to[1]; block += 1) {
      const part = (block * BLOCK_BYTES - from[1]) / (to[1] - from[1]);
      if (!cameAt.has(block)) cameAt.set(block, from[0] + part * (to[0] - from[0]));
    }
  }
  return [...cameAt].sort(([, a], [, b]) => a - b).map(([block]) => block);
}

/** Of values, the part that each has; in their order. */
function density(values: readonly number[]): ReadonlyMap<number, number> {
  const counts = new Map<number, number>();
  for (const value of values) counts.set(value, (counts.get(value) ?? 0) + 1);
  const sorted = [...counts].sort(([a], [b]) => a - b);
  return new Map(sorted.map(([value, count]) => [value, count / values.length]));
}

/**
 * Reorder density (RFC 5236 section 4): for each displacement, in blocks, the part of all blocks that came so much
 * later (positive) or sooner (negative) than in order.
 */
export function reorderDensity(strokes: readonly Stroke[]): ReadonlyMap<number, number> {
  const came = arrivals(strokes);
  const place = new Map([...came].sort((a, b) => a - b).map((block, i) => [block, i]));
  return density(came.map((block, i) => i - (place.get(block) ?? i)));
}

/**
 * Reorder buffer-occupancy density (RFC 5236 section 5): for each number of blocks, the part of all arrivals after which
 * so many were held because one before them was missing.
 */
export function occupancyDensity(strokes: readonly Stroke[]): ReadonlyMap<number, number> {
  const came = arrivals(strokes);
  const inOrder = [...came].sort((a, b) => a - b);
  const held = new Set<number>();
  let next = 0;
  return density(
    came.map((block) => {
      held.add(block);
      for (let due = inOrder[next]; due !== undefined && held.delete(due); due = inOrder[next]) next += 1;
      return held.size;
    }),
  );
}
