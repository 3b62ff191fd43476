/** A thousand random alterations of an export, and of a file: each is named or refused, or altered nothing that is read. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { exportMutations, fileMutations } from './mutated.ts';

const RUNS = 1_000;

test(`${RUNS} alterations of an export`, async () => {
  const result = await exportMutations(RUNS);
  assert.deepEqual(result.unseen, []);
  assert.equal(result.named + result.refused + result.harmless, RUNS);
  assert.ok(result.named > RUNS / 2, JSON.stringify(result));
});

test(`${RUNS} alterations of a file`, async () => {
  const result = await fileMutations(RUNS);
  assert.deepEqual(result.unseen, []);
  assert.equal(result.named + result.refused + result.harmless, RUNS);
  assert.ok(result.named + result.refused > RUNS / 4, JSON.stringify(result));
});
