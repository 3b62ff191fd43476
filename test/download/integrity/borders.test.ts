import assert from 'node:assert/strict';
import { createHash } from 'node:crypto';
import { describe, it } from 'node:test';
import { type Span, span } from '../../../src/core/span.ts';
import { Borders, KEPT_BORDERS, LAP_BYTES } from '../../../src/download/integrity/borders.ts';
import { patternBytes } from '../../support/pattern-bytes.ts';

const CHUNK = 700;
const sha256 = (bytes: Buffer): string => createHash('sha256').update(bytes).digest('base64url');

/** Borders of a file from 0 on, told of by `bring` as lanes would: the lap first, in chunks. */
function watched() {
  const suspected: { path: string; place: Span; sha256: string }[] = [];
  const borders = new Borders((path, place, hash) => suspected.push({ path, place, sha256: hash }));
  const start = (path: string, id: number, asked: Span): Buffer => {
    const lap = borders.asked(path, id, asked, path !== 'own', 0);
    return patternBytes(span(asked.start - lap, asked.end));
  };
  const end = (path: string, id: number, bytes: Buffer): void => {
    for (let at = 0; at < bytes.length; at += CHUNK) borders.came(path, id, bytes.subarray(at, at + CHUNK));
    borders.over(path, id);
  };
  const bring = (path: string, id: number, asked: Span): void => end(path, id, start(path, id, asked));
  return { suspected, borders, start, end, bring };
}

const altered = (bytes: Buffer, at: number): Buffer => {
  const copy = Buffer.from(bytes);
  copy[at] = (copy[at] ?? 0) ^ 1;
  return copy;
};

describe('the borders of spans', () => {
  it('are asked for by both sides, once a checked path takes part, but not by one that goes on', () => {
    const { borders } = watched();
    const lap = (path: string, id: number, start: number, checked = path !== 'own'): number =>
      borders.asked(path, id, span(start, start + 10_000), checked, 0);
    assert.equal(lap('own', 1, 50_000), 0, 'nobody is checked');
    assert.equal(lap('a', 1, 0), 0, 'nothing comes before it');
    assert.equal(lap('a', 2, 10_000), 0, 'it goes on');
    assert.equal(lap('a', 3, 30_000), LAP_BYTES);
    assert.equal(lap('own', 2, 20_000), LAP_BYTES);
  });

  it('are no suspicion when both are right, whichever comes first', () => {
    for (const order of [
      ['a', 'own'],
      ['own', 'a'],
    ]) {
      const { suspected, start, end } = watched();
      const spans = { a: span(0, 5_000), own: span(5_000, 9_000) };
      const bytes = { a: start('a', 1, spans.a), own: start('own', 1, spans.own) };
      assert.equal(bytes.own.length, 4_000 + LAP_BYTES);
      for (const path of order) end(path, 1, path === 'a' ? bytes.a : bytes.own);
      assert.deepEqual(suspected, []);
    }
  });

  it('tell of the checked path that differs from the own line, in its span or in its lap', () => {
    const { suspected, start, end, bring } = watched();
    const first = start('a', 1, span(0, 5_000));
    const wrong = altered(first, 4_999);
    end('a', 1, wrong);
    bring('own', 1, span(5_000, 9_000));
    const lapped = start('a', 2, span(9_000, 12_000));
    end('a', 2, altered(lapped, 0));
    assert.deepEqual(
      suspected.map(({ path, place }) => [path, place]),
      [
        ['a', span(5_000 - LAP_BYTES, 5_000)],
        ['a', span(9_000 - LAP_BYTES, 9_000)],
      ],
    );
    assert.equal(suspected[0]?.sha256, sha256(wrong.subarray(-LAP_BYTES)));
  });

  it('tell of both where two that are checked differ', () => {
    const { suspected, start, end, bring } = watched();
    const first = start('a', 1, span(0, 5_000));
    bring('b', 1, span(5_000, 9_000));
    end('a', 1, altered(first, 4_600));
    assert.deepEqual(suspected.map(({ path }) => path).sort(), ['a', 'b']);
    assert.notEqual(suspected[0]?.sha256, suspected[1]?.sha256);
  });

  it('are where a span broke off, too', () => {
    const { suspected, start, end, bring } = watched();
    const first = start('a', 1, span(0, 5_000));
    end('a', 1, altered(first.subarray(0, 3_000), 2_999));
    bring('own', 1, span(3_000, 5_000));
    assert.deepEqual(
      suspected.map(({ path, place }) => [path, place]),
      [['a', span(3_000 - LAP_BYTES, 3_000)]],
    );
  });

  it('are forgotten, the oldest first, when there are more than are kept', () => {
    const far = (n: number): Span => span(n * 10_000, n * 10_000 + 5_000);
    const { suspected, start, end, bring } = watched();
    for (let n = 1; n <= KEPT_BORDERS + 1; n += 1) {
      const bytes = start('a', n, far(n));
      end('a', n, altered(bytes, bytes.length - 1));
    }
    for (const n of [2, 1]) bring('own', n, span(far(n).end, far(n).end + 5_000));
    assert.deepEqual(
      suspected.map(({ place }) => place.end),
      [far(2).end],
    );
  });
});
