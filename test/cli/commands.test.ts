import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, describe, it } from 'node:test';
import { fileURLToPath } from 'node:url';
import { exampleConfig } from '../../src/config.ts';
import { until } from '../support/until.ts';
import { linepool, type Running, start } from './ran.ts';

const root = mkdtempSync(join(tmpdir(), 'linepool-cli-'));
after(() => rmSync(root, { recursive: true }));
const configFile = join(root, 'test.toml');
writeFileSync(configFile, '[control]\nlisten = "127.0.0.1:0"\n');

describe('commands with a daemon', () => {
  const state = join(root, 'state');
  const at = ['--state', state];
  let daemon: Running;
  before(async () => {
    daemon = start(['up', ...at, '--config', configFile]);
    await until('ready', () => daemon.said.out.includes('ready'));
  });
  after(async () => {
    daemon.child.kill('SIGKILL');
    await daemon.ended;
  });

  it('up says where it listens, in one line', () => {
    assert.match(
      daemon.said.out,
      /^linepool ready: proxy 127\.0\.0\.1:3128, control 127\.0\.0\.1:\d+, no link, .*\n$/,
    );
  });

  const texts: readonly [string[], RegExp][] = [
    [['status'], /^Household\s+Ground floor \(zzzz-yyyy\)$[^]*^Line\s+50\.0 Mbit\/s down \(learnt\)$/m],
    [['status'], /^ +measured weakly: what others in the household use may not be seen here$/m],
    [
      ['downloads'],
      /^d2\s+http:\/\/files\.example\s+100 MiB\s+50 %\s.*own line 28\.6 MiB, Third floor 23\.8 MiB, Parted 1\.00 MiB$/m,
    ],
    [['downloads'], /failed: origin_changed/],
    [
      ['verdicts'],
      /^TIME\s+ORIGIN\s+SIZE\s+VERDICT\s+REASON\n\d\d:\d\d:\d\d {2}http:\/\/files\.example\s+12 B\s+pass\s+too small$/m,
    ],
    [['neighbours'], /^Garden\s+eeee-ffff\s+down: neighbour_unreachable/m],
    [['events', '--no-follow'], /daemon_started {2}version=9\.9\.9/],
    [['invite', '--ttl', '1 h'], /^LP1-test-invitation$[^]*^ {2}linepool join LP1-test-invitation$/m],
    [['join', 'LP1-x', '--name', 'Attic'], /^Paired with Attic \(aaaa-bbbb\)\.$/m],
    [['part', 'Garden'], /^Parted from Garden\.$/m],
    [['rename', 'Garden', 'Shed'], /^Garden is now Shed\.$/m],
    [['trust', 'Garden', 'checked'], /^Trust\s+checked: http too; what it brings is checked$/m],
    [['trust', 'Garden'], /^Trust\s+https-only: its line carries nothing of http for us$/m],
    [
      ['origins'],
      /^http:\/\/busy\.example\s+own line\s+origin asked for fewer requests \(status 429\)\s+0 ms$/m,
    ],
    [['origins', 'forget', 'busy.example'], /^busy\.example is not left alone any more\.$/m],
    [['lend'], /^Lent\s+at most 10\.0 Mbit\/s \(20 % from 06:00 to 22:00; until \d{4}-\d\d-\d\d \d\d:00\)$/m],
    [['lend'], /^Line\s+50\.0 Mbit\/s down, 5\.00 Mbit\/s up \(configured down, learnt up\)$/m],
    [['lend', 'show'], /^share_percent\s+20 %\s+set$[^]*^rate\s+none\s+configuration$/m],
    [['lend', 'set', 'rate', '20 Mbit/s'], /^Measured\s+by the counters of wan$/m],
    [['lend', 'unset', 'rate'], /^Carried\s+1\.00 MiB today, 5\.00 GiB this month$/m],
    [['lend', 'pause', '--for', '1 h'], /^Paused\s+no$/m],
    [['lend', 'hours', '1-6 100 %', '22-1 5 %'], /^hours\s+06:00-22:00 20 %\s+set$/m],
    [['lend', 'quota', '--day', '20 GB'], /^quota_month\s+10\.0 GiB\s+set$/m],
    [
      ['lend', 'neighbour', 'Third floor', '--deny', '--rate', 'usual'],
      /^Third floor\s+1\.50\s+0 B\s+1\.00 MiB\s+allow false\s+not allowed to borrow$/m,
    ],
  ];
  for (const [args, expected] of texts) {
    it(args.join(' '), async () => {
      const { code, out, err } = await linepool([...args, ...at]);
      assert.equal(err, '');
      assert.match(out, expected);
      assert.equal(code, 0);
    });
  }

  const keys: readonly [string[], string[]][] = [
    [['downloads'], ['downloads']],
    [['neighbours'], ['neighbours', 'blocked']],
    [['verdicts'], ['verdicts']],
    [['invite'], ['invitation', 'expiresAt']],
    [['part', 'Garden'], ['parted']],
    [
      ['lend', 'pause'],
      [
        'bytesPerSecond',
        'upBytesPerSecond',
        'reason',
        'words',
        'until',
        'allowed',
        'settings',
        'pause',
        'usage',
        'line',
        'neighbours',
      ],
    ],
    [
      ['config', 'check'],
      ['file', 'config'],
    ],
  ];
  for (const [args, expected] of keys) {
    it(`${args.join(' ')} --json`, async () => {
      const { code, out } = await linepool([...args, '--json', ...at]);
      assert.deepEqual(Object.keys(JSON.parse(out) as object), expected);
      assert.equal(code, 0);
    });
  }

  it('a failure with --json is one object, on stderr', async () => {
    const { code, out, err } = await linepool(['part', 'nobody', '--json', ...at]);
    assert.deepEqual([code, out], [8, '']);
    assert.deepEqual(JSON.parse(err), {
      code: 'neighbour_unknown',
      says: 'There is no neighbour of that name or id.',
      detail: '"nobody"',
      fix: 'See `linepool neighbours`.',
      exit: 8,
    });
    const usage = await linepool(['status', '--nonsense', '--json', ...at]);
    assert.equal(usage.out, '');
    assert.equal((JSON.parse(usage.err) as { code: string }).code, 'usage');
  });

  const failures: readonly [string[], number, RegExp][] = [
    [
      ['part', 'nobody'],
      8,
      /^linepool: There is no neighbour of that name or id\. "nobody"\n {2}See `linepool neighbours`\.\n$/,
    ],
    [['join', 'nonsense'], 8, /^linepool: That is not a valid invitation\.\n {2}Copy it whole/],
    [
      ['lend', 'set', 'share_percent', '120'],
      2,
      /^linepool: The lending policy can not be so\. lend\.share_percent = 120: must be a percentage from 0 to 100\n {2}Correct/,
    ],
    [['trust', 'Garden', 'much'], 2, /must be one of https-only, checked, trusted, not "much"/],
    [['lend', 'set', 'rate', '20'], 2, /rate needs a rate, such as "20 Mbit\/s", not "20"/],
    [['lend', 'pause', '--for', 'long'], 2, /--for needs a time, such as "1 h", not "long"/],
    [['lend', 'quota'], 2, /--day or --month is needed/],
    [['lend', 'neighbour', 'nobody', '--deny'], 8, /There is no neighbour of that name or id/],
    [['lend', 'neighbour', 'Garden'], 2, /Say what is to hold for it/],
    [['invite', '--ttl', '5'], 2, /--ttl needs a time from 10 s to 24 h, such as "15 min", not "5"/],
    [['rename', 'Garden', 'a/b'], 2, /name: must not hold/],
    [['events', '--since', 'noon'], 2, /--since needs the number of an event, not "noon"/],
    [
      ['up', '--config', configFile],
      7,
      /^linepool: A daemon runs already on this state folder\. \(.*, process \d+\)\n {2}End it first/,
    ],
  ];
  for (const [args, exit, text] of failures) {
    it(`${args.slice(0, 3).join(' ')} fails with exit code ${exit}`, async () => {
      const { code, out, err } = await linepool([...args, ...at]);
      assert.match(err, text);
      assert.equal(out, '');
      assert.equal(code, exit);
    });
  }

  it('events follows until it is interrupted', async () => {
    const following = start(['events', ...at]);
    await until('the first event', () => following.said.out.includes('daemon_started'));
    following.child.kill('SIGINT');
    const { code, out, err } = await following.ended;
    assert.deepEqual([code, err], [0, '']);
    assert.match(out, /^\d\d:\d\d:\d\d {2}daemon_started {2}version=9\.9\.9 {2}household=zzzz-yyyy\n$/);
  });

  it('events says so when the daemon ends', async () => {
    const state = ['--state', join(root, 'ending')];
    const other = start(['up', ...state, '--config', configFile]);
    await until('ready', () => other.said.out.includes('ready'));
    const following = start(['events', '--json', ...state]);
    await until('the first event', () => following.said.out.includes('"seq":1'));
    other.child.kill('SIGTERM');
    assert.equal((await other.ended).code, 0);
    const { code, err } = await following.ended;
    assert.equal(code, 7);
    assert.match(err, /it ended just now/);
  });

  it('stop waits until the daemon has ended, and then there is none', async () => {
    const { code, out } = await linepool(['stop', ...at]);
    assert.match(out, /^The daemon \(process \d+\) has ended\.\n$/);
    assert.equal(code, 0);
    assert.equal((await daemon.ended).code, 0);
    const after = await linepool(['status', ...at]);
    assert.equal(after.code, 7);
    assert.match(
      after.err,
      /^linepool: No linepool daemon answers\. \(state folder .*\)\n {2}Start it with `linepool up`\.\n$/,
    );
  });
});

