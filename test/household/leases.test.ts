/**
 * Leases that run out in the middle of a download, by bytes and by time: the borrower signs another, and the lender's
 * line goes on being used, by the proxy's clients and by `linepool get`.
 */
import assert from 'node:assert/strict';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'node:test';
import { patternSha256 } from '../../src/demo/pattern.ts';
import {
  neighbourOf,
  plan,
  runOn,
  startDownload,
  startHouseholds,
  startOrigins,
} from '../support/household.ts';

for (const [what, limit, size] of [
  ['bytes', 'lease_bytes = "3 MiB"', 24_000_000],
  ['time', 'lease_time = "500 ms"', 24_000_001],
] as const) {
  test(`a lease that runs out of ${what} in mid-download is followed by another`, async (t) => {
    await using origins = await startOrigins();
    await using here = await startHouseholds([plan('A'), plan('B', { config: { lend: [limit] } })], origins);
    const [a, b] = here.households;
    assert.ok(a !== undefined && b !== undefined);
    const download = startDownload(a, here.ports.http, size);
    assert.equal((await download.fetched).sha256, patternSha256(size));
    const events = (await b.control.eventsKept()).map(({ event }) => event.kind);
    const leases = events.filter((kind) => kind === 'lease_opened').length;
    const brought = await download.brought();
    t.diagnostic(`${leases} leases; ${JSON.stringify(brought)}`);
    assert.ok(leases > 1, 'it ran out');
    // Without another lease it could have brought three MiB, or what comes in half a second.
    assert.ok((brought['B'] ?? 0) > 6_000_000, JSON.stringify(brought));
  });
}

for (const scheme of ['http', 'https'] as const) {
  test(`a lease that runs out under an ${scheme} download of get is followed by another`, async (t) => {
    const size = 24_000_002;
    const limit = plan('B', { config: { lend: ['lease_bytes = "3 MiB"'] } });
    await using origins = await startOrigins();
    await using here = await startHouseholds([plan('A'), limit], origins);
    const [a] = here.households;
    assert.ok(a !== undefined);
    const folder = await mkdtemp(join(tmpdir(), 'linepool-leases-'));
    t.after(() => rm(folder, { recursive: true }));
    const url = `${scheme}://origin.demo:${here.ports[scheme]}/file/${size}`;
    const options = ['--cacert', here.caFile, '--checksum', `sha-256=${patternSha256(size)}`, '--json'];
    const { code, out, err } = await runOn(a, 'get', url, '-o', join(folder, 'file'), ...options).ended;
    assert.equal(code, 0, err);
    const { bytesByPath } = JSON.parse(out) as { readonly bytesByPath: Readonly<Record<string, number>> };
    t.diagnostic(JSON.stringify(bytesByPath));
    assert.ok((bytesByPath[(await neighbourOf(a, 'B')).id] ?? 0) > 6_000_000, JSON.stringify(bytesByPath));
  });
}
