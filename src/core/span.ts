/**
 * Spans: half-open byte intervals `[start, end)`, and the algebra on ordered sets of them.
 * HTTP's inclusive ranges exist only in `core/http.ts`, at the edge; nothing else may add or subtract 1.
 *
 *     span      [2, 5)        . . # # # . .
 *     SpanSet   disjoint, ordered, never touching: neighbours that touch are joined
 */
import type { Bytes } from './units.ts';

export interface Span {
  readonly start: Bytes;
  readonly end: Bytes;
}

/** Ordered, disjoint, non-empty, non-touching spans. Build one only with the functions below. */
export type SpanSet = readonly Span[];

export const EMPTY: SpanSet = [];

export function span(start: Bytes, end: Bytes): Span {
  if (!(Number.isSafeInteger(start) && Number.isSafeInteger(end) && start >= 0 && end >= start)) {
    throw new RangeError(`not a span: [${start}, ${end})`);
  }
  return { start, end };
}

export const lengthOf = (s: Span): Bytes => s.end - s.start;

export const sizeOf = (set: SpanSet): Bytes => set.reduce((sum, s) => sum + lengthOf(s), 0);

/**
 * All of both.
 *
 *     set    ##..##..
 *     add    .###....
 *     union  ######..
 */
export function union(set: SpanSet, add: Span): SpanSet {
  if (lengthOf(add) === 0) return set;
  const out: Span[] = [];
  let { start, end } = add;
  let placed = false;
  for (const s of set) {
    if (s.end < start) out.push(s);
    else if (s.start > end) {
      if (!placed) {
        out.push({ start, end });
        placed = true;
      }
      out.push(s);
    } else {
      start = Math.min(start, s.start);
      end = Math.max(end, s.end);
    }
  }
  if (!placed) out.push({ start, end });
  return out;
}

/**
 * What is in the set and not in the span taken.
 *
 *     set       ######..
 *     take      ..##....
 *     subtract  ##..##..
 */
export function subtract(set: SpanSet, take: Span): SpanSet {
  if (lengthOf(take) === 0) return set;
  const out: Span[] = [];
  for (const s of set) {
    if (s.end <= take.start || s.start >= take.end) {
      out.push(s);
      continue;
    }
    if (s.start < take.start) out.push({ start: s.start, end: take.start });
    if (s.end > take.end) out.push({ start: take.end, end: s.end });
  }
  return out;
}

/** What the span and the set have in common. */
export function intersect(set: SpanSet, within: Span): SpanSet {
  const out: Span[] = [];
  for (const s of set) {
    const start = Math.max(s.start, within.start);
    const end = Math.min(s.end, within.end);
    if (start < end) out.push({ start, end });
  }
  return out;
}

/** True when every byte of the span is in the set. */
export function covers(set: SpanSet, s: Span): boolean {
  return lengthOf(s) === 0 || set.some((t) => t.start <= s.start && s.end <= t.end);
}

/** True when the two have a byte in common. */
export function overlaps(a: Span, b: Span): boolean {
  return a.start < b.end && b.start < a.end;
}
