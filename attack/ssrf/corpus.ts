/**
 * The corpus: what a borrower could ask a lender to connect to, in every spelling, mapping and detour by which an address
 * that is not public was ever reached. Data, and the few lines that spell one address in many ways.
 *
 * Sources: IANA's special-purpose registries of IPv4 and IPv6; RFC 3056, 4291, 4380, 5214, 6052, 6145, 8215; WHATWG URL's
 * host parser; the write-ups of SSRF in proxies and cloud machines of the last ten years.
 */

import { redirectPath } from './trap.ts';
import { OWN_WAN_NETWORK, PUBLIC, RESETS } from './trap-places.ts';

export type Mode = 'fetch' | 'tunnel';

export interface Case {
  readonly family: string;
  /** As it stands in the request; `PORT` stands for the port of the trap. */
  readonly authority: string;
  /** Of a fetch. */
  readonly path?: string;
  /** The target as a whole, where no authority and path make it. */
  readonly raw?: string;
  readonly modes: readonly Mode[];
  /** Names, and their answers one after the other. */
  readonly names?: Readonly<Record<string, readonly (readonly string[])[]>>;
  /** How often it is asked for; default once. */
  readonly times?: number;
  /** On one connection to the lender; default on one for each time. */
  readonly kept?: boolean;
  /** Some of it may be answered by a public origin; else each must be refused. */
  readonly publicToo?: boolean;
  /** More header fields. */
  readonly fields?: readonly string[];
}

const BOTH: readonly Mode[] = ['fetch', 'tunnel'];
const words = (text: string): readonly string[] => text.trim().split(/\s+/);

/** First, last and telling addresses of each block that is not globally reachable unicast. */
const IPV4 = words(`
0.0.0.0 0.0.0.1 0.1.2.3 0.255.255.255 10.0.0.0 10.0.0.1 10.255.255.255 100.64.0.1 100.100.100.200 100.127.255.255
127.0.0.0 127.0.0.1 127.0.0.53 127.0.1.1 127.1.2.3 127.255.255.254 127.255.255.255
169.254.0.1 169.254.169.254 169.254.170.2 169.254.255.255 172.16.0.1 172.17.0.1 172.31.255.255
192.0.0.1 192.0.0.8 192.0.0.9 192.0.0.10 192.0.0.170 192.0.0.192 192.0.2.1 192.31.196.1 192.52.193.1 192.88.99.1 192.175.48.1
192.168.0.1 192.168.1.1 192.168.178.1 192.168.255.255 198.18.0.1 198.19.255.255 198.51.100.1 203.0.113.1
224.0.0.1 224.0.0.251 239.255.255.250 240.0.0.1 255.255.255.254 255.255.255.255 168.63.129.16`);

const IPV6 = words(`
:: ::1 0:0:0:0:0:0:0:1 0000:0000:0000:0000:0000:0000:0000:0001 ::0001 ::2 64:ff9b::1 64:ff9b:1::1 100::1 100:0:0:1::1
2001::1 2001:1::1 2001:1::2 2001:2::1 2001:3::1 2001:4:112::1 2001:10::1 2001:20::1 2001:30::1 2001:db8::1 2002::1 2620:4f:8000::1 3ffe::1 3fff::1
5f00::1 fc00::1 fd00::1 fd00:ec2::254 fd20:ce::254 fdff:ffff:ffff:ffff:ffff:ffff:ffff:ffff fe80::1 fe80::a9fe:a9fe febf::1 fec0::1 feff::1
ff01::1 ff02::1 ff02::fb ff05::2 ff0e::1 ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff 1::1 200::1 4000::1 e000::1`);

/** Those that each spelling and mapping is tried with. */
const TELLING = ['127.0.0.1', '10.0.0.1', '192.168.1.1', '169.254.169.254', '100.64.0.1'] as const;

type Octets = readonly [number, number, number, number];
const octetsOf = (address: string): Octets => address.split('.').map(Number) as unknown as Octets;
const hex = (number: number, digits = 0): string => number.toString(16).padStart(digits, '0');
const utf8 = (text: string): string => Buffer.from(text, 'utf8').toString('latin1');
const percent = (text: string): string =>
  [...Buffer.from(text, 'utf8')].map((byte) => `%${hex(byte, 2)}`).join('');
