import assert from 'node:assert/strict';
import { test } from 'node:test';
import {
  BLOCK_BYTES,
  type Look,
  occupancyDensity,
  reorderDensity,
  strokesOf,
} from '../../lab/report/spans.ts';

const MIB = 16 * BLOCK_BYTES;
const look = (
  ms: number,
  ...spans: readonly [path: string, start: number, end: number, done: number][]
): Look => ({
  ms,
  delivered: 0,
  spans: spans.map(([path, start, end, doneBytes]) => ({ path, start, end, doneBytes })),
});

test('a stroke is what a span brought since the look before, and the rest of one that is gone', () => {
  const strokes = strokesOf([
    look(0, ['a', 0, MIB, 0]),
    look(20, ['a', 0, MIB, MIB / 2], ['b', MIB, 2 * MIB, 10]),
    look(40, ['b', MIB, 2 * MIB, 10]),
  ]);
  assert.deepEqual(strokes, [
    { path: 'a', from: [0, 0], to: [20, MIB / 2] },
    { path: 'b', from: [0, MIB], to: [20, MIB + 10] },
    { path: 'a', from: [20, MIB / 2], to: [40, MIB] },
  ]);
});

test('what comes in order has no displacement', () => {
  const strokes = strokesOf([look(0, ['a', 0, MIB, 0]), look(100, ['a', 0, MIB, MIB])]);
  assert.deepEqual([...reorderDensity(strokes)], [[0, 1]]);
});

test('a half that comes before the half in front of it is displaced by that half', () => {
  const strokes = strokesOf([
    look(0, ['a', MIB, 2 * MIB, 0]),
    look(100, ['a', MIB, 2 * MIB, MIB], ['b', 0, MIB, 0]),
    look(200, ['b', 0, MIB, MIB]),
  ]);
  assert.deepEqual(
    [...reorderDensity(strokes)],
    [
      [-16, 0.5],
      [16, 0.5],
    ],
  );
});

test('what comes in order is never held; a half that comes before the half in front of it is, until that is there', () => {
  const ordered = strokesOf([look(0, ['a', 0, MIB, 0]), look(100, ['a', 0, MIB, MIB])]);
  assert.deepEqual([...occupancyDensity(ordered)], [[0, 1]]);
  const BLOCKS = 3 * BLOCK_BYTES;
  const turned = strokesOf([
    look(0, ['a', BLOCK_BYTES, BLOCKS, 0]),
    look(100, ['a', BLOCK_BYTES, BLOCKS, 2 * BLOCK_BYTES], ['b', 0, BLOCK_BYTES, 0]),
    look(200, ['b', 0, BLOCK_BYTES, BLOCK_BYTES]),
  ]);
  // One is held, then two, then none.
  assert.deepEqual(
    [...occupancyDensity(turned)].map(([blocks]) => blocks),
    [0, 1, 2],
  );
});
