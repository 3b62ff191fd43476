/**
 * Memory on a router: what loading the program took is given back once, when the daemon is ready. Called by `up`.
 * It must never be called while something waits for an answer: a full collection takes tens of milliseconds.
 */
import { setFlagsFromString } from 'node:v8';
import { runInNewContext } from 'node:vm';

/** One full collection; V8 then gives the freed pages back to the system. */
export function giveBackMemory(): void {
  setFlagsFromString('--expose-gc');
  (runInNewContext('gc') as () => void)();
  setFlagsFromString('--no-expose-gc');
}
