/**
 * Memory on a router: what loading the program took is given back once, when the daemon is ready. Called by `up`.
 * It must never be called while something waits for an answer: a full collection takes tens of milliseconds.
 */
import { setFlagsFromString } from 'node:v8';
import { runInNewContext } from 'node:vm';

/** Young objects get this much, in MiB: more would only be touched and then kept while the daemon idles. */
const SEMI_SPACE_MIB = 1;

/** Before anything is loaded: how the heap may grow. */
export function keepHeapSmall(): void {
  setFlagsFromString(`--max-semi-space-size=${SEMI_SPACE_MIB}`);
  setFlagsFromString('--expose-gc');
}

/** One full collection; V8 then gives the freed pages back to the system. */
export function giveBackMemory(): void {
  (runInNewContext('gc') as () => void)();
}
