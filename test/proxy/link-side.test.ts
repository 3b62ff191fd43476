/**
 * Who is on the side of the neighbours, and is no client of the household because of it.
 */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { loadConfig } from '../../src/config.ts';
import type { Interfaces } from '../../src/core/interfaces.ts';
import { allowedClients } from '../../src/proxy/clients.ts';
import { linkSide, sidesUnknown } from '../../src/proxy/link-side.ts';
import { openProxy } from './open-proxy.ts';

const at = (...cidrs: string[]) => cidrs.map((cidr) => ({ address: cidr.replace(/\/.*/, ''), cidr }));
const INTERFACES: Interfaces = {
  lo: at('127.0.0.1/8', '::1/128'),
  br0: at('192.168.1.1/24', 'fd00:1::1/64', 'fe80::1/64'),
  wlan1: at('192.168.77.1/24', 'fd00:77::1/64', 'fe80::2/64'),
};
const PRIVATE = ['127.0.0.0/8', '::1/128', '10.0.0.0/8', '192.168.0.0/16', 'fc00::/7', 'fe80::/10'];

interface Case {
  readonly link: readonly string[];
  readonly proxy?: readonly string[];
  readonly clients?: readonly string[];
  readonly interfaces?: Interfaces;
}

const isClient = ({
  link,
  proxy = ['192.168.1.1'],
  clients = PRIVATE,
  interfaces = INTERFACES,
}: Case): ((address: string) => boolean) =>
  allowedClients(clients, linkSide({ link, proxy, readInterfaces: () => interfaces }));

const HOME = [
  '192.168.1.20',
  '::ffff:192.168.1.20',
  'fd00:1::20',
  'fe80::20%br0',
  '10.9.9.9',
  '127.0.0.1',
  '::1',
];
const LINK = ['192.168.77.20', '::ffff:192.168.77.20', 'fd00:77::20', 'fe80::20%wlan1'];

test('who is in a network of the link is no client, whoever else has a private address is', () => {
  for (const link of [['192.168.77.1'], ['fd00:77::1'], ['fe80::2%wlan1'], ['127.0.0.1', '192.168.77.1']]) {
    const allowed = isClient({ link });
    for (const address of HOME) assert.ok(allowed(address), address);
    for (const address of LINK) assert.ok(!allowed(address), address);
  }
});

test('a proxy that listens on every address changes nothing of it', () => {
  const allowed = isClient({ link: ['192.168.77.1'], proxy: ['0.0.0.0', '::'] });
  for (const address of HOME) assert.ok(allowed(address), address);
  for (const address of LINK) assert.ok(!allowed(address), address);
});

test('where the proxy listens on that interface too, it is the home', () => {
  for (const address of LINK)
    assert.ok(isClient({ link: ['192.168.77.1'], proxy: ['192.168.77.1'] })(address), address);
});

test('a network that is named by itself holds, and no other with it', () => {
  const allowed = isClient({ link: ['192.168.77.1'], clients: [...PRIVATE, '192.168.77.16/28'] });
  assert.ok(allowed('192.168.77.20'));
  assert.ok(!allowed('192.168.77.40'));
  assert.ok(!allowed('fd00:77::20'));
  assert.ok(isClient({ link: ['192.168.77.1'], clients: ['192.168.77.0/24'] })('192.168.77.40'));
});

test('of networks one inside the other the narrower one tells', () => {
  const wide = { ...INTERFACES, wlan1: at('192.168.77.1/16') };
  const allowed = isClient({ link: ['192.168.77.1'], interfaces: wide });
  assert.ok(allowed('192.168.1.20'));
  assert.ok(!allowed('192.168.2.20'));
});

test('without an address of a link all are as they are named', () => {
  for (const link of [[], ['0.0.0.0'], ['127.0.0.1']])
    for (const address of [...HOME, ...LINK]) assert.ok(isClient({ link })(address), address);
});

test('a link on every address is warned of where the proxy has others than loopback', async () => {
  assert.match(sidesUnknown({ link: ['0.0.0.0'], proxy: ['127.0.0.1', '192.168.1.1'] }) ?? '', /0\.0\.0\.0/);
  assert.equal(sidesUnknown({ link: ['0.0.0.0'], proxy: ['127.0.0.1', '::1'] }), undefined);
  assert.equal(sidesUnknown({ link: ['192.168.77.1'], proxy: ['0.0.0.0'] }), undefined);
  await using opened = await openProxy({ listen: ['0.0.0.0:0'], linkHosts: ['::'] });
  const warnings = opened.reported().filter(({ event }) => event.kind === 'warning');
  assert.equal(warnings.length, 1);
});

test('what the proxy serves by default names no network of a link, however wide that is', () => {
  const { clients } = loadConfig(undefined).proxy;
  for (const cidr of ['10.1.2.3/8', '172.16.2.3/12', '192.168.2.3/16', '169.254.2.3/16', 'fd00:9::3/7']) {
    const address = cidr.replace(/\/.*/, '');
    const interfaces = { wlan1: at(cidr) };
    const next = address.replace(/3$/, '4');
    assert.ok(isClient({ link: [], clients, interfaces })(next), next);
    assert.ok(!isClient({ link: [address], clients, interfaces })(next), next);
  }
});
