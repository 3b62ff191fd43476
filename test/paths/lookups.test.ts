import assert from 'node:assert/strict';
import { test } from 'node:test';
import { asLinepoolError } from '../../src/core/errors.ts';
import { Lookups, type NameAsked, WAITING_MAX } from '../../src/paths/lookups.ts';

/** A queue whose name server answers when it is told to, and what came of each name. */
function openQueue() {
  const atServer: NameAsked[] = [];
  const answers: string[] = [];
  const lookups = new Lookups((asked) => void atServer.push(asked));
  const ask = (host: string, isWanted = () => true): void =>
    lookups.ask({
      host,
      hints: 0,
      isWanted,
      answer: (error) =>
        void answers.push(`${host} ${error === null ? 'found' : asLinepoolError(error).code}`),
    });
  return { atServer, answers, ask, asked: () => atServer.map(({ host }) => host) };
}

test('names are asked for one after the other', () => {
  const { ask, atServer, asked, answers } = openQueue();
  for (const host of ['a', 'b', 'c']) ask(host);
  assert.deepEqual(asked(), ['a']);
  atServer[0]?.answer(null, []);
  assert.deepEqual(asked(), ['a', 'b']);
  atServer[1]?.answer(Object.assign(new Error('no'), { code: 'ENOTFOUND' }), []);
  assert.deepEqual(asked(), ['a', 'b', 'c']);
  assert.deepEqual(answers, ['a found', 'b dns_failed']);
});

test('a name that nobody waits for any more is not asked for', () => {
  const { ask, atServer, asked, answers } = openQueue();
  let isWanted = true;
  ask('a');
  ask('b', () => isWanted);
  ask('c');
  isWanted = false;
  atServer[0]?.answer(null, []);
  assert.deepEqual(asked(), ['a', 'c']);
  assert.deepEqual(answers, ['a found', 'b interrupted']);
});

test('while the server is silent few wait, and those that left make room', () => {
  const { ask, asked, answers } = openQueue();
  let isWanted = true;
  ask('dead');
  for (let i = 0; i < WAITING_MAX; i += 1) ask('late', () => isWanted);
  ask('more');
  assert.deepEqual(answers, ['more overloaded']);
  isWanted = false;
  ask('again');
  assert.equal(answers.filter((text) => text === 'late interrupted').length, WAITING_MAX);
  assert.ok(!answers.includes('again overloaded'));
  assert.deepEqual(asked(), ['dead']);
});

test('who asks again from within its answer waits like others', () => {
  const atServer: NameAsked[] = [];
  const lookups = new Lookups((asked) => void atServer.push(asked));
  const one = { hints: 0, isWanted: () => true, answer: () => undefined };
  lookups.ask({ ...one, host: 'a', answer: () => lookups.ask({ ...one, host: 'a again' }) });
  lookups.ask({ ...one, host: 'b' });
  atServer[0]?.answer(null, []);
  assert.equal(atServer.length, 2);
  atServer[1]?.answer(null, []);
  assert.deepEqual(
    atServer.map(({ host }) => host),
    ['a', 'a again', 'b'],
  );
});
