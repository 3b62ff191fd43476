/**
 * Notices that nothing has moved for too long. Used by tunnels and fetch connections. One timer at a time, set again only
 * when it fires, so that a byte costs no more than a note of the time.
 */
import type { Clock } from '../core/clock.ts';
import type { Milliseconds } from '../core/units.ts';

export class IdleWatch implements Disposable {
  readonly #clock: Clock;
  readonly #limit: Milliseconds;
  readonly #onIdle: () => void;
  #movedAt: Milliseconds;
  #timer: Disposable;

  /** Begins at once; `onIdle` is called once. */
  constructor(clock: Clock, limit: Milliseconds, onIdle: () => void) {
    this.#clock = clock;
    this.#limit = limit;
    this.#onIdle = onIdle;
    this.#movedAt = clock.now();
    this.#timer = this.#wait(limit);
  }

  /** Something moved. */
  moved(): void {
    this.#movedAt = this.#clock.now();
  }

  [Symbol.dispose](): void {
    this.#timer[Symbol.dispose]();
  }

  #wait(delay: Milliseconds): Disposable {
    return this.#clock.after(delay, () => {
      const left = this.#movedAt + this.#limit - this.#clock.now();
      if (left <= 0) this.#onIdle();
      else this.#timer = this.#wait(left);
    });
  }
}
