import assert from 'node:assert/strict';
import { test } from 'node:test';
import { newPseudonym } from '../../src/proxy/pseudonym.ts';

test('a pseudonym is a token, and another each time', () => {
  const all = Array.from({ length: 20 }, newPseudonym);
  for (const one of all) assert.match(one, /^linepool-[a-z2-7]{6}$/);
  assert.ok(new Set(all).size > 15, all.join(' '));
});
