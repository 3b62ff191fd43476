import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { type Span, type SpanSet, span } from '../../../src/core/span.ts';
import { parseTarget } from '../../../src/core/target.ts';
import type { DownloadOptions } from '../../../src/download/contract.ts';
import { LAP_BYTES } from '../../../src/download/integrity/borders.ts';
import { Guard } from '../../../src/download/integrity/guard.ts';
import { STOPPED } from '../../../src/download/lanes.ts';
import type { Path } from '../../../src/paths/path.ts';
import { FakeClock } from '../../support/fake-clock.ts';

const BYTES = Buffer.alloc(100);

/** A guard that takes no samples: what is over is judged at once. And what its sink was told to be right. */
function guarded(url: string): { readonly guard: Guard; readonly vouched: SpanSet[] } {
  const vouched: SpanSet[] = [];
  const options = {
    target: parseTarget(url),
    total: 1_000,
    validator: { kind: 'etag', value: '"1"' },
    sink: { delivered: 0, vouch: (spans: SpanSet) => vouched.push(spans) },
    paths: { own: undefined, neighbours: () => [] },
  } as unknown as DownloadOptions;
  const integrity = {
    percent: 0,
    random: () => 0,
    read: () => assert.fail('nothing is signed here'),
    caught: () => assert.fail('nothing is compared here'),
  };
  const host = { leave: () => undefined, lost: () => undefined, fail: assert.fail, settled: () => undefined };
  return { guard: new Guard(options, integrity, new FakeClock(), host), vouched };
}

const neighbour = (id: string, trust: 'checked' | 'trusted'): Path =>
  ({ id, isChecked: ({ scheme }) => scheme === 'http' && trust === 'checked' }) as Path;

describe('a border that differs', () => {
  it('is looked into over our own line once all is here, though the span before it has not ended', () => {
    const file = Buffer.alloc(4_000, 1);
    const asked: string[] = [];
    const lane = {
      dispatch: (_path: string, headers: readonly string[]) => void asked.push(headers.join(' ')),
      destroy: () => undefined,
    };
    const options = {
      target: parseTarget('http://files.example/a'),
      total: 4_000,
      whole: span(0, 4_000),
      validator: { kind: 'etag', value: '"1"' },
      ownHeaders: [],
      sink: { delivered: 0 },
      paths: { own: { id: 'own', lane: () => lane }, neighbours: () => [] },
    } as unknown as DownloadOptions;
    const integrity = { percent: 0.25, random: () => 0, read: assert.fail, caught: assert.fail };
    const host = { leave: assert.fail, lost: assert.fail, fail: assert.fail, settled: assert.fail };
    const guard = new Guard(options, integrity, new FakeClock(), host);
    guard.asked(neighbour('n', 'checked'), 1, span(0, 2_000));
    const lap = guard.asked({ id: 'own' } as Path, 2, span(2_000, 4_000));
    assert.equal(lap, LAP_BYTES);
    guard.came('own', 2, file.subarray(2_000 - lap));
    guard.over('own', 2, STOPPED);
    // The last byte is wrong, and the signature is kept back: with it the span would be over.
    const wrong = Buffer.from(file.subarray(0, 2_000));
    wrong[1_999] = 2;
    guard.came('n', 1, wrong);
    const border = 'bytes=1488-1999';
    assert.ok(!asked.some((headers) => headers.includes(border)));
    guard.close();
    assert.ok(
      asked.some((headers) => headers.includes(border)),
      asked.join('; '),
    );
    assert.equal(guard.isSettled, false);
  });
});

describe('what stands behind bytes', () => {
  const checked = neighbour('n', 'checked');
  const bring = (guard: Guard, path: Path, id: number, part: Span): string => {
    guard.came(path.id, id, BYTES.subarray(0, part.end - part.start));
    return guard.writes(path.id, id, part);
  };

  it('is nothing until their own span is judged, whoever else brought of the same', () => {
    const { guard, vouched } = guarded('http://files.example/a');
    const other = neighbour('m', 'checked');
    guard.asked(checked, 1, span(0, 100));
    guard.asked(other, 1, span(0, 100));
    assert.equal(bring(guard, checked, 1, span(0, 40)), 'unchecked');
    assert.equal(bring(guard, other, 1, span(40, 90)), 'unchecked');
    guard.over('n', 1, STOPPED);
    assert.deepEqual(vouched, [[span(0, 40)]]);
    assert.equal(bring(guard, checked, 1, span(90, 95)), 'unchecked', 'it was judged without that');
    guard.over('n', 1, STOPPED);
    guard.over('m', 1, STOPPED);
    assert.deepEqual(vouched, [[span(0, 40)], [span(40, 90)]]);
  });

  it('is nothing to count on once its check was closed', () => {
    const { guard } = guarded('http://files.example/a');
    guard.asked(checked, 1, span(0, 100));
    guard.asked(neighbour('n', 'trusted'), 2, span(100, 200));
    assert.equal(bring(guard, checked, 1, span(0, 40)), 'unchecked');
    assert.deepEqual([guard.counts('n', 1), guard.counts('n', 2)], [true, true]);
    guard.close();
    assert.deepEqual([guard.counts('n', 1), guard.counts('n', 2)], [false, true]);
  });

  it('is trust where it was trusted when it was asked', () => {
    const { guard, vouched } = guarded('http://files.example/a');
    guard.asked(neighbour('n', 'trusted'), 1, span(0, 100));
    guard.asked(checked, 2, span(100, 200));
    assert.equal(bring(guard, checked, 1, span(0, 40)), 'trusted');
    assert.equal(bring(guard, checked, 2, span(100, 140)), 'unchecked');
    guard.over('n', 1, STOPPED);
    assert.deepEqual(vouched, []);
  });

  it('is TLS with https, however a neighbour is trusted', () => {
    const { guard } = guarded('https://files.example/a');
    guard.asked(checked, 1, span(0, 100));
    assert.equal(bring(guard, checked, 1, span(0, 40)), 'sure');
  });
});
