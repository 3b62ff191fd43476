import assert from 'node:assert/strict';
import { mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, statSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, describe, it } from 'node:test';
import * as fc from 'fast-check';
import {
  formatJournal,
  type Journal,
  journalOf,
  parseJournal,
  readJournal,
  writeJournal,
} from '../../../src/cli/get/journal.ts';
import { EMPTY, type SpanSet, union } from '../../../src/core/span.ts';

const TOTAL = 1000;
const journal: Journal = {
  url: 'u',
  validator: undefined,
  totalBytes: 10,
  adopted: true,
  borrowed: true,
  digest: undefined,
  done: [{ start: 0, end: 5 }],
};
const spans: fc.Arbitrary<SpanSet> = fc
  .array(fc.tuple(fc.nat(TOTAL), fc.nat(TOTAL)))
  .map((pairs) =>
    pairs.reduce<SpanSet>((set, [a, b]) => union(set, { start: Math.min(a, b), end: Math.max(a, b) }), EMPTY),
  );
const journals: fc.Arbitrary<Journal> = fc.record(
  {
    url: fc.webUrl(),
    validator: fc.oneof(
      fc.constant(undefined),
      fc.record(
        { kind: fc.constantFrom('etag' as const, 'last-modified' as const), value: fc.string() },
        { noNullPrototype: true },
      ),
    ),
    totalBytes: fc.oneof(fc.constant(undefined), fc.constant(TOTAL)),
    adopted: fc.boolean(),
    borrowed: fc.boolean(),
    digest: fc.oneof(
      fc.constant(undefined),
      ...(
        [
          ['sha-256', 32],
          ['sha-512', 64],
          ['md5', 16],
        ] as const
      ).map(([algorithm, bytes]) =>
        fc
          .uint8Array({ minLength: bytes, maxLength: bytes })
          .map((digest) => ({ algorithm, digest: Buffer.from(digest) })),
      ),
    ),
    done: spans,
  },
  { noNullPrototype: true },
);

describe('journal', () => {
  const dir = mkdtempSync(join(tmpdir(), 'linepool-journal-'));
  after(() => rmSync(dir, { recursive: true }));

  it('reads back what was printed', () => {
    fc.assert(
      fc.property(journals, (journal) => assert.deepEqual(parseJournal(formatJournal(journal)), journal)),
    );
  });

  it('is none when it is cut off anywhere', () => {
    fc.assert(
      fc.property(journals, fc.nat(), (journal, at) => {
        // Without its last line break it is still whole.
        const text = formatJournal(journal).trimEnd();
        assert.equal(parseJournal(text.slice(0, at % text.length)), undefined);
      }),
    );
  });

  it('never claims more than the spans in it, whatever stands there', () => {
    fc.assert(
      fc.property(fc.array(fc.tuple(fc.integer(), fc.integer())), (pairs) => {
        const journal = parseJournal(JSON.stringify({ version: 1, url: 'u', total: TOTAL, done: pairs }));
        for (const { start, end } of journal?.done ?? [])
          for (let at = start; at < end; at += 1) assert.ok(pairs.some(([a, b]) => a <= at && at < b));
      }),
    );
  });

  it('of before it was noted says nothing of what was borrowed, except of https', () => {
    for (const [url, borrowed] of [
      ['http://files.example/a', undefined],
      ['files.example/a', undefined],
      ['https://files.example/a', false],
      ['HTTPS://files.example/a', false],
    ] as const) {
      const old = JSON.stringify({ version: 1, url, total: 10, adopted: false, done: [[0, 5]] });
      assert.equal(parseJournal(old)?.borrowed, borrowed, url);
      assert.deepEqual(parseJournal(old)?.done, [{ start: 0, end: 5 }]);
    }
  });

  const base = { version: 1, url: 'u', total: 10, done: [[0, 5]] };
  const wrong: readonly unknown[] = [
    null,
    [],
    'text',
    {},
    { ...base, version: 2 },
    { ...base, url: 1 },
    { ...base, total: -1 },
    { ...base, total: '10' },
    { ...base, done: [[0, 11]] },
    { ...base, done: [[5, 0]] },
    { ...base, done: [[0, 1.5]] },
    { ...base, done: [[0]] },
    { ...base, done: {} },
    { ...base, validator: 'x' },
    { ...base, digest: 'sha-256=00' },
    { ...base, digest: `sha-1=${'0'.repeat(40)}` },
    { ...base, digest: {} },
    { ...base, validator: { kind: 'weak', value: 'x' } },
  ];
  for (const value of wrong) {
    it(`is none when it reads ${JSON.stringify(value)}`, () => {
      assert.notEqual(parseJournal(JSON.stringify(base)), undefined);
      assert.equal(parseJournal(JSON.stringify(value)), undefined);
    });
  }

  it('is replaced in one step, for the owner alone, with nothing left beside it', async () => {
    const file = join(dir, 'a');
    assert.equal(await readJournal(file), undefined);
    await writeJournal(file, { ...journal, done: EMPTY });
    await writeJournal(file, journal);
    assert.deepEqual(await readJournal(file), journal);
    assert.equal(statSync(journalOf(file)).mode & 0o777, 0o600);
    assert.deepEqual(readdirSync(dir), ['a.part.json']);
  });

  it('stays as it was when the new one can not be written', async () => {
    const file = join(dir, 'a');
    const before = readFileSync(journalOf(file), 'utf8');
    // A folder of that name stands in the way, even for root.
    mkdirSync(`${journalOf(file)}.new`);
    await assert.rejects(writeJournal(file, { ...journal, url: 'v', done: EMPTY }));
    assert.equal(readFileSync(journalOf(file), 'utf8'), before);
  });
});
