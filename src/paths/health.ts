/**
 * Health: the roster over time. Keeps the one roster of a process and reads the clock for it. Downloads write to it
 * and ask it; verdicts ask it.
 */
import type { Clock } from '../core/clock.ts';
import type { ErrorCode } from '../core/errors.ts';
import type { Origin } from '../core/target.ts';
import type { Milliseconds } from '../core/units.ts';
import { OWN, type PathId } from './path.ts';
import { EMPTY_ROSTER, leaveOut, leftOutFor, type Roster } from './roster.ts';

export class Health {
  readonly #clock: Clock;
  #roster: Roster = EMPTY_ROSTER;

  constructor(clock: Clock) {
    this.#clock = clock;
  }

  /** Why the path is left out for the origin at the moment; undefined when it is not. */
  leftOutFor(path: PathId, origin: Origin): ErrorCode | undefined {
    return leftOutFor(this.#roster, path, origin, this.#clock.now());
  }

  /** True when the origin has lately refused ranges, or more requests, over our own line. */
  refusesRanges(origin: Origin): boolean {
    return this.leftOutFor(OWN, origin) !== undefined;
  }

  leaveOut(path: PathId, origin: Origin, code: ErrorCode, forMs: Milliseconds): void {
    this.#roster = leaveOut(this.#roster, path, origin, code, forMs, this.#clock.now());
  }
}