describe('up', () => {
  for (const signal of ['SIGINT', 'SIGTERM'] as const) {
    it(`ends in order on ${signal}`, async () => {
      const state = join(root, `state-${signal}`);
      const { child, said, ended } = start(['up', '--json', '--state', state, '--config', configFile]);
      await until('ready', () => said.out.endsWith('\n'));
      assert.equal((JSON.parse(said.out) as { ready: boolean }).ready, true);
      child.kill(signal);
      assert.deepEqual([(await ended).code, (await ended).err], [0, '']);
    });
  }

  it('starts again after a kill -9', async () => {
    const args = ['up', '--state', join(root, 'killed'), '--config', configFile];
    const first = start(args);
    await until('ready', () => first.said.out.includes('ready'));
    first.child.kill('SIGKILL');
    await first.ended;
    const status = await linepool(['status', '--state', join(root, 'killed')]);
    assert.match(status.err, /process \d+ is gone without a proper end/);
    const second = start(args);
    await until('ready', () => second.said.out.includes('ready'));
    second.child.kill('SIGTERM');
    assert.equal((await second.ended).code, 0);
  });

  const wrong = join(root, 'wrong.toml');
  it('says what is wrong with a configuration: key, value and what it must be', async () => {
    writeFileSync(wrong, '[pool]\nwindow = "lots"\nspeed = 3\n');
    const { code, err } = await linepool(['up', '--state', join(root, 'x'), '--config', wrong]);
    assert.equal(code, 2);
    assert.match(err, /pool\.window = "lots": must be a string with a unit, such as "16 MiB"/);
    assert.match(err, /pool\.speed is not a key/);
    assert.match(err, /linepool config example/);
  });
});

