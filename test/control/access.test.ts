import assert from 'node:assert/strict';
import { chmodSync, mkdtempSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, it } from 'node:test';
import {
  bears,
  isLoopbackAddress,
  isLoopbackHost,
  openToken,
  readToken,
  sameToken,
  tokenFile,
} from '../../src/control/access.ts';
import { LinepoolError } from '../../src/core/errors.ts';

describe('token file', () => {
  let dir = '';
  beforeEach(() => {
    dir = mkdtempSync(join(tmpdir(), 'linepool-access-'));
  });
  afterEach(() => rmSync(dir, { recursive: true }));

  it('is made once, for the owner alone, and read by the client', () => {
    const token = openToken(dir);
    assert.match(token, /^[A-Za-z0-9_-]{43}$/);
    assert.equal(statSync(tokenFile(dir)).mode & 0o777, 0o600);
    assert.equal(openToken(dir), token);
    assert.equal(readToken(dir), token);
  });

  it('is replaced when others could have read it', () => {
    const token = openToken(dir);
    chmodSync(tokenFile(dir), 0o644);
    const next = openToken(dir);
    assert.notEqual(next, token);
    assert.equal(statSync(tokenFile(dir)).mode & 0o777, 0o600);
  });

  for (const [what, text] of [
    ['empty', ''],
    ['half written', 'abc'],
    ['something else', '{"token": 1}'],
  ] as const) {
    it(`is replaced when it is ${what}`, () => {
      writeFileSync(tokenFile(dir), text, { mode: 0o600 });
      assert.match(openToken(dir), /^[A-Za-z0-9_-]{43}$/);
      assert.match(readFileSync(tokenFile(dir), 'utf8'), /^[A-Za-z0-9_-]{43}\n$/);
    });
  }

  it('says what is missing or unusable, and where', () => {
    assert.throws(
      () => readToken(dir),
      (error) =>
        error instanceof LinepoolError && error.code === 'daemon_missing' && error.detail.includes(dir),
    );
    assert.throws(
      () => openToken(join(dir, 'nowhere')),
      (error) =>
        error instanceof LinepoolError && error.code === 'state_unusable' && error.detail.includes('nowhere'),
    );
  });
});

describe('bearer tokens', () => {
  const token = 'abcdefghijklmnopqrstuvwxyz0123456789-_ABCDE';
  const cases: readonly [string | undefined, boolean][] = [
    [`Bearer ${token}`, true],
    [`bearer   ${token}`, true],
    [undefined, false],
    ['', false],
    ['Bearer', false],
    ['Bearer ', false],
    [token, false],
    [`Basic ${token}`, false],
    [`Bearer ${token}x`, false],
    [`Bearer ${token.slice(1)}`, false],
    [`Bearer ${token} ${token}`, false],
    [`Bearer ${token}, Bearer ${token}`, false],
    [`Bearer ${'a'.repeat(10_000)}`, false],
  ];
  for (const [value, expected] of cases) {
    it(`${expected ? 'accepts' : 'refuses'} ${JSON.stringify(value?.slice(0, 60))}`, () => {
      assert.equal(bears(value, token), expected);
    });
  }

  it('compares tokens of any length', () => {
    assert.equal(sameToken('', ''), true);
    assert.equal(sameToken('a', 'ab'), false);
  });
});

describe('loopback names', () => {
  const cases: readonly [string, boolean][] = [
    ['localhost', true],
    ['LOCALHOST:7467', true],
    ['127.0.0.1:7467', true],
    ['127.9.8.7', true],
    ['[::1]:7467', true],
    ['', false],
    ['evil.example:7467', false],
    ['localhost.evil.example', false],
    ['127.0.0.1.evil.example', false],
    ['127.evil.example', false],
    ['127.0.0.1@evil.example', false],
    ['127.0.0.1:7467/..', false],
    ['[::2]:7467', false],
    ['0.0.0.0', false],
    ['192.168.1.1', false],
    ['localhost, evil.example', false],
  ];
  for (const [host, expected] of cases) {
    it(`${expected ? 'knows' : 'refuses'} ${JSON.stringify(host)}`, () => {
      assert.equal(isLoopbackHost(host), expected);
    });
  }

  it('knows peers on this machine', () => {
    for (const address of ['127.0.0.1', '127.3.2.1', '::1', '::ffff:127.0.0.1'])
      assert.equal(isLoopbackAddress(address), true);
    for (const address of [undefined, '10.0.0.1', '::ffff:10.0.0.1', 'fe80::1', '1270.0.0.1'])
      assert.equal(isLoopbackAddress(address), false);
  });
});
