/**
 * A clock that stands still until it is told to move. Timers fire in order of their time, at their time.
 */
import type { Clock } from '../../src/core/clock.ts';
import type { Milliseconds } from '../../src/core/units.ts';

interface Timer {
  at: Milliseconds;
  readonly period: Milliseconds | undefined;
  readonly call: () => void;
}

export class FakeClock implements Clock {
  #now: Milliseconds = 1_000;
  #wall: Milliseconds;
  readonly #timers = new Set<Timer>();

  constructor(wall: Milliseconds = Date.UTC(2026, 0, 1)) {
    this.#wall = wall;
  }

  now(): Milliseconds {
    return this.#now;
  }

  wall(): Milliseconds {
    return this.#wall;
  }

  after(delay: Milliseconds, call: () => void): Disposable {
    return this.#add({ at: this.#now + Math.max(0, delay), period: undefined, call });
  }

  every(period: Milliseconds, call: () => void): Disposable {
    return this.#add({ at: this.#now + period, period, call });
  }

  /** How many timers are set: none may be left when a thing has ended. */
  get pending(): number {
    return this.#timers.size;
  }

  /** A step of the wall clock alone, as NTP or a person makes it. */
  stepWall(by: Milliseconds): void {
    this.#wall += by;
  }

  /** Lets time pass, firing what falls due. */
  advance(by: Milliseconds): void {
    const until = this.#now + by;
    for (;;) {
      let next: Timer | undefined;
      for (const timer of this.#timers)
        if (timer.at <= until && (next === undefined || timer.at < next.at)) next = timer;
      if (next === undefined) break;
      this.#moveTo(next.at);
      if (next.period === undefined) this.#timers.delete(next);
      else next.at += next.period;
      next.call();
    }
    this.#moveTo(until);
  }

  #moveTo(at: Milliseconds): void {
    this.#wall += at - this.#now;
    this.#now = at;
  }

  #add(timer: Timer): Disposable {
    this.#timers.add(timer);
    return { [Symbol.dispose]: () => this.#timers.delete(timer) };
  }
}
