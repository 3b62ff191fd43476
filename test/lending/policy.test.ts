import assert from 'node:assert/strict';
import { test } from 'node:test';
import * as fc from 'fast-check';
import { parseHours } from '../../src/core/hours.ts';
import { GIB } from '../../src/core/units.ts';
import {
  type Allowance,
  allowanceOf,
  type LendPolicy,
  lendable,
  NO_QUOTA,
  QUOTA_SLOW_FACTOR,
  QUOTA_SLOW_FROM,
  USUAL_TERMS,
  type Used,
} from '../../src/lending/policy.ts';

const PLAIN: LendPolicy = {
  enabled: true,
  percent: { down: 50, up: 40 },
  hours: [],
  rate: { down: undefined, up: undefined },
  keep: { down: 0, up: 0 },
  quota: NO_QUOTA,
  reciprocity: { min: 0.5, max: 2 },
  pause: { kind: 'none' },
  neighbours: new Map(),
};
/** Local time, a Tuesday. */
const at = (hour: number, minute = 0): number => new Date(2026, 2, 10, hour, minute).getTime();
const night = ['1-6 100 %', '22-1 5 %'].flatMap((text) => parseHours(text) ?? []);

function allowance(
  policy: Partial<LendPolicy>,
  wall = at(12),
  {
    doubtful = false,
    all = { day: 0, month: 0 },
    of = { day: 0, month: 0 },
  }: {
    doubtful?: boolean;
    all?: Used;
    of?: Used;
  } = {},
): Allowance {
  return allowanceOf({ ...PLAIN, ...policy }, { wall, doubtful, usage: { all, of: () => of } });
}

test('percentage, ceiling and what is kept: the least of them, for each direction', () => {
  const line = { down: 1000, up: 100 };
  assert.deepEqual(lendable(allowance({}), line), { down: 500, up: 40 });
  assert.deepEqual(lendable(allowance({ rate: { down: 300, up: 50 } }), line), { down: 300, up: 40 });
  assert.deepEqual(lendable(allowance({ keep: { down: 900, up: 70 } }), line), { down: 100, up: 30 });
  assert.deepEqual(lendable(allowance({ keep: { down: 2000, up: 0 } }), line).down, 0);
});

test('of a line that is not known only a ceiling is lent, and nothing when something is to be kept', () => {
  const line = { down: undefined, up: undefined };
  assert.deepEqual(lendable(allowance({}), line), { down: 0, up: Infinity });
  assert.deepEqual(lendable(allowance({ rate: { down: 300, up: 5 } }), line), { down: 300, up: 5 });
  assert.equal(lendable(allowance({ rate: { down: 300, up: 5 }, keep: { down: 1, up: 1 } }), line).down, 0);
});

test('hours: their percentage holds within them, the usual one otherwise, and it is said until when', () => {
  const of = (hour: number, minute?: number) => allowance({ hours: night }, at(hour, minute));
  assert.deepEqual(of(3).percent, { down: 100, up: 40 }, 'what is said of the way up holds in all hours');
  assert.equal(of(3).until, at(6));
  assert.equal(of(3).words, '100 % from 01:00 to 06:00');
  assert.deepEqual(of(6).percent, { down: 50, up: 40 });
  assert.equal(of(6).until, at(22));
  assert.equal(of(6).words, 'outside the hours, until 22:00');
  assert.deepEqual(of(0, 59).percent, { down: 5, up: 5 });
  assert.equal(of(23).until, new Date(2026, 2, 11, 1).getTime());
  const downAlone = { down: 50, up: undefined };
  assert.deepEqual(allowance({ hours: night, percent: downAlone }, at(3)).percent, { down: 100, up: 100 });
  assert.deepEqual(allowance({ hours: night, percent: downAlone }, at(6)).percent, { down: 50, up: 50 });
  assert.deepEqual(allowance({ percent: downAlone }).percent, { down: 50, up: 50 });
  const never = allowance({ hours: [{ from: 0, to: 1440, percent: 0 }] });
  assert.equal(never.reason, 'hours');
  assert.equal(lendable(never, { down: 1000, up: 100 }).down, 0);
});

test('a clock that can not be trusted: the least of all hours', () => {
  assert.deepEqual(allowance({ hours: night }, at(3), { doubtful: true }).percent, { down: 5, up: 5 });
  assert.deepEqual(allowance({}, at(3), { doubtful: true }).percent, { down: 50, up: 40 });
});

