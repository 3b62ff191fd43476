import assert from 'node:assert/strict';
import { test } from 'node:test';
import { Display } from '../../src/demo/display.ts';
import { waitUntil, within } from '../../src/demo/wait.ts';
import { FakeClock } from '../support/fake-clock.ts';

const patience = (clock: FakeClock, signal = new AbortController().signal) => ({
  clock,
  signal,
  bound: 1000,
});

test('what comes in time comes through, and leaves no timer', async () => {
  const clock = new FakeClock();
  assert.equal(await within('it', patience(clock), Promise.resolve(7)), 7);
  await assert.rejects(within('it', patience(clock), Promise.reject(new Error('broken'))), /broken/);
  assert.equal(clock.pending, 0);
});

test('what does not come in time is an error that names it', async () => {
  const clock = new FakeClock();
  const waiting = within('the daemon is ready', patience(clock), new Promise(() => undefined));
  clock.advance(1000);
  await assert.rejects(waiting, { code: 'demo_failed', message: /the daemon is ready/ });
  assert.equal(clock.pending, 0);
});

test('an abort ends the waiting with its reason', async () => {
  const clock = new FakeClock();
  const aborter = new AbortController();
  const waiting = waitUntil('never', patience(clock, aborter.signal), () => false);
  aborter.abort(new Error('interrupted'));
  await assert.rejects(waiting, /interrupted/);
});

test('a condition is looked at again and again', async () => {
  const clock = new FakeClock();
  let looks = 0;
  const waiting = waitUntil('the third look', patience(clock), () => {
    looks += 1;
    return looks === 3;
  });
  for (let turn = 0; turn < 3; turn += 1) {
    await new Promise((resolve) => setImmediate(resolve));
    clock.advance(20);
  }
  await waiting;
  assert.equal(looks, 3);
});

test('bars are drawn on a terminal and taken back; elsewhere only sentences are written', () => {
  const lines = [{ name: 'A', rate: 1e6, delay: 5 }];
  const shown = (isTTY: boolean): string => {
    const clock = new FakeClock();
    let text = '';
    let carried = 0;
    const terminal = { isTTY, write: (more: string) => (text += more) };
    {
      using display = new Display(terminal, lines, () => [carried], clock);
      display.say('begins');
      carried = 100_000;
      clock.advance(200);
    }
    assert.equal(clock.pending, 0);
    return text;
  };
  assert.equal(shown(false), 'begins\n');
  // Half of its rate, and at the end nothing of it is left.
  assert.match(shown(true), /█{15}·{15} +4\.00 Mbit\/s/);
  assert.ok(shown(true).endsWith('\x1b[2A\x1b[J'));
});
