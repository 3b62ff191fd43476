import assert from 'node:assert/strict';
import { test } from 'node:test';
import * as fc from 'fast-check';
import ipaddr from 'ipaddr.js';
import { addressRefusal, parseNetworks } from '../../src/lending/public-address.ts';

const NONE = { allowNetworks: [], ownAddresses: [] };

/** First and last of each special range of IPv4, and what is inside. */
const REFUSED_IPV4 = `
0.0.0.0 0.0.0.1 0.255.255.255
10.0.0.0 10.0.0.1 10.255.255.255
100.64.0.0 100.64.0.1 100.100.100.200 100.127.255.255
127.0.0.0 127.0.0.1 127.0.0.53 127.1.2.3 127.255.255.255
169.254.0.0 169.254.0.1 169.254.169.253 169.254.169.254 169.254.170.2 169.254.255.255
172.16.0.0 172.16.0.1 172.20.10.1 172.31.255.255
192.0.0.0 192.0.0.1 192.0.0.8 192.0.0.9 192.0.0.170 192.0.0.192 192.0.0.255
192.0.2.0 192.0.2.1 192.0.2.255
192.31.196.1 192.52.193.1 192.175.48.1
192.88.99.0 192.88.99.1 192.88.99.255
192.168.0.0 192.168.0.1 192.168.1.1 192.168.178.1 192.168.255.255
198.18.0.0 198.18.0.1 198.19.255.255
198.51.100.0 198.51.100.1 198.51.100.255
203.0.113.0 203.0.113.1 203.0.113.255
224.0.0.0 224.0.0.1 224.0.0.251 239.255.255.250 239.255.255.255
240.0.0.0 240.0.0.1 250.1.2.3 255.255.255.254 255.255.255.255
168.63.129.16`;

const PUBLIC_IPV4 = `
1.0.0.0 1.1.1.1 8.8.8.8 9.9.9.9 9.255.255.255 11.0.0.0 93.184.216.34 99.255.255.255
100.63.255.255 100.128.0.0 126.255.255.255 128.0.0.0 151.101.1.1
168.63.129.15 168.63.129.17 169.253.255.255 169.255.0.0 172.15.255.255 172.32.0.0
192.0.1.0 192.0.3.0 192.88.98.255 192.88.100.0 192.167.255.255 192.169.0.0
198.17.255.255 198.20.0.0 198.51.99.255 198.51.101.0 203.0.112.255 203.0.114.0 223.255.255.255`;

/** IPv6 that is not global unicast, and every mapping of private and of public IPv4 addresses. */
const REFUSED_IPV6 = `
:: ::1 0:0:0:0:0:0:0:1 ::2 ::0.0.0.1
::127.0.0.1 ::10.0.0.1 ::192.168.1.1 ::8.8.8.8 ::7f00:1
::ffff:127.0.0.1 ::ffff:7f00:1 ::FFFF:7F00:0001 0:0:0:0:0:ffff:127.0.0.1 ::ffff:10.0.0.1 ::ffff:172.16.0.1
::ffff:192.168.1.1 ::ffff:169.254.169.254 ::ffff:a9fe:a9fe ::ffff:0.0.0.0 ::ffff:100.64.0.1 ::ffff:8.8.8.8 ::ffff:255.255.255.255
::ffff:0:127.0.0.1 ::ffff:0:7f00:1 ::ffff:0:a00:1 ::ffff:0:169.254.169.254 ::ffff:0:8.8.8.8
64:ff9b::127.0.0.1 64:ff9b::7f00:1 64:ff9b::10.0.0.1 64:ff9b::a9fe:a9fe 64:ff9b::192.168.0.1 64:ff9b::8.8.8.8 64:ff9b::808:808
64:ff9b:1::127.0.0.1 64:ff9b:1::a00:1 64:ff9b:1:ffff:ffff:ffff:8.8.8.8 64:ff9b:1::1 64:ff9b:0:1::1 64:ff9b:2::1
2002:7f00:1:: 2002:7f00:1::1 2002:a00:1:: 2002:c0a8:101::1 2002:a9fe:a9fe:: 2002:808:808:: 2002:ffff:ffff::1 2002::
2001:: 2001::1 2001:0:4136:e378:8000:63bf:3fff:fdd2 2001:0:7f00:1:: 2001::80ff:fffe 2001:0:ffff:ffff:ffff:ffff:ffff:ffff
2001:2:: 2001:2:0:1::1 2001:3::1 2001:4:112::1 2001:10::1 2001:1f:ffff::1 2001:20::1 2001:2f:ffff::1 2001:30::1 2001:1ff:ffff::1
2001:db8:: 2001:db8::1 2001:db8:ffff:ffff::1 2001:0db8:85a3::8a2e:370:7334
3fff:: 3fff::1 3fff:fff:ffff::1 3ffe::1 3ffe:831f::1 2620:4f:8000::1
5f00::1 100::1 100::ffff:ffff:ffff:ffff 100:0:0:1::1
fc00:: fc00::1 fd00::1 fd00:ec2::254 fd20:ce::254 fdff:ffff::1
fe80:: fe80::1 fe80::1:2:3:4 febf::1 fe80::5efe:192.168.1.1
fec0::1 feff::1
ff00:: ff01::1 ff02::1 ff02::2 ff02::fb ff05::2 ff0e::1 ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff
2a00:1450::5efe:c0a8:101 2a00:1450::5efe:192.168.1.1 2a00:1450::200:5efe:7f00:1
1::1 200::1 1fff:ffff::1 4000::1 6000::1 8000::1 a000::1 c000::1 e000::1 f000::1`;

