/**
 * Health: the roster over time. Keeps the one roster of a process and reads the clock for it. Downloads write to it
 * and ask it; verdicts ask it; people see it and can make it forget.
 */
import type { Clock } from '../core/clock.ts';
import type { ErrorCode } from '../core/errors.ts';
import type { Origin } from '../core/target.ts';
import type { Milliseconds } from '../core/units.ts';
import { OWN, type PathId } from './path.ts';
import {
  EMPTY_ROSTER,
  type Entry,
  isWide,
  leaveOut,
  leftOut,
  leftOutFor,
  type Roster,
  reached,
  without,
  wordsFor,
} from './roster.ts';

export class Health {
  readonly #clock: Clock;
  #roster: Roster = EMPTY_ROSTER;

  constructor(clock: Clock) {
    this.#clock = clock;
  }

  /** Why the path is left out for the origin at the moment; undefined when it is not. */
  leftOutFor(path: PathId, origin: Origin): ErrorCode | undefined {
    return leftOutFor(this.#roster, path, origin, this.#clock.now())?.code;
  }

  /**
   * Why nothing of the origin is to be pooled at the moment, in words: it has lately refused our own line, or so many of
   * these neighbours' that it means all, or every one of them.
   */
  refusal(origin: Origin, neighbours: readonly PathId[]): string | undefined {
    const own = this.leftOutFor(OWN, origin);
    if (own !== undefined) return wordsFor(own);
    if (this.isWide(origin, neighbours)) return wordsFor('origin_busy');
    const [first, ...others] = neighbours.map((path) => this.leftOutFor(path, origin));
    return first === undefined || others.includes(undefined) ? undefined : wordsFor(first);
  }

  /** True when the origin has asked so many of these lines for less that it means all. */
  isWide(origin: Origin, paths: Iterable<PathId>): boolean {
    return isWide(this.#roster, paths, origin, this.#clock.now());
  }

  /** Leaves the path out for the origin; longer when it is not the first time. */
  leaveOut(path: PathId, origin: Origin, code: ErrorCode, forMs: Milliseconds, detail = ''): void {
    this.#roster = leaveOut(this.#roster, { path, code, forMs, detail }, origin, this.#clock.now());
  }

  /** The neighbour answers again: it is used at once where it was left out because it did not. */
  reached(path: PathId): void {
    this.#roster = reached(this.#roster, path);
  }

  /** Those that are left out now, newest first; times in milliseconds since 1970. */
  leftOut(): readonly Entry[] {
    const now = this.#clock.now();
    const epoch = this.#clock.wall() - now;
    return leftOut(this.#roster, now).map((entry) => ({
      ...entry,
      since: Math.round(entry.since + epoch),
      until: Math.round(entry.until + epoch),
    }));
  }

  /** Forgets all of the origins that match; true when one of them was left out. `origin` is as `formatOrigin` writes it. */
  forget(matches: (origin: string) => boolean): boolean {
    const found = this.leftOut().some(({ origin }) => matches(origin));
    this.#roster = without(this.#roster, matches);
    return found;
  }
}
