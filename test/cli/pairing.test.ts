/** The commands for pairing without an invitation, and for blocking, as real processes over stub rooms. */
import assert from 'node:assert/strict';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, describe, it } from 'node:test';
import { until } from '../support/until.ts';
import { linepool, type Running, start } from './ran.ts';

const root = mkdtempSync(join(tmpdir(), 'linepool-pair-'));
after(() => rmSync(root, { recursive: true }));
const configFile = join(root, 'test.toml');
writeFileSync(configFile, '[control]\nlisten = "127.0.0.1:0"\n[proxy]\nlisten = ["127.0.0.1:0"]\n');

describe('pairing without an invitation, at the command line', { concurrency: false }, () => {
  const at = ['--state', join(root, 'state')];
  let daemon: Running;
  before(async () => {
    daemon = start(['up', ...at, '--config', configFile]);
    await until('ready', () => daemon.said.out.includes('ready'));
  });
  after(async () => {
    daemon.child.kill('SIGKILL');
    await daemon.ended;
  });
  const says = async (args: readonly string[], expected: RegExp, exit = 0): Promise<void> => {
    const { code, out, err } = await linepool([...args, ...at]);
    assert.match(exit === 0 ? out : err, expected);
    assert.equal(code, exit);
    if (exit === 0) assert.equal(err, '');
  };
  const json = async (...args: readonly string[]): Promise<unknown> => {
    const { code, out } = await linepool([...args, '--json', ...at]);
    assert.equal(code, 0);
    return JSON.parse(out);
  };

  it('visible says the name, until when, and what the other side types', async () => {
    await says(['pair'], /^No pairing is under way\.$/m);
    await says(
      ['visible', '--for', '5 min'],
      /^Visible as lp-k3v7q2mx until \d\d:\d\d:\d\d\. Announced at 192\.168\.1\.1\.$[^]*^ {2}linepool pair lp-k3v7q2mx$/m,
    );
    await says(['pair'], /^Visible as lp-k3v7q2mx until/m);
    assert.deepEqual(Object.keys((await json('visible')) as object), ['name', 'until', 'at']);
    for (const time of ['2 h', '1 s', 'long']) {
      await says(['visible', '--for', time], /^linepool: .*--for needs a time from 10 s to 1 h/, 2);
    }
    await says(['visible', '--off'], /^Not visible\.$/m);
  });

  it('discover lists routers', async () => {
    await says(['discover'], /^NAME\s+ADDRESS\nlp-abcdefgh\s+192\.168\.1\.2:7468\n$/);
    assert.deepEqual(await json('discover'), {
      routers: [{ name: 'lp-abcdefgh', address: '192.168.1.2:7468' }],
    });
  });

  it('pair shows the number; confirm and reject end it', async () => {
    await says(['pair', 'confirm', '012345'], /There is nothing of that name/, 2);
    await says(
      ['pair', '192.168.1.2:7468'],
      /^Asked 192\.168\.1\.2:7468\.\n\n {2}012 345\n\n[^]*linepool pair confirm NUMBER\n[^]*Time left: 2/,
    );
    await says(['pair'], /^ {2}012 345$/m);
    await says(['pair', 'confirm', '999 999'], /The pairing was not confirmed/, 8);
    await says(['pair', 'reject'], /^Rejected/);
    await says(['pair'], /It ended\. It was rejected here\./);
    await json('pair', 'lp-abcdefgh');
    await says(['pair', 'confirm', '012', '345', '--name', 'Shed'], /^Paired with Shed\.$/m);
    await says(['pair', 'lp-zzzzzzzz'], /does not wish to be found now/, 8);
  });

  it('block and unblock; neighbours lists who is blocked', async () => {
    await says(['block', 'Garden'], /^Blocked Garden \(iiii\), from now on\.$/m);
    await says(['neighbours'], /^BLOCKED\s+ID\s+SINCE\nGarden\s+iiii\s+2026-01-01$/m);
    await says(['unblock', 'Garden'], /^Garden \(iiii\) may pair again/m);
    await says(['unblock', 'Garden'], /no neighbour of that name/, 8);
    await says(['block', 'nobody'], /no neighbour of that name/, 8);
    await says(['unpair', 'Garden'], /^Parted from Garden\.$/m);
  });
});
