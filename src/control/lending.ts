/**
 * Lending, in the words of the API: what the steward has, shown, and what was asked for, as the overrides it makes.
 * Pure. Used by the household's desk. What a key may hold is not judged here, but by the policy.
 */
import { type BytesPerSecond, formatRate, type Milliseconds } from '../core/units.ts';
import type { BorrowerStatus } from '../lending/lender-status.ts';
import type { Directions, Pause } from '../lending/policy.ts';
import {
  LEND_KEYS,
  type NeighbourSettings,
  type Overrides,
  type SettingValue,
  settingsOf,
} from '../lending/settings.ts';
import type { LendNow } from '../lending/steward.ts';
import type { Neighbour } from '../neighbours/book.ts';
import type { Lending, LendNeighbourRequest, LendRequest } from './schema.ts';

/** How the household's own demand is known, and whether some of it may not be seen. */
export function measuredOf({ measured, isGateway }: LendNow): Pick<Lending['line'], 'measuredBy' | 'weak'> {
  const measuredBy = measured.kind === 'rates' ? measured.from : 'nothing';
  return { measuredBy, weak: !isGateway || measuredBy !== 'counters' };
}

/** `borrowers`: those that have borrowed since the start; `wall`: milliseconds since 1970. */
export function shownLending(
  now: LendNow,
  neighbours: readonly Pick<Neighbour, 'id' | 'name'>[],
  {
    borrowers,
    wall,
  }: {
    readonly borrowers: readonly Pick<BorrowerStatus, 'id' | 'rate' | 'cutOff' | 'overLink'>[];
    readonly wall: Milliseconds;
  },
): Lending {
  const { overrides, allowance, lent, usage, measured, capacity, interfaces, lineConfigured } = now;
  const settings = settingsOf(now.configured, overrides);
  const own = measured.kind === 'rates' ? measured.own : { down: undefined, up: undefined };
  return {
    bytesPerSecond: lent.rate.down,
    ...(Number.isFinite(lent.rate.up) ? { upBytesPerSecond: lent.rate.up } : {}),
    reason: lent.reason,
    words: lent.words,
    ...(allowance.until === undefined ? {} : { until: allowance.until }),
    allowed: finite(now.lendable),
    settings: LEND_KEYS.map((key) => {
      const value = settings[key];
      return {
        key,
        ...(value === undefined ? {} : { value: typeof value === 'object' ? [...value] : value }),
        from: Object.hasOwn(overrides.set, key) ? ('set' as const) : ('configuration' as const),
      };
    }),
    pause: pauseAt(overrides.pause, wall),
    usage: { dayBytes: usage.all.day, monthBytes: usage.all.month },
    line: {
      interfaces: [...interfaces],
      ...measuredOf(now),
      capacity: finite(capacity),
      learned: {
        down: lineConfigured.down === undefined && capacity.down !== undefined,
        up: lineConfigured.up === undefined && capacity.up !== undefined,
      },
      own: finite(own),
      ...(now.delay === undefined ? {} : { delay: { ...now.delay } }),
    },
    neighbours: neighbours.map(({ id, name }) => {
      const used = usage.of(id);
      const configured = now.configuredTerms[id];
      const { cutOff, rate, overLink } = borrowers.find((one) => one.id === id) ?? NOT_BORROWED;
      const { allowed, weight, words } = lent.terms(id);
      return {
        name,
        id,
        allowed,
        weight,
        words: cutOff?.words ?? (words || linkWords(overLink)),
        ...(cutOff === undefined ? {} : { cutOff: { forMs: cutOff.forMs, times: cutOff.times } }),
        rate: { ...rate },
        dayBytes: used.day,
        monthBytes: used.month,
        ...(configured === undefined ? {} : { configured: said(configured) }),
        set: said(overrides.neighbours[id]),
      };
    }),
  };
}

/** One whose time is over is none any more. */
export const pauseAt = (pause: Pause, wall: Milliseconds): Pause =>
  pause.kind === 'until' && pause.until <= wall ? { kind: 'none' } : { ...pause };

/** The keys that say something. */
const said = (terms: NeighbourSettings = {}): Record<string, boolean | number | string> =>
  Object.fromEntries(
    Object.entries(terms).flatMap(([key, value]: [string, boolean | number | string | undefined]) =>
      value === undefined ? [] : [[key, value] as const],
    ),
  );

const NOT_BORROWED = { cutOff: undefined, rate: { down: 0, up: 0 }, overLink: Number.POSITIVE_INFINITY };

const linkWords = (rate: BytesPerSecond): string =>
  Number.isFinite(rate) ? `offered no more than ${formatRate(rate)}: the link to it carries no more` : '';

/** What was set live, after what is asked for. */
export function changed(before: Overrides, { set, pause }: LendRequest, wall: Milliseconds): Overrides {
  return {
    ...before,
    set: merged(before.set, set ?? {}),
    pause: pause === undefined ? before.pause : pauseOf(pause, wall),
  };
}

/** The same for that neighbour. */
export function changedFor(before: Overrides, id: string, { set }: LendNeighbourRequest): Overrides {
  const { [id]: terms = {}, ...others } = before.neighbours;
  const next = merged(terms, set);
  return { ...before, neighbours: Object.keys(next).length === 0 ? others : { ...others, [id]: next } };
}

function merged(before: object, change: Readonly<Record<string, unknown>>): Record<string, SettingValue> {
  const entries = Object.entries({ ...before, ...change }).filter(([, value]) => value !== null);
  return Object.fromEntries(entries) as Record<string, SettingValue>;
}

function pauseOf(asked: NonNullable<LendRequest['pause']>, wall: Milliseconds): Pause {
  if (asked === 'no') return { kind: 'none' };
  return asked === 'for_good' ? { kind: 'for_good' } : { kind: 'until', until: wall + asked.forMs };
}

function finite(both: Directions<BytesPerSecond | undefined>): {
  down?: BytesPerSecond;
  up?: BytesPerSecond;
} {
  const known = (rate: BytesPerSecond | undefined): rate is BytesPerSecond => Number.isFinite(rate);
  return {
    ...(known(both.down) ? { down: both.down } : {}),
    ...(known(both.up) ? { up: both.up } : {}),
  };
}
