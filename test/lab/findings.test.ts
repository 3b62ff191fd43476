import assert from 'node:assert/strict';
import { test } from 'node:test';
import { FINDINGS, findingOf } from '../../lab/findings.ts';
import { LENDING_SCENARIOS } from '../../lab/lending/scenarios.ts';
import { shortMatrix } from '../../lab/matrix.ts';
import { FIGURES } from '../../lab/scenario.ts';
import { SCENARIOS } from '../../lab/scenarios.ts';

test('every cause is of a bar that there is', () => {
  for (const key of Object.keys(FINDINGS)) {
    const [scenario = '', figure] = key.split(' ');
    if (figure === undefined) {
      assert.ok(
        FIGURES.some((one) => one === scenario),
        key,
      );
      continue;
    }
    const { bars } = SCENARIOS.get(scenario) ?? LENDING_SCENARIOS.get(scenario) ?? { bars: [] };
    assert.ok(
      bars.some((bar) => bar.figure === figure),
      key,
    );
  }
});

test('a short matrix holds to what a bar that is known to be missed was, and of one missed by little to the median', () => {
  const short = shortMatrix();
  const held = (name: string, figure: string) =>
    short.find((scenario) => scenario.name === name)?.bars.find((bar) => bar.figure === figure);
  const known = findingOf('file-10mb', 'efficiency')?.known;
  assert.ok(known !== undefined && known < 0.85);
  assert.deepEqual(held('file-10mb', 'efficiency'), { figure: 'efficiency', atLeast: known });
  assert.deepEqual(held('three-homes', 'efficiency'), {
    figure: 'efficiency',
    atLeast: 0.97,
    rounds: 'typical',
  });
  assert.deepEqual(held('three-homes', 'windowMiB'), { figure: 'windowMiB', atMost: 8 });
  // What this machine costs says nothing of another one.
  assert.equal(held('https', 'cpuPerGiB'), undefined);
});
