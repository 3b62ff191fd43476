/**
 * Bounded waiting for what other processes do. Used by the demo alone: rooms react to events instead.
 */
import { type Clock, sleep } from '../core/clock.ts';
import { LinepoolError } from '../core/errors.ts';
import type { Milliseconds } from '../core/units.ts';

export interface Patience {
  readonly clock: Clock;
  readonly signal: AbortSignal;
  /** How long to wait at most. */
  readonly bound: Milliseconds;
}

const LOOK_EVERY_MS: Milliseconds = 20;

/**
 * The promise's outcome, if it comes within the bound.
 * @throws LinepoolError `demo_failed` naming what was waited for; the signal's reason when it aborts
 */
export async function within<T>(what: string, patience: Patience, promise: Promise<T>): Promise<T> {
  const { clock, signal, bound } = patience;
  const settled = new AbortController();
  const giveUp = async (): Promise<never> => {
    await sleep(clock, bound, AbortSignal.any([signal, settled.signal]));
    throw new LinepoolError('demo_failed', `not within ${Math.round(bound / 1000)} s: ${what}`);
  };
  try {
    return await Promise.race([promise, giveUp()]);
  } finally {
    settled.abort(new Error('settled'));
  }
}

/** Resolves when the condition holds; looks every few milliseconds. @throws as `within` */
export async function waitUntil(
  what: string,
  patience: Patience,
  condition: () => boolean | Promise<boolean>,
): Promise<void> {
  const ended = new AbortController();
  const look = async (): Promise<void> => {
    while (!(await condition())) await sleep(patience.clock, LOOK_EVERY_MS, ended.signal);
  };
  try {
    await within(what, patience, look());
  } finally {
    ended.abort(new Error('ended'));
  }
}
