import assert from 'node:assert/strict';
import { test } from 'node:test';
import * as fc from 'fast-check';
import {
  type LinkHistory,
  LOSSES_FOR_MS,
  linkLost,
  NEW_LINK,
  qualityOf,
  roundTripTook,
  SHAKY_FACTOR,
  SHAKY_LOSSES,
  SLOW_LEAST_MS,
  UNFIT_LOSSES,
} from '../../src/neighbours/link-quality.ts';

const lost = (times: number): LinkHistory =>
  Array.from({ length: times }).reduce<LinkHistory>((link, _, i) => linkLost(link, i * 1_000), NEW_LINK);
const took = (link: LinkHistory, ...times: number[]): LinkHistory => times.reduce(roundTripTook, link);

test('contact lost now and then is no sign; lost often, the link is used less, and then not', () => {
  assert.equal(qualityOf(lost(SHAKY_LOSSES - 1), 10_000).kind, 'good');
  assert.deepEqual(qualityOf(lost(SHAKY_LOSSES), 10_000), {
    kind: 'shaky',
    factor: SHAKY_FACTOR,
    words: 'used less: contact was lost 3 times in 5 min',
  });
  assert.equal(qualityOf(lost(UNFIT_LOSSES + 3), 10_000).factor, 0);
});

test('losses are forgiven by and by', () => {
  const link = lost(UNFIT_LOSSES);
  assert.equal(qualityOf(link, LOSSES_FOR_MS - 1).kind, 'unfit');
  assert.equal(qualityOf(link, LOSSES_FOR_MS).kind, 'shaky');
  assert.equal(qualityOf(link, LOSSES_FOR_MS + UNFIT_LOSSES * 1_000).kind, 'good');
});

test('round trips far above the usual tell; one that is, or a queue, does not', () => {
  const usual = took(NEW_LINK, ...Array.from({ length: 20 }, () => 5));
  assert.equal(qualityOf(took(usual, 5_000), 0).kind, 'good');
  assert.equal(qualityOf(took(usual, 300, 300, 300), 0).kind, 'good');
  const slow = took(usual, 2 * SLOW_LEAST_MS, 3 * SLOW_LEAST_MS, 2 * SLOW_LEAST_MS);
  assert.equal(qualityOf(slow, 0).factor, SHAKY_FACTOR);
  assert.match(qualityOf(slow, 0).words, /^used less: a round trip takes 800 ms, usually /);
  assert.equal(qualityOf(took(slow, 5, 5), 0).kind, 'good');
});

test('a link that is always slow is no worse than it was', () => {
  const far = took(NEW_LINK, ...Array.from({ length: 20 }, () => 600));
  assert.equal(qualityOf(took(far, 700, 800, 900), 0).kind, 'good');
});

test('whatever happens to it, what is kept of it is bounded, and it counts for no more than it offers', () => {
  const happenings = fc.array(fc.oneof(fc.constant('lost' as const), fc.integer({ min: 0, max: 60_000 })), {
    maxLength: 100,
  });
  fc.assert(
    fc.property(happenings, (all) => {
      let link = NEW_LINK;
      let at = 0;
      for (const one of all) {
        at += 1_000;
        link = one === 'lost' ? linkLost(link, at) : roundTripTook(link, one);
        const { factor, words, kind } = qualityOf(link, at);
        assert.ok(factor >= 0 && factor <= 1);
        assert.equal(words === '', kind === 'good');
        assert.ok(link.lostAt.length <= UNFIT_LOSSES && link.roundTrips.length <= 3);
      }
      assert.equal(qualityOf(took(link, 0, 0, 0), at + LOSSES_FOR_MS).factor, 1);
    }),
  );
});
