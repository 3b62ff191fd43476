import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import type { Head } from '../../../src/cli/get/seam.ts';
import { decideStart, type Found, firstMissing, onDisk, refuseOnSight } from '../../../src/cli/get/start.ts';
import { LinepoolError } from '../../../src/core/errors.ts';
import { parseTarget } from '../../../src/core/target.ts';

const URL_TYPED = 'http://files.example/a.iso';
const ETAG = { kind: 'etag', value: '"v1"' } as const;
const head = (change: Partial<Head> = {}): Head => ({
  target: parseTarget(URL_TYPED),
  status: 206,
  headers: ['ETag', '"v1"'],
  totalBytes: 100,
  validator: ETAG,
  start: 0,
  ranges: true,
  ...change,
});
const journal = {
  url: URL_TYPED,
  validator: ETAG,
  totalBytes: 100,
  adopted: false,
  borrowed: false,
  digest: undefined,
  done: [
    { start: 0, end: 40 },
    { start: 60, end: 70 },
  ],
};
const part = (change: Partial<Found> = {}): Found => ({
  journal,
  partBytes: 70,
  fileBytes: undefined,
  ...change,
});
const plain = (bytes: number): Found => ({ journal: undefined, partBytes: undefined, fileBytes: bytes });
const UNCHECKED = { checked: false };
const nothing: Found = { journal: undefined, partBytes: undefined, fileBytes: undefined };
const decide = (found: Found, h: Head, change: { url?: string; checked?: boolean; resume?: boolean } = {}) =>
  decideStart('a.iso', found, h, { url: URL_TYPED, resume: true, checked: false, ...change });

