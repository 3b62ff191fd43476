import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { jain, type LendingRound, lendingFiguresOf, weightError } from '../../../lab/lending/figures.ts';
import type { LineSample } from '../../../lab/lending/line-samples.ts';
import { LendingScenario } from '../../../lab/lending/scenario.ts';
import { LENDING_SCENARIOS } from '../../../lab/lending/scenarios.ts';
import { deviceOf } from '../../../lab/net-dev.ts';

/** 1000 bytes a millisecond. */
const SCENARIO = LendingScenario.parse({
  name: 'made-up',
  says: '',
  lender: { down: '8 Mbit/s', delay: '10 ms' },
  borrowers: [
    { line: { down: '8 Mbit/s', delay: '10 ms' }, weight: 1 },
    { line: { down: '8 Mbit/s', delay: '10 ms' }, weight: 3 },
  ],
  own: { times: 1, lasts: '2 s', rests: '2 s' },
  bars: [
    { figure: 'ownPart', atLeast: 0.95 },
    { figure: 'ownFirstSecond', atLeast: 0.95 },
    { figure: 'yieldMs', atMost: 300 },
    { figure: 'backMs', atMost: 500 },
    { figure: 'ownLatencyMoreMs', atMost: 30 },
    { figure: 'lentPart', atLeast: 0.95 },
    { figure: 'lentMost', atMost: 1.05 },
    { figure: 'jain', atLeast: 0.9 },
    { figure: 'weightError', atMost: 0.01 },
  ],
});
const ALONE = { from: 0, to: 2_000, bytes: 1_900_000, ms: 2_000 };
const LENDING = { from: 6_000, to: 8_300, bytes: 1_900_000, ms: 2_300 };

/** Who has the line at that millisecond: alone from 100 on; while lending the household is left it 200 ms after it began. */
function bytesAt(ms: number): { own: number; lent: number } {
  if (ms < 2_000) return { own: ms >= 100 ? 1_000 : 0, lent: 0 };
  if (ms < 3_000) return { own: 0, lent: 0 };
  if (ms < 6_100) return { own: 0, lent: 980 };
  if (ms < 6_300) return { own: 200, lent: 800 };
  if (ms < 8_300) return { own: 1_000, lent: 0 };
  return ms < 8_900 ? { own: 0, lent: 0 } : { own: 0, lent: 980 };
}

function samples(): readonly LineSample[] {
  const all: LineSample[] = [];
  let own = 0;
  let lent = 0;
  for (let ms = 0; ms <= 11_000; ms += 1) {
    const asked = (ms > 80 ? 1 : 0) + (ms > 6_080 ? 1 : 0);
    if (ms % 10 === 0) all.push({ ms, own, line: own + lent, asked, borrowers: [lent * 0.25, lent * 0.75] });
    own += bytesAt(ms).own;
    lent += bytesAt(ms).lent;
  }
  return all;
}

const ROUND: LendingRound = {
  samples: samples(),
  ownAlone: [ALONE],
  ownLending: [LENDING],
  smallAloneMs: [40, 40, 42],
  smallLendingMs: [50, 60, 75],
  lending: { from: 3_000, to: 11_000 },
  idle: { from: 4_000, to: 6_000 },
  wireLateMs: 0,
  troubles: [],
};

describe('the figures of a lending scenario', () => {
  const { bars, held } = lendingFiguresOf(SCENARIO, [ROUND]);
  const judged = new Map(bars.map((bar) => [bar.figure, bar]));
  const close = (figure: (typeof bars)[number]['figure'], value: number, slack: number): void => {
    const found = judged.get(figure)?.value ?? Number.NaN;
    assert.ok(Math.abs(found - value) <= slack, `${figure} is ${found}, not ${value}`);
  };

  it('compares what the household gets with what it gets when nobody borrows', () => {
    close('ownPart', 2_000 / 2_300, 0.001);
    // From the request: 20 ms until its first byte either way, then 200 ms at a fifth.
    close('ownFirstSecond', (40 + 780) / 980, 0.02);
    assert.equal(judged.get('ownPart')?.held, false);
    assert.equal(held, false);
  });

  it('sees how fast the lender yields, and how fast it is back', () => {
    close('yieldMs', 250, 15);
    close('backMs', 600 + 250, 25);
    assert.equal(judged.get('yieldMs')?.held, true);
    assert.equal(judged.get('backMs')?.held, false);
  });

  it('compares what is lent with the ceiling', () => {
    close('lentPart', 0.98, 0.001);
    close('lentMost', 0.98, 0.001);
    close('ownLatencyMoreMs', 75 - 42, 0.001);
  });

  it('knows how the borrowers share', () => {
    close('weightError', 0, 0.001);
    close('jain', 0.8, 0.001);
    assert.equal(jain([1, 1, 1]), 1);
    assert.ok(Math.abs(weightError([1.2, 1.8, 4], [1, 2, 4]) - 0.2) < 1e-9);
  });

  it('judges a few rounds on a shared machine by the best of them', () => {
    const slow: LendingRound = { ...ROUND, smallLendingMs: [200] };
    const latency = (strictness: 'typical' | 'noisy'): boolean =>
      lendingFiguresOf(SCENARIO, [slow, { ...ROUND, smallLendingMs: [45] }], strictness).bars.some(
        ({ figure, held }) => figure === 'ownLatencyMoreMs' && held,
      );
    assert.equal(latency('noisy'), true);
    assert.equal(latency('typical'), false);
  });

  it('holds no bar that was not measured', () => {
    const none = lendingFiguresOf(SCENARIO, []);
    assert.ok(none.bars.every((bar) => bar.value === null && !bar.held));
  });

  it('knows of every scenario what it is held to', () => {
    for (const { bars: wanted, name } of LENDING_SCENARIOS.values()) assert.ok(wanted.length > 0, name);
  });
});

describe('the counters of a device', () => {
  it('are read from the text of the kernel', () => {
    const text = `Inter-|   Receive                                                |  Transmit
 face |bytes    packets errs drop fifo frame compressed multicast|bytes    packets errs drop fifo colls carrier compressed
    lo:       0       0    0    0    0     0          0         0        0       0    0    0    0     0       0          0
   wan: 3000000    2000    0    0    0     0          0         0    80000    1000    0    0    0     0       0          0
`;
    assert.deepEqual(deviceOf(text, 'wan'), {
      received: { bytes: 3_000_000, packets: 2_000 },
      sent: { bytes: 80_000, packets: 1_000 },
    });
  });
});
