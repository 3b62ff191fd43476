/**
 * What two real households have on record of each other after a download: that it holds on both sides, that the sums agree, and that the
 * lender can say for whom its line reached the origin. Then the lender is killed in mid-download.
 */
import assert from 'node:assert/strict';
import { join } from 'node:path';
import { test } from 'node:test';
import { readRunFile } from '../../src/control/runfile.ts';
import type { Household } from '../../src/demo/household.ts';
import { patternSha256 } from '../../src/demo/pattern.ts';
import { LEDGER_FILE } from '../../src/ledger/entry.ts';
import { openSource, readEntries } from '../../src/ledger/source.ts';
import { verify } from '../../src/ledger/verify.ts';
import { plan, runOn, startDownload, startHouseholds, startOrigins } from '../support/household.ts';
import { until } from '../support/until.ts';

async function answer<T>(household: Household, ...args: string[]): Promise<T> {
  const { code, out, err } = await runOn(household, 'ledger', ...args, '--json').ended;
  assert.equal(code, 0, err);
  return JSON.parse(out) as T;
}

interface Sums {
  readonly neighbours: readonly {
    readonly name: string;
    readonly lentBytes: number;
    readonly borrowedBytes: number;
  }[];
}

async function receiptsOf(household: Household): Promise<number> {
  await using source = await openSource(join(household.stateDir, LEDGER_FILE));
  let receipts = 0;
  for await (const { content } of readEntries(source)) if (content.kind === 'receipt') receipts += 1;
  return receipts;
}

test('both households have the same on record, and the lender can say for whom it was', async (t) => {
  const size = 24_000_010;
  await using origins = await startOrigins();
  await using here = await startHouseholds([plan('A'), plan('B')], origins);
  const [a, b] = here.households;
  assert.ok(a !== undefined && b !== undefined);
  const began = new Date();
  const download = startDownload(a, here.ports.http, size);
  assert.equal((await download.fetched).sha256, patternSha256(size));
  const { B: brought = 0 } = await download.brought();
  assert.ok(brought > 0);
  const lent = async (): Promise<number> => (await answer<Sums>(b, 'balance')).neighbours[0]?.lentBytes ?? 0;
  await until('all of it is signed for', async () => (await lent()) >= brought);
  const borrowed = (await answer<Sums>(a, 'balance')).neighbours[0];
  assert.equal(borrowed?.name, 'B');
  assert.equal(borrowed.borrowedBytes, await lent());
  for (const household of [a, b]) {
    const { holds, leases } = await answer<{ holds: boolean; leases: number }>(household, 'verify', '--all');
    assert.ok(holds && leases > 0);
  }
  const { entries } = await answer<{ entries: { kind: string; address?: string }[] }>(
    b,
    'show',
    '--last',
    '999',
  );
  const address = entries.find(({ kind }) => kind === 'contact')?.address ?? '';
  const asked = ['--when', began.toISOString(), '--address', address];
  const { leases } = await answer<{ leases: { name: string; contacts: unknown[] }[] }>(
    b,
    'explain',
    ...asked,
  );
  t.diagnostic(JSON.stringify({ brought, leases: leases.length }));
  assert.equal(leases[0]?.name, 'A');
  assert.ok(leases[0].contacts.length > 0);
});

test('a lender that is killed in mid-download has what it carried on record', async () => {
  const size = 48_000_011;
  await using origins = await startOrigins();
  await using here = await startHouseholds([plan('A'), plan('B')], origins);
  const [a, b] = here.households;
  assert.ok(a !== undefined && b !== undefined);
  const download = startDownload(a, here.ports.http, size);
  for (const household of [a, b])
    await until('a receipt is on record', async () => (await receiptsOf(household).catch(() => 0)) > 0);
  const pid = readRunFile(b.stateDir)?.pid;
  assert.ok(pid !== undefined);
  process.kill(pid, 'SIGKILL');
  // The neighbour is gone; the household's own download is not.
  assert.equal((await download.fetched).sha256, patternSha256(size));
  for (const household of [a, b]) {
    await using source = await openSource(join(household.stateDir, LEDGER_FILE));
    const { fault, receipts } = await verify(source, { all: true });
    assert.equal(fault, undefined);
    assert.ok(receipts > 0);
  }
});