describe('the command line', () => {
  const main = fileURLToPath(new URL('../../src/main.ts', import.meta.url));

  const usage: readonly [string[], number, RegExp][] = [
    [[], 2, /A command is needed/],
    [['stauts'], 2, /unknown command 'stauts'\n\(Did you mean status\?\)/],
    [['status', '--sate', 'x'], 2, /unknown option '--sate'/],
    [['join'], 2, /missing required argument 'invitation'/],
    [['rename', 'a'], 2, /missing required argument 'new'/],
    [['part', 'a', 'b'], 2, /too many arguments/],
    [['get', 'ftp://files.example/'], 2, /not an absolute http or https address/],
    [['get', 'http://127.0.0.1/', '--checksum', 'md5=00'], 2, /--checksum needs sha-256=/],
    [['get', 'http://127.0.0.1/', '-H', 'Range: bytes=0-'], 2, /-H can not set Range/],
    [
      ['config', 'check', '--config', '/nonexistent.toml'],
      2,
      /\/nonexistent\.toml can not be read \(ENOENT\)/,
    ],
  ];
  for (const [args, exit, text] of usage) {
    it(`${args.join(' ')} fails with exit code ${exit}`, async () => {
      const { code, out, err } = await linepool([...args], { cwd: root });
      assert.match(err, text);
      assert.equal(out, '');
      assert.equal(code, exit);
    });
  }

  it('prints its version and its help', async () => {
    assert.deepEqual(await linepool(['--version']), { code: 0, signal: null, out: '9.9.9\n', err: '' });
    const help = await linepool(['--help']);
    assert.equal(help.code, 0);
    for (const name of [
      'up',
      'status',
      'downloads',
      'events',
      'neighbours',
      'invite',
      'join',
      'part',
      'rename',
      'lend',
      'stop',
      'get',
      'demo',
    ])
      assert.match(help.out, new RegExp(`^ {2}${name}\\b`, 'm'));
    assert.match((await linepool(['--version'], { main })).out, /^\d+\.\d+\.\d+\n$/);
  });

  it('prints an example configuration that can be used', async () => {
    const { out } = await linepool(['config', 'example']);
    assert.equal(out, exampleConfig());
    const file = join(root, 'example.toml');
    writeFileSync(file, out);
    const check = await linepool(['config', 'check', '--config', file]);
    assert.deepEqual([check.code, check.out], [0, `${file} can be used.\n`]);
  });

  it('hands the options of demo on as they are', async () => {
    const { out, code } = await linepool(['demo', '--json', '--size', '5']);
    assert.deepEqual([code, out], [0, '{"json":true,"size":"5"}\n']);
    assert.match((await linepool(['demo', '--help'])).out, /--size <bytes>/);
    assert.equal((await linepool(['demo', '--nonsense'])).code, 2);
  });

  it('ends quietly when nobody reads on', async () => {
    const child = spawn(
      '/bin/sh',
      ['-c', `"${process.execPath}" "${main}" config example | head -n 1 >/dev/null`],
      {
        stdio: ['ignore', 'ignore', 'pipe'],
      },
    );
    let err = '';
    child.stderr.on('data', (chunk: Buffer) => {
      err += chunk.toString();
    });
    await new Promise((resolve) => child.once('close', resolve));
    assert.equal(err, '');
  });
});
