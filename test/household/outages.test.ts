/**
 * Outages in the middle of pooled downloads, with real daemons: a neighbour's power is cut, it stands still, it comes
 * back; the household's own power is cut. And what the end of it all leaves: no process, no file.
 */
import assert from 'node:assert/strict';
import { existsSync } from 'node:fs';
import { after, before, describe, test } from 'node:test';
import type { Household } from '../../src/demo/household.ts';
import type { Neighbourhood } from '../../src/demo/neighbourhood.ts';
import { patternSha256 } from '../../src/demo/pattern.ts';
import { freePort } from '../support/free-port.ts';
import {
  isAlive,
  type Origins,
  plan,
  runOn,
  startDownload,
  startHouseholds,
  startOrigins,
  untilOffering,
} from '../support/household.ts';
import { until } from '../support/until.ts';

describe('outages', { concurrency: false }, () => {
  let origins: Origins;
  let here: Neighbourhood;
  let a: Household;
  let b: Household;
  let c: Household;
  const pids: number[] = [];

  before(async () => {
    origins = await startOrigins();
    // After a restart they are to be found where they were.
    const fixed = async (name: string) =>
      plan(name, { config: { link: [`listen = ["127.0.0.1:${await freePort()}"]`, 'retry = "1 s"'] } });
    here = await startHouseholds([await fixed('A'), await fixed('B'), await fixed('C')], origins);
    [a, b, c] = here.households as [Household, Household, Household];
    pids.push(...here.households.flatMap(({ pid }) => pid ?? []));
  });
  after(async () => {
    await here[Symbol.asyncDispose]();
    await origins[Symbol.asyncDispose]();
  });

  /** Until one download is brought by all of these: it may be over before one of them that has just come back brings any of it. */
  const untilUsed = (size: number, ...paths: readonly string[]): Promise<void> =>
    until(`${paths.join(', ')} bring something`, async () => {
      const download = startDownload(a, here.ports.http, size);
      assert.equal((await download.fetched).sha256, patternSha256(size));
      const brought = await download.brought();
      return paths.every((path) => (brought[path] ?? 0) > 0);
    });

  test('a neighbour whose power is cut in mid-download: the others bring the rest', async () => {
    const size = 12_000_000;
    const download = startDownload(a, here.ports.http, size);
    await download.untilBrought('B', 500_000);
    await b.kill();
    assert.equal((await download.fetched).sha256, patternSha256(size));
    const brought = await download.brought();
    assert.ok((brought['C'] ?? 0) > 0 && (brought['own'] ?? 0) > 0, JSON.stringify(brought));
    await until('A lists B as down', async () =>
      (await a.control.neighbours()).some(({ name, up }) => name === 'B' && !up),
    );
  });

  test('when it is back, it is used again, with no word said', async () => {
    await b.restart();
    pids.push(b.pid ?? 0);
    await untilOffering(a, 'B', 'C');
    await untilUsed(12_000_001, 'B');
  });

  test('a neighbour that stands still in mid-download loses its spans, and is used again later', async () => {
    const size = 12_000_002;
    const download = startDownload(a, here.ports.http, size);
    await download.untilBrought('C', 500_000);
    const pid = c.pid ?? 0;
    process.kill(pid, 'SIGSTOP');
    try {
      assert.equal((await download.fetched).sha256, patternSha256(size));
    } finally {
      process.kill(pid, 'SIGCONT');
    }
    await untilOffering(a, 'C');
    await untilUsed(3_000_003, 'C');
  });

  test("a neighbour's line that stalls in mid-download loses its spans", async () => {
    const size = 12_000_004;
    const download = startDownload(a, here.ports.http, size);
    await download.untilBrought('C', 500_000);
    here.reshape(2, { stalled: true });
    assert.equal((await download.fetched).sha256, patternSha256(size));
    here.reshape(2, { stalled: false });
  });

  test('our own power is cut in mid-download: the client sees a failed transfer, and everything is there again', async () => {
    const { household } = await a.control.status();
    const size = 30_000_000;
    const download = startDownload(a, here.ports.http, size);
    await download.untilBrought('B', 500_000);
    await a.kill();
    await assert.rejects(download.fetched);
    await until('no fetch is open at the origin', () => origins.http.exchanges.every(({ ended }) => ended));

    const { code, err } = await runOn(a, 'status').ended;
    assert.equal(code, 7);
    assert.match(err, /No linepool daemon answers/);

    await a.restart();
    pids.push(a.pid ?? 0);
    assert.equal((await a.control.status()).household.id, household.id);
    assert.deepEqual((await a.control.neighbours()).map(({ name }) => name).sort(), ['B', 'C']);
    await untilOffering(a, 'B', 'C');
    await untilUsed(12_000_005, 'own', 'B', 'C');
  });

  test('a second daemon on the same state folder is refused', async () => {
    const { code, err } = await runOn(a, 'up').ended;
    assert.equal(code, 7);
    assert.match(err, /A daemon runs already on this state folder/);
  });

  test('at the end no process and no file is left', async () => {
    await here[Symbol.asyncDispose]();
    assert.equal(existsSync(here.folder), false);
    for (const pid of pids) assert.equal(isAlive(pid), false, `process ${pid} is left`);
  });
});
