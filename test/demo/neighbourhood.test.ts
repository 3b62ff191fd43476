/**
 * The whole product, as its users run it: real daemons, lines, pairing and commands, in processes of their own.
 */
import assert from 'node:assert/strict';
import { execFile, spawn } from 'node:child_process';
import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'node:test';
import { promisify } from 'node:util';
import { systemClock } from '../../src/core/clock.ts';
import { fetchPlain } from '../../src/demo/fetch.ts';
import { isPattern, patternSha256 } from '../../src/demo/pattern.ts';
import type { Report } from '../../src/demo/report.ts';
import { COMMAND, isAlive, plan, startHouseholds } from '../support/household.ts';
import { startTestOrigin } from '../support/origin.ts';
import { until } from '../support/until.ts';

const MEANS = { clock: systemClock, signal: new AbortController().signal };
const [NODE, ...MAIN] = COMMAND;

const leftFolders = (temporary: string): string[] =>
  readdirSync(temporary).filter((name) => name.startsWith('linepool-demo-'));

/** A folder for temporary files of its own, so that what is left in it is ours. */
async function ownTemporary(): Promise<{ path: string } & AsyncDisposable> {
  const path = await mkdtemp(join(tmpdir(), 'linepool-test-'));
  return { path, [Symbol.asyncDispose]: () => rm(path, { recursive: true, force: true }) };
}

test('two households, paired, bring one file over both lines, and nothing is left at the end', async () => {
  const size = 5_000_000;
  const pids: number[] = [];
  let folder = '';
  {
    await using neighbourhood = await startHouseholds([plan('A'), plan('B')]);
    const [a, b] = neighbourhood.households;
    assert.ok(a !== undefined && b !== undefined);
    folder = neighbourhood.folder;
    pids.push(a.pid ?? 0, b.pid ?? 0);
    const { http, https } = neighbourhood.ports;

    const fetched = await fetchPlain({
      ...MEANS,
      to: a.proxy,
      origin: { host: 'origin.demo', port: http },
      path: `/file/${size}`,
      kind: { proxied: true },
    });
    assert.equal(fetched.sha256, patternSha256(size));
    const [download] = await a.control.downloads();
    const [neighbour] = await a.control.neighbours();
    assert.equal(neighbour?.name, 'B');
    assert.ok((download?.bytesByPath[neighbour.id] ?? 0) > 0, JSON.stringify(download?.bytesByPath));

    const file = join(folder, 'got');
    const url = `https://origin.demo:${https}/file/${size}`;
    const got = await a.runJson<{ bytesByPath: Record<string, number> }>(
      'get',
      url,
      '-o',
      file,
      '--cacert',
      neighbourhood.caFile,
      '-q',
    );
    assert.ok(isPattern(readFileSync(file), 0));
    assert.ok((got.bytesByPath[neighbour.id] ?? 0) > 0, JSON.stringify(got.bytesByPath));
    await until('both lines have been seen to carry', () =>
      neighbourhood.carried.every((bytes) => bytes > 0),
    );
  }
  assert.ok(!existsSync(folder));
  for (const pid of pids) assert.ok(!isAlive(pid), `process ${pid} is left`);
});

test("the origin may be the test's own, and another one at the end of a neighbour's line", async () => {
  const size = 4_000_000;
  const path = `/file/${size}`;
  await using http = await startTestOrigin();
  await using https = await startTestOrigin({ secure: true });
  // The neighbour's line leads to a server that has the file in another version.
  await using elsewhere = await startTestOrigin({ faults: [{ kind: 'changed' }] });
  const odd = plan('B', { origin: { http: elsewhere.port, https: https.port } });
  await using neighbourhood = await startHouseholds([plan('A'), odd], { http, https });
  const [a] = neighbourhood.households;
  assert.ok(a !== undefined);
  const fetched = await fetchPlain({
    ...MEANS,
    to: a.proxy,
    origin: { host: 'origin.demo', port: neighbourhood.ports.http },
    path,
    kind: { proxied: true },
  });
  assert.equal(fetched.sha256, patternSha256(size));
  assert.ok(elsewhere.exchanges.length > 0);
  assert.equal((await a.control.downloads())[0]?.bytesByPath['own'], size);
});

test('a daemon that can not start is an error that says why, and leaves nothing', async () => {
  const broken = plan('B', { config: { pool: ['no_such_key = 1'] } });
  await using temporary = await ownTemporary();
  const usual = process.env['TMPDIR'];
  process.env['TMPDIR'] = temporary.path;
  await assert.rejects(startHouseholds([plan('A'), broken]), {
    code: 'demo_failed',
    message: /daemon of B.*no_such_key/s,
  });
  assert.deepEqual(leftFolders(temporary.path), []);
  if (usual === undefined) delete process.env['TMPDIR'];
  else process.env['TMPDIR'] = usual;
});

test('linepool demo --json: one object as the last line, right bytes, no file left', async () => {
  await using temporary = await ownTemporary();
  const { stdout } = await promisify(execFile)(
    NODE,
    [...MAIN, 'demo', '--json', '--size', '2 MB', '--rate', '40 Mbit/s'],
    { env: { ...process.env, TMPDIR: temporary.path } },
  );
  const report = JSON.parse(stdout.trim().split('\n').at(-1) ?? '') as Report;
  for (const figures of [report, report.https]) {
    assert.equal(figures.sha256Match, true);
    assert.equal(figures.bytes, 2_000_000);
    assert.equal(figures.lines.length, 3);
    assert.ok(figures.ownMs > 0 && figures.pooledMs > 0 && figures.speedup > 0 && figures.efficiency > 0);
    assert.ok(Object.values(figures.bytesByPath).reduce((sum, bytes) => sum + bytes, 0) >= 2_000_000);
  }
  assert.deepEqual(leftFolders(temporary.path), []);
});

for (const signal of ['SIGINT', 'SIGKILL'] as const) {
  test(`a demo that is ended by ${signal} leaves no process and no file`, async () => {
    await using temporary = await ownTemporary();
    const demo = spawn(NODE, [...MAIN, 'demo'], {
      env: { ...process.env, TMPDIR: temporary.path },
      stdio: ['ignore', 'pipe', 'ignore'],
    });
    let printed = '';
    demo.stdout.setEncoding('utf8').on('data', (text: string) => (printed += text));
    await until('the households are paired', () => printed.includes('up and paired'), 30_000);
    const [folder = ''] = leftFolders(temporary.path);
    const pids = [1, 2, 3].map((household) => {
      const run = join(temporary.path, folder, `household-${household}`, 'state', 'control.json');
      return (JSON.parse(readFileSync(run, 'utf8')) as { pid: number }).pid;
    });
    assert.ok(pids.every(isAlive));
    const exited = new Promise<number | null>((resolve) => demo.once('exit', resolve));
    demo.kill(signal);
    assert.equal(await exited, signal === 'SIGINT' ? 130 : null);
    await until('the daemons have ended', () => !pids.some(isAlive));
    await until('the files are gone', () => leftFolders(temporary.path).length === 0);
  });
}
