import assert from 'node:assert/strict';
import { it } from 'node:test';
import { EVENTS_KEPT, Events } from '../../src/core/events.ts';

const up = (neighbour: string) => ({ kind: 'neighbour_up', neighbour }) as const;

it('events are counted from one, and dated', () => {
  let now = 5;
  const events = new Events(() => now);
  events.report(up('a'));
  now = 7;
  events.report(up('b'));
  assert.deepEqual(events.since(0), [
    { seq: 1, at: 5, event: up('a') },
    { seq: 2, at: 7, event: up('b') },
  ]);
  assert.deepEqual(
    events.since(1).map(({ seq }) => seq),
    [2],
  );
  assert.deepEqual(events.since(2), []);
});

it('only the last are kept, and their numbers go on', () => {
  const events = new Events(() => 0);
  for (let n = 0; n < EVENTS_KEPT + 10; n += 1) events.report(up(String(n)));
  const kept = events.since(0);
  assert.equal(kept.length, EVENTS_KEPT);
  assert.equal(kept[0]?.seq, 11);
  assert.equal(kept.at(-1)?.seq, EVENTS_KEPT + 10);
});

it('listeners hear each until they are disposed of, and may leave while they are told', () => {
  const events = new Events(() => 0);
  const heard: string[] = [];
  const first = events.listen(({ seq }) => {
    heard.push(`a${seq}`);
    first[Symbol.dispose]();
  });
  using _second = events.listen(({ seq }) => heard.push(`b${seq}`));
  events.report(up('x'));
  events.report(up('y'));
  assert.deepEqual(heard, ['a1', 'b1', 'b2']);
});
