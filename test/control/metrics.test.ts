import assert from 'node:assert/strict';
import { after, before, describe, it } from 'node:test';
import { type Served, serve } from './served.ts';

describe('metrics', () => {
  let served: Served;
  before(async () => {
    served = await serve();
  });
  after(() => served[Symbol.asyncDispose]());

  const scrape = async (): Promise<Map<string, number>> => {
    const reply = await served.ask('GET', '/metrics', { headers: { authorization: undefined } });
    assert.match(reply.headers['content-type'] ?? '', /^text\/plain; version=0\.0\.4/);
    return new Map(
      reply.text
        .split('\n')
        .filter((line) => line !== '' && !line.startsWith('#'))
        .map((line) => [line.slice(0, line.lastIndexOf(' ')), Number(line.slice(line.lastIndexOf(' ') + 1))]),
    );
  };

  it('come from the desk', async () => {
    const metrics = await scrape();
    const expected: Record<string, number> = {
      'linepool_build_info{version="0.1.0"}': 1,
      linepool_downloads_live: 1,
      'linepool_bytes_total{path_kind="own"}': 30_000_500,
      'linepool_bytes_total{path_kind="neighbour"}': 25_000_000,
      linepool_passed_bytes_total: 12,
      linepool_requests_total: 3,
      linepool_window_bytes: 1_048_576,
      linepool_window_peak_bytes: 2_097_152,
      linepool_window_cap_bytes: 16_777_216,
      linepool_line_down_bytes_per_second: 6_250_000,
      linepool_lent_bytes_total: 1_048_576,
      'linepool_signed_bytes_total{direction="lent"}': 1_000_000,
      'linepool_signed_bytes_total{direction="borrowed"}': 52_000_000,
      'linepool_neighbours{state="up"}': 1,
      'linepool_neighbours{state="down"}': 1,
      'linepool_offered_bytes_per_second{direction="received"}': 2_500_000,
      'linepool_offered_bytes_per_second{direction="given"}': 0,
      linepool_bytes_twice_total: 0,
      'linepool_lend_ceiling_bytes_per_second{by="now",direction="down"}': 1_250_000,
      'linepool_lend_ceiling_bytes_per_second{by="now",direction="up"}': 125_000,
      'linepool_lend_ceiling_bytes_per_second{by="policy",direction="down"}': 1_250_000,
      'linepool_own_demand_bytes_per_second{direction="down"}': 125_000,
      'linepool_line_capacity_bytes_per_second{direction="up"}': 625_000,
      'linepool_borrower_bytes_per_second{neighbour="aaaa",direction="down"}': 0,
    };
    for (const [name, value] of Object.entries(expected)) assert.equal(metrics.get(name), value, name);
    for (const name of ['process_resident_memory_bytes', 'process_cpu_seconds_total', 'process_open_fds'])
      assert.ok((metrics.get(name) ?? 0) > 0, name);
  });

  it('count events from the start on, the same at every scrape', async () => {
    const { events } = served.desk;
    const ended = {
      kind: 'download_ended',
      download: 'd',
      code: undefined,
      ms: 1,
      bytesByPath: {},
      bytesTwice: 7,
      peakWindowBytes: 0,
    } as const;
    events.report({ ...ended, outcome: 'complete' });
    events.report({ ...ended, outcome: 'complete' });
    events.report({ ...ended, outcome: 'failed' });
    events.report({ kind: 'span_failed', download: 'd', path: 'own', code: 'span_stalled', detail: '' });
    events.report({ kind: 'verdict', origin: 'http://files.example', pool: true, reason: '', bytes: 1 });
    await scrape();
    const metrics = await scrape();
    assert.equal(metrics.get('linepool_downloads_total{outcome="complete"}'), 2);
    assert.equal(metrics.get('linepool_downloads_total{outcome="failed"}'), 1);
    assert.equal(metrics.get('linepool_bytes_twice_total'), 21);
    assert.equal(metrics.get('linepool_span_failures_total{code="span_stalled"}'), 1);
    assert.equal(metrics.get('linepool_verdicts_total{verdict="pool"}'), 1);
  });

  it('leave out what is not known', async () => {
    const fine = served.desk.status();
    served.desk.status = () => ({ ...fine, line: { learned: false } });
    assert.equal((await scrape()).has('linepool_line_down_bytes_per_second'), false);
  });
});
