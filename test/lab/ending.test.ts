import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { chmodSync, existsSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'node:test';
import { untilInterrupted } from '../../lab/interrupt.ts';
import { LineSamples } from '../../lab/lending/line-samples.ts';
import { whileLooking } from '../../lab/looking.ts';
import { TunWires } from '../../lab/wire/wire.ts';
import { until } from '../support/until.ts';

const needsSetpriv = {
  skip: ['/usr/bin/setpriv', '/bin/setpriv'].some((file) => existsSync(file)) ? false : 'needs setpriv',
};

test('what is looked at while something goes on ends with it', async () => {
  let looks = 0;
  const look = async (): Promise<void> => {
    looks += 1;
  };
  assert.equal(
    await whileLooking(() => until('three looks', () => looks >= 3).then(() => 'done'), look, 1),
    'done',
  );
  const ended = looks;
  await new Promise((resolve) => setImmediate(resolve));
  assert.equal(looks, ended);
});

test('an act that fails in the middle of a look fails once, with what failed', async () => {
  const { promise: looking, resolve: looked } = Promise.withResolvers<void>();
  const acting = Promise.withResolvers<never>();
  const whole = whileLooking(
    () => acting.promise,
    () => looking,
    1,
  );
  acting.reject(new Error('interrupted'));
  // Time for a rejection that nobody handles to be noticed.
  await new Promise((resolve) => setImmediate(resolve));
  looked();
  await assert.rejects(whole, /^Error: interrupted$/);
});

test('a look that fails long before the act has ended is thrown when it has', async () => {
  const acting = Promise.withResolvers<void>();
  const whole = whileLooking(
    () => acting.promise,
    async () => {
      throw new Error('the wire has ended');
    },
    1,
  );
  await new Promise((resolve) => setImmediate(resolve));
  acting.resolve();
  await assert.rejects(whole, /the wire has ended/);
});

test('a wire that was killed answers nobody, now or later', needsSetpriv, async () => {
  const folder = mkdtempSync(join(tmpdir(), 'linepool-wire-'));
  try {
    const program = join(folder, 'wire');
    writeFileSync(
      program,
      '#!/bin/sh\nwhile read -r order; do [ "$order" = "seed 2" ] && kill -9 $$; echo ok; done\n',
    );
    chmodSync(program, 0o700);
    await using wires = new TunWires(program);
    await wires.seed(1);
    await assert.rejects(wires.seed(2), /The wire has ended/);
    await assert.rejects(wires.seed(3), /The wire has ended/);
  } finally {
    rmSync(folder, { recursive: true });
  }
});

test('samples of a line whose daemon has ended are refused to who asks for them', async () => {
  const daemon = spawn(process.execPath, ['-e', 'setInterval(() => undefined, 1e6)'], { stdio: 'ignore' });
  const ended = new Promise((resolve) => daemon.once('close', resolve));
  using line = new LineSamples(process.pid, [daemon.pid ?? 0], true);
  assert.equal(line.samples.length, 1);
  daemon.kill('SIGKILL');
  await ended;
  await until('the samples are refused', () => {
    try {
      return line.samples.length === 0;
    } catch (error) {
      assert.match(String(error), /^LabError: The line of a household .* its daemon has ended/);
      return true;
    }
  });
});

test('a terminal that is closed interrupts, as Ctrl-C does', async () => {
  const signal = untilInterrupted();
  process.kill(process.pid, 'SIGHUP');
  await until('it is interrupted', () => signal.aborted);
  assert.match(String(signal.reason), /Interrupted/);
});
