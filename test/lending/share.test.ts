import assert from 'node:assert/strict';
import { test } from 'node:test';
import * as fc from 'fast-check';
import { offerOf } from '../../src/lending/offer.ts';
import { type LendPolicy, shareOf } from '../../src/lending/share.ts';
import { NO_OFFER } from '../../src/paths/path.ts';

const on: LendPolicy = { enabled: true, sharePercent: 50, rate: undefined };

test('what is lent is the part of the line that policy says, under its ceiling', () => {
  assert.equal(shareOf(on, { lineRate: 8_000_000 }, 0).total, 4_000_000);
  assert.equal(shareOf({ ...on, rate: 1_000_000 }, { lineRate: 8_000_000 }, 0).total, 1_000_000);
  assert.equal(shareOf({ ...on, rate: 9_000_000 }, { lineRate: 8_000_000 }, 0).total, 4_000_000);
  assert.equal(shareOf({ ...on, rate: 1_000_000 }, { lineRate: undefined }, 0).total, 1_000_000);
});

test('nothing is lent when it is off, or when nothing is known about the line', () => {
  const nothing = (policy: LendPolicy, lineRate: number | undefined) => {
    const share = shareOf(policy, { lineRate }, 1);
    assert.deepEqual([share.total, share.fair, share.ceiling, share.ifBegun], [0, 0, 0, 0]);
    assert.equal(offerOf(share, true, 1), NO_OFFER);
    assert.equal(offerOf(share, false, 1), NO_OFFER);
    return share.reason;
  };
  assert.equal(nothing(on, undefined), 'line_unknown');
  assert.equal(nothing(on, 0), 'line_unknown');
  assert.equal(nothing({ ...on, enabled: false, rate: 5 }, 5), 'off');
  assert.equal(nothing({ ...on, sharePercent: 0 }, 5), 'off');
  assert.equal(nothing({ ...on, rate: 0 }, 5), 'off');
});

test('a neighbour is offered its part; one that is idle, what it would get if it began', () => {
  const share = shareOf(on, { lineRate: 6_000_000 }, 2);
  assert.deepEqual(offerOf(share, true, 77), { bytesPerSecond: 1_500_000, bufferBytes: 77 });
  assert.deepEqual(offerOf(share, false, 77), { bytesPerSecond: 1_000_000, bufferBytes: 77 });
  assert.equal(offerOf(shareOf(on, { lineRate: 6_000_000 }, 0), false, 77).bytesPerSecond, 3_000_000);
});

test('offers together are never more than policy allows', () => {
  const rate = fc.option(fc.integer({ min: 0, max: 1e9 }), { nil: undefined });
  fc.assert(
    fc.property(
      fc.boolean(),
      fc.double({ min: 0, max: 100, noNaN: true }),
      rate,
      rate,
      fc.nat(50),
      (enabled, sharePercent, ceiling, lineRate, active) => {
        const share = shareOf({ enabled, sharePercent, rate: ceiling }, { lineRate }, active);
        const allowed = Math.min(
          lineRate === undefined ? Infinity : lineRate * (sharePercent / 100),
          ceiling ?? Infinity,
        );
        assert.ok(Number.isFinite(share.total));
        assert.ok(share.total <= allowed);
        assert.ok(active * offerOf(share, true, 1).bytesPerSecond <= share.total);
        assert.ok((active + 1) * offerOf(share, false, 1).bytesPerSecond <= share.total);
        assert.equal(share.reason === 'lending', share.total > 0);
      },
    ),
  );
});
