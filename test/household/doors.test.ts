/**
 * The doors of a real daemon: its control API, its proxy and its link. No way leads to them through its own proxy, nor through
 * its line when it is lent, and the control API asks who comes.
 */
import assert from 'node:assert/strict';
import { mkdtemp, rm } from 'node:fs/promises';
import { connect } from 'node:net';
import { networkInterfaces, tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, describe, it, test } from 'node:test';
import { readToken } from '../../src/control/access.ts';
import { readRunFile } from '../../src/control/runfile.ts';
import { systemClock } from '../../src/core/clock.ts';
import { type Authority, parseAuthority } from '../../src/core/target.ts';
import { Household } from '../../src/demo/household.ts';
import { freePort } from '../support/free-port.ts';
import { COMMAND } from '../support/household.ts';
import { RawPeer } from '../support/raw-client.ts';
import { turned } from '../support/turned-borrower.ts';

const { signal } = new AbortController();

/** What this machine is called on its networks, loopback aside. */
const OWN = Object.values(networkInterfaces())
  .flatMap((all) => all ?? [])
  .filter(({ internal, address }) => !internal && !address.startsWith('fe80'))
  .map(({ address }) => (address.includes(':') ? `[${address}]` : address));

const SPELLINGS = [
  ...'127.0.0.1 127.1 127.0.1 0x7f.1 0x7f000001 2130706433 0177.0.0.1 017700000001 127.0.0.1. 127.0.0.2 127.255.255.254'.split(
    ' ',
  ),
  ...'0.0.0.0 0 0x0 00 0.0 %31%32%37.0.0.1 %EF%BC%91%EF%BC%92%EF%BC%97.0.0.1 127%E3%80%820%E3%80%820%E3%80%821'.split(
    ' ',
  ),
  ...'localhost LOCALHOST localhost. own.example any.example mapped.example six.example lan.example'.split(
    ' ',
  ),
  ...'[::1] [::] [0:0:0:0:0:0:0:1] [::ffff:127.0.0.1] [::ffff:7f00:1] [::ffff:0.0.0.0] [::ffff:0:0]'.split(
    ' ',
  ),
  ...OWN,
];
const RESOLVE = [
  '"localhost." = "127.0.0.1"',
  '"own.example" = "127.0.0.1"',
  '"any.example" = "0.0.0.0"',
  '"mapped.example" = "::ffff:127.0.0.1"',
  '"six.example" = "::1"',
  `"lan.example" = "${OWN[0]?.replace(/[[\]]/g, '') ?? '127.0.0.3'}"`,
];

async function start(
  folder: string,
  name: string,
  config: Readonly<Record<string, readonly string[]>>,
): Promise<Household> {
  return await Household.start({
    name,
    folder: join(folder, name),
    command: COMMAND,
    down: 1e7,
    lineHost: '127.0.0.1',
    ports: { http: 80, https: 443 },
    config,
    clock: systemClock,
    signal,
  });
}

/** The status of the answer; 0 when there was none. */
async function statusOf(to: Authority, message: string): Promise<number> {
  await using peer = new RawPeer(connect({ ...to, allowHalfOpen: true }));
  peer.send(message);
  try {
    return (await peer.message({ bodyless: true })).status;
  } catch {
    return 0;
  }
}

/** Everything by which a client of the proxy can ask for an address. */
const asking = (at: string): readonly string[] => [
  `GET http://${at}/healthz HTTP/1.1\r\nHost: ${at}\r\n\r\n`,
  `GET http://${at}/healthz HTTP/1.1\r\nHost: localhost\r\n\r\n`,
  `POST http://${at}/v1/stop HTTP/1.1\r\nHost: localhost\r\nContent-Length: 2\r\n\r\n{}`,
  `GET http://${at}/ HTTP/1.1\r\nHost: localhost\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n`,
  `CONNECT ${at} HTTP/1.1\r\nHost: ${at}\r\n\r\n`,
];

