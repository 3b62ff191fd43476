/** docs/pairing.md: its example messages are ones that we take, and its figures are those that come out. */
import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { test } from 'node:test';
import { PATHS, PROTOCOL } from '../../src/neighbours/channel.ts';
import { commitmentOf, numberOf } from '../../src/neighbours/comparison.ts';
import { idOfHash } from '../../src/neighbours/household-id.ts';
import {
  CompareAsk,
  CompareNonce,
  CompareSay,
  ConfirmRequest,
  PairRequest,
  parseMessage,
  RotationNotice,
} from '../../src/neighbours/messages.ts';

const text = readFileSync(new URL('../../docs/pairing.md', import.meta.url), 'utf8');

const TAKES = {
  [PATHS.pair]: PairRequest,
  [PATHS.confirm]: ConfirmRequest,
  [PATHS.compare]: CompareAsk,
  [PATHS.reveal]: CompareNonce,
  [PATHS.say]: CompareSay,
  [PATHS.rotation]: RotationNotice,
} as const;

test('every message for strangers has an example, and each is one that we take, of this protocol', () => {
  // The last path that a paragraph begins with, before each example.
  const [first = '', ...rest] = text.split('```json\n');
  let before = first;
  const examples = new Map<string, string>();
  for (const piece of rest) {
    const path = [...before.matchAll(/^`(\/linepool\/v1\/[a-z/]+)`/gm)].at(-1)?.[1] ?? '';
    const [json = '', ...after] = piece.split('\n```');
    examples.set(path, json);
    before = after.join('\n```');
  }
  assert.deepEqual([...examples.keys()].sort(), Object.keys(TAKES).sort());
  for (const [path, schema] of Object.entries(TAKES)) {
    const json = examples.get(path) ?? '';
    assert.deepEqual(parseMessage(schema, json), JSON.parse(json), path);
    const { protocol = PROTOCOL } = JSON.parse(json) as { protocol?: number };
    assert.equal(protocol, PROTOCOL, path);
  }
});

test('the commitment and the number of the example are those that come out', () => {
  const of = (byte: number): Buffer => Buffer.alloc(32, byte);
  const context = { asking: idOfHash(of(1)), asked: idOfHash(of(2)), binding: of(3) };
  const [, commitment, number] = /the commitment is `([\w-]+)` and the number `(\w+)`/.exec(text) ?? [];
  assert.equal(commitment, commitmentOf(of(4), context));
  assert.equal(number, numberOf(of(4), of(5), context));
});
