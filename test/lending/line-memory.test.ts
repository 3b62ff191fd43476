import assert from 'node:assert/strict';
import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { type TestContext, test } from 'node:test';
import { Events } from '../../src/core/events.ts';
import { LINES_KEPT, LineMemory, REMEMBER_MS } from '../../src/lending/line-memory.ts';
import { LEARN_HALF_LIFE_MS } from '../../src/lending/meter.ts';
import { FakeClock } from '../support/fake-clock.ts';

const NOTHING = { down: 0, up: 0 };
const LINE = { down: 6e6, up: 1e6 };

function remembering(t: TestContext) {
  const dir = mkdtempSync(join(tmpdir(), 'linepool-line-'));
  t.after(() => rmSync(dir, { recursive: true }));
  const clock = new FakeClock(new Date(2026, 2, 10, 12).getTime());
  const events = new Events(() => clock.wall());
  return {
    dir,
    clock,
    events,
    file: join(dir, 'line.json'),
    open: () => LineMemory.open(dir, clock, events),
  };
}

test('what the line was seen to carry is known after a restart, of that line and of no other', async (t) => {
  const { clock, open } = remembering(t);
  {
    await using memory = await open();
    assert.deepEqual(memory.recall(['ppp0']), NOTHING);
    memory.learnt(['ppp0', 'eth1'], LINE);
  }
  await using memory = await open();
  assert.deepEqual(memory.recall(['eth1', 'ppp0']), LINE);
  assert.deepEqual(memory.recall(['ppp0']), NOTHING);
  assert.deepEqual(memory.recall([]), NOTHING);
  memory.learnt(['wwan0'], { down: 2e6, up: 2e5 });
  assert.deepEqual(
    memory.recall(['ppp0', 'eth1']),
    LINE,
    'one that stands in for it does not take its place',
  );
  clock.stepWall(LEARN_HALF_LIFE_MS);
  assert.deepEqual(memory.recall(['ppp0', 'eth1']), { down: LINE.down / 2, up: LINE.up / 2 });
});

test('a line that stays the same does not grow old', async (t) => {
  const { clock, open } = remembering(t);
  {
    await using memory = await open();
    const DAY = 86_400_000;
    for (let days = 0; days < 28; days += 1) {
      memory.learnt(['ppp0'], LINE);
      clock.stepWall(DAY);
    }
  }
  await using memory = await open();
  const { down } = memory.recall(['ppp0']);
  assert.ok(down > LINE.down * 0.9, `${down}`);
});

test('it is written a minute later at most, and not for each small change', async (t) => {
  const { clock, events, file, open } = remembering(t);
  const memory = await open();
  memory.learnt(['ppp0'], LINE);
  memory.learnt(['ppp0'], { ...LINE, down: 7e6 });
  assert.equal(clock.pending, 1);
  clock.advance(REMEMBER_MS);
  await memory[Symbol.asyncDispose]();
  assert.equal((JSON.parse(readFileSync(file, 'utf8')) as { lines: { down: number }[] }).lines[0]?.down, 7e6);
  memory.learnt(['ppp0'], { ...LINE, down: 7.1e6 });
  memory.learnt(['ppp0'], NOTHING);
  assert.equal(clock.pending, 0);
  assert.deepEqual(events.since(0), []);
});

test('a file that can not be understood is forgotten; a disk that refuses is told', async (t) => {
  const { dir, events, file, open } = remembering(t);
  for (const text of [
    '',
    '{',
    '{"version":2}',
    '{"version":1,"lines":[{"interfaces":[],"down":-1,"up":0,"at":0}]}',
  ]) {
    writeFileSync(file, text);
    await using memory = await open();
    assert.deepEqual(memory.recall([]), NOTHING, text);
  }
  mkdirSync(join(dir, 'line.json.tmp'));
  {
    await using memory = await open();
    memory.learnt([], LINE);
  }
  const [warning] = events.since(0);
  assert.equal(warning?.event.kind === 'warning' && warning.event.code, 'state_unusable');
});

test('only the last few lines are remembered', async (t) => {
  const { open } = remembering(t);
  await using memory = await open();
  for (let n = 0; n <= LINES_KEPT; n += 1) memory.learnt([`wan${n}`], LINE);
  assert.deepEqual(memory.recall(['wan0']), NOTHING);
  assert.deepEqual(memory.recall(['wan1']), LINE);
});
