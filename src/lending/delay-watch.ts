/**
 * Delay, watched: asks the line now and then, often while something is lent, and keeps what is usual. Looked at by the steward
 * at each of its looks; it has no timer of its own.
 */
import type { Clock } from '../core/clock.ts';
import type { Milliseconds } from '../core/units.ts';
import { type DelayState, delayNow, delayStep, LEARN_FROM, NEW_DELAY } from './delay.ts';

/** How often while something is lent. */
export const ASK_LENT_MS: Milliseconds = 250;
/** How often until it is known what is usual, and while less is lent because of it. */
export const ASK_SOON_MS: Milliseconds = 1_000;
/** How often otherwise. */
export const ASK_IDLE_MS: Milliseconds = 30_000;

export interface Line {
  /** Somebody borrows. */
  readonly isLent: boolean;
  /** The household is seen to use its line. */
  readonly isOwn: boolean;
  readonly hasCounters: boolean;
}

/** As people see it. */
export interface Delay {
  readonly ms: Milliseconds;
  readonly usualMs: Milliseconds;
  /** How much of what would be lent is, because of it. */
  readonly factor: number;
}

/** Asks once; `answered` of the watch is called for it. */
export interface Ask {
  ask(): void;
}

export class DelayWatch {
  readonly #clock: Clock;
  #probe: Ask | undefined;
  #state: DelayState = NEW_DELAY;
  #line: Line = { isLent: false, isOwn: false, hasCounters: true };
  #askedAt = Number.NEGATIVE_INFINITY;

  /** Without `begin` there is no sign. */
  constructor(clock: Clock) {
    this.#clock = clock;
  }

  /** From now on it asks that one. */
  begin(probe: Ask): void {
    this.#probe = probe;
  }

  answered(ms: Milliseconds | undefined): void {
    this.#state = delayStep(this.#state, { ms, ...this.#line });
  }

  look(line: Line): void {
    this.#line = line;
    const now = this.#clock.now();
    const { learntFrom, factor } = this.#state;
    const idle = learntFrom < LEARN_FROM || factor < 1 ? ASK_SOON_MS : ASK_IDLE_MS;
    if (now - this.#askedAt < (line.isLent ? ASK_LENT_MS : idle)) return;
    this.#askedAt = now;
    this.#probe?.ask();
  }

  get factor(): number {
    return this.#state.factor;
  }

  /** Undefined while there is no such sign. */
  get now(): Delay | undefined {
    const ms = delayNow(this.#state);
    return ms === undefined ? undefined : { ms, usualMs: this.#state.usualMs, factor: this.#state.factor };
  }
}
