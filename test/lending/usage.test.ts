import assert from 'node:assert/strict';
import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, test } from 'node:test';
import { Events } from '../../src/core/events.ts';
import { BEHIND_BELIEVED_MS, SAVE_EVERY_MS, UsageBook } from '../../src/lending/usage.ts';
import { FakeClock } from '../support/fake-clock.ts';
import { until } from '../support/until.ts';

const root = mkdtempSync(join(tmpdir(), 'linepool-usage-'));
after(() => rmSync(root, { recursive: true }));
let folders = 0;
const folder = (): string => {
  folders += 1;
  const made = join(root, String(folders));
  mkdirSync(made);
  return made;
};
const noon = (day: number, month = 2): number => new Date(2026, month, day, 12).getTime();

function open(dir: string, clock = new FakeClock(noon(10))) {
  const events = new Events(() => clock.wall());
  return { clock, events, opening: UsageBook.open(dir, clock, events) };
}

test('it counts by day and month, in sum and for each, and knows them after a restart', async () => {
  const dir = folder();
  {
    await using book = await open(dir).opening;
    book.add('a', 100, noon(10));
    book.add('b', 11, noon(10));
    assert.deepEqual(book.at(noon(10)).all, { day: 111, month: 111 });
    book.add('a', 5, noon(11));
  }
  await using again = await open(dir).opening;
  assert.deepEqual(again.at(noon(11)).all, { day: 5, month: 116 });
  assert.deepEqual(again.at(noon(11)).of('a'), { day: 5, month: 105 });
  assert.deepEqual(again.at(noon(12)).of('a'), { day: 0, month: 105 });
  again.add('a', 7, noon(1, 3));
  assert.deepEqual(again.at(noon(1, 3)).all, { day: 7, month: 7 });
});

test('it is on disk after a few seconds, while it goes on', async () => {
  const dir = folder();
  const { clock, opening } = open(dir);
  await using book = await opening;
  const onDisk = (): string => readFileSync(join(dir, 'lend-usage.json'), 'utf8');
  book.add('a', 100, noon(10));
  clock.advance(SAVE_EVERY_MS);
  await until('the first is saved', () => {
    try {
      return onDisk().includes('"all":100');
    } catch {
      return false;
    }
  });
  book.add('a', 1, noon(10));
  await until('the next is saved', () => {
    clock.advance(SAVE_EVERY_MS);
    return onDisk().includes('"all":101');
  });
  assert.equal(clock.pending, 0);
});

test('a step of the clock makes no quota new', async () => {
  await using book = await open(folder()).opening;
  book.add('a', 100, noon(10));
  book.stepped(noon(10), noon(3, 5));
  assert.deepEqual(book.at(noon(3, 5)).all, { day: 100, month: 100 });
  book.add('a', 1, noon(3, 5));
  book.stepped(noon(3, 5), noon(10));
  assert.deepEqual(book.at(noon(10)).of('a'), { day: 101, month: 101 });
});

test('a clock that was not set yet makes no quota new; when it is set, the right day has what was carried', async () => {
  const unset = new Date(1970, 0, 1).getTime();
  const newest = noon(45, 0);
  const next = noon(46, 0);
  for (const { to, all, b } of [
    { to: newest, all: 107, b: 7 },
    { to: next, all: 7, b: 7 },
  ]) {
    const dir = folder();
    {
      await using book = await open(dir).opening;
      for (let day = 1; day <= 45; day += 1) book.add('a', 100, noon(day, 0));
    }
    await using book = await open(dir, new FakeClock(unset)).opening;
    assert.equal(book.at(unset).all.day, 100);
    book.add('c', 7, unset);
    assert.equal(book.at(unset).all.day, 107);
    book.rekey('c', 'b');
    book.stepped(unset, unset + 1_000_000_000);
    book.at(to);
    book.stepped(unset + 1_000_000_000, to);
    assert.equal(book.at(to).of('b').day, b);
    assert.equal(book.at(to).all.day, all);
    assert.equal(book.at(to).of('b').month, 7);
  }
});

test('a clock that was far ahead once does not hold the quota for ever', async () => {
  const dir = folder();
  const clock = new FakeClock(noon(10));
  const far = new Date(2036, 0, 1).getTime();
  {
    await using book = await open(dir, clock).opening;
    book.add('a', 100, noon(10));
    book.stepped(noon(10), far);
    book.stepped(far, noon(10));
    assert.equal(book.at(noon(11)).all.day, 0);
    book.add('a', 50, far);
  }
  await using book = await open(dir, clock).opening;
  assert.equal(book.at(noon(12)).all.day, 50);
  clock.advance(BEHIND_BELIEVED_MS);
  assert.equal(book.at(noon(12)).all.day, 50, 'it is had by today');
  assert.equal(book.at(noon(13)).all.day, 0);
});

test('a disk that refuses is told, and the count goes on', async () => {
  const dir = folder();
  const { clock, events, opening } = open(dir);
  await using book = await opening;
  mkdirSync(join(dir, 'lend-usage.json.tmp'));
  book.add('a', 100, noon(10));
  clock.advance(SAVE_EVERY_MS);
  await until('a warning', () => events.since(0).length > 0);
  const [warning] = events.since(0);
  assert.ok(warning?.event.kind === 'warning' && warning.event.code === 'state_unusable');
  assert.equal(book.at(noon(10)).all.day, 100);
});

test('a damaged file is refused and left as it is', async () => {
  const damaged = ['nonsense', '{"version":1,"days":{"2026-03-10":{"all":-1,"of":{}}},"months":{}}', '{}'];
  for (const text of damaged) {
    const dir = folder();
    writeFileSync(join(dir, 'lend-usage.json'), text);
    await assert.rejects(open(dir).opening, { code: 'state_unusable' });
    assert.equal(readFileSync(join(dir, 'lend-usage.json'), 'utf8'), text);
  }
});

test('a neighbour with another key goes on where it was', async () => {
  const dir = folder();
  {
    await using book = await open(dir).opening;
    book.add('a', 100, noon(10));
    book.add('new', 1, noon(10));
    book.rekey('a', 'new');
    assert.deepEqual(book.at(noon(10)).of('new'), { day: 101, month: 101 });
    assert.deepEqual(book.at(noon(10)).of('a'), { day: 0, month: 0 });
  }
  await using again = await open(dir).opening;
  assert.deepEqual(again.at(noon(10)).of('new'), { day: 101, month: 101 });
});
