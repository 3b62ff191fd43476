/**
 * What a lender says is what its neighbour gets, live: real daemons, real commands, real transfers over shaped lines.
 */
import assert from 'node:assert/strict';
import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { after, before, describe, test } from 'node:test';
import { ControlClient } from '../../src/control/client.ts';
import type { Lending } from '../../src/control/schema.ts';
import type { Household } from '../../src/demo/household.ts';
import type { Neighbourhood } from '../../src/demo/neighbourhood.ts';
import { FULL_PART } from '../../src/lending/share.ts';
import {
  neighbourOf,
  type Origins,
  plan,
  startDownload,
  startHouseholds,
  startOrigins,
  untilOffering,
} from '../support/household.ts';
import { until } from '../support/until.ts';

const SIZE = 12_000_000;

describe('lending is changed live', { concurrency: false }, () => {
  let origins: Origins;
  let here: Neighbourhood;
  let borrower: Household;
  let lender: Household;

  before(async () => {
    // About noon where the daemons are: no day, and no month, ends between two looks at what was carried in it.
    const hoursToNoon = 12 - new Date().getUTCHours();
    process.env['TZ'] = `Etc/GMT${hoursToNoon < 0 ? '+' : '-'}${Math.abs(hoursToNoon)}`;
    origins = await startOrigins();
    here = await startHouseholds([plan('A'), plan('B')], origins);
    [borrower, lender] = here.households as [Household, Household];
  });
  after(async () => {
    await here[Symbol.asyncDispose]();
    await origins[Symbol.asyncDispose]();
  });

  const offered = async (): Promise<number> => (await neighbourOf(borrower, 'B')).offer?.bytesPerSecond ?? 0;
  const untilOffered = (what: string, rate: number): Promise<void> =>
    until(`B offers ${what}`, async () => Math.abs((await offered()) - rate) <= 1);

  test('a share and a ceiling are offered as they are set', async () => {
    await lender.runJson('lend', 'set', 'share_percent', '25');
    await untilOffered('a quarter of its line', 1_000_000);
    await lender.runJson('lend', 'set', 'rate', '4 Mbit/s');
    await untilOffered('its ceiling', 500_000);
    await lender.runJson('lend', 'unset', 'rate');
    await lender.runJson('lend', 'unset', 'share_percent');
    await untilOffered('all as it was', 4_000_000 * FULL_PART);
  });

  test('a pause in the midst of a download cuts what runs; the download goes on, and what was carried is counted', async () => {
    const download = startDownload(borrower, here.ports.http, SIZE);
    await download.untilBrought('B', 500_000);
    const paused = await lender.runJson<Lending>('lend', 'pause');
    assert.equal(paused.bytesPerSecond, 0);
    assert.equal(paused.reason, 'paused');
    assert.equal((await ControlClient.find(lender.stateDir).status()).lending.connections, 0);
    const { bytes } = await download.fetched;
    assert.equal(bytes, SIZE);
    const { usage } = await lender.runJson<Lending>('lend', 'resume');
    assert.ok(usage.dayBytes >= 500_000 && usage.dayBytes < SIZE);
    // It grows from little: with that a download would go over the own line alone.
    await untilOffered('all as it was', 4_000_000 * FULL_PART);
  });

  test('a pause that ends in the midst of a download: the line is used again', async () => {
    const { borrowedBytes } = await neighbourOf(borrower, 'B');
    const download = startDownload(borrower, here.ports.http, 4 * SIZE);
    await download.untilBrought('B', 500_000);
    await until('it counts as borrowed while it runs', async () => {
      const now = await neighbourOf(borrower, 'B');
      assert.equal((await borrower.control.downloads())[0]?.state, 'live');
      return now.borrowedBytes >= borrowedBytes + 500_000;
    });
    await lender.runJson('lend', 'pause');
    await untilOffered('nothing', 0);
    await lender.runJson('lend', 'resume');
    const { B: before = 0 } = await download.brought();
    await download.untilBrought('B', before + 2_000_000);
    assert.equal((await download.fetched).bytes, 4 * SIZE);
  });

  test('one neighbour may not borrow; it is offered nothing until it may', async () => {
    await lender.runJson('lend', 'neighbour', 'A', '--deny');
    await untilOffered('nothing', 0);
    await lender.runJson('lend', 'neighbour', 'A', '--allow');
    await untilOffering(borrower, 'B');
  });

  test('the configuration is read again: its terms for one neighbour hold, and what can not be changes nothing', async () => {
    const control = ControlClient.find(lender.stateDir);
    const { pid } = await control.status();
    const written = readFileSync(lender.configFile, 'utf8');
    const readAgain = async (more: string, kind: string): Promise<string> => {
      const before = (await control.eventsKept(0)).at(-1)?.seq ?? 0;
      writeFileSync(lender.configFile, `${written}\n${more}\n`);
      process.kill(pid, 'SIGHUP');
      let told = '';
      await until(`it reports ${kind}`, async () => {
        const found = (await control.eventsKept(before)).find(({ event }) => event.kind === kind);
        told = JSON.stringify(found?.event);
        return found !== undefined;
      });
      return told;
    };
    await readAgain('[lend.neighbours.A]\nrate = "8 Mbit/s"', 'configuration_read');
    await untilOffered('no more than its ceiling', 1_000_000);
    assert.match(
      await readAgain('[lend.neighbours.Nobody]\nallow = false', 'warning'),
      /Nobody.*must be the name or id of a neighbour; there are .*A.*The running policy stays/,
    );
    assert.match(
      await readAgain('[lend.neighbours.A]\nweight = 99', 'warning'),
      /lend\.neighbours\.A\.weight = 99: must be/,
    );
    await untilOffered('what it did', 1_000_000);
    await lender.runJson('lend', 'neighbour', 'A', '--rate', 'none');
    await untilOffered('all: what is set live overrides the file', 4_000_000 * FULL_PART);
    await lender.runJson('lend', 'neighbour', 'A', '--usual');
    await untilOffered('as the file says', 1_000_000);
    await readAgain('', 'configuration_read');
    await untilOffered('all as it was', 4_000_000 * FULL_PART);
  });

  test('what was set, and what was used, is known after a kill', async () => {
    const before = await lender.runJson<Lending>('lend', 'set', 'rate', '4 Mbit/s');
    // A kill may lose what came in the seconds before the last save; here that is over.
    await until('all of it is saved', () => {
      const file = join(lender.stateDir, 'lend-usage.json');
      const { months } = JSON.parse(readFileSync(file, 'utf8')) as {
        months: Record<string, { all: number }>;
      };
      const saved = Object.values(months).reduce((sum, { all }) => sum + all, 0);
      return Promise.resolve(saved === before.usage.monthBytes);
    });
    await lender.kill();
    await lender.restart();
    const after = await lender.runJson<Lending>('lend', 'show');
    assert.deepEqual(
      after.settings.find(({ key }) => key === 'rate'),
      { key: 'rate', value: 500_000, from: 'set' },
    );
    assert.equal(after.bytesPerSecond, 500_000);
    assert.deepEqual(after.usage, before.usage);
  });
});
