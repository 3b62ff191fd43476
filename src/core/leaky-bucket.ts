/**
 * The leaky bucket as a meter: what was poured in, less what has leaked out since. For whatever is borne at once up to a bound, and
 * then as often as it is earned back. Pure but for the level that `LeakyBucket` keeps: the time is handed in.
 *
 *     ▇▇▇▇▇▇▇▇ most ── what comes now is refused, and not counted
 *     ▇▇▇▅▃▁        leaks at `perSecond`, never below nothing
 *
 * A clock that stepped back must never refill it, nor empty it.
 */
import type { Milliseconds } from './units.ts';

export interface Level {
  readonly amount: number;
  /** When `amount` was so. */
  readonly at: Milliseconds;
}

export const EMPTY: Level = { amount: 0, at: 0 };

/** The same bucket later. */
export function leaked(level: Level, perSecond: number, now: Milliseconds): Level {
  if (now <= level.at) return level;
  return { amount: Math.max(0, level.amount - ((now - level.at) / 1000) * perSecond), at: now };
}

export class LeakyBucket {
  readonly #most: number;
  readonly #perSecond: number;
  #level = EMPTY;

  constructor(most: number, perSecond: number) {
    this.#most = most;
    this.#perSecond = perSecond;
  }

  /** Whether so much more may be now; if so, it is counted. */
  takes(amount: number, now: Milliseconds): boolean {
    const { amount: before, at } = leaked(this.#level, this.#perSecond, now);
    if (before + amount > this.#most) return false;
    this.#level = { amount: before + amount, at };
    return true;
  }
}
