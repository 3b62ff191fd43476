/**
 * `linepool get` as people use it: the real command next to a real daemon with a neighbour, over http and https, with
 * kills, full disks, and origins and daemons that go away.
 */
import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { closeSync, openSync, readdirSync, readFileSync, rmSync, writeFileSync, writeSync } from 'node:fs';
import { mkdir, mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, beforeEach, describe, test } from 'node:test';
import { readJournal } from '../../src/cli/get/journal.ts';
import { fieldValue } from '../../src/core/http.ts';
import { type SpanSet, sizeOf } from '../../src/core/span.ts';
import type { Household } from '../../src/demo/household.ts';
import type { Neighbourhood } from '../../src/demo/neighbourhood.ts';
import { isPattern, patternAt, patternSha256 } from '../../src/demo/pattern.ts';
import type { Ran, Running } from '../cli/ran.ts';
import {
  neighbourOf,
  type Origins,
  plan,
  runOn,
  startHouseholds,
  startOrigins,
  untilOffering,
} from '../support/household.ts';
import { startTestOrigin, type TestOrigin } from '../support/origin.ts';
import { until } from '../support/until.ts';

const SIZE = 9_000_000;
/** So much longer are those that must not be all there when the journal says, a slow sync later, that a part is. */
const LONGER = 20_000_000;

interface Printed {
  readonly bytes: number;
  readonly resumedBytes: number;
  readonly bytesByPath: Readonly<Record<string, number>>;
  readonly bytesTwice: number;
}

/** A file system of that many bytes in memory; undefined, with the reason, when it can not be had. */
function smallDisk(folder: string, bytes: number): { readonly unmount: () => void } | string {
  if (process.getuid?.() !== 0) return 'needs root, for a small file system';
  try {
    execFileSync('mount', ['-t', 'tmpfs', '-o', `size=${bytes}`, 'none', folder], { stdio: 'pipe' });
  } catch (error) {
    return `a small file system can not be mounted: ${(error as Error).message}`;
  }
  return { unmount: () => void execFileSync('umount', [folder], { stdio: 'pipe' }) };
}

