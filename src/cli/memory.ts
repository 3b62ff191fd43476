/**
 * Memory on a router: what loading the program took is given back once, when the daemon is ready. Called by `up`.
 * It must never be called while something waits for an answer: a full collection takes tens of milliseconds.
 */
import { setFlagsFromString } from 'node:v8';
import { runInNewContext } from 'node:vm';

/**
 * One full collection, of the kind that V8 makes when memory runs out: it shrinks the young generation too, and gives
 * the freed pages back to the system. An ordinary one keeps 5 MiB more.
 */
export function giveBackMemory(): void {
  setFlagsFromString('--expose-gc');
  const collect = runInNewContext('gc') as (options: object) => void;
  collect({ type: 'major', execution: 'sync', flavor: 'last-resort' });
  setFlagsFromString('--no-expose-gc');
}
