import assert from 'node:assert/strict';
import { test } from 'node:test';
import ipaddr from 'ipaddr.js';
import type { Origin } from '../../src/core/target.ts';
import {
  destinationRefusal,
  destinationsOf,
  hostComplaint,
  isDenied,
  sameDestinations,
} from '../../src/lending/destinations.ts';

const SETTINGS = {
  ports: [80, 443],
  deny_hosts: ['Bank.example', 'müller.example', '203.0.113.0/24', '198.51.100.7', '2001:db8::/32'],
};
const DESTINATIONS = destinationsOf(SETTINGS);

test('only the ports that are listed are carried', () => {
  const of = (scheme: Origin['scheme'], port: number) =>
    destinationRefusal({ scheme, host: 'a.example', port }, DESTINATIONS);
  assert.equal(of('http', 80), undefined);
  assert.equal(of('https', 443), undefined);
  assert.equal(of('http', 22), 'port_refused');
  assert.equal(of('https', 22), 'port_refused');
});

test('a tunnel never goes to port 80, nor a fetch to 443; a port that was added is for both', () => {
  const listed = destinationsOf({ ports: [80, 443, 8080], deny_hosts: [] });
  const of = (scheme: Origin['scheme'], port: number) =>
    destinationRefusal({ scheme, host: 'a.example', port }, listed);
  assert.equal(of('https', 80), 'port_refused');
  assert.equal(of('http', 443), 'port_refused');
  assert.equal(of('https', 8080), undefined);
  assert.equal(of('http', 8080), undefined);
});

test('a denied name holds for it and all names below it, however it is written', () => {
  for (const host of [
    'bank.example',
    'BANK.example',
    'bank.example.',
    'www.bank.example',
    'a.b.bank.example..',
    'xn--mller-kva.example',
    'www.xn--mller-kva.example',
  ])
    assert.equal(
      destinationRefusal({ scheme: 'https', host, port: 443 }, DESTINATIONS),
      'host_refused',
      host,
    );
  for (const host of ['example', 'notbank.example', 'bank.example.org', 'bank', '203.0.113.1'])
    assert.equal(destinationRefusal({ scheme: 'https', host, port: 443 }, DESTINATIONS), undefined, host);
});

test('denied addresses and networks hold whatever the name was', () => {
  for (const address of ['203.0.113.0', '203.0.113.255', '198.51.100.7', '2001:db8::1'])
    assert.ok(isDenied(ipaddr.parse(address), DESTINATIONS), address);
  for (const address of ['203.0.114.0', '198.51.100.8', '2001:db9::1'])
    assert.ok(!isDenied(ipaddr.parse(address), DESTINATIONS), address);
});

test('what is no host is complained about, by name', () => {
  assert.equal(hostComplaint(SETTINGS.deny_hosts), undefined);
  for (const text of [
    '',
    ' ',
    '*.example',
    'a b',
    'http://a.example',
    'a.example:80',
    '1.2.3.4/33',
    'fe80::1%lo',
    '[::1]',
    '127.1',
  ])
    assert.ok(hostComplaint(['a.example', text])?.startsWith(JSON.stringify(text)), text);
});

test('settings are the same when nothing changes between them', () => {
  assert.ok(sameDestinations(SETTINGS, { ...SETTINGS, ports: [...SETTINGS.ports] }));
  assert.ok(!sameDestinations(SETTINGS, { ...SETTINGS, ports: [80] }));
  assert.ok(!sameDestinations(SETTINGS, { ...SETTINGS, deny_hosts: [] }));
});