/** The same digits elsewhere in Unicode, `zero` being the place of 0. */
const digitsFrom = (text: string, zero: number): string =>
  text.replaceAll(/\d/g, (digit) => String.fromCodePoint(zero + Number(digit)));
const circled = (text: string): string =>
  text.replaceAll(/\d/g, (digit) => String.fromCodePoint(digit === '0' ? 0x24ea : 0x245f + Number(digit)));

/** One IPv4 address in every way in which somebody's parser takes it for that. */
function spellings(address: string): readonly string[] {
  const octets = octetsOf(address);
  const [a, b, c, d] = octets;
  const whole = ((a * 256 + b) * 256 + c) * 256 + d;
  const octal = (number: number): string => `0${number.toString(8)}`;
  return [
    `${whole}`,
    `0x${hex(whole, 8)}`,
    `0X${hex(whole, 8).toUpperCase()}`,
    octal(whole),
    `000${octal(whole)}`,
    octets.map((octet) => `0x${hex(octet)}`).join('.'),
    octets.map((octet) => `0x000${hex(octet)}`).join('.'),
    octets.map(octal).join('.'),
    octets.map((octet) => `0000${octal(octet)}`).join('.'),
    `${a}.${b * 65_536 + c * 256 + d}`,
    `${a}.${b}.${c * 256 + d}`,
    `0x${hex(a)}.${octal(b)}.${c * 256 + d}`,
    `${octal(a)}.0x${hex(b * 65_536 + c * 256 + d)}`,
    `${a}.${b}.${c}.0${d}`,
    `${address}.`,
    `${whole}.`,
    `${address}..`,
    `${a + 256}.${b}.${c}.${d}`,
    `${whole + 2 ** 32}`,
    percent(address),
    address.replaceAll('.', '%2e'),
    `%${hex(address.charCodeAt(0))}${address.slice(1)}`,
    `${address}%00.example.org`,
    `${address}%2eexample.org`,
    percent(digitsFrom(address, 0xff10)),
    utf8(digitsFrom(address, 0xff10)),
    percent(circled(address)),
    utf8(circled(address)),
    percent(digitsFrom(address, 0x1d7ce)),
    percent(address.replaceAll('.', '\u3002')),
    utf8(address.replaceAll('.', '\uff0e')),
    percent(address.replaceAll('.', '\uff61')),
    percent(address.replace('.', '\u00ad.')),
    percent(address.replace('.', '\u200b.')),
    percent(digitsFrom(address, 0x660)),
    `[${address}]`,
  ];
}

/** One IPv4 address within IPv6, by every standard that has such a thing. */
function mappings(address: string): readonly string[] {
  const [a, b, c, d] = octetsOf(address);
  const low = `${hex(a * 256 + b)}:${hex(c * 256 + d)}`;
  const inverted = `${hex((a * 256 + b) ^ 0xffff)}:${hex((c * 256 + d) ^ 0xffff)}`;
  return [
    `::ffff:${address}`,
    `::ffff:${low}`,
    `::FFFF:${low.toUpperCase()}`,
    `0:0:0:0:0:ffff:${low}`,
    `::${address}`,
    `::${low}`,
    `::ffff:0:${address}`,
    `::ffff:0:${low}`,
    `64:ff9b::${address}`,
    `64:ff9b::${low}`,
    `64:ff9b:1::${address}`,
    `64:ff9b:1:ffff:ffff:ffff:${low}`,
    `2002:${low}::`,
    `2002:${low}::1`,
    `2001:0:${low}::`,
    `2001:0:4136:e378:8000:63bf:${inverted}`,
    `2a00:1450::5efe:${low}`,
    `2a00:1450::200:5efe:${address}`,
    `fe80::5efe:${low}`,
  ];
}

const literal = (family: string, host: string): Case => ({ family, authority: `${host}:PORT`, modes: BOTH });

