import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import * as fc from 'fast-check';
import {
  formatAuthority,
  formatHost,
  formatOrigin,
  parseAuthority,
  parseTarget,
} from '../../src/core/target.ts';

const REFUSED = { code: 'bad_target' };

describe('absolute-form (RFC 9112 section 3.2.2)', () => {
  const taken: readonly [string, string, number, string][] = [
    ['http://example.org', 'example.org', 80, '/'],
    ['HTTP://Example.ORG/A?b#c', 'example.org', 80, '/A?b'],
    ['https://example.org:8443/x', 'example.org', 8443, '/x'],
    ['http://example.org?q=1', 'example.org', 80, '/?q=1'],
    ['http://example.org#f', 'example.org', 80, '/'],
    ['http://[::1]:8080/x', '::1', 8080, '/x'],
    ['http://example.org:080/', 'example.org', 80, '/'],
    // As the client spelled it: addresses are signed.
    ['http://example.org/a/../b/%7Ec//d;p', 'example.org', 80, '/a/../b/%7Ec//d;p'],
    ['http://example.org/\xe9', 'example.org', 80, '/\xe9'],
    ['http://example.org/@:x', 'example.org', 80, '/@:x'],
    // Odd spellings of an address become the usual one, so that they are checked as what they are.
    ['http://0x7f.1/', '127.0.0.1', 80, '/'],
    ['http://2130706433/', '127.0.0.1', 80, '/'],
    ['http://0177.0.0.1/', '127.0.0.1', 80, '/'],
    ['http://[::ffff:127.0.0.1]/', '::ffff:7f00:1', 80, '/'],
  ];
  for (const [text, host, port, path] of taken) {
    it(`${text} is ${path} of ${host} port ${port}`, () => {
      const target = parseTarget(text);
      assert.deepEqual([target.origin.host, target.origin.port, target.path], [host, port, path]);
    });
  }

  const refused = [
    '',
    '/',
    '*',
    'example.org',
    '//example.org/',
    'ftp://example.org/',
    'http:/example.org',
    'http:///x',
    'http://',
    'http://:80/',
    'http://user@example.org/',
    'http://user:pass@example.org/',
    'http://@example.org/',
    'http://example.org:0/',
    'http://example.org:65536/',
    'http://example.org:99999/',
    'http://example.org:-1/',
    'http://example.org:x/',
    'http://exa mple.org/',
    'http://example.org/a b',
    'http://example.org/\r\nHost: x',
    'http://example.org/\0',
    'http://example.org\\@evil.org/',
    'http://example.org/\t',
    'http://[::1/',
    'http://[fe80::1%25eth0]/',
    'http://exa%00mple.org/',
    'http://1.2.3.256/',
    'javascript:alert(1)',
    ' http://example.org/',
    'http://example.org/\u20ac',
  ];
  for (const text of refused) {
    it(`${JSON.stringify(text)} is refused`, () => {
      assert.throws(() => parseTarget(text), REFUSED);
    });
  }

  it('is never anything but a target or a refusal', () => {
    fc.assert(
      fc.property(
        fc.oneof(fc.string(), fc.webUrl({ withFragments: true, withQueryParameters: true })),
        (text) => {
          try {
            const { origin, path } = parseTarget(text);
            assert.ok(origin.port >= 1 && origin.port <= 65_535);
            assert.match(path, /^\/[^#\s]*$/);
            assert.doesNotMatch(origin.host, /[@/?#\s[\]]/);
            assert.deepEqual(parseTarget(formatOrigin(origin) + path), { origin, path });
          } catch (error) {
            assert.equal((error as { code?: string }).code, 'bad_target');
          }
        },
      ),
    );
  });
});

describe('authority-form (RFC 9112 section 3.2.3)', () => {
  it('is host and port', () => {
    assert.deepEqual(parseAuthority('Example.org:443'), { host: 'example.org', port: 443 });
    assert.deepEqual(parseAuthority('[2001:DB8::1]:8443'), { host: '2001:db8::1', port: 8443 });
    assert.deepEqual(parseAuthority('0x7f.1:80'), { host: '127.0.0.1', port: 80 });
  });

  for (const text of [
    '',
    'a',
    ':443',
    'a:',
    'a:0',
    'a:99999',
    'a:-1',
    'a:80/path',
    'a:8 0',
    '/',
    '*',
    'http://a:80',
    'u@a:80',
    'a:80:80',
    '::1:80',
    '[::1]',
    '[::1]:',
    '[zz]:80',
    'a b:80',
    'a:80\r\n',
    'a?b:80',
    'a#b:80',
    'a\\b:80',
    '%00:80',
    '1.2.3.256:80',
  ]) {
    it(`${JSON.stringify(text)} is refused`, () => {
      assert.throws(() => parseAuthority(text), REFUSED);
    });
  }
});

describe('written', () => {
  it('the default port is left out where it may be', () => {
    const origin = { scheme: 'https', host: '::1', port: 443 } as const;
    assert.equal(formatOrigin(origin), 'https://[::1]');
    assert.equal(formatHost({ ...origin, port: 80 }), '[::1]:80');
    assert.equal(formatAuthority(origin), '[::1]:443');
  });
});
