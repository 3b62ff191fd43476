/**
 * Progress of what takes long, on the terminal's standard error: a line that is written over, from two seconds on. Nothing where
 * nobody looks.
 */
import type { Clock } from '../core/clock.ts';
import type { Milliseconds } from '../core/units.ts';

const FROM_MS: Milliseconds = 2_000;
const EVERY_MS: Milliseconds = 500;

export interface Progress extends Disposable {
  /** So many entries have been dealt with. */
  readonly at: (entries: number) => void;
}

/** `doing`: what is said of the entries, such as `verified`. */
export function progress(clock: Clock, doing: string, stderr: NodeJS.WriteStream = process.stderr): Progress {
  let next = clock.now() + FROM_MS;
  let shown = false;
  return {
    at: (entries) => {
      if (!stderr.isTTY || clock.now() < next) return;
      next = clock.now() + EVERY_MS;
      shown = true;
      stderr.write(`\r${entries.toLocaleString('en')} entries ${doing}`);
    },
    [Symbol.dispose]: () => {
      if (shown) stderr.write('\r\u001b[K');
      shown = false;
    },
  };
}
