import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, readdirSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { createServer } from 'node:http';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, it } from 'node:test';
import { openToken } from '../../src/control/access.ts';
import { ControlClient } from '../../src/control/client.ts';
import { lockState } from '../../src/control/lock.ts';
import { publishRunFile, readRunFile, runFile } from '../../src/control/runfile.ts';
import { LinepoolError } from '../../src/core/errors.ts';
import { freePort } from '../support/free-port.ts';

const coded =
  (code: string, detail = /./) =>
  (error: unknown) => {
    assert.ok(error instanceof LinepoolError, String(error));
    assert.equal(error.code, code);
    assert.match(error.detail, detail);
    return true;
  };

describe('state folder', () => {
  let dir = '';
  beforeEach(() => {
    dir = mkdtempSync(join(tmpdir(), 'linepool-state-'));
  });
  afterEach(() => rmSync(dir, { recursive: true }));

  const running = { pid: process.pid, control: '127.0.0.1:7467', proxy: ['127.0.0.1:3128'], link: [] };
  /** A pid that was somebody's and is nobody's now. */
  const deadPid = async (): Promise<number> => {
    const child = spawn(process.execPath, ['-e', '']);
    await once(child, 'exit');
    return child.pid ?? 0;
  };

  describe('run file', () => {
    it('is there while the daemon runs, for the owner alone', () => {
      const published = publishRunFile(dir, running);
      assert.deepEqual(readRunFile(dir), running);
      assert.equal(statSync(runFile(dir)).mode & 0o777, 0o600);
      assert.deepEqual(readdirSync(dir), ['control.json'], 'nothing is left beside it');
      published[Symbol.dispose]();
      assert.equal(readRunFile(dir), undefined);
    });

    for (const text of ['', '{', 'null', '{"pid":0}', '{"pid":1,"control":"nowhere","proxy":[],"link":[]}']) {
      it(`counts as missing when it reads ${JSON.stringify(text)}`, () => {
        writeFileSync(runFile(dir), text);
        assert.equal(readRunFile(dir), undefined);
        assert.throws(() => ControlClient.find(dir), coded('daemon_missing'));
      });
    }

    it('says where it can not be written', () => {
      assert.throws(
        () => publishRunFile(join(dir, 'no'), running),
        coded('state_unusable', /no\/control\.json/),
      );
    });
  });

  describe('finding the daemon', () => {
    it('says so when there is none', () => {
      assert.throws(() => ControlClient.find(dir), coded('daemon_missing', new RegExp(dir)));
    });

    it('says so when the last one was killed', async () => {
      publishRunFile(dir, { ...running, pid: await deadPid() });
      openToken(dir);
      assert.throws(() => ControlClient.find(dir), coded('daemon_missing', /is gone without a proper end/));
    });

    it('says so when nobody answers', async () => {
      publishRunFile(dir, { ...running, control: `127.0.0.1:${await freePort()}` });
      openToken(dir);
      await assert.rejects(ControlClient.find(dir).status(), coded('daemon_missing', /nobody listens on/));
    });

    const strangers: readonly [string, string, RegExp, string][] = [
      ['something else', '<html>', /something else/, 'daemon_missing'],
      ['another version', '{"version":"9"}', /does not fit this version/, 'internal'],
    ];
    for (const [what, text, detail, code] of strangers) {
      it(`says so when ${what} answers`, async () => {
        const server = createServer((_, response) => response.end(text)).listen(0, '127.0.0.1');
        await once(server, 'listening');
        const { port } = server.address() as { port: number };
        await assert.rejects(new ControlClient(`127.0.0.1:${port}`, 'x').status(), coded(code, detail));
        server.close();
      });
    }
  });

  describe('lock', () => {
    it('is held by one at a time, and can be taken again', async () => {
      const first = await lockState(dir);
      publishRunFile(dir, running);
      await assert.rejects(lockState(dir), coded('daemon_running', new RegExp(`process ${process.pid}`)));
      first[Symbol.dispose]();
      const second = await lockState(dir);
      second[Symbol.dispose]();
    });

    it('is free again after a kill -9', async () => {
      const lock = new URL('../../src/control/lock.ts', import.meta.url).href;
      const child = spawn(process.execPath, [
        '--input-type=module',
        '-e',
        `const { lockState } = await import(${JSON.stringify(lock)});
         const held = await lockState(${JSON.stringify(dir)});
         console.log('held'); setInterval(() => held, 1000);`,
      ]);
      await once(child.stdout, 'data');
      await assert.rejects(lockState(dir), coded('daemon_running'));
      child.kill('SIGKILL');
      await once(child, 'exit');
      const held = await lockState(dir);
      held[Symbol.dispose]();
    });

    it('says where it can not be taken', async () => {
      await assert.rejects(lockState(join(dir, 'no')), coded('state_unusable', /no\/daemon\.lock/));
    });
  });
});
