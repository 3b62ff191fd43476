/**
 * The policy: what the household allows to be lent, in each direction, at which hours, how much in a day or a month, and
 * to whom. Pure: policy, time and usage in, what may be lent now out. Asked by the steward, many times a second.
 * It must never allow more than any single rule does; where the clock can't be trusted, the strictest hours hold.
 *
 *     enabled ─► not paused ─► quota left ─► percentage of the hour ─► ceilings, and what is kept for the household
 */
import { DAY_MINUTES, formatMinute, type Hours, within } from '../core/hours.ts';
import { type Bytes, type BytesPerSecond, formatBytes, type Milliseconds } from '../core/units.ts';

/** From the Internet, and to it. */
export interface Directions<T> {
  readonly down: T;
  readonly up: T;
}

/** Bytes carried, both directions together; undefined: as much as wanted. */
export interface Quota {
  readonly day: Bytes | undefined;
  readonly month: Bytes | undefined;
}

export type Pause =
  | { readonly kind: 'none' }
  /** Milliseconds since 1970. */
  | { readonly kind: 'until'; readonly until: Milliseconds }
  | { readonly kind: 'for_good' };

/** What holds for one neighbour besides. */
export interface NeighbourTerms {
  readonly allow: boolean;
  /** Against the others', 1 unless it was set. */
  readonly weight: number;
  readonly rate: Directions<BytesPerSecond | undefined>;
  readonly quota: Quota;
}

export interface LendPolicy {
  readonly enabled: boolean;
  /** Of the line, 0 to 100: where no hours say otherwise; up, if it is said, whatever hours say. */
  readonly percent: { readonly down: number; readonly up: number | undefined };
  /** They don't overlap. */
  readonly hours: readonly Hours[];
  /** Ceilings of what is lent. */
  readonly rate: Directions<BytesPerSecond | undefined>;
  /** Of the line, never lent. */
  readonly keep: Directions<BytesPerSecond>;
  readonly quota: Quota;
  /** Within which a neighbour's weight follows what it lends us. */
  readonly reciprocity: { readonly min: number; readonly max: number };
  readonly pause: Pause;
  /** By id; for others `USUAL_TERMS`. */
  readonly neighbours: ReadonlyMap<string, NeighbourTerms>;
}

export const NO_QUOTA: Quota = { day: undefined, month: undefined };
export const USUAL_TERMS: NeighbourTerms = {
  allow: true,
  weight: 1,
  rate: { down: undefined, up: undefined },
  quota: NO_QUOTA,
};

/** What was carried so far today and this month. */
export interface Used {
  readonly day: Bytes;
  readonly month: Bytes;
}

export interface Usage {
  readonly all: Used;
  readonly of: (neighbourId: string) => Used;
}

/** From this part of a quota on, what is left of it is stretched. */
export const QUOTA_SLOW_FROM = 0.8;
/** By this: the rate is a quarter then. */
export const QUOTA_SLOW_FACTOR = 0.25;

/** Why not more is allowed. */
export type AllowReason = 'lending' | 'off' | 'paused' | 'hours' | 'quota_slow' | 'quota_spent';

/** What one neighbour may have, whoever else borrows. */
export interface Terms {
  readonly allowed: boolean;
  readonly weight: number;
  /** Infinity: only what all together may have. */
  readonly rate: Directions<BytesPerSecond>;
  /** How much of the rate that it would have is left to it: 1, `QUOTA_SLOW_FACTOR` or 0. */
  readonly factor: number;
  /** For people; empty when nothing holds it back. */
  readonly words: string;
}

export interface Allowance {
  readonly percent: Directions<number>;
  readonly rate: Directions<BytesPerSecond | undefined>;
  readonly keep: Directions<BytesPerSecond>;
  /** Of what would be lent: 1, `QUOTA_SLOW_FACTOR` or 0. */
  readonly factor: number;
  readonly reason: AllowReason;
  /** For people: why, in a few words. */
  readonly words: string;
  /** Milliseconds since 1970, when it may change although neither policy nor usage do. */
  readonly until: Milliseconds | undefined;
  readonly terms: (neighbourId: string) => Terms;
}

export interface Now {
  /** Milliseconds since 1970; hours, days and months are those of local time. */
  readonly wall: Milliseconds;
  /** It was stepped a moment ago, or was never set: no hour is trusted. */
  readonly doubtful: boolean;
  readonly usage: Usage;
}

/** What may be lent at that time, after that usage. */
export function allowanceOf(policy: LendPolicy, { wall, doubtful, usage }: Now): Allowance {
  const hour = percentNow(policy, wall, doubtful);
  const stage = quotaStage(policy.quota, usage.all);
  const common = {
    rate: policy.rate,
    keep: policy.keep,
    terms: (id: string) => termsOf(policy, id, usage.of(id)),
  };
  const nothing = (reason: AllowReason, words: string, until?: Milliseconds): Allowance => ({
    ...common,
    percent: { down: 0, up: 0 },
    factor: 0,
    reason,
    words,
    until,
  });
  if (!policy.enabled) return nothing('off', 'lending is off (lend.enabled = false)');
  if (policy.pause.kind === 'for_good') return nothing('paused', 'paused until it is resumed');
  if (policy.pause.kind === 'until' && wall < policy.pause.until) {
    return nothing('paused', `paused until ${momentText(policy.pause.until)}`, policy.pause.until);
  }
  if (stage.factor === 0) return nothing('quota_spent', stage.words, stage.until(wall));
  if (hour.percent.down <= 0 || hour.percent.up <= 0) {
    return nothing(hour.words === '' ? 'off' : 'hours', hour.words || 'the share is 0 %', hour.until);
  }
  if (stage.factor < 1) {
    const until = Math.min(hour.until ?? Number.POSITIVE_INFINITY, stage.until(wall));
    return {
      ...common,
      percent: hour.percent,
      factor: stage.factor,
      reason: 'quota_slow',
      words: stage.words,
      until,
    };
  }
  return {
    ...common,
    percent: hour.percent,
    factor: 1,
    reason: hour.words === '' ? 'lending' : 'hours',
    words: hour.words,
    until: hour.until,
  };
}

