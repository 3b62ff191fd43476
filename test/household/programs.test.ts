/**
 * The programs that people point at a proxy, through that of a real daemon.
 */
import assert from 'node:assert/strict';
import { after, before, describe, test } from 'node:test';
import { needs } from '../support/programs.ts';
import { openSurroundings, PROGRAM_CASES, type Surroundings } from '../support/real-programs.ts';

describe('real programs', { concurrency: false }, () => {
  let here: Surroundings;
  before(async () => {
    here = await openSurroundings();
  });
  after(async () => {
    await here[Symbol.asyncDispose]();
  });
  for (const { program, does, run } of PROGRAM_CASES) {
    test(does, needs(program), async (t) => {
      const seen = await run(here);
      t.diagnostic(seen);
      assert.match(seen, /pooled over two lines|https through CONNECT/);
    });
  }
});
