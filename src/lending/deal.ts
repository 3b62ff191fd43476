/**
 * Dealing: who gets how much of what is lent. Pure. Asked by the lender whenever the share or the borrowers change.
 * Weighted fair, by water-filling: nobody gets more than it can use while another has less than its part. What counts
 * is the borrower, however many downloads it has. The weight follows what a neighbour lends us, within bounds.
 * It must never deal out more than there is, nor leave a borrower that is allowed with nothing.
 */
import { type Bytes, type BytesPerSecond, MIB } from '../core/units.ts';

export interface Wish {
  readonly id: string;
  readonly weight: number;
  /** What it may have at most. */
  readonly ceiling: BytesPerSecond;
  /** Of what it would have, by ceiling, weight and the others, it has this part; above 0, at most 1. */
  readonly factor: number;
  /** What it takes at the moment; undefined when it would take more, or nothing is known of it yet. */
  readonly takes: BytesPerSecond | undefined;
}

export interface Part {
  /** What it can count on, however much the others want: this is what is offered. */
  readonly fair: BytesPerSecond;
  /** What it is held to now: what others leave is in it. */
  readonly rate: BytesPerSecond;
}

/** A borrower that takes less than its part is left so much more than it takes. */
const SPARE = 1.25;
/** As if so much had been lent either way before: a new neighbour is worth as much as any. */
export const RECIPROCITY_FROM: Bytes = 64 * MIB;

/** The parts of those borrowers, by id. What those that are slowed do not have the others have. */
export function dealt(total: BytesPerSecond, wishes: readonly Wish[]): ReadonlyMap<string, Part> {
  const bounds = wishes.map(({ ceiling }): Part => ({ fair: ceiling, rate: ceiling }));
  const parts = dealtWithin(total, wishes, bounds);
  const isSlowed = wishes.some(({ factor }) => factor < 1);
  const held = isSlowed ? dealtWithin(total, wishes, slowed(wishes, bounds, parts)) : parts;
  return new Map(wishes.map(({ id }, i) => [id, held[i] ?? { fair: 0, rate: 0 }]));
}

/** What each may have at most: one that is slowed, its part of what it would have. */
const slowed = (wishes: readonly Wish[], bounds: readonly Part[], parts: readonly Part[]): readonly Part[] =>
  wishes.map(({ factor }, i) => {
    const { fair, rate } = (factor < 1 ? parts : bounds)[i] ?? { fair: 0, rate: 0 };
    return { fair: fair * factor, rate: rate * factor };
  });

function dealtWithin(
  total: BytesPerSecond,
  wishes: readonly Wish[],
  bounds: readonly Part[],
): readonly Part[] {
  const fair = filled(
    total,
    wishes.map(({ weight }, i) => ({ weight, most: bounds[i]?.fair ?? 0 })),
  );
  const needs = wishes.map(({ takes = Number.POSITIVE_INFINITY }, i) =>
    Math.min(bounds[i]?.rate ?? 0, takes * SPARE),
  );
  const taken = filled(
    total,
    wishes.map(({ weight }, i) => ({ weight, most: needs[i] ?? 0 })),
  );
  const left = Math.max(0, total - taken.reduce((sum, one) => sum + one, 0));
  return wishes.map((_, i) => {
    const part = fair[i] ?? 0;
    return { fair: part, rate: Math.min(bounds[i]?.rate ?? 0, Math.max(part, (taken[i] ?? 0) + left)) };
  });
}

/** What one more would be able to count on. */
export function ifBegun(total: BytesPerSecond, wishes: readonly Wish[], newcomer: Wish): BytesPerSecond {
  return dealt(total, [...wishes, newcomer]).get(newcomer.id)?.fair ?? 0;
}

/** How much a neighbour weighs that lent us so much and was lent so much, within the bounds. */
export function reciprocity(
  lentUs: Bytes,
  borrowed: Bytes,
  { min, max }: { readonly min: number; readonly max: number },
): number {
  return Math.min(max, Math.max(min, (lentUs + RECIPROCITY_FROM) / (borrowed + RECIPROCITY_FROM)));
}

/** Fills all in proportion to their weights, until each has its most or nothing is left. */
function filled(
  total: number,
  all: readonly { readonly weight: number; readonly most: number }[],
): readonly number[] {
  const got = all.map(() => 0);
  let left = total;
  // Those that would reach their most soonest come first.
  const order = all
    .map(({ weight, most }, i) => ({ i, weight, most, at: most / weight }))
    .sort((a, b) => a.at - b.at);
  let weights = order.reduce((sum, { weight }) => sum + weight, 0);
  for (const { i, weight, most } of order) {
    // In this order, so that who is alone gets all, and not a byte less after each change of its weight.
    const part = Math.max(0, Math.min(most, left * (weight / weights)));
    got[i] = part;
    left -= part;
    weights -= weight;
  }
  return got;
}
