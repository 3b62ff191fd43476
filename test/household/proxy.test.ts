/**
 * Pooled downloads through the proxy of a real daemon, with two real neighbours: the bytes, what is shown of them, and
 * clients that go away.
 */
import assert from 'node:assert/strict';
import { request } from 'node:http';
import { after, before, describe, test } from 'node:test';
import type { Household } from '../../src/demo/household.ts';
import type { Neighbourhood } from '../../src/demo/neighbourhood.ts';
import { isPattern, patternSha256 } from '../../src/demo/pattern.ts';
import {
  type Origins,
  plan,
  runOn,
  startDownload,
  startHouseholds,
  startOrigins,
} from '../support/household.ts';
import { until } from '../support/until.ts';

const total = (brought: Readonly<Record<string, number>>): number =>
  Object.values(brought).reduce((sum, bytes) => sum + bytes, 0);

describe('a household with two neighbours', { concurrency: false }, () => {
  let origins: Origins;
  let here: Neighbourhood;
  let a: Household;

  before(async () => {
    origins = await startOrigins();
    here = await startHouseholds([plan('A'), plan('B'), plan('C')], origins);
    [a] = here.households as [Household];
  });
  after(async () => {
    await here[Symbol.asyncDispose]();
    await origins[Symbol.asyncDispose]();
  });

  test('a large download comes over every line, byte for byte, and is shown', async () => {
    const size = 12_000_000;
    const download = startDownload(a, here.ports.http, size);
    assert.equal((await download.fetched).sha256, patternSha256(size));
    const brought = await download.brought();
    for (const path of ['own', 'B', 'C']) assert.ok((brought[path] ?? 0) > 0, JSON.stringify(brought));
    assert.equal(total(brought), size);

    const [verdict] = await a.control.verdicts();
    assert.equal(verdict?.pool, true);
    assert.match(verdict.reason, /^saves about/);
    const [shown] = await a.control.downloads();
    assert.equal(shown?.state, 'complete');
    assert.equal(shown.deliveredBytes, size);
    assert.equal(shown.reason, verdict.reason);
    assert.match(await a.run('downloads'), /complete/);
  });

  test("a client's own range is pooled too", async () => {
    const size = 12_000_000;
    const start = 3_000_001;
    const { port, host } = a.proxy;
    const authority = `origin.demo:${here.ports.http}`;
    const pieces: Buffer[] = [];
    const response = await new Promise<{ status: number; range: string | undefined }>((resolve, reject) => {
      request(
        {
          host,
          port,
          path: `http://${authority}/file/${size}`,
          headers: { host: authority, range: `bytes=${start}-` },
          agent: false,
        },
        (message) => {
          const { statusCode: status = 0, headers } = message;
          message.on('data', (piece: Buffer) => pieces.push(piece)).on('error', reject);
          message.on('end', () => resolve({ status, range: headers['content-range'] }));
        },
      )
        .on('error', reject)
        .end();
    });
    assert.deepEqual(response, { status: 206, range: `bytes ${start}-${size - 1}/${size}` });
    const body = Buffer.concat(pieces);
    assert.equal(body.length, size - start);
    assert.ok(isPattern(body, start));
    const [shown] = await a.control.downloads();
    assert.equal(shown?.bytes, size - start);
    assert.equal(Object.values(shown.bytesByPath).filter((bytes) => bytes > 0).length, 3);
  });

  test('what the proxy calls itself says nothing of the household', async () => {
    const { host, port } = a.proxy;
    const said = await (await fetch(`http://${host}:${port}/nothing`)).text();
    const name = /from the linepool proxy (\S+)/.exec(said)?.[1] ?? '';
    assert.match(name, /^linepool-[a-z2-7]{6}$/);
    assert.doesNotMatch(name, new RegExp((await a.control.status()).household.id.slice(0, 4), 'i'));
  });

  test('what is small passes', async () => {
    const size = 100_000;
    await startDownload(a, here.ports.http, size).fetched;
    assert.equal((await a.control.verdicts())[0]?.reason, 'small');
    assert.equal(origins.http.ranges(`/file/${size}`).length, 1);
  });

  test('a client that goes away ends every fetch at the origin, over every line', async (t) => {
    const took: number[] = [];
    for (const size of [40_000_000, 40_000_001, 40_000_002]) {
      const download = startDownload(a, here.ports.http, size);
      await download.untilBrought('B', 300_000);
      await download.untilBrought('C', 300_000);
      await download.untilBrought('own', 300_000);
      const open = (): number =>
        origins.http.exchanges.filter(({ asked, ended }) => asked.path === `/file/${size}` && !ended).length;
      assert.ok(open() > 0);
      const left = performance.now();
      download.leave();
      await assert.rejects(download.fetched);
      await until('no fetch is open at the origin', () => open() === 0);
      took.push(performance.now() - left);
      await until('the download is shown as abandoned', async () => {
        const [shown] = await a.control.downloads();
        return shown?.bytes === size && shown.state === 'abandoned';
      });
    }
    t.diagnostic(
      `all fetches ended ${took.map((ms) => ms.toFixed(1)).join(', ')} ms after the client left (bar: 100)`,
    );
  });

  test('an origin that is replaced in mid-download ends in a failed transfer, never in mixed bytes', async () => {
    const size = 30_000_000;
    const download = startDownload(a, here.ports.http, size);
    await download.untilBrought('B', 300_000);
    origins.http.setFaults(`/file/${size}`, { kind: 'changed' });
    const outcome = await download.fetched.then(
      ({ sha256 }) => sha256,
      () => 'failed',
    );
    // The running response may have been the whole of the old version; anything else must not look complete.
    assert.ok(outcome === 'failed' || outcome === patternSha256(size), outcome);
    const { out } = await runOn(a, 'downloads').ended;
    assert.match(out, outcome === 'failed' ? /failed/ : /complete/);
  });
});
