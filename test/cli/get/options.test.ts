import assert from 'node:assert/strict';
import { createHash } from 'node:crypto';
import { describe, it } from 'node:test';
import { formatChecksum, parseChecksum } from '../../../src/cli/get/checksum.ts';
import { parseGetOptions } from '../../../src/cli/get/options.ts';
import { headersAlong, isRedirect, redirected } from '../../../src/cli/get/redirect.ts';
import { formatOrigin, parseTarget } from '../../../src/core/target.ts';

describe('checksums', () => {
  const digest = createHash('sha256').update('x').digest();
  const long = createHash('sha512').update('x').digest();
  const good: readonly [string, string][] = [
    [`sha-256=${digest.toString('hex')}`, digest.toString('hex')],
    [`SHA256=${digest.toString('hex').toUpperCase()}`, digest.toString('hex')],
    [`sha-256=${digest.toString('base64')}`, digest.toString('hex')],
    [`sha-256=:${digest.toString('base64')}:`, digest.toString('hex')],
    [`sha-256=${digest.toString('base64url')}`, digest.toString('hex')],
    [`sha-512=${long.toString('hex')}`, long.toString('hex')],
    [`sha-512=${long.toString('base64')}`, long.toString('hex')],
  ];
  for (const [text, hex] of good) {
    it(text.slice(0, 30), () => assert.match(formatChecksum(parseChecksum(text)), new RegExp(`=${hex}$`)));
  }
  const bad = [
    '',
    'sha-256',
    'sha-256=',
    'md5=d41d8cd98f00b204e9800998ecf8427e',
    `sha-256=${'0'.repeat(63)}`,
    `sha-256=${'g'.repeat(64)}`,
    `sha-512=${digest.toString('hex')}`,
    `sha-256=${'!'.repeat(44)}`,
  ];
  for (const text of bad) {
    it(`refuses ${JSON.stringify(text.slice(0, 40))}`, () => {
      assert.throws(() => parseChecksum(text), { code: 'usage' });
    });
  }
});

describe('options of get', () => {
  it('has defaults', () => {
    const options = parseGetOptions('http://files.example/a', {});
    assert.deepEqual(
      { ...options, target: undefined },
      {
        url: 'http://files.example/a',
        target: undefined,
        output: undefined,
        resume: false,
        checksum: undefined,
        caFile: undefined,
        headers: [],
        ownLine: false,
        quiet: false,
        json: false,
      },
    );
  });

  it('takes an address without a scheme for http', () => {
    assert.deepEqual(parseGetOptions('files.example:8080/a', {}).target, {
      origin: { scheme: 'http', host: 'files.example', port: 8080 },
      path: '/a',
    });
  });

  it('reads headers', () => {
    const { headers } = parseGetOptions('http://a.example/', { header: ['Cookie: a=b: c', 'X-Empty:'] });
    assert.deepEqual(headers, ['Cookie', 'a=b: c', 'X-Empty', '']);
  });

  for (const header of [
    'nonsense',
    ': x',
    'A b: c',
    'A: b\r\nC: d',
    'A: \u0000',
    'Range: bytes=0-',
    'host: x',
    'Connection: x',
  ]) {
    it(`refuses the header ${JSON.stringify(header)}`, () => {
      assert.throws(() => parseGetOptions('http://a.example/', { header: [header] }), { code: 'usage' });
    });
  }

  it('refuses what is not an address, or holds a password', () => {
    for (const url of ['ftp://a.example/', 'http://user:pass@a.example/', 'http://'])
      assert.throws(() => parseGetOptions(url, {}), { code: 'bad_target' });
    assert.throws(() => parseGetOptions('http://a.example/', { output: '-' }), { code: 'usage' });
  });
});

describe('redirects', () => {
  const from = parseTarget('https://a.example/x/y?z');
  const places: readonly [string, string][] = [
    ['https://b.example/%7Ea?b', 'https://b.example/%7Ea?b'],
    ['/r', 'https://a.example/r'],
    ['r', 'https://a.example/x/r'],
    ['?q', 'https://a.example/x/y?q'],
    ['//c.example/d#e', 'https://c.example/d'],
    ['http://a.example/', 'http://a.example/'],
  ];
  for (const [location, expected] of places) {
    it(`${location} leads to ${expected}`, () => {
      const to = redirected(from, location);
      assert.equal(`${formatOrigin(to.origin)}${to.path}`, expected);
    });
  }
  for (const location of [
    undefined,
    'ftp://a.example/',
    'http://u:p@a.example/',
    'javascript:x',
    'http://',
  ]) {
    it(`refuses ${location}`, () => {
      assert.throws(() => redirected(from, location), { code: 'bad_response' });
    });
  }

  it('takes credentials along within an origin only', () => {
    const headers = ['Authorization', 'x', 'COOKIE', 'y', 'Accept', 'z'];
    assert.deepEqual(headersAlong(from, parseTarget('https://a.example/other'), headers), headers);
    for (const other of ['http://a.example/', 'https://a.example:444/', 'https://b.a.example/'])
      assert.deepEqual(headersAlong(from, parseTarget(other), headers), ['Accept', 'z']);
    assert.deepEqual([301, 302, 303, 307, 308, 304, 300, 200].map(isRedirect), [
      true,
      true,
      true,
      true,
      true,
      false,
      false,
      false,
    ]);
  });
});