describe('through the proxy of a daemon', () => {
  let folder = '';
  let household: Household;
  let doors: Readonly<Record<'control' | 'proxy' | 'proxy6' | 'link', number>>;
  let token = '';
  before(async () => {
    folder = await mkdtemp(join(tmpdir(), 'linepool-doors-'));
    household = await start(folder, 'here', {
      proxy: ['listen = ["0.0.0.0:0", "[::]:0"]', 'clients = ["0.0.0.0/0", "::/0"]'],
      link: ['listen = ["0.0.0.0:0"]'],
      resolve: RESOLVE,
    });
    const run = readRunFile(household.stateDir);
    const port = (address: string | undefined): number => parseAuthority(address ?? '').port;
    doors = {
      control: port(run?.control),
      proxy: port(run?.proxy[0]),
      proxy6: port(run?.proxy[1]),
      link: port(run?.link[0]),
    };
    token = readToken(household.stateDir);
  });
  after(async () => {
    await household[Symbol.asyncDispose]();
    await rm(folder, { recursive: true });
  });

  // A client on this machine, by IPv4 and IPv6, and one in the home network.
  for (const host of ['127.0.0.1', '::1', ...OWN.slice(0, 1).map((own) => own.replace(/[[\]]/g, ''))])
    for (const door of ['control', 'proxy', 'proxy6', 'link'] as const)
      it(`nobody who comes to ${host} gets to its ${door}`, async () => {
        for (const spelling of SPELLINGS)
          for (const message of asking(`${spelling}:${doors[door]}`)) {
            const to = { host, port: host.includes(':') ? doors.proxy6 : doors.proxy };
            const status = await statusOf(to, message);
            // 403 and 400 are its refusals; 502 says that nothing listens at that address.
            assert.ok([400, 403, 502].includes(status), `${status} to ${message}`);
          }
      });

  it('is still there', async () => {
    assert.equal((await household.control.status()).household.name, 'here');
  });

  describe('its control API', () => {
    const ask = (...fields: readonly string[]): Promise<number> =>
      statusOf(
        { host: '127.0.0.1', port: doors.control },
        `GET /v1/status HTTP/1.1\r\n${fields.join('\r\n')}\r\n\r\n`,
      );
    it('answers those who have its token and name it as it is', async () => {
      assert.equal(await ask(`Host: 127.0.0.1:${doors.control}`, `Authorization: Bearer ${token}`), 200);
      assert.equal(await ask(`Host: localhost:${doors.control}`, `Authorization: Bearer ${token}`), 200);
    });
    it('answers nobody else', async () => {
      const host = `Host: 127.0.0.1:${doors.control}`;
      const bearer = `Authorization: Bearer ${token}`;
      assert.equal(await ask(host), 401);
      assert.equal(await ask(host, `Authorization: Bearer ${token.slice(1)}`), 401);
      for (const rebound of [
        'evil.example',
        '127.0.0.1.evil.example',
        'localhost.evil.example',
        '192.168.1.1',
        '0.0.0.0',
        '[::]',
      ])
        assert.equal(await ask(`Host: ${rebound}:${doors.control}`, bearer), 421, rebound);
      for (const page of [
        'http://evil.example',
        'null',
        'https://localhost',
        `http://localhost:${doors.proxy}`,
        'file://',
      ])
        assert.equal(await ask(host, bearer, `Origin: ${page}`), 403, page);
      assert.equal(await ask(host, bearer, 'Sec-Fetch-Site: cross-site'), 403);
      assert.equal(await ask(host, bearer, 'Sec-Fetch-Site: same-site'), 403);
    });
    it('tells a rebound page nothing without a token either', async () => {
      for (const path of ['/healthz', '/metrics', '/v1/status', '/']) {
        const text = `GET ${path} HTTP/1.1\r\nHost: evil.example\r\n\r\n`;
        assert.equal(await statusOf({ host: '127.0.0.1', port: doors.control }, text), 421, path);
      }
    });
    it('is no open relay', async () => {
      for (const text of [
        `CONNECT 127.0.0.1:${doors.link} HTTP/1.1\r\nHost: x\r\nLinepool-Path: own\r\n\r\n`,
        `GET http://127.0.0.1:${doors.link}/ HTTP/1.1\r\nHost: x\r\nLinepool-Path: own\r\n\r\n`,
      ])
        assert.equal(await statusOf({ host: '127.0.0.1', port: doors.control }, text), 407);
    });
  });
});

test('a client outside proxy.clients is served nothing', async (t) => {
  const folder = await mkdtemp(join(tmpdir(), 'linepool-doors-'));
  t.after(() => rm(folder, { recursive: true }));
  await using household = await start(folder, 'closed', {
    proxy: ['listen = ["0.0.0.0:0", "[::]:0"]', 'clients = ["192.0.2.0/24", "2001:db8::/32"]'],
  });
  const [four = '', six = ''] = readRunFile(household.stateDir)?.proxy ?? [];
  for (const { host, port } of [
    { host: '127.0.0.1', port: parseAuthority(four).port },
    { host: '::1', port: parseAuthority(six).port },
  ])
    for (const message of [...asking('origin.example:80'), 'GET / HTTP/1.1\r\nHost: x\r\n\r\n'])
      assert.equal(await statusOf({ host, port }, message), 403, `${host}: ${message}`);
});

