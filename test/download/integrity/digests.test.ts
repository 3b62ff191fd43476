import assert from 'node:assert/strict';
import { createHash } from 'node:crypto';
import { describe, it } from 'node:test';
import { digestOf } from '../../../src/download/integrity/digests.ts';

const of = (algorithm: string): string => createHash(algorithm).update('the file').digest('base64');
const [SHA256, SHA512, MD5] = [of('sha256'), of('sha512'), of('md5')];
const WHOLE = { content: true, whole: true };
const found = (headers: string[], wanted = WHOLE): string | undefined => {
  const digest = digestOf(headers, wanted);
  return digest && `${digest.algorithm} ${digest.digest.toString('base64')}`;
};

describe('a digest in a head', () => {
  const cases: readonly (readonly [string, string[], string | undefined])[] = [
    ['Repr-Digest', ['Repr-Digest', `sha-256=:${SHA256}:`], `sha-256 ${SHA256}`],
    [
      'the best of several',
      ['Repr-Digest', `md5=:${MD5}:, sha-512=:${SHA512}:, sha-256=:${SHA256}:`],
      `sha-256 ${SHA256}`,
    ],
    [
      'in two lines',
      ['repr-digest', `md5=:${MD5}:`, 'repr-digest', `sha-512=:${SHA512}:;q=1`],
      `sha-512 ${SHA512}`,
    ],
    ['Content-Digest', ['Content-Digest', `sha-512=:${SHA512}:`], `sha-512 ${SHA512}`],
    ['Digest', ['Digest', `SHA-256=${SHA256}`], `sha-256 ${SHA256}`],
    ['Digest, of the identity', ['Digest', `unixsum=30637, id-sha-256=${SHA256}`], `sha-256 ${SHA256}`],
    ['Content-MD5', ['Content-MD5', MD5], `md5 ${MD5}`],
    ['unknown algorithms', ['Repr-Digest', `crc32=:AAAAAA==:`], undefined],
    ['one that is too short', ['Repr-Digest', `sha-256=:${MD5}:`], undefined],
    ['no dictionary', ['Repr-Digest', `sha-256=${SHA256}`], undefined],
    ['a list of them', ['Repr-Digest', `sha-256=(:${SHA256}:)`], undefined],
    ['nothing', ['ETag', '"1"'], undefined],
  ];
  for (const [what, headers, expected] of cases) it(what, () => assert.equal(found(headers), expected));

  it('of the whole is not one of a part, and the other way round', () => {
    const headers = ['Repr-Digest', `sha-256=:${SHA256}:`, 'Content-Digest', `sha-512=:${SHA512}:`];
    assert.equal(found(headers, { content: true, whole: false }), `sha-512 ${SHA512}`);
    assert.equal(found(headers, { content: false, whole: true }), `sha-256 ${SHA256}`);
    assert.equal(found(['Digest', `SHA-256=${SHA256}`], { content: true, whole: false }), undefined);
  });
});
