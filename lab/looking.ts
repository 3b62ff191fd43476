/**
 * Looking at something again and again while something else goes on. Used by measure.ts and watched.ts.
 */
import { setTimeout as wait } from 'node:timers/promises';
import type { Milliseconds } from '../src/core/units.ts';

/** Gives what came of the act, once the last look has ended too. @throws what went wrong with the looks, else with the act */
export async function whileLooking<T>(
  act: () => Promise<T>,
  look: () => Promise<void>,
  everyMs: Milliseconds,
): Promise<T> {
  const ended = new AbortController();
  const looking = (async () => {
    while (!ended.signal.aborted) {
      await look();
      await wait(everyMs);
    }
  })();
  // Awaited at the end; until then nobody is there to catch it.
  looking.catch(() => undefined);
  try {
    return await act();
  } finally {
    ended.abort();
    await looking;
  }
}
