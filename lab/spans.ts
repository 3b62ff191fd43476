/**
 * What can be read from looks at the spans in flight: the map of one download, and how far out of order its bytes came,
 * after RFC 5236. A look is taken every few milliseconds, so what comes between two is spread evenly over that time. Pure.
 */
import type { Bytes, Milliseconds } from '../src/core/units.ts';

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

/**
 * Reorder density (RFC 5236 section 4): for each displacement, in blocks, the part of all blocks that came so much
 * later (positive) or sooner (negative) than in order.
 */
export function reorderDensity(strokes: readonly Stroke[]): ReadonlyMap<number, number> {
  const cameAt = new Map<number, Milliseconds>();
  for (const { from, to } of strokes) {
    for (let block = Math.ceil(from[1] / BLOCK_BYTES); block * BLOCK_BYTES < to[1]; block += 1) {
      const part = (block * BLOCK_BYTES - from[1]) / (to[1] - from[1]);
      if (!cameAt.has(block)) cameAt.set(block, from[0] + part * (to[0] - from[0]));
    }
  }
  const inOrder = [...cameAt.keys()].sort((a, b) => a - b);
  const asCame = [...cameAt].sort(([, a], [, b]) => a - b).map(([block]) => block);
  const place = new Map(inOrder.map((block, i) => [block, i]));
  const counts = new Map<number, number>();
  asCame.forEach((block, i) => {
    const displacement = i - (place.get(block) ?? i);
    counts.set(displacement, (counts.get(displacement) ?? 0) + 1);
  });
  return new Map(
    [...counts]
      .sort(([a], [b]) => a - b)
      .map(([displacement, count]) => [displacement, count / asCame.length]),
  );
}