describe('get', { concurrency: false }, () => {
  let origins: Origins;
  let here: Neighbourhood;
  let a: Household;
  let folder = '';
  /** Each test has files of its own size, so that what the origin was asked can be told apart. */
  let size = 0;
  let tests = 0;
  let neighbour = '';

  before(async () => {
    origins = await startOrigins();
    // An origin that is gone is waited for: here not for long.
    const patience = plan('A', { config: { line: ['response_timeout = "2 s"'] } });
    here = await startHouseholds([patience, plan('B')], origins);
    [a] = here.households as [Household];
    neighbour = (await neighbourOf(a, 'B')).id;
    folder = await mkdtemp(join(tmpdir(), 'linepool-get-'));
  });
  beforeEach(() => {
    tests += 1;
    size = SIZE + tests;
  });
  after(async () => {
    await here[Symbol.asyncDispose]();
    await origins[Symbol.asyncDispose]();
    await rm(folder, { recursive: true, force: true });
  });

  const urlOf = (scheme: 'http' | 'https'): string =>
    `${scheme}://origin.demo:${here.ports[scheme]}/file/${size}`;
  const start = (scheme: 'http' | 'https', file: string, ...more: string[]): Running =>
    runOn(a, 'get', urlOf(scheme), '-o', file, '--cacert', here.caFile, '--json', ...more);
  const printed = ({ code, out, err }: Ran): Printed => {
    assert.equal(code, 0, err);
    return JSON.parse(out) as Printed;
  };
  const isWhole = (file: string): void => {
    const data = readFileSync(file);
    assert.equal(data.length, size);
    assert.ok(isPattern(data, 0));
  };
  const sum = (): string => `sha-256=${patternSha256(size)}`;
  const total = (bytesByPath: Readonly<Record<string, number>>): number =>
    Object.values(bytesByPath).reduce((all, bytes) => all + bytes, 0);
  /** Until the journal of the file claims so many bytes. */
  const untilOnDisk = async (file: string, bytes: number): Promise<void> =>
    until(`${bytes} bytes of ${file} are on disk`, async () => {
      const journal = await readJournal(file).catch(() => undefined);
      return sizeOf(journal?.done ?? []) >= bytes;
    });
  const asked = (scheme: 'http' | 'https'): TestOrigin['exchanges'] =>
    origins[scheme].exchanges.filter((exchange) => exchange.asked.path === `/file/${size}`);

  for (const scheme of ['http', 'https'] as const) {
    test(`${scheme}: over both lines, byte for byte, and the daemon counts what was borrowed`, async () => {
      const file = join(folder, scheme);
      const borrowed = async (): Promise<number> => (await neighbourOf(a, 'B')).borrowedBytes;
      const before = await borrowed();
      const { bytes, bytesByPath, bytesTwice } = printed(
        await start(scheme, file, '--checksum', sum()).ended,
      );
      isWhole(file);
      assert.equal(bytes, size);
      assert.ok(bytesTwice >= 0 && bytesTwice < size / 4, `${bytesTwice} bytes came twice`);
      assert.ok(
        (bytesByPath['own'] ?? 0) > 0 && (bytesByPath[neighbour] ?? 0) > 0,
        JSON.stringify(bytesByPath),
      );
      const counted = (await borrowed()) - before;
      assert.ok(counted >= (bytesByPath[neighbour] ?? 0), `${counted} of ${JSON.stringify(bytesByPath)}`);
      const metrics = await (await fetch(`http://${a.control.address}/metrics`)).text();
      const metric = /^linepool_bytes_total\{path_kind="neighbour"\} (\d+)$/m.exec(metrics);
      assert.ok(Number(metric?.[1]) >= before + counted, metric?.[0]);
    });

    test(`${scheme}: after a kill -9 only what is missing is fetched again`, async (t) => {
      const file = join(folder, `killed-${scheme}`);
      size += LONGER;
      const first = start(scheme, file);
      await untilOnDisk(file, size / 3);
      first.child.kill('SIGKILL');
      await first.ended;
      await until('the first fetches are gone', () => asked(scheme).every(({ ended }) => ended));
      const before = asked(scheme).length;
      const done: SpanSet = (await readJournal(file))?.done ?? [];
      const missing = size - sizeOf(done);
      assert.ok(missing > 0 && missing < size);

      const again = printed(await start(scheme, file, '-C', '--checksum', sum()).ended);
      isWhole(file);
      assert.equal(again.resumedBytes, size - missing);
      assert.equal(total(again.bytesByPath), missing);
      assert.deepEqual(
        readdirSync(folder).filter((name) => name.startsWith(`killed-${scheme}`)),
        [`killed-${scheme}`],
      );
      // No request but the first, which finds out whether it is the same file, begins in what was there.
      const begins = asked(scheme)
        .slice(before)
        .map((exchange) =>
          Number(/bytes=(\d+)-/.exec(fieldValue(exchange.asked.headers, 'range') ?? '')?.[1]),
        );
      for (const begin of begins) {
        assert.ok(
          !done.some((span) => span.start <= begin && begin < span.end),
          `${begin} of ${JSON.stringify(done)}`,
        );
      }
      const sent = asked(scheme)
        .slice(before)
        .reduce((all, { bodyBytes }) => all + bodyBytes, 0);
      t.diagnostic(`missing ${missing} bytes, ${begins.length} requests, handed out by the origin ${sent}`);
    });
  }

  test('what another program began is gone on with, from there to the end', async () => {
    const file = join(folder, 'foreign');
    writeFileSync(file, patternAt(0, 1_000_001));
    const { resumedBytes } = printed(await start('http', file, '-C', '--checksum', sum()).ended);
    assert.equal(resumedBytes, 1_000_000);
    isWhole(file);
    const [first] = asked('http');
    assert.equal(fieldValue(first?.asked.headers ?? [], 'range'), 'bytes=1000000-');
  });

  test('a wrong checksum is exit code 5, and the file does not get its name', async () => {
    const file = join(folder, 'wrong');
    const { code, err } = await start('http', file, '--checksum', `sha-256=${patternSha256(1)}`).ended;
    assert.equal(code, 5);
    assert.match(err, /checksum/);
    assert.deepEqual(
      readdirSync(folder).filter((name) => name.startsWith('wrong')),
      ['wrong.part'],
    );
  });

  test('a full disk is exit code 6, and the download goes on when there is room', async (t) => {
    const disk = join(folder, 'disk');
    await mkdir(disk);
    size += LONGER;
    const small = smallDisk(disk, size + 15_000_000);
    if (typeof small === 'string') {
      t.skip(small);
      return;
    }
    try {
      const file = join(disk, 'file');
      const filler = join(disk, 'filler');
      const first = start('http', file);
      await untilOnDisk(file, 1_000_000);
      fill(filler);
      const { code, err } = await first.ended;
      assert.equal(code, 6, err);
      assert.match(err, /The file could not be written.*ENOSPC.*kept in .*-C/s);
      assert.match(err, /space on the disk/);
      // With no room from the start it says so before anything is fetched.
      const before = asked('http').length;
      const second = await start('http', file, '-C').ended;
      assert.equal(second.code, 6, second.err);
      assert.ok(asked('http').length <= before + 1);

      rmSync(filler);
      const { resumedBytes } = printed(await start('http', file, '-C', '--checksum', sum()).ended);
      assert.ok(resumedBytes >= 1_000_000);
      isWhole(file);
    } finally {
      small.unmount();
    }
  });

  for (const scheme of ['http', 'https'] as const) {
    test(`the daemon lists it, while it goes on and when it has ended: ${scheme}`, async () => {
      const running = start(scheme, join(folder, `listed-${scheme}`));
      const listed = async () => (await a.control.downloads()).find(({ bytes }) => bytes === size);
      await until('it is listed', async () => (await listed())?.state === 'live');
      assert.equal((await listed())?.reason, 'linepool get');
      const { bytesByPath } = printed(await running.ended);
      assert.equal((await listed())?.state, 'complete');
      assert.deepEqual((await listed())?.bytesByPath, bytesByPath);
    });
  }

  test('an origin that goes away is an honest end, and the download goes on when it is back', async () => {
    const file = join(folder, 'gone');
    size += LONGER;
    const port = origins.http.port;
    const first = start('http', file);
    await untilOnDisk(file, 1_000_000);
    await origins.http[Symbol.asyncDispose]();
    const { code, err } = await first.ended;
    assert.ok(code === 3 || code === 4, `exit code ${code}: ${err}`);
    assert.match(err, /MiB are kept in .*gone\.part: -C goes on from there/);
    await using back = await startTestOrigin({ port });
    const { resumedBytes } = printed(await start('http', file, '-C', '--checksum', sum()).ended);
    assert.ok(resumedBytes >= 1_000_000 && back.bodyBytes > 0);
    isWhole(file);
  });

  test('a daemon that goes away in mid-download: it goes on over the own line', async () => {
    const file = join(folder, 'alone');
    size += LONGER;
    const first = start('https', file, '--checksum', sum());
    await untilOnDisk(file, 1_000_000);
    await a.kill();
    const { bytesByPath } = printed(await first.ended);
    isWhole(file);
    assert.ok((bytesByPath['own'] ?? 0) > size / 2, JSON.stringify(bytesByPath));
  });

  test('without a daemon it says so, and uses the own line', async () => {
    const file = join(folder, 'none');
    const ran = await start('https', file).ended;
    assert.match(ran.err, /No linepool daemon answers.*own line/s);
    assert.deepEqual(printed(ran).bytesByPath, { own: size });
    isWhole(file);
  });

  test('with the daemon back, both lines are used again', async () => {
    await a.restart();
    await untilOffering(a, 'B');
    let tries = 0;
    // One download may be over before the neighbour has brought any of it.
    await until('the neighbour is used again', async () => {
      tries += 1;
      const file = join(folder, `back-${tries}`);
      const { bytesByPath } = printed(await start('https', file).ended);
      isWhole(file);
      return (bytesByPath[neighbour] ?? 0) > 0;
    });
  });
});

/** Takes all the room that is left. */
function fill(file: string): void {
  const handle = openSync(file, 'w');
  try {
    for (let bytes = 1 << 20; bytes >= 4096; ) {
      try {
        if (writeSync(handle, Buffer.alloc(bytes)) < bytes) bytes /= 2;
      } catch (error) {
        if ((error as NodeJS.ErrnoException).code !== 'ENOSPC') throw error;
        bytes /= 2;
      }
    }
  } finally {
    closeSync(handle);
  }
}