const LITERALS: readonly Case[] = [
  ...IPV4.map((address) => literal('IPv4', address)),
  ...IPV6.map((address) => literal('IPv6', `[${address}]`)),
  ...TELLING.flatMap(spellings).map((host) => literal('spelling', host)),
  ...TELLING.flatMap(mappings).map((host) => literal('mapping', `[${host}]`)),
  ...words('fe80::1%25lo fe80::1%lo fe80::1%251 ::1%25lo ::1%lo ::ffff:127.0.0.1%25lo ff02::1%25lo').map(
    (host) => literal('zone', `[${host}]`),
  ),
  ...words('127.0.0.1%25lo 127.0.0.1%lo ::1 [::1 ::1] [[::1]] [127.0.0.1 localhost%00 [::1]x [v1.x]').map(
    (host) => literal('no address', host),
  ),
];

/** What names of the public name service resolve to, if their owner likes. */
const RESOLVED: readonly (readonly string[])[] = [
  ...IPV4.map((address) => [address]),
  ...IPV6.map((address) => [address]),
  ...TELLING.flatMap(mappings).map((address) => [address]),
  ...words('fe80::1%lo ::1%1 127.0.0.1%lo').map((address) => [address]),
  ['127.0.0.1', '::1'],
  ['10.0.0.1', '169.254.169.254', '::ffff:127.0.0.1'],
];

const named = (family: string, host: string, ...answers: readonly (readonly string[])[]): Case => ({
  family,
  authority: `${host}:PORT`,
  modes: BOTH,
  names: { [host.toLowerCase().replace(/\.$/, '')]: answers },
});

const NAMES: readonly Case[] = [
  ...RESOLVED.map((answers, i) => named('name', `n${i}.attack.test`, answers)),
  ...words(
    'localhost LOCALHOST LocalHost. localhost. a.localhost localhost.localdomain ip6-localhost ip6-loopback',
  ).map((host) => named('localhost', host, ['127.0.0.1', '::1'])),
  ...words('router fritz.box speedport.ip gateway.lan metadata.google.internal kubernetes.default.svc').map(
    (host) => named('home', host, ['192.168.1.1']),
  ),
  ...words('127.0.0.1.nip.attack.test 7f000001.rbndr.attack.test xn--1-8sbb.attack.test').map((host) =>
    named('name', host, ['127.0.0.1']),
  ),
];

/** Public at one look, not at the next; and both at once, in either order. */
const REBINDING: readonly Case[] = TELLING.flatMap((address, i): readonly Case[] => [
  {
    ...named('rebinding', `r${i}.attack.test`, [PUBLIC], [address]),
    times: 3,
    publicToo: true,
  },
  {
    ...named('rebinding, one connection', `k${i}.attack.test`, [PUBLIC], [address]),
    modes: ['fetch'],
    times: 3,
    kept: true,
    publicToo: true,
  },
  {
    ...named('rebinding after a reset', `x${i}.attack.test`, [RESETS], [address]),
    modes: ['fetch'],
    times: 3,
    kept: true,
    publicToo: true,
  },
  { ...named('both at once', `b${i}.attack.test`, [address, PUBLIC]), times: 2, publicToo: true },
  { ...named('both at once', `c${i}.attack.test`, [PUBLIC, address]), times: 2, publicToo: true },
  // Nobody is there at the public address: the next one is tried.
  { ...named('both at once', `d${i}.attack.test`, [RESETS, address]), times: 2, publicToo: true },
  { ...named('both at once', `e${i}.attack.test`, ['::1', PUBLIC, address]), times: 2, publicToo: true },
]);

const LEADS_TO = [
  'http://127.0.0.1:PORT/',
  'http://169.254.169.254/latest/meta-data/',
  '//[::1]:PORT/',
  'http://localhost:PORT/',
  'http://2130706433:PORT/',
  'https://10.0.0.1/',
] as const;

/** Origins that lead elsewhere: nobody may go there for the borrower. */
const REDIRECTS: readonly Case[] = [300, 301, 302, 303, 305, 307, 308].flatMap((status) =>
  LEADS_TO.map(
    (to): Case => ({
      family: 'redirect',
      authority: `${PUBLIC}:PORT`,
      path: redirectPath(status, [`Location: ${to}`]),
      modes: ['fetch'],
      publicToo: true,
    }),
  ),
);