const PUBLIC_IPV6 = `
2001:200::1 2001:4860:4860::8888 2001:500:88:200::8 2003::1 2400:cb00:2048::1 2600::1 2606:4700:4700::1111
2620:4f:7fff::1 2620:fe::fe 2800::1 2a00:1450:4001:81b::200e 2A00:1450:4001::1 2c0f::1 2001:db7:ffff::1 2001:db9::1 3ffd::1`;

/** What is not one address in its usual notation. */
const NOT_ADDRESSES = [
  '',
  ' ',
  'localhost',
  'example.org',
  '0x7f.1',
  '0x7f000001',
  '0177.0.0.1',
  '0177.1',
  '127.1',
  '127.0.1',
  '2130706433',
  '017700000001',
  '127.0.0.01',
  '010.0.0.1',
  '8.8.8.8.',
  '127.0.0.1.',
  ' 8.8.8.8',
  '8.8.8.8 ',
  '8.8.8.8\n',
  '8.8.8.8:80',
  '8.8.8',
  '8.8.8.8.8',
  '256.1.1.1',
  '１２７.0.0.1',
  '[::1]',
  '[2600::1]',
  'fe80::1%eth0',
  'fe80::1%25eth0',
  '::1%lo',
  '2600::1%eth0',
  '2600::1%1',
  '8.8.8.8%1',
  '2600:::1',
  ':',
  '1:2:3:4:5:6:7',
  '1:2:3:4:5:6:7:8:9',
  '8.8.8.8/32',
  '2600::/16',
  '::ffff:8.8.8',
  '::ffff:0x7f.0.0.1',
  'g::1',
];

const words = (text: string): string[] => text.trim().split(/\s+/);

test('addresses that are not public, in every notation, are refused', () => {
  const cases = [...words(REFUSED_IPV4), ...words(REFUSED_IPV6), ...NOT_ADDRESSES];
  assert.ok(cases.length >= 200, `${cases.length} cases`);
  for (const address of cases) assert.equal(addressRefusal(address, NONE), 'address_refused', address);
});

test('public addresses are let through', () => {
  for (const address of [...words(PUBLIC_IPV4), ...words(PUBLIC_IPV6)]) {
    assert.equal(addressRefusal(address, NONE), undefined, address);
  }
});

test('no IPv4 address passes inside an IPv6 one, public or not', () => {
  const octets = fc.tuple(fc.nat(255), fc.nat(255), fc.nat(255), fc.nat(255));
  const prefixes = [
    '::',
    '::ffff:',
    '::ffff:0:',
    '64:ff9b::',
    '64:ff9b:1::',
    '64:ff9b:1:abcd:ef01::',
    '2002::',
  ];
  fc.assert(
    fc.property(octets, fc.constantFrom(...prefixes), (ipv4, prefix) => {
      assert.equal(addressRefusal(`${prefix}${ipv4.join('.')}`, NONE), 'address_refused');
    }),
  );
  fc.assert(
    fc.property(octets, ([a, b, c, d]) => {
      const hex = (high: number, low: number): string => (high * 256 + low).toString(16);
      assert.equal(addressRefusal(`2002:${hex(a, b)}:${hex(c, d)}::1`, NONE), 'address_refused');
    }),
  );
});

test('allowed networks override, in their own family and range only', () => {
  const rule = { ...NONE, allowNetworks: parseNetworks(['127.0.0.0/8', 'fd00:1::/32']) };
  assert.equal(addressRefusal('127.0.0.1', rule), undefined);
  assert.equal(addressRefusal('127.255.0.9', rule), undefined);
  assert.equal(addressRefusal('fd00:1::5', rule), undefined);
  for (const address of [
    '10.0.0.1',
    '::1',
    '::ffff:127.0.0.1',
    '64:ff9b::127.0.0.1',
    'fd00:2::5',
    '127.1',
    'fd00:1::5%eth0',
  ]) {
    assert.equal(addressRefusal(address, rule), 'address_refused', address);
  }
  assert.throws(() => parseNetworks(['127.0.0.0']));
});

test('the addresses of the lender itself, and its home in IPv6, are refused though they are public', () => {
  const own = ['93.184.216.34', '2a00:1450:4001:81b::1', '192.168.1.1', '::1', 'fe80::1'];
  const rule = { ...NONE, ownAddresses: own.map((address) => ipaddr.parse(address)) };
  for (const address of [
    '93.184.216.34',
    '2a00:1450:4001:81b::1',
    '2a00:1450:4001:81b::2',
    '2A00:1450:4001:081B:ffff:ffff:ffff:ffff',
  ]) {
    assert.equal(addressRefusal(address, NONE), undefined, address);
    assert.equal(addressRefusal(address, rule), 'address_refused', address);
  }
  for (const address of ['93.184.216.33', '93.184.216.35', '2a00:1450:4001:81a::1', '2a00:1450:4001:81c::1'])
    assert.equal(addressRefusal(address, rule), undefined, address);
  const allowed = { ...rule, allowNetworks: parseNetworks(['93.184.216.34/32', '2a00::/16']) };
  for (const address of own.slice(0, 2)) assert.equal(addressRefusal(address, allowed), undefined, address);
});
