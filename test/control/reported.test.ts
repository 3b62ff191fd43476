import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { KEPT } from '../../src/control/desk.ts';
import { type DownloadReport, ReportedDownloads, SILENT_MS, together } from '../../src/control/reported.ts';
import { Download, Downloads } from '../../src/control/schema.ts';
import { FakeClock } from '../support/fake-clock.ts';
import { serve } from './served.ts';

const id = (n: number): string => `00000000-0000-4000-8000-${String(n).padStart(12, '0')}`;
const REPORT: DownloadReport = {
  origin: 'https://files.example',
  bytes: 100,
  doneBytes: 40,
  state: 'live',
  scheme: 'adaptive',
  ms: 500,
  bytesTwice: 0,
  lines: [
    { id: 'own', name: 'own line', bytes: 30, bytesPerSecond: 60 },
    { id: 'n1', name: 'Garden', bytes: 10, bytesPerSecond: 20 },
  ],
};

describe('a download that another process reports', () => {
  it('is listed in the words of the API, since it began', () => {
    const clock = new FakeClock();
    const all = new ReportedDownloads(clock);
    all.report(id(1), REPORT);
    clock.advance(1_000);
    all.report(id(1), { ...REPORT, ms: 1_500, doneBytes: 90 });
    const [one] = Downloads.parse({ downloads: [...all.list()] }).downloads;
    assert.ok(one !== undefined);
    assert.deepEqual(Download.parse(one), one);
    assert.deepEqual(
      [one.id, one.state, one.deliveredBytes, one.reason],
      [id(1), 'live', 90, 'linepool get'],
    );
    assert.equal(one.startedAt, clock.wall() - 1_500);
    assert.deepEqual(one.bytesByPath, { own: 30, n1: 10 });
    assert.deepEqual(one.ratesByPath, { own: 60, n1: 20 });
    assert.equal(all.list().length, 1);
  });

  it('that falls silent is taken for abandoned; one that ended stays as it was', () => {
    const clock = new FakeClock();
    const all = new ReportedDownloads(clock);
    all.report(id(1), REPORT);
    all.report(id(2), { ...REPORT, state: 'failed', code: 'no_path' });
    clock.advance(SILENT_MS + 1);
    assert.deepEqual(
      all.list().map(({ state, code }) => [state, code]),
      [
        ['abandoned', undefined],
        ['failed', 'no_path'],
      ],
    );
    assert.deepEqual(all.list()[0]?.ratesByPath, {});
    all.report(id(1), REPORT);
    assert.equal(all.list().at(-1)?.state, 'live', 'it was only slow');
  });

  it('is one of a bounded number, and needs the id of a download', () => {
    const all = new ReportedDownloads(new FakeClock());
    for (let n = 0; n < KEPT.downloads + 5; n += 1) all.report(id(n), REPORT);
    assert.equal(all.list().length, KEPT.downloads);
    assert.equal(all.list()[0]?.id, id(5));
    assert.throws(() => all.report('../status', REPORT), { code: 'bad_request' });
  });

  it('stands among the others: live ones first, the newest first', () => {
    const all = new ReportedDownloads(new FakeClock());
    all.report(id(1), REPORT);
    const [base] = all.list();
    assert.ok(base !== undefined);
    const at = (name: string, startedAt: number, state: Download['state'] = 'live'): Download => ({
      ...base,
      id: name,
      startedAt,
      state,
    });
    const listed = together(
      [at('a', 30), at('b', 20, 'complete')],
      [at('c', 40), at('d', 10, 'failed'), at('e', 25, 'abandoned')],
    );
    assert.deepEqual(
      listed.map((one) => one.id),
      ['c', 'a', 'e', 'b', 'd'],
    );
  });

  it('comes over the API, and nothing of a path with it', async () => {
    await using served = await serve();
    const put = (body: unknown): Promise<{ status: number }> =>
      served.ask('PUT', `/v1/downloads/${id(1)}`, { body: JSON.stringify(body) });
    assert.equal((await put(REPORT)).status, 200);
    assert.deepEqual(served.desk.asked.slice(-1), [`report ${id(1)} live`]);
    for (const bad of [
      { ...REPORT, origin: 'https://files.example/secret' },
      { ...REPORT, origin: 'https://user@files.example' },
      { ...REPORT, path: '/secret' },
      { ...REPORT, bytes: -1 },
    ])
      assert.equal((await put(bad)).status, 400);
  });
});