test('a quota is stretched from 80 % on and stops at 100 %, by day and by month', () => {
  const quota = { day: 100, month: 1000 };
  const used = (day: number, month: number) => allowance({ quota }, at(12), { all: { day, month } });
  assert.equal(used(79, 799).reason, 'lending');
  assert.equal(used(80, 0).reason, 'quota_slow');
  assert.equal(used(80, 0).factor, QUOTA_SLOW_FACTOR);
  assert.match(used(80, 0).words, /80 B of 100 B of this day's quota are used/);
  assert.equal(used(100, 0).reason, 'quota_spent');
  assert.equal(used(100, 0).until, new Date(2026, 2, 11).getTime());
  assert.equal(used(90, 1000).reason, 'quota_spent');
  assert.equal(used(90, 1000).until, new Date(2026, 3, 1).getTime());
  assert.equal(lendable(used(90, 0), { down: 1000, up: 100 }).down, 125);
});

test('a pause holds until its end, or for good; off holds before all', () => {
  assert.equal(allowance({ pause: { kind: 'until', until: at(13) } }).reason, 'paused');
  assert.equal(allowance({ pause: { kind: 'until', until: at(13) } }).until, at(13));
  assert.equal(allowance({ pause: { kind: 'until', until: at(13) } }, at(13)).reason, 'lending');
  assert.equal(allowance({ pause: { kind: 'for_good' } }).reason, 'paused');
  assert.equal(allowance({ enabled: false, pause: { kind: 'for_good' } }).reason, 'off');
});

test('terms of a neighbour: allow, weight, ceiling and quota of its own', () => {
  const quota = { day: 10 * GIB, month: undefined };
  const terms = { allow: true, weight: 3, rate: { down: 500, up: undefined }, quota };
  const neighbours = new Map([
    ['a', terms],
    ['b', { ...USUAL_TERMS, allow: false }],
  ]);
  const { terms: of } = allowance({ neighbours }, at(12), { of: { day: 9 * GIB, month: 9 * GIB } });
  assert.deepEqual(
    { ...of('a'), words: '' },
    { allowed: true, weight: 3, rate: { down: 500, up: Infinity }, factor: 0.25, words: '' },
  );
  assert.deepEqual([of('b').allowed, of('b').factor], [false, 0]);
  assert.deepEqual(of('c'), {
    allowed: true,
    weight: 1,
    rate: { down: Infinity, up: Infinity },
    factor: 1,
    words: '',
  });
  const spent = allowance({ neighbours }, at(12), { of: { day: 10 * GIB, month: 0 } }).terms('a');
  assert.deepEqual([spent.allowed, spent.factor], [false, 0]);
});

test('never more than any rule alone would allow, and until when it holds lies ahead', () => {
  const amount = fc.option(fc.nat(1e9), { nil: undefined });
  const percent = fc.double({ min: 0, max: 100, noNaN: true });
  const both = <T>(of: fc.Arbitrary<T>) => fc.record({ down: of, up: of });
  fc.assert(
    fc.property(
      fc.record({
        percent: both(percent),
        rate: both(amount),
        keep: both(fc.nat(1e6)),
        quota: fc.record({ day: amount, month: amount }),
        hours: fc.constantFrom([], night),
        pause: fc.oneof(
          fc.constant({ kind: 'none' as const }),
          fc.nat(86_400_000).map((ms) => ({ kind: 'until' as const, until: at(0) + ms })),
        ),
      }),
      both(amount),
      fc.nat(86_400_000),
      fc.record({ day: fc.nat(1e9), month: fc.nat(1e9) }),
      fc.boolean(),
      (policy, line, ms, all, doubtful) => {
        const wall = at(0) + ms;
        const now = allowance(policy, wall, { all, doubtful });
        const lent = lendable(now, line);
        for (const direction of ['down', 'up'] as const) {
          const carries = line[direction];
          assert.ok(lent[direction] >= 0);
          assert.ok(lent[direction] <= (policy.rate[direction] ?? Infinity));
          if (carries !== undefined) {
            assert.ok(lent[direction] <= carries);
            assert.ok(lent[direction] <= Math.max(0, carries - policy.keep[direction]));
          }
          for (const part of ['day', 'month'] as const) {
            const quota = policy.quota[part];
            if (quota !== undefined && all[part] >= quota) assert.equal(lent[direction], 0);
            if (quota !== undefined && all[part] >= quota * QUOTA_SLOW_FROM) assert.ok(now.factor < 1);
          }
          if (policy.pause.kind === 'until' && wall < policy.pause.until) assert.equal(lent[direction], 0);
        }
        if (now.until !== undefined) assert.ok(now.until > wall);
      },
    ),
  );
});
