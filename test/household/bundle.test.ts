/**
 * The one file that people install, as households run it: it leaves out what the checkout has, so pairing, pooling and
 * `get` are tried with it too.
 */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { buildBundle } from '../../bench/bundle.ts';
import { systemClock } from '../../src/core/clock.ts';
import { startNeighbourhood } from '../../src/demo/neighbourhood.ts';
import { patternSha256 } from '../../src/demo/pattern.ts';
import { neighbourOf, plan, startDownload } from '../support/household.ts';

test('the bundle pairs, pools over http and https, and parts', async () => {
  await using bundle = await buildBundle();
  await using here = await startNeighbourhood({
    command: bundle.command,
    households: [plan('A'), plan('B')],
    clock: systemClock,
    signal: new AbortController().signal,
  });
  const [a] = here.households;
  assert.ok(a !== undefined);
  const size = 6_000_000;
  const download = startDownload(a, here.ports.http, size);
  assert.equal((await download.fetched).sha256, patternSha256(size));
  assert.ok(((await download.brought())['B'] ?? 0) > 0);

  const url = `https://origin.demo:${here.ports.https}/file/${size}`;
  const sum = `sha-256=${patternSha256(size)}`;
  const flags = ['-o', `${here.folder}/got`, '--cacert', here.caFile, '--checksum', sum];
  const { bytesByPath } = await a.runJson<{ bytesByPath: Record<string, number> }>('get', url, ...flags);
  assert.ok((bytesByPath[(await neighbourOf(a, 'B')).id] ?? 0) > 0, JSON.stringify(bytesByPath));

  await a.run('part', 'B');
  assert.deepEqual(await a.control.neighbours(), []);
});
