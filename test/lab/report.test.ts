import assert from 'node:assert/strict';
import { test } from 'node:test';
import { type Evaluated, figuresOf } from '../../lab/figures.ts';
import { keptRounds } from '../../lab/report/kept-rounds.ts';
import { evaluationOf } from '../../lab/report/report.ts';
import type { PooledRun } from '../../lab/results.ts';
import { aloneBytes } from '../../lab/scenario.ts';
import { MATRIX, SCENARIOS } from '../../lab/scenarios.ts';

/** A scenario as if it had been measured, by a run that has all of the file from the own line alone but for what is said. */
function evaluated(name: string, aloneMs: number, more: Partial<PooledRun> = {}): Evaluated {
  const scenario = SCENARIOS.get(name);
  assert.ok(scenario !== undefined);
  const run: PooledRun = {
    scheme: 'adaptive',
    bytes: scenario.bytes,
    ms: 20_000,
    isRight: true,
    wrong: [],
    codes: [0],
    samples: [{ ms: 20_000, delivered: scenario.bytes, lines: [] }],
    peakWindowBytes: undefined,
    bytesTwice: undefined,
    bytesByPath: {},
    cpuMs: {},
    smallMs: [],
    troubles: [],
    ...more,
  };
  const alone = scenario.lines.map((line) => ({
    bytes: aloneBytes(line, scenario.bytes, aloneMs),
    ms: aloneMs,
  }));
  const round = { alone, aria2: undefined, mptcp: undefined, pooled: [run], ownSmallMs: [] };
  const result = { scenario: name, at: '', machine: 'one', commit: 'first', quick: false, rounds: [round] };
  return { scenario, result, figures: figuresOf(scenario, result) };
}

const rowsOf = (text: string, name: string): readonly string[] =>
  text.split('\n').filter((line) => line.startsWith(`| ${name} |`));

test('the evaluation names the scenarios that have no results', () => {
  const all = MATRIX.filter(({ name }) => !['fast', 'lte'].includes(name)).map(({ name }) =>
    evaluated(name, 8000),
  );
  assert.match(evaluationOf(all, []), /byte for byte\. Not measured here: fast, lte\.\n/);
  const whole = MATRIX.map(({ name }) => evaluated(name, 8000));
  assert.doesNotMatch(evaluationOf(whole, []), /Not measured/);
});

test('what the own line did alone does not read as if it had been pooled', () => {
  const text = evaluationOf([evaluated('thirty-three-to-one', 8000)], []);
  const [, time, cost, ...bars] = rowsOf(text, 'thirty-three-to-one');
  assert.match(time ?? '', /, not pooled \|$/);
  assert.match(cost ?? '', /^\| thirty-three-to-one \| not pooled \|/);
  const held = bars.filter((row) => row.includes('| held |'));
  assert.ok(held.length > 0);
  for (const row of held) assert.match(row, /Nothing was pooled/);
});

test('what neighbours brought is said in percent', () => {
  const one = evaluated('ten-to-one', 8000, {
    peakWindowBytes: 1,
    bytesTwice: 0,
    bytesByPath: { own: 90_000_000, other: 10_000_000 },
  });
  const text = evaluationOf([one], []);
  assert.match(text, /^\| ten-to-one \| 10\.0 \|/m);
  assert.doesNotMatch(text, /not pooled|Nothing was pooled/);
});

test('a line that was measured alone for less than it takes is named', () => {
  const { scenario, result, figures } = evaluated('delay-gap', 8000);
  assert.doesNotMatch(evaluationOf([{ scenario, result, figures }], []), /8 s only/);
  const rounds = result.rounds.map((round) => ({
    ...round,
    alone: round.alone.map(({ ms }) => ({ bytes: 20_000_000, ms })),
  }));
  const text = evaluationOf([{ scenario, result: { ...result, rounds }, figures }], []);
  assert.match(text, /In delay-gap a line with long round trips was measured alone for 8 s only/);
  assert.match(text, /^\| delay-gap \| efficiency \| .* More than it should be: .*8 s only \|$/m);
});

test('of the rounds the figures are kept, and nothing that was sampled meanwhile', () => {
  const [line, rest] = keptRounds([evaluated('equal-2', 8_000)]).split('\n');
  assert.equal(rest, '');
  const kept = JSON.parse(line ?? '') as {
    scenario: string;
    rounds: { alone: object[]; pooled: object[] }[];
  };
  assert.equal(kept.scenario, 'equal-2');
  assert.equal(kept.rounds[0]?.alone.length, 2);
  assert.ok(!(line ?? '').includes('samples'));
});