const HINTS: readonly Case[] = [
  'Refresh: 0; url=http://127.0.0.1:PORT/',
  'Link: <http://127.0.0.1:PORT/>; rel=preload',
  'Alt-Svc: h2="127.0.0.1:PORT", http/1.1="127.0.0.1:PORT"; ma=60',
  'Content-Location: http://127.0.0.1:PORT/',
  'Use-Proxy: 127.0.0.1:PORT',
  'Service-Worker-Allowed: http://127.0.0.1:PORT/',
].flatMap((field) =>
  [103, 200, 206, 421, 503].map(
    (status): Case => ({
      family: 'hint',
      authority: `${PUBLIC}:PORT`,
      path: redirectPath(status, [field]),
      modes: ['fetch'],
      times: 2,
      kept: true,
      publicToo: true,
    }),
  ),
);

const raw = (target: string, fields: readonly string[] = []): Case => ({
  family: 'confusion',
  authority: `${PUBLIC}:PORT`,
  raw: target,
  modes: ['fetch'],
  publicToo: true,
  fields,
});

/** Two parsers could read two hosts in them. */
const CONFUSION: readonly Case[] = [
  raw(`http://${PUBLIC}:PORT@127.0.0.1:PORT/`),
  raw(`http://${PUBLIC}@127.0.0.1:PORT/`),
  raw(`http://127.0.0.1:PORT@${PUBLIC}:PORT/`),
  raw(`http://127.0.0.1:PORT\\@${PUBLIC}:PORT/`),
  raw(`http://${PUBLIC}:PORT\\@127.0.0.1:PORT/`),
  raw(`http://127.0.0.1:PORT#@${PUBLIC}:PORT/`),
  raw(`http://127.0.0.1:PORT?@${PUBLIC}:PORT/`),
  raw(`http://127.0.0.1:PORT/@${PUBLIC}:PORT/`),
  raw(`http://127.0.0.1%23@${PUBLIC}:PORT/`),
  raw(`http:127.0.0.1:PORT/`),
  raw(`http:/127.0.0.1:PORT/`),
  raw(`http:///127.0.0.1:PORT/`),
  raw(`http:\\\\127.0.0.1:PORT/`),
  raw(`HTTP://127.0.0.1:PORT/`),
  raw(`http://127.0.0.1:PORT:80/`),
  raw(`http://127.0.0.1:0PORT/`),
  raw(`//127.0.0.1:PORT/`),
  raw(`127.0.0.1:PORT`),
  raw('*'),
  ...words('ftp gopher file dict ldap tftp jar ws wss unix javascript data https').map((scheme) =>
    raw(`${scheme}://127.0.0.1:PORT/`),
  ),
  raw(`http://${PUBLIC}:PORT/`, ['Host: 127.0.0.1:PORT']),
  raw(`http://${PUBLIC}:PORT/`, ['Host: 127.0.0.1:PORT', 'X-Forwarded-Host: 127.0.0.1:PORT']),
  raw(`http://${PUBLIC}:PORT/http://127.0.0.1:PORT/`),
  raw(`http://${PUBLIC}:PORT/?url=http://127.0.0.1:PORT/`),
  raw(`http://${PUBLIC}:PORT/`, ['Alt-Used: 127.0.0.1:PORT']),
  raw(`http://${PUBLIC}:PORT/`, ['Forwarded: for=127.0.0.1;host=127.0.0.1:PORT']),
];

const OWN = OWN_WAN_NETWORK.replace(/\.0\/24$/, '.7');

/** The lender's own address as the Internet sees it, which leads into its home. */
const OWN_WAN: readonly Case[] = [
  literal('own address', OWN),
  literal('own address', spellings(OWN)[0] ?? ''),
  literal('own address', spellings(OWN)[1] ?? ''),
  ...mappings(OWN).map((host) => literal('own address', `[${host}]`)),
  named('own address', 'home.attack.test', [OWN]),
  { ...named('own address', 'dyndns.attack.test', [PUBLIC], [OWN]), times: 2, publicToo: true },
];

export const CORPUS: readonly Case[] = [
  ...LITERALS,
  ...NAMES,
  ...REBINDING,
  ...REDIRECTS,
  ...HINTS,
  ...CONFUSION,
  ...OWN_WAN,
];
