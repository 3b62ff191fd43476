/**
 * Receipts between real daemons: what a download leaves in both ledgers, what becomes of a borrower that never signs, and of a
 * lease that is shown again after the lender's power was cut.
 */
import assert from 'node:assert/strict';
import { join } from 'node:path';
import { after, before, describe, test } from 'node:test';
import { MIB } from '../../src/core/units.ts';
import type { Household } from '../../src/demo/household.ts';
import type { Neighbourhood } from '../../src/demo/neighbourhood.ts';
import { patternSha256 } from '../../src/demo/pattern.ts';
import { ORIGIN_HOST } from '../../src/demo/processes.ts';
import { balance } from '../../src/ledger/balance.ts';
import { LEDGER_FILE } from '../../src/ledger/entry.ts';
import { openSource } from '../../src/ledger/source.ts';
import { verify } from '../../src/ledger/verify.ts';
import { RECEIPT_STEP } from '../../src/lending/standing.ts';
import {
  neighbourOf,
  type Origins,
  plan,
  startDownload,
  startHouseholds,
  startOrigins,
} from '../support/household.ts';
import { SilentBorrower } from '../support/silent-borrower.ts';
import { until } from '../support/until.ts';

const ledgerOf = (household: Household): string => join(household.stateDir, LEDGER_FILE);

async function checked(household: Household): Promise<void> {
  await using source = await openSource(ledgerOf(household));
  assert.equal((await verify(source, { all: true })).fault, undefined);
}

async function balanceOf(
  household: Household,
): Promise<{ readonly lent: number; readonly borrowed: number }> {
  await using source = await openSource(ledgerOf(household));
  const [only] = await balance(source);
  return { lent: only?.lentBytes ?? 0, borrowed: only?.borrowedBytes ?? 0 };
}

const kinds = async (household: Household, kind: string) =>
  (await household.control.eventsKept()).map(({ event }) => event).filter((event) => event.kind === kind);

describe('receipts', { concurrency: false, timeout: 120_000 }, () => {
  let origins: Origins;
  let here: Neighbourhood;
  let a: Household;
  let b: Household;
  let url: (size: number) => string;

  before(async () => {
    origins = await startOrigins();
    // Faster than what is tested takes, and nothing of it is about the rate.
    const trusting = plan('A', { config: { trust: ['default = "trusted"'] } });
    here = await startHouseholds([trusting, plan('B', { down: 12e6 })], origins);
    [a, b] = here.households as [Household, Household];
    url = (size) => `http://${ORIGIN_HOST}:${here.ports.http}/file/${size}`;
  });
  after(async () => {
    await here[Symbol.asyncDispose]();
    await origins[Symbol.asyncDispose]();
  });

  test('what a download borrowed is signed for to the byte, in both ledgers', async (t) => {
    const size = 30_000_000;
    const download = startDownload(a, here.ports.http, size);
    assert.equal((await download.fetched).sha256, patternSha256(size));
    const lent = (await neighbourOf(b, 'A')).lentBytes;
    assert.ok(lent > RECEIPT_STEP, `${lent} bytes were lent`);
    await until('both have signed for the same', async () => {
      const there = await balanceOf(b);
      const ours = await balanceOf(a);
      t.diagnostic(JSON.stringify({ lent, there, ours }));
      // What lay in the kernel when a connection was reset arrived nowhere.
      return there.lent === ours.borrowed && there.lent > lent - RECEIPT_STEP;
    });
    await checked(a);
    await checked(b);
    assert.deepEqual(await kinds(a, 'receipt_failed'), []);
  });

  test('a borrower that never signs gets one step and what is in flight, and then nothing', async (t) => {
    await a.kill();
    await using borrower = await SilentBorrower.inPlaceOf(a, b);
    // What A has signed before must not count for it.
    await b.kill();
    await b.restart();
    const size = 40_000_000;
    const { token, lease } = await borrower.lease(url(size), 64 * MIB);
    const came = await borrower.fetch(url(size), size, token);
    t.diagnostic(JSON.stringify(came));
    assert.equal(came.whole, false);
    // The buffer of a connection is 256 KiB; as much may be on its way besides.
    assert.ok(came.bytes >= RECEIPT_STEP && came.bytes <= RECEIPT_STEP + MIB, `${came.bytes} bytes came`);
    const [ended] = await kinds(b, 'lease_ended');
    assert.ok(ended?.kind === 'lease_ended');
    assert.deepEqual([ended.lease, ended.code, ended.signedBytes], [lease.id, 'receipt_missing', 0]);
    assert.ok((await kinds(b, 'lend_refused')).some((e) => 'code' in e && e.code === 'receipt_missing'));
    const again = await borrower.lease(url(size), 64 * MIB);
    const refused = await borrower.fetch(url(size), 1_000, again.token);
    assert.deepEqual([refused.status, refused.code, refused.bytes], [403, 'receipt_missing', 0]);
    await checked(b);
  });

  test('a lease that is shown again after the lender was restarted goes on where it was', async (t) => {
    await b.kill();
    await b.restart();
    await using borrower = await SilentBorrower.inPlaceOf(a, b);
    const size = 40_000_000;
    const most = 16 * MIB;
    const { token, lease } = await borrower.lease(url(size), most);
    let signing: Promise<unknown> = Promise.resolve();
    let signed = 0;
    const first = await borrower.fetch(url(size), 12 * MIB, token, (came) => {
      if (came - signed < MIB) return;
      signed = came;
      signing = signing.then(() => borrower.sign(lease, came));
    });
    await signing;
    assert.deepEqual([first.whole, first.bytes], [true, 12 * MIB]);
    if (signed < first.bytes) await borrower.sign(lease, first.bytes, { idle: true });
    await b.kill();
    await b.restart();
    // 12 of 16 MiB are signed for, and as much as a step may have been carried besides.
    const second = await borrower.fetch(url(size), 4 * MIB, token);
    t.diagnostic(JSON.stringify({ first, second }));
    assert.deepEqual([second.status, second.code, second.bytes], [403, 'lease_exhausted', 0]);
    const other = await borrower.lease(url(size), most);
    assert.equal((await borrower.fetch(url(size), MIB, other.token)).whole, true);
    assert.equal((await borrower.sign(other.lease, MIB, { idle: true })).carriedBytes, MIB);
    await checked(b);
  });
});
