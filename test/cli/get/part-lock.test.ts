import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, readdirSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, beforeEach, describe, it } from 'node:test';
import { lockPart } from '../../../src/cli/get/part-lock.ts';

const LOCK = new URL('../../../src/cli/get/part-lock.ts', import.meta.url).href;

describe('lock of a part', () => {
  const dir = mkdtempSync(join(tmpdir(), 'linepool-lock-'));
  after(() => rmSync(dir, { recursive: true }));
  const file = join(dir, 'a.iso');
  beforeEach(() => rmSync(`${file}.part.lock`, { force: true }));

  /** Takes the lock and lets go of it so many times; fails when another has it at the same time. */
  const contend = async (times: number): Promise<number | null> => {
    const code = `
      const { openSync, closeSync, rmSync } = await import('node:fs');
      const { lockPart } = await import(${JSON.stringify(LOCK)});
      const marker = ${JSON.stringify(`${file}.marker`)};
      for (let got = 0; got < ${times}; ) {
        try {
          using held = await lockPart(${JSON.stringify(file)});
          closeSync(openSync(marker, 'wx'));
          await new Promise(setImmediate);
          rmSync(marker);
          got += 1;
        } catch (error) {
          if (error.code !== 'file_busy') throw error;
        }
      }`;
    const child = spawn(process.execPath, ['--input-type=module', '-e', code], { stdio: 'inherit' });
    const [exit] = (await once(child, 'exit')) as [number | null];
    return exit;
  };

  it('has one holder at a time, however they come and go, and leaves nothing', async () => {
    assert.deepEqual(await Promise.all([contend(150), contend(150), contend(150)]), [0, 0, 0]);
    assert.deepEqual(readdirSync(dir), []);
  });

  it('can be had when a killed process left the file', async () => {
    writeFileSync(`${file}.part.lock`, '');
    (await lockPart(file))[Symbol.dispose]();
    assert.deepEqual(readdirSync(dir), []);
  });

  it('follows no link, and says which file can not be had', async () => {
    symlinkSync(join(dir, 'elsewhere'), `${file}.part.lock`);
    await assert.rejects(lockPart(file), { code: 'file_failed', message: /a\.iso\.part: ELOOP/ });
    assert.deepEqual(readdirSync(dir), ['a.iso.part.lock']);
  });
});
