/**
 * Waiting for a condition in tests: bounded, and never a sleep in its place.
 */
import { setTimeout as pause } from 'node:timers/promises';
import type { Milliseconds } from '../../src/core/units.ts';

const BOUND_MS: Milliseconds = 10_000;
const LOOK_EVERY_MS: Milliseconds = 2;

/**
 * Resolves as soon as the condition holds.
 * @throws Error naming what was waited for, when it does not hold within `bound`
 */
export async function until(
  what: string,
  condition: () => boolean | Promise<boolean>,
  bound: Milliseconds = BOUND_MS,
): Promise<void> {
  const start = performance.now();
  while (!(await condition())) {
    if (performance.now() - start > bound) throw new Error(`not within ${bound} ms: ${what}`);
    await pause(LOOK_EVERY_MS);
  }
}
