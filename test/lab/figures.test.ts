import assert from 'node:assert/strict';
import { test } from 'node:test';
import { carriable, figuresOf, lastPartRate, longestGapMs } from '../../lab/figures.ts';
import { median } from '../../lab/middle.ts';
import type { PooledRun, Result } from '../../lab/results.ts';
import { Scenario } from '../../lab/scenario.ts';

const scenario = Scenario.parse({
  name: 'two',
  says: 'two lines',
  lines: [
    { down: '8 Mbit/s', delay: '10 ms' },
    { down: '8 Mbit/s', delay: '10 ms' },
  ],
  bytes: '4 MB',
  bars: [
    { figure: 'efficiency', atLeast: 0.97 },
    { figure: 'windowMiB', atMost: 8 },
  ],
});

const steady = (ms: number, bytes: number): PooledRun['samples'] =>
  Array.from({ length: 101 }, (_, i) => ({ ms: (ms * i) / 100, delivered: (bytes * i) / 100, lines: [] }));

const pooledRun = (ms: number, more: Partial<PooledRun> = {}): PooledRun => ({
  scheme: 'adaptive',
  bytes: 4_000_000,
  ms,
  isRight: true,
  wrong: [],
  codes: [0],
  samples: steady(ms, 4_000_000),
  peakWindowBytes: 2 ** 20,
  bytesTwice: 0,
  bytesByPath: {},
  cpuMs: { 'Household 1': 100, wire: 5_000 },
  smallMs: [],
  troubles: [],
  ...more,
});

const resultOf = (...runs: readonly PooledRun[]): Result => ({
  scenario: 'two',
  at: '',
  machine: '',
  commit: '',
  quick: false,
  rounds: runs.map((run) => ({
    alone: [
      { bytes: 1_000_000, ms: 1000 },
      { bytes: 1_000_000, ms: 1000 },
    ],
    aria2: undefined,
    mptcp: undefined,
    pooled: [run],
    ownSmallMs: [],
  })),
});

test('the median is the middle one, or between the middle two', () => {
  assert.equal(median([3, 1, 2]), 2);
  assert.equal(median([4, 1, 2, 3]), 2.5);
});

test('efficiency is pooled goodput over the sum of the lines alone, judged by its median', () => {
  const held = figuresOf(scenario, resultOf(pooledRun(2000), pooledRun(2010), pooledRun(9000)));
  assert.equal(held.schemes.adaptive?.efficiency.median, 2000 / 2010);
  assert.equal(held.held, true);
  const missed = figuresOf(scenario, resultOf(pooledRun(2000), pooledRun(2200), pooledRun(2200)));
  assert.deepEqual(
    missed.bars.map((bar) => bar.held),
    [false, true],
  );
  assert.equal(missed.held, false);
});

test('a wrong byte in one round is enough to fail', () => {
  const figures = figuresOf(scenario, resultOf(pooledRun(2000), pooledRun(2000, { isRight: false })));
  assert.ok(figures.bars.every((bar) => bar.held));
  assert.equal(figures.held, false);
});

test('a bar whose figure was not measured is missed', () => {
  const wanted = { ...scenario, bars: [{ figure: 'aheadOfMptcp', atLeast: 1 } as const] };
  const { bars } = figuresOf(wanted, resultOf(pooledRun(2000)));
  assert.deepEqual(
    bars.map(({ value, held }) => ({ value, held })),
    [{ value: null, held: false }],
  );
});

test('of a download that nobody pooled nothing was held, and nothing came twice', () => {
  const { adaptive } = figuresOf(
    scenario,
    resultOf(pooledRun(2000, { peakWindowBytes: undefined, bytesTwice: undefined })),
  ).schemes;
  assert.deepEqual([adaptive?.windowMiB.median, adaptive?.twicePart.median], [0, 0]);
});

test('where rates change, a download is held to what the lines alone had carried in as long', () => {
  const changing = Scenario.parse({
    name: 'changing',
    says: '',
    lines: [{ down: '8 Mbit/s', delay: '10 ms', trace: { every: '1 s', down: ['8 Mbit/s', '16 Mbit/s'] } }],
    bytes: '4 MB',
    bars: [],
  });
  const result = resultOf(pooledRun(2000));
  const [round] = result.rounds;
  const efficiency = (aloneCarried: { ms: number; bytes: number }[]): number | undefined =>
    figuresOf(changing, { ...result, rounds: round === undefined ? [] : [{ ...round, aloneCarried }] })
      .schemes.adaptive?.efficiency.median;
  const { bytes } = pooledRun(2000);
  assert.equal(
    efficiency([
      { ms: 1000, bytes: 0 },
      { ms: 3000, bytes: 4 * bytes },
    ]),
    0.5,
  );
  // Nobody looked for so long: what they could have carried.
  assert.equal(efficiency([{ ms: 1000, bytes: 0 }]), bytes / carriable(changing, 2000));
});

test("processor time is that of the daemons, not the wire's", () => {
  const figures = figuresOf(scenario, resultOf(pooledRun(2000)));
  const household = (0.1 * 2 ** 30) / 4_000_000;
  assert.equal(figures.schemes.adaptive?.cpuPerGiB.median, household);
  assert.deepEqual(figures.schemes.adaptive?.cpuPerGiBBy, { 'Household 1': household, wire: 50 * household });
});

test('the last part of a steady download comes as fast as the rest, that of a limping one slower', () => {
  assert.ok(Math.abs(lastPartRate(pooledRun(2000)) - 1) < 0.02);
  const samples = [...steady(1900, 3_800_000), { ms: 2900, delivered: 4_000_000, lines: [] }];
  assert.ok(lastPartRate(pooledRun(2900, { samples })) < 0.2);
});

test('the longest gap is between two samples in which the client had more', () => {
  const at = (ms: number, delivered: number) => ({ ms, delivered, lines: [] });
  const samples = [at(0, 0), at(900, 0), at(1000, 5), at(1100, 5), at(1500, 9), at(1600, 10)];
  assert.equal(longestGapMs({ samples }), 500);
});

test('what lines with a trace can carry is summed over its stretches', () => {
  const changing = Scenario.parse({
    name: 'changing',
    says: 'one line',
    lines: [{ down: '8 Mbit/s', delay: '10 ms', trace: { every: '1 s', down: ['8 Mbit/s', '16 Mbit/s'] } }],
    bytes: '4 MB',
    bars: [],
  });
  assert.ok(Math.abs(carriable(changing, 2500) / (1448 / 1500) - 3_500_000) < 1);
});