/** Whether anything may be lent of a line that carries `line`; Infinity for a direction that nothing bounds. */
export function lendable(
  { percent, rate, keep, factor }: Allowance,
  line: Directions<BytesPerSecond | undefined>,
): Directions<BytesPerSecond> {
  const one = (direction: keyof Directions<unknown>, unknown: BytesPerSecond): BytesPerSecond => {
    const carries = line[direction];
    const part = percent[direction] / 100;
    if (factor <= 0 || part <= 0) return 0;
    // Of a line that is not known nothing can be kept.
    if (carries === undefined) return keep[direction] > 0 ? 0 : (rate[direction] ?? unknown) * factor;
    const ofLine = Math.min(carries * part, carries - keep[direction]);
    return Math.max(0, Math.min(ofLine, rate[direction] ?? Number.POSITIVE_INFINITY)) * factor;
  };
  return { down: one('down', 0), up: one('up', Number.POSITIVE_INFINITY) };
}

function percentNow(
  { percent, hours }: LendPolicy,
  wall: Milliseconds,
  doubtful: boolean,
): {
  readonly percent: Directions<number>;
  readonly words: string;
  readonly until: Milliseconds | undefined;
} {
  const both = (part: number): Directions<number> => ({ down: part, up: Math.min(part, percent.up ?? part) });
  const usual = { down: percent.down, up: percent.up ?? percent.down };
  if (hours.length === 0) return { percent: usual, words: '', until: undefined };
  if (doubtful) {
    const least = Math.min(...hours.map((one) => one.percent));
    return {
      percent: { down: Math.min(least, usual.down), up: Math.min(least, usual.up) },
      words: 'the clock can not be trusted: the least of all hours holds',
      until: undefined,
    };
  }
  const at = new Date(wall);
  const minute = at.getHours() * 60 + at.getMinutes();
  const found = hours.find((one) => within(one, minute));
  const until = nextEdge(hours, wall);
  if (found === undefined) return { percent: usual, words: `outside the hours, ${untilText(until)}`, until };
  return {
    percent: both(found.percent),
    words: `${found.percent} % from ${formatMinute(found.from)} to ${formatMinute(found.to)}`,
    until,
  };
}

/** When the next of the hours begins or ends. */
function nextEdge(hours: readonly Hours[], wall: Milliseconds): Milliseconds {
  let next = Number.POSITIVE_INFINITY;
  for (const edge of hours.flatMap(({ from, to }) => [from, to])) {
    for (const days of [0, 1]) {
      const at = new Date(wall);
      // Local time: a day may have 23 or 25 hours.
      at.setHours(days * 24, edge % DAY_MINUTES, 0, 0);
      if (at.getTime() > wall) next = Math.min(next, at.getTime());
    }
  }
  return next;
}

interface Stage {
  readonly factor: number;
  readonly words: string;
  /** When the quota begins anew. */
  readonly until: (wall: Milliseconds) => Milliseconds;
}

function quotaStage({ day, month }: Quota, used: Used): Stage {
  const stages: Stage[] = [
    stageOf('month', month, used.month, nextMonth),
    stageOf('day', day, used.day, nextDay),
  ];
  return stages.reduce((least, one) => (one.factor < least.factor ? one : least));
}

function stageOf(
  name: string,
  quota: Bytes | undefined,
  used: Bytes,
  until: (wall: Milliseconds) => Milliseconds,
): Stage {
  if (quota === undefined) return { factor: 1, words: '', until };
  const of = `${formatBytes(used)} of ${formatBytes(quota)} of this ${name}'s quota are used`;
  if (used >= quota) return { factor: 0, words: of, until };
  if (used < quota * QUOTA_SLOW_FROM) return { factor: 1, words: '', until };
  return { factor: QUOTA_SLOW_FACTOR, words: `${of}: lent at a quarter of the rate`, until };
}

function termsOf({ neighbours }: LendPolicy, id: string, used: Used): Terms {
  const { allow, weight, rate, quota } = neighbours.get(id) ?? USUAL_TERMS;
  const { factor, words } = quotaStage(quota, used);
  return {
    allowed: allow && factor > 0,
    weight,
    rate: { down: rate.down ?? Number.POSITIVE_INFINITY, up: rate.up ?? Number.POSITIVE_INFINITY },
    factor: allow ? factor : 0,
    words: allow ? words : 'not allowed to borrow',
  };
}

function nextDay(wall: Milliseconds): Milliseconds {
  const at = new Date(wall);
  return at.setHours(24, 0, 0, 0);
}

function nextMonth(wall: Milliseconds): Milliseconds {
  const at = new Date(wall);
  return new Date(at.getFullYear(), at.getMonth() + 1, 1).getTime();
}

const untilText = (at: Milliseconds): string => `until ${momentText(at).slice(-5)}`;

/** `"2026-03-01 06:00"`, local time. */
function momentText(at: Milliseconds): string {
  const date = new Date(at);
  const two = (n: number): string => String(n).padStart(2, '0');
  const day = `${date.getFullYear()}-${two(date.getMonth() + 1)}-${two(date.getDate())}`;
  return `${day} ${two(date.getHours())}:${two(date.getMinutes())}`;
}
