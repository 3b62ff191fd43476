import assert from 'node:assert/strict';
import { test } from 'node:test';
import { aloneBytes, meanRate, queueOf, Scenario } from '../../lab/scenario.ts';
import { MATRIX, SCENARIOS } from '../../lab/scenarios.ts';

test('every scenario is sound: its faults meet neighbours that it has, its names are unique', () => {
  assert.ok(SCENARIOS.size >= 20);
  for (const { name, lines, faults, bars, schemes, beside } of SCENARIOS.values()) {
    for (const { household } of faults) assert.ok(household <= lines.length, name);
    for (const { figure } of bars) {
      if (figure === 'aheadOfMptcp') assert.ok(beside.includes('mptcp'), name);
      if (figure === 'aheadOfFixed') assert.ok(schemes.includes('fixed'), name);
    }
  }
});

test('what is promised of all downloads is held to a bar in all scenarios that measure it', () => {
  for (const { name, bars, beside, faults, client, clientRate, downloads, radio } of MATRIX) {
    const figures = new Set(bars.map(({ figure }) => figure));
    assert.ok(figures.has('twicePart'), name);
    const isWell = faults.length === 0 && name !== 'lie';
    assert.equal(beside.includes('mptcp'), isWell && radio === undefined, name);
    assert.equal(figures.has('aheadOfMptcp'), beside.includes('mptcp'), name);
    // What aria2 has is not seen; what a slow client has is its own doing; of four at once one is looked at.
    if (isWell && client !== 'aria2' && clientRate === undefined && downloads === 1)
      assert.ok(figures.has('lastPartRate'), name);
    if (faults.length > 0 || name === 'lie')
      assert.ok(
        bars.some(({ figure, rounds }) => figure === 'ofOwn' && rounds === 'every'),
        name,
      );
  }
});

test('a rate without a unit, an unknown key and an unknown fault are refused', () => {
  const sound = {
    name: 'x',
    says: 'x',
    lines: [{ down: '1 Mbit/s', delay: '1 ms' }],
    bytes: '1 MB',
    bars: [],
  };
  assert.ok(Scenario.safeParse(sound).success);
  assert.ok(!Scenario.safeParse({ ...sound, lines: [{ down: '1', delay: '1 ms' }] }).success);
  assert.ok(!Scenario.safeParse({ ...sound, line: [] }).success);
  assert.ok(!Scenario.safeParse({ ...sound, faults: [{ kind: 'burn', household: 2, at: '1 s' }] }).success);
});

test('a queue holds a tenth of a second of the line, and never less than some packets', () => {
  const [fast, slow] = Scenario.shape.lines.parse([
    { down: '80 Mbit/s', delay: '1 ms' },
    { down: '80 kbit/s', delay: '1 ms' },
  ]);
  assert.ok(fast !== undefined && slow !== undefined);
  assert.equal(queueOf(fast), 1_000_000);
  assert.equal(queueOf(slow), 30_000);
});

test('the mean of a trace is what the line is taken for', () => {
  const [line] = Scenario.shape.lines.parse([
    { down: '8 Mbit/s', delay: '1 ms', trace: { every: '1 s', down: ['8 Mbit/s', '24 Mbit/s'] } },
  ]);
  assert.ok(line !== undefined);
  assert.equal(meanRate(line), 2_000_000);
});

test('a line is measured alone for the time that was asked for, or for as many round trips as make its beginning small', () => {
  const [near, far] = Scenario.shape.lines.parse([
    { down: '8 Mbit/s', delay: '40 ms' },
    { down: '8 Mbit/s', delay: '260 ms' },
  ]);
  assert.ok(near !== undefined && far !== undefined);
  assert.equal(aloneBytes(near, 100_000_000, 8_000), 8_000_000);
  assert.equal(aloneBytes(far, 100_000_000, 8_000), 39_000_000);
  assert.equal(aloneBytes(far, 30_000_000, 8_000), 30_000_000);
});
