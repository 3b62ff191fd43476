import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import * as fc from 'fast-check';
import {
  covers,
  EMPTY,
  intersect,
  lengthOf,
  overlaps,
  type Span,
  type SpanSet,
  sizeOf,
  span,
  subtract,
  union,
} from '../../src/core/span.ts';

/** The naive model: the bytes themselves. */
const bytesOf = (set: SpanSet): Set<number> => {
  const out = new Set<number>();
  for (const s of set) for (let n = s.start; n < s.end; n += 1) out.add(n);
  return out;
};

const anySpan = fc
  .tuple(fc.integer({ min: 0, max: 40 }), fc.integer({ min: 0, max: 12 }))
  .map(([start, length]) => span(start, start + length));

/** Sets as they come about: by adding and taking away. */
const anySet = fc
  .array(fc.tuple(fc.boolean(), anySpan), { maxLength: 12 })
  .map((steps) => steps.reduce<SpanSet>((set, [add, s]) => (add ? union(set, s) : subtract(set, s)), EMPTY));

/** Ordered, disjoint, not empty, not touching. */
function expectNormal(set: SpanSet): void {
  for (const [i, s] of set.entries()) {
    assert.ok(s.start < s.end, 'an empty span');
    const next = set[i + 1];
    if (next !== undefined) assert.ok(s.end < next.start, 'spans that touch, overlap or are out of order');
  }
}

describe('a span', () => {
  it('is not made of what is none', () => {
    for (const [start, end] of [
      [2, 1],
      [-1, 1],
      [0.5, 2],
      [0, Number.NaN],
      [0, Number.POSITIVE_INFINITY],
      [0, 2 ** 53],
    ] as const)
      assert.throws(() => span(start, end), RangeError);
    assert.equal(lengthOf(span(3, 3)), 0);
  });
});

describe('sets of spans, as sets of bytes', () => {
  const check = (
    name: string,
    ours: (set: SpanSet, s: Span) => SpanSet,
    theirs: (set: Set<number>, s: Set<number>) => Set<number>,
  ): void => {
    it(name, () => {
      fc.assert(
        fc.property(anySet, anySpan, (set, s) => {
          const got = ours(set, s);
          expectNormal(got);
          assert.deepEqual(
            [...bytesOf(got)],
            [...theirs(bytesOf(set), bytesOf([s]))].sort((a, b) => a - b),
          );
        }),
      );
    });
  };
  check('union', union, (set, s) => new Set([...set, ...s]));
  check('subtract', subtract, (set, s) => new Set([...set].filter((n) => !s.has(n))));
  check('intersect', intersect, (set, s) => new Set([...set].filter((n) => s.has(n))));

  it('size and covers', () => {
    fc.assert(
      fc.property(anySet, anySpan, (set, s) => {
        assert.equal(sizeOf(set), bytesOf(set).size);
        const bytes = bytesOf(set);
        assert.equal(
          covers(set, s),
          [...bytesOf([s])].every((n) => bytes.has(n)),
        );
      }),
    );
  });

  it('overlaps', () => {
    fc.assert(
      fc.property(anySpan, anySpan, (a, b) => {
        fc.pre(lengthOf(a) > 0 && lengthOf(b) > 0);
        assert.equal(
          overlaps(a, b),
          [...bytesOf([a])].some((n) => bytesOf([b]).has(n)),
        );
      }),
    );
  });

  it('are never changed in place', () => {
    const set: SpanSet = Object.freeze([Object.freeze(span(0, 5)), Object.freeze(span(8, 9))]);
    union(set, span(4, 8));
    subtract(set, span(2, 3));
    intersect(set, span(1, 9));
    assert.deepEqual(set, [span(0, 5), span(8, 9)]);
  });
});
