/**
 * Downloads of one household beside each other, in the simulator: every line's rate is shared by those that have something coming
 * over it, as its connections share it. None may starve, whoever came first.
 */
import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { assert as check, double, integer, property } from 'fast-check';
import type { Bytes, BytesPerSecond, Milliseconds } from '../../src/core/units.ts';
import { type Moment, simulation } from './simulation.ts';

const MB = 1_000_000;

interface Line {
  readonly id: string;
  readonly rate: BytesPerSecond;
  readonly latencyMs: Milliseconds;
}

const LINES: readonly Line[] = [
  { id: 'own', rate: 2 * MB, latencyMs: 20 },
  { id: 'n1', rate: 2 * MB, latencyMs: 30 },
  { id: 'n2', rate: MB, latencyMs: 40 },
];

/** What each had brought at each millisecond; `starts` says when each began. */
function together(starts: readonly Milliseconds[], lines: readonly Line[], forMs: Milliseconds): Bytes[][] {
  const busy: Moment['busy'][] = starts.map(() => new Set());
  const sharers = (id: string): number => Math.max(1, busy.filter((paths) => paths.has(id)).length);
  const worlds = starts.map((_, i) =>
    simulation({
      size: 1_000 * MB,
      // A household's window is shared out too.
      window: Math.floor((16 * MB) / starts.length),
      responseFirst: true,
      paths: lines.map(({ id, rate, latencyMs }) => ({
        id,
        latencyMs,
        // The first is told what the line can do, whoever else uses it.
        guess: rate,
        rate: () => rate / (busy[i]?.has(id) === true ? sharers(id) : sharers(id) + 1),
      })),
    }),
  );
  const brought: Bytes[][] = starts.map(() => []);
  for (let at = 0; at < forMs; at += 1) {
    const moments = worlds.map((world, i) => (at < (starts[i] ?? 0) ? undefined : world.next()));
    for (const [i, moment] of moments.entries()) {
      if (moment !== undefined && moment.done !== true) busy[i] = moment.value.busy;
      brought[i]?.push(moment === undefined || moment.done === true ? 0 : moment.value.receivedBytes);
    }
  }
  return brought;
}

const between = (brought: readonly Bytes[], from: Milliseconds, to: Milliseconds): Bytes =>
  (brought[to - 1] ?? 0) - (brought[from] ?? 0);

/** Jain's index of fairness: 1 when all are equal, 1/n when one has everything. */
function jain(shares: readonly number[]): number {
  const sum = shares.reduce((n, share) => n + share, 0);
  return sum ** 2 / (shares.length * shares.reduce((n, share) => n + share ** 2, 0));
}

describe('downloads beside each other', () => {
  for (const count of [1, 2, 3, 4]) {
    it(`${count}, begun at once: each gets about its part, of all the lines bring`, () => {
      const brought = together(
        Array.from({ length: count }, () => 0),
        LINES,
        5_000,
      );
      const shares = brought.map((one) => between(one, 1_000, 5_000));
      assert.ok(jain(shares) >= 0.95, `${jain(shares).toFixed(3)} of ${shares.join(', ')}`);
      const all = shares.reduce((n, share) => n + share, 0);
      const most = LINES.reduce((n, { rate }) => n + rate * 4, 0);
      assert.ok(all >= 0.85 * most, `${Math.round((100 * all) / most)} % of what the lines bring`);
    });
  }

  for (const others of [1, 2, 3]) {
    it(`one that comes two seconds after ${others} others has its part within a second`, () => {
      const starts = [...Array.from({ length: others }, () => 0), 2_000];
      const brought = together(starts, LINES, 6_000);
      const shares = brought.map((one) => between(one, 3_000, 6_000));
      assert.ok(jain(shares) >= 0.95, `${jain(shares).toFixed(3)} of ${shares.join(', ')}`);
    });
  }

  it('of any lines, from any moment on: nobody starves', () => {
    check(
      property(
        integer({ min: 2, max: 4 }),
        integer({ min: 0, max: 1_500 }),
        double({ min: 0.2, max: 5, noNaN: true }),
        double({ min: 0.2, max: 5, noNaN: true }),
        integer({ min: 5, max: 80 }),
        (count, later, own, neighbour, latencyMs) => {
          const lines = [
            { id: 'own', rate: own * MB, latencyMs: 20 },
            { id: 'n1', rate: neighbour * MB, latencyMs },
          ];
          const starts = Array.from({ length: count }, (_, i) => (i === count - 1 ? later : 0));
          const from = later + 1_000;
          const shares = together(starts, lines, from + 3_000).map((one) => between(one, from, from + 3_000));
          const mean = shares.reduce((n, share) => n + share, 0) / count;
          assert.ok(Math.min(...shares) >= 0.5 * mean, shares.join(', '));
        },
      ),
      { numRuns: 25 },
    );
  });
});
