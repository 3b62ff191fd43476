/**
 * The clock: the only file that reads time or sets a timer. Everything that depends on time is handed a
 * `Clock`, so that tests hand it a fake one. `now` is monotonic and survives steps of the wall clock.
 */
import type { Milliseconds } from './units.ts';

export interface Clock {
  /** Monotonic; only differences mean anything. */
  now(): Milliseconds;
  /** Milliseconds since 1970, as the wall clock says; may jump either way. */
  wall(): Milliseconds;
  /** Calls back once. Disposing the result cancels it. A timer never keeps the process alive. */
  after(delay: Milliseconds, call: () => void): Disposable;
  /** Calls back again and again, each time `period` after the last. Disposing the result ends it. */
  every(period: Milliseconds, call: () => void): Disposable;
}

export const systemClock: Clock = {
  now: () => performance.now(),
  wall: () => Date.now(),
  after(delay, call) {
    const timer = setTimeout(call, delay);
    timer.unref();
    return { [Symbol.dispose]: () => clearTimeout(timer) };
  },
  every(period, call) {
    const timer = setInterval(call, period);
    timer.unref();
    return { [Symbol.dispose]: () => clearInterval(timer) };
  },
};

/** A timer's longest time, some 24 days. */
const LONGEST_MS: Milliseconds = 2 ** 31 - 1;

/**
 * Keeps the process alive until it is disposed of: for commands that would end in the middle of their work when, for a moment, no
 * socket is read.
 */
export function awake(): Disposable {
  const timer = setInterval(() => undefined, LONGEST_MS);
  return { [Symbol.dispose]: () => clearInterval(timer) };
}

/** Resolves after `delay`; rejects with the signal's reason when it aborts first. */
export function sleep(clock: Clock, delay: Milliseconds, signal?: AbortSignal): Promise<void> {
  return new Promise((resolve, reject) => {
    if (signal?.aborted) {
      reject(signal.reason as Error);
      return;
    }
    const onAbort = (): void => {
      timer[Symbol.dispose]();
      reject(signal?.reason as Error);
    };
    const timer = clock.after(delay, () => {
      signal?.removeEventListener('abort', onAbort);
      resolve();
    });
    signal?.addEventListener('abort', onAbort, { once: true });
  });
}