test('a client in the network of the link is served nothing', {
  skip: OWN.length === 0 && 'loopback only',
}, async (t) => {
  const folder = await mkdtemp(join(tmpdir(), 'linepool-doors-'));
  t.after(() => rm(folder, { recursive: true }));
  const [own = ''] = OWN;
  const proxy = ['listen = ["0.0.0.0:0", "[::]:0"]', 'clients = ["0.0.0.0/0", "::/0"]'];
  await using household = await start(folder, 'apart', { proxy, link: [`listen = ["${own}:0"]`] });
  const [four = '', six = ''] = readRunFile(household.stateDir)?.proxy ?? [];
  const { port } = parseAuthority(own.startsWith('[') ? six : four);
  const host = own.replace(/[[\]]/g, '');
  assert.equal(await statusOf({ host, port }, 'GET / HTTP/1.1\r\nHost: x\r\n\r\n'), 403);
  assert.equal(
    await statusOf(
      { host: '127.0.0.1', port: parseAuthority(four).port },
      'GET / HTTP/1.1\r\nHost: x\r\n\r\n',
    ),
    200,
  );
});

test("a lender's own doors are closed to borrowers, whatever else it lets them reach", async (t) => {
  const folder = await mkdtemp(join(tmpdir(), 'linepool-doors-'));
  t.after(() => rm(folder, { recursive: true }));
  const [control, proxy, link] = [await freePort(), await freePort(), await freePort()];
  await using lender = await start(folder, 'lender', {
    control: [`listen = "127.0.0.1:${control}"`],
    proxy: [`listen = ["127.0.0.1:${proxy}"]`],
    link: [`listen = ["127.0.0.1:${link}"]`],
    lend: ['allow_networks = ["0.0.0.0/0", "::/0"]', `ports = [${control}, ${proxy}, ${link}]`],
  });
  await using borrower = await turned(await start(folder, 'borrower', {}), lender, signal);
  for (const port of [control, proxy, link])
    for (const host of ['127.0.0.1', '0.0.0.0', '[::]', '[::ffff:127.0.0.1]', 'localhost']) {
      const at = `${host}:${port}`;
      for (const [scheme, line] of [
        ['https', `CONNECT ${at}`],
        ['http', `GET http://${at}/healthz`],
      ]) {
        await using peer = await borrower.connect();
        const lease = await borrower.lease(
          `${scheme}://${at.replace('[::ffff:127.0.0.1]', '[::ffff:7f00:1]')}`,
        );
        peer.send(`${line} HTTP/1.1\r\nHost: x\r\nRange: bytes=0-0\r\nLinepool-Lease: ${lease}\r\n\r\n`);
        const { status, body } = await peer.message();
        assert.equal(status, 403, `${line}: ${body.toString()}`);
        assert.equal((JSON.parse(body.toString()) as { code: string }).code, 'address_refused', line);
      }
    }

  // What the household denies takes effect at once, by its own command line.
  const said = async (at: string): Promise<string> => {
    await using peer = await borrower.connect();
    peer.send(
      `CONNECT ${at} HTTP/1.1\r\nHost: x\r\nLinepool-Lease: ${await borrower.newLease(`https://${at}`)}\r\n\r\n`,
    );
    return (JSON.parse((await peer.message()).body.toString()) as { code: string }).code;
  };
  assert.equal(await said(`127.0.0.9:${control}`), 'connect_refused');
  await lender.run('lend', 'set', 'deny_hosts', 'localhost, 127.0.0.8/30');
  assert.equal(await said(`127.0.0.9:${control}`), 'host_refused');
  assert.equal(await said(`www.localhost:${control}`), 'host_refused');
  await lender.run('lend', 'set', 'ports', '443');
  assert.equal(await said(`127.0.0.9:${control}`), 'port_refused');
  await lender.run('lend', 'unset', 'ports');
  await lender.run('lend', 'set', 'deny_hosts', 'none');
  assert.equal(await said(`127.0.0.9:${control}`), 'connect_refused');
  await assert.rejects(lender.run('lend', 'set', 'deny_hosts', '*.example'));
  assert.match(await lender.run('lend'), /deny_hosts +none/);
});
