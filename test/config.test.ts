import assert from 'node:assert/strict';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describe, it } from 'node:test';
import { exampleConfig, loadConfig, parseConfig } from '../src/config.ts';
import { LinepoolError } from '../src/core/errors.ts';

describe('configuration', () => {
  it('has a default for everything', () => {
    const config = loadConfig(undefined);
    assert.equal(config.pool.window, 16 * 1024 * 1024);
    assert.equal(config.pool.scheme, 'adaptive');
    assert.deepEqual(config.lend.ports, [80, 443]);
    assert.equal(config.line.down, undefined);
    assert.deepEqual(config.resolve, {});
  });

  it('reads units as what they mean', () => {
    const config = parseConfig(
      '[line]\ndown = "50 Mbit/s"\n[pool]\nwindow = "32 MiB"\nmin_saving = "1.5 s"\n[resolve]\n"a.example" = "192.0.2.7"\n',
      'test',
    );
    assert.equal(config.line.down, 6_250_000);
    assert.equal(config.pool.window, 32 * 1024 * 1024);
    assert.equal(config.pool.min_saving, 1500);
    assert.deepEqual(config.resolve, { 'a.example': '192.0.2.7' });
  });

  const wrong: readonly [string, RegExp][] = [
    ['[pool]\nwindow = 5', /^test: pool\.window = 5: must be a string with a unit, such as "16 MiB"$/],
    ['[pool]\nwindow = "lots"', /pool\.window = "lots": must be a string with a unit/],
    ['[line]\ndown = "50"', /line\.down = "50": must be a string with a unit, such as "50 Mbit\/s"/],
    ['[pool]\nstall_timeout = "400"', /pool\.stall_timeout = "400": .* such as "300 ms"/],
    ['[pool]\nscheme = "fast"', /pool\.scheme = "fast": .*adaptive/],
    ['[pool]\nspeed = 3', /pool\.speed is not a key/],
    ['[pol]\n', /^test: pol is not a key$/],
    ['pool = 3', /pool = 3: /],
    ['[proxy]\nlisten = ["localhost:1"]', /proxy\.listen\.0 = "localhost:1": must be address:port/],
    ['[proxy]\nclients = ["10.0.0.1"]', /proxy\.clients\.0 = "10\.0\.0\.1": must be a network/],
    ['[lend]\nports = [0]', /lend\.ports\.0 = 0: /],
    ['[lend]\nshare_percent = 101', /lend\.share_percent = 101: /],
    ['[lend]\nshare_percent_up = -1', /lend\.share_percent_up = -1: must be from 0 to 100/],
    [
      '[lend]\nhours = ["1-6 100 %", "5-7 2 %"]',
      /lend\.hours = .*"01:00-06:00 100 %" and "05:00-07:00 2 %" overlap/,
    ],
    ['[lend]\nhours = ["1-6 120 %"]', /lend\.hours = .*"1-6 120 %" must be .* such as "01:00-06:00 100 %"/],
    ['[lend]\nweight_min = 3', /lend\.weight_min must not be larger than lend\.weight_max/],
    ['[resolve]\n"a.example" = "b.example"', /resolve\.a\.example = "b\.example": must be an IP address/],
    ['[control]\nlisten = "0.0.0.0:7467"', /control\.listen = "0\.0\.0\.0:7467" must be a loopback address/],
    [
      '[pool]\nwindow = "1 MiB"\ndownload_window = "2 MiB"',
      /download_window must not be larger than pool\.window/,
    ],
    ['[pool]\nwindow = "1023 KiB"', /pool\.window = "1023 KiB": must be at least 1\.00 MiB$/],
    ['[pool]\nwindow = "0 B"', /pool\.window = "0 B": must be at least 1\.00 MiB$/],
    ['[link]\nlisten = ["999.1.1.1:5"]', /link\.listen\.0 = "999\.1\.1\.1:5": must be address:port/],
    ['[link]\nlisten = ["010.1.1.1:5"]', /link\.listen\.0 = "010\.1\.1\.1:5": must be address:port/],
    ['[link]\nlisten = ["[1:::2]:5"]', /link\.listen\.0 = "\[1:::2\]:5": must be address:port/],
    ['[link]\nlisten = ["[1.1.1.1]:5"]', /link\.listen\.0 = "\[1\.1\.1\.1\]:5": must be address:port/],
    ['[control]\nlisten = "127.0.0.1:99999"', /control\.listen = "127\.0\.0\.1:99999": must be address:port/],
    ['[proxy]\nlisten = []', /proxy\.listen = \[\]: must hold at least one address:port/],
    [
      '[link]\nadvertise = "::::"',
      /link\.advertise = "::::": must be host:port, such as "192\.168\.77\.1:7468"/,
    ],
    ['[link]\nadvertise = "192.168.77.1"', /link\.advertise = "192\.168\.77\.1": must be host:port/],
    ['[link]\nadvertise = "a.example:0"', /link\.advertise = "a\.example:0": must be host:port/],
    ['[pool\n', /^test, line 1: /],
    ['a = 1\na = 2', /^test, line 2: /],
  ];
  for (const [text, expected] of wrong) {
    it(`refuses ${JSON.stringify(text)}`, () => {
      assert.throws(
        () => parseConfig(text, 'test'),
        (error) => {
          assert.ok(error instanceof LinepoolError);
          assert.equal(error.code, 'config_invalid');
          assert.match(error.detail, expected);
          return true;
        },
      );
    });
  }

  it('takes what is right', () => {
    const config = parseConfig(
      '[proxy]\nlisten = ["0.0.0.0:0", "[fd00::1]:65535"]\n[link]\nlisten = ["[::]:0"]\nadvertise = "a.example:1"\n' +
        '[control]\nlisten = "[::1]:0"\n[pool]\nwindow = "1 MiB"\ndownload_window = "1 MiB"',
      'test',
    );
    assert.deepEqual(config.proxy.listen, ['0.0.0.0:0', '[fd00::1]:65535']);
    assert.equal(config.link.advertise, 'a.example:1');
    assert.equal(config.pool.window, 1024 * 1024);
  });

  it('names every key that is wrong', () => {
    assert.throws(
      () => parseConfig('[pool]\nwindow = "x"\nspan_time = "y"', 'test'),
      (error) => error instanceof LinepoolError && /pool\.window.*; pool\.span_time/.test(error.detail),
    );
  });

  it('prints an example that means the defaults, as it is and with every comment taken away', () => {
    const example = exampleConfig();
    assert.deepEqual(parseConfig(example, 'example'), loadConfig(undefined));
    const all = example.replace(/^# ("?[a-z_.]+"? = )/gm, '$1');
    assert.notEqual(all, example);
    const config = parseConfig(all, 'example');
    assert.equal(config.line.down, 6_250_000);
    assert.equal(config.resolve['files.example'], '192.0.2.7');
  });

  it('says which file can not be read', () => {
    assert.throws(
      () => loadConfig('/nonexistent/config.toml'),
      (error) =>
        error instanceof LinepoolError &&
        error.detail.startsWith('/nonexistent/config.toml can not be read (ENOENT)'),
    );
    const dir = mkdtempSync(join(tmpdir(), 'linepool-config-'));
    writeFileSync(join(dir, 'c.toml'), '[household]\nname = "Attic"\n');
    assert.equal(loadConfig(join(dir, 'c.toml')).household.name, 'Attic');
    rmSync(dir, { recursive: true });
  });
});