describe('start of a download', () => {
  it('refuses to write over anything', () => {
    const anew = { resume: false, checked: true };
    assert.throws(() => refuseOnSight('a.iso', plain(1), anew), { code: 'file_exists' });
    assert.throws(
      () => refuseOnSight('a.iso', part(), anew),
      (error) =>
        error instanceof LinepoolError && error.code === 'file_exists' && error.detail === 'a.iso.part',
    );
    refuseOnSight('a.iso', nothing, anew);
  });

  it('goes on with what another program began only when a checksum will prove it', () => {
    const adopted = part({ journal: { ...journal, adopted: true } });
    for (const [found, name] of [
      [plain(30), 'a.iso'],
      [plain(0), 'a.iso'],
      [adopted, 'a.iso.part'],
    ] as const) {
      assert.throws(
        () => refuseOnSight('a.iso', found, { resume: true, checked: false }),
        (error) =>
          error instanceof LinepoolError &&
          error.code === 'resume_mismatch' &&
          error.detail.startsWith(`${name}: nothing tells which version`) &&
          error.detail.endsWith('give --checksum, or remove it.'),
      );
      refuseOnSight('a.iso', found, { resume: true, checked: true });
    }
    for (const found of [part(), part({ journal: undefined }), nothing]) {
      refuseOnSight('a.iso', found, { resume: true, checked: false });
    }
  });

  it('trusts only what the journal claims and the file has', () => {
    assert.deepEqual(onDisk(part(), UNCHECKED), journal.done);
    assert.deepEqual(onDisk(part({ partBytes: 65 }), UNCHECKED), [
      { start: 0, end: 40 },
      { start: 60, end: 65 },
    ]);
    assert.deepEqual(onDisk(part({ partBytes: 10 }), UNCHECKED), [{ start: 0, end: 10 }]);
    assert.deepEqual(onDisk(part({ journal: undefined }), UNCHECKED), []);
    assert.deepEqual(onDisk(plain(30), UNCHECKED), [{ start: 0, end: 29 }]);
    assert.deepEqual(onDisk(nothing, UNCHECKED), []);
  });

  it('takes nothing of which nobody knows whether it was checked, unless a checksum will prove it', () => {
    const old = part({ journal: { ...journal, borrowed: undefined } });
    assert.deepEqual(onDisk(old, UNCHECKED), []);
    assert.equal(firstMissing(old, UNCHECKED), undefined);
    assert.deepEqual(decide(old, head()), { kind: 'fresh', over: true });
    assert.deepEqual(onDisk(old, { checked: true }), journal.done);
    assert.deepEqual(decide(old, head(), { checked: true }), { kind: 'resume', done: journal.done });
    const borrowed = part({ journal: { ...journal, borrowed: true } });
    assert.deepEqual(onDisk(borrowed, UNCHECKED), journal.done);
  });

  it('asks for the first part that is missing', () => {
    assert.deepEqual(firstMissing(part(), UNCHECKED), { start: 40, end: 60, validator: ETAG });
    assert.equal(firstMissing(nothing, UNCHECKED), undefined);
    assert.equal(firstMissing(part({ journal: undefined }), UNCHECKED), undefined);
    assert.equal(firstMissing(part({ journal: { ...journal, done: [] } }), UNCHECKED), undefined);
    assert.equal(
      firstMissing(part({ journal: { ...journal, totalBytes: undefined } }), UNCHECKED),
      undefined,
    );
    assert.deepEqual(firstMissing(plain(30), UNCHECKED), { start: 29, end: undefined, validator: undefined });
    assert.equal(firstMissing(plain(1), UNCHECKED), undefined);
  });

  it('goes on where the version is the same', () => {
    assert.deepEqual(decide(part(), head()), { kind: 'resume', done: journal.done });
    assert.deepEqual(decide(part(), head(), { resume: false }), { kind: 'fresh', over: false });
    assert.deepEqual(decide(nothing, head()), { kind: 'fresh', over: true });
    assert.deepEqual(decide(part({ journal: undefined }), head()), { kind: 'fresh', over: true });
    assert.deepEqual(decide(part(), head({ ranges: false, status: 200 })), { kind: 'fresh', over: true });
    assert.deepEqual(decide(plain(30), head(), { checked: true }), {
      kind: 'adopt',
      done: [{ start: 0, end: 29 }],
    });
    assert.deepEqual(decide(plain(100), head(), { checked: true }).kind, 'adopt');
  });

  const none = { ...journal, validator: undefined };
  const mismatches: readonly [string, Found, Head, RegExp][] = [
    [
      'another version',
      part(),
      head({ validator: { kind: 'etag', value: '"v2"' } }),
      /it was "v1", and is "v2" now/,
    ],
    ['no version now', part(), head({ validator: undefined }), /and is without one now/],
    [
      'another kind of version',
      part(),
      head({ validator: { kind: 'last-modified', value: '"v1"' } }),
      /it was/,
    ],
    ['another length', part(), head({ totalBytes: 101 }), /it had 100 bytes, and has 101 now/],
    ['a shorter file', part(), head({ totalBytes: 50 }), /70 bytes are on disk, but the file has 50 now/],
    ['no length', part(), head({ totalBytes: undefined }), /does not say how long/],
    [
      'another address',
      part({ journal: { ...journal, url: 'http://other.example/' } }),
      head(),
      /another address/,
    ],
    ['no version then or now', part({ journal: none }), head({ validator: undefined }), /names no version/],
    ['a plain file that is longer', plain(101), head(), /101 bytes are on disk/],
    ['a plain file, and no parts', plain(30), head({ ranges: false }), /only be downloaded whole/],
  ];
  for (const [what, found, h, text] of mismatches) {
    it(`refuses ${what}`, () => {
      assert.throws(
        () => decide(found, h),
        (error) =>
          error instanceof LinepoolError && error.code === 'resume_mismatch' && text.test(error.detail),
      );
    });
  }

  it('lets a checksum decide about addresses and missing versions, not about versions that differ', () => {
    const checked = { checked: true };
    assert.equal(
      decide(part({ journal: { ...journal, url: 'http://other.example/' } }), head(), checked).kind,
      'resume',
    );
    assert.equal(decide(part({ journal: none }), head({ validator: undefined }), checked).kind, 'resume');
    assert.throws(() => decide(part(), head({ validator: { kind: 'etag', value: '"v2"' } }), checked), {
      code: 'resume_mismatch',
    });
  });
});
