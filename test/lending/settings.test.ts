import assert from 'node:assert/strict';
import { test } from 'node:test';
import { LinepoolError } from '../../src/core/errors.ts';
import {
  type LendSettings,
  NO_OVERRIDES,
  type Overrides,
  policyOf,
  settingsOf,
} from '../../src/lending/settings.ts';

export const CONFIGURED: LendSettings = {
  enabled: true,
  share_percent: 50,
  share_percent_up: undefined,
  rate: 1_000_000,
  rate_up: undefined,
  keep: undefined,
  keep_up: undefined,
  hours: [],
  quota_day: undefined,
  quota_month: undefined,
  weight_min: 0.5,
  weight_max: 2,
  ports: [80, 443],
  deny_hosts: [],
};
const set = (values: Overrides['set']): Overrides => ({ ...NO_OVERRIDES, set: values });

test('what is set live overrides the configuration, and "none" takes a limit away', () => {
  const overrides = set({ share_percent: 20, rate: 'none', hours: ['1-6 100 %'] });
  const policy = policyOf(CONFIGURED, overrides);
  assert.deepEqual(policy.percent, { down: 20, up: undefined });
  assert.equal(policy.rate.down, undefined);
  assert.deepEqual(policy.hours, [{ from: 60, to: 360, percent: 100 }]);
  assert.equal(settingsOf(CONFIGURED, NO_OVERRIDES).rate, 1_000_000);
});

test('of one neighbour: what is set live overrides the configuration, key by key', () => {
  const overrides = {
    ...NO_OVERRIDES,
    neighbours: { a: { rate: 'none', weight: undefined }, b: { allow: true } },
  } as const;
  const terms = { a: { rate: 500, rate_up: 50, weight: 3 }, b: { allow: false }, c: { quota_day: 7 } };
  const { neighbours } = policyOf(CONFIGURED, overrides, terms);
  const usual = { allow: true, weight: 1, rate: { down: undefined, up: undefined } };
  const none = { day: undefined, month: undefined };
  assert.deepEqual(neighbours.get('a'), {
    ...usual,
    weight: 3,
    rate: { down: undefined, up: 50 },
    quota: none,
  });
  assert.deepEqual(neighbours.get('b'), { ...usual, quota: none });
  assert.deepEqual(neighbours.get('c'), { ...usual, quota: { day: 7, month: undefined } });
});

test('what can not be is refused with the key, the value and what it must be', () => {
  const wrong: readonly [Overrides, RegExp][] = [
    [set({ share_percent: 120 }), /^lend\.share_percent = 120: must be a percentage from 0 to 100$/],
    [set({ share_percent: -1 }), /lend\.share_percent = -1: must be a percentage/],
    [set({ rate: -5 }), /lend\.rate = -5: must be a rate in bytes per second, 0 or more, or "none"/],
    [set({ rate: 'fast' }), /lend\.rate = "fast": /],
    [set({ quota_day: '5 GB' }), /lend\.quota_day = "5 GB": must be a number of bytes/],
    [
      set({ hours: ['1-6 100 %', '5-7 20 %'] }),
      /lend\.hours = .*"01:00-06:00 100 %" and "05:00-07:00 20 %" overlap/,
    ],
    [set({ hours: ['nonsense'] }), /"nonsense" must be from-to/],
    [set({ hours: true }), /lend\.hours = true: must be a list/],
    [set({ weight_min: 3 }), /lend\.weight_min = 3 must not be above lend\.weight_max = 2/],
    [set({ speed: 3 }), /lend\.speed is not a key that can be set; there are enabled, share_percent/],
    [set({ constructor: 3 }), /lend\.constructor is not a key/],
    [
      { ...NO_OVERRIDES, neighbours: { abc: { weight: 99 } } },
      /lend\.neighbours\.abc\.weight = 99: must be a number from 0\.1 to 10/,
    ],
  ];
  for (const [overrides, expected] of wrong) {
    assert.throws(
      () => policyOf(CONFIGURED, overrides),
      (error) => {
        assert.ok(error instanceof LinepoolError);
        assert.equal(error.code, 'policy_invalid');
        assert.match(error.detail, expected);
        return true;
      },
    );
  }
});
