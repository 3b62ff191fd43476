/** A process that appends and is killed, again and again, and two processes at once: the chain holds. */
import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { text } from 'node:stream/consumers';
import { test } from 'node:test';
import { openSource } from '../../src/ledger/source.ts';
import { verify } from '../../src/ledger/verify.ts';
import { killedRuns } from './killed.ts';
import { folder, household } from './written.ts';

test('a ledger whose process is killed at random moments holds, and lacks nothing that was recorded', async () => {
  const { runs, held, lost, entries, faults } = await killedRuns(10);
  assert.deepEqual(faults, []);
  assert.equal(held, runs);
  assert.equal(lost, 0);
  assert.ok(entries > runs);
});

test('two processes that append to one ledger make one chain', async () => {
  using dir = folder();
  const file = join(dir.path, 'ledger.sqlite');
  const keyFile = join(dir.path, 'key.pem');
  writeFileSync(keyFile, household().privateKey.export({ type: 'pkcs8', format: 'pem' }));
  const each = 60;
  const said = await Promise.all(
    [1, 2].map(async () => {
      const child = spawn(
        process.execPath,
        [join(import.meta.dirname, 'appender.ts'), file, keyFile, String(each)],
        { stdio: ['ignore', 'pipe', 'inherit'] },
      );
      const [out] = await Promise.all([text(child.stdout), once(child, 'exit')]);
      return out
        .trim()
        .split('\n')
        .filter((line) => line !== 'refused')
        .map(Number);
    }),
  );
  const all = said.flat();
  assert.ok(said.every((one) => one.length > 0));
  assert.equal(new Set(all).size, all.length, 'no number was given twice');
  await using source = await openSource(file);
  const { fault, entries } = await verify(source, { all: true });
  assert.equal(fault, undefined);
  // The others are the first entry and the two neighbours' keys.
  assert.equal(entries, all.length + 3);
});
