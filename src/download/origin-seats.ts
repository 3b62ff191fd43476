/**
 * The seats of all downloads of the household, by origin: who has which now, dealt anew when a download begins or ends or offers
 * change. Whoever makes a download joins it here, and leaves when it has ended. It must never hold a seat for one that has left.
 */
import type { Clock } from '../core/clock.ts';
import { LinepoolError } from '../core/errors.ts';
import { formatOrigin, type Origin } from '../core/target.ts';
import type { Milliseconds } from '../core/units.ts';
import type { PathId } from '../paths/path.ts';
import type { PathSource } from './contract.ts';
import { countOf, dealSeats, hasRoomBeside, type SeatLimits } from './seats.ts';

/** A download's place; leaves when it is disposed of. */
export interface Place extends Disposable {
  /** True when the download may ask the origin over that neighbour's line. */
  has(path: PathId): boolean;
  /** What it could use has changed. */
  reconsider(): void;
  /** Calls back when it has others than before. */
  onChange(listener: () => void): Disposable;
}

/** Paths are left out for a while, and nobody tells when that is over. */
const AGAIN_MS: Milliseconds = 1_000;

/** Paths as the download with that place hears of them: also when its seats change, and its seats when paths do. */
export function seated(place: Place, paths: PathSource, clock: Clock): PathSource {
  return {
    own: paths.own,
    neighbours: () => paths.neighbours(),
    onChange(listener) {
      const both = new DisposableStack();
      both.use(
        paths.onChange(() => {
          place.reconsider();
          listener();
        }),
      );
      both.use(place.onChange(listener));
      both.use(clock.every(AGAIN_MS, () => place.reconsider()));
      return both;
    },
  };
}

interface Member {
  readonly wants: () => readonly PathId[];
  readonly listeners: Set<() => void>;
  holds: ReadonlySet<PathId>;
}

export class OriginSeats {
  readonly #limits: SeatLimits;
  /** As many as there are downloads. */
  readonly #members = new Map<string, Set<Member>>();
  /** As many as there are guests. */
  readonly #guests = new Map<string, Map<PathId, number>>();

  constructor(limits: SeatLimits) {
    this.#limits = limits;
  }

  /** True when one more download of the origin may begin. */
  hasRoom(origin: Origin): boolean {
    const key = formatOrigin(origin);
    return hasRoomBeside(this.#members.get(key)?.size ?? 0, this.#limits, this.#guests.get(key));
  }

  /**
   * A seat on a neighbour's line for a connection of another process, until it is disposed of.
   * @throws LinepoolError `overloaded` when all are taken
   */
  guest(origin: Origin, path: PathId): Disposable {
    const key = formatOrigin(origin);
    const guests = this.#guests.get(key) ?? new Map<PathId, number>();
    const members = [...(this.#members.get(key) ?? [])];
    const here = (guests.get(path) ?? 0) + members.filter(({ holds }) => holds.has(path)).length;
    const all = members.reduce((sum, { holds }) => sum + 1 + holds.size, countOf(guests));
    if (here >= this.#limits.line || all >= this.#limits.origin)
      throw new LinepoolError('overloaded', `(connections to ${key})`);
    this.#guests.set(key, guests.set(path, (guests.get(path) ?? 0) + 1));
    const leave = new DisposableStack();
    leave.defer(() => {
      const left = (guests.get(path) ?? 0) - 1;
      if (left > 0) guests.set(path, left);
      else guests.delete(path);
      if (guests.size === 0) this.#guests.delete(key);
      this.#deal(key);
    });
    return leave;
  }

  /** `wants`: neighbours' lines that it could use now. */
  join(origin: Origin, wants: () => readonly PathId[]): Place {
    const key = formatOrigin(origin);
    const members = this.#members.get(key) ?? new Set();
    const member: Member = { wants, listeners: new Set(), holds: new Set() };
    this.#members.set(key, members.add(member));
    this.#deal(key);
    return {
      has: (path) => member.holds.has(path),
      reconsider: () => {
        if (members.has(member)) this.#deal(key);
      },
      onChange: (listener) => {
        member.listeners.add(listener);
        return { [Symbol.dispose]: () => member.listeners.delete(listener) };
      },
      [Symbol.dispose]: () => {
        if (!members.delete(member)) return;
        member.holds = new Set();
        if (members.size === 0) this.#members.delete(key);
        this.#deal(key);
      },
    };
  }

  #deal(key: string): void {
    const all = [...(this.#members.get(key) ?? [])];
    const dealt = dealSeats(
      all.map(({ wants, holds }) => ({ wants: wants(), holds })),
      this.#limits,
      this.#guests.get(key),
    );
    const changed = all.filter((member, i) => {
      const before = member.holds;
      member.holds = dealt[i] ?? before;
      return member.holds.size !== before.size || [...before].some((path) => !member.holds.has(path));
    });
    // Told when all is settled: what one hears may make it ask.
    for (const { listeners } of changed) for (const listener of listeners) listener();
  }
}
