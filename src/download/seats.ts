/**
 * Seats: which lines each download may ask one server over, so that there are never more connections to it than the household
 * means to have, and each of its downloads has as many as the others. Pure. A seat is one connection over one line.
 *
 * Every download has its seat on the own line. Of the neighbours' lines it keeps what it has; the free ones go to who has
 * fewest; and a connection is given up only for a download that has at least two fewer.
 */
import type { PathId } from '../paths/path.ts';

export interface SeatLimits {
  /** Connections to one origin over all lines. */
  readonly origin: number;
  /** … and over one line. */
  readonly line: number;
}

export interface Claim {
  /** Neighbours' lines that it could use now. */
  readonly wants: readonly PathId[];
  /** What it has been dealt before. */
  readonly holds: ReadonlySet<PathId>;
}

interface Dealt {
  readonly wants: readonly PathId[];
  readonly seats: Set<PathId>;
}

/** Seats that others have by line, who give up none: downloads of other processes. */
export type Guests = ReadonlyMap<PathId, number>;

const NO_GUESTS: Guests = new Map();

export const countOf = (guests: Guests): number =>
  [...guests.values()].reduce((sum, count) => sum + count, 0);

/** True when so many downloads of one origin leave room for another: for the own line and one neighbour's at least. */
export const hasRoomBeside = (downloads: number, limits: SeatLimits, guests = NO_GUESTS): boolean =>
  downloads < limits.line && 2 * (downloads + 1) + countOf(guests) <= limits.origin;

/** Neighbours' lines for each claim, in the order of the claims. */
export function dealSeats(
  claims: readonly Claim[],
  limits: SeatLimits,
  guests = NO_GUESTS,
): readonly ReadonlySet<PathId>[] {
  const most = Math.max(0, limits.origin - claims.length - countOf(guests));
  const all: Dealt[] = claims.map(({ wants }) => ({ wants, seats: new Set() }));
  const on = (path: PathId): number =>
    (guests.get(path) ?? 0) + all.filter(({ seats }) => seats.has(path)).length;
  const left = (): number => all.reduce((n, { seats }) => n - seats.size, most);
  for (const [i, { wants, holds }] of claims.entries()) {
    for (const path of wants) {
      if (holds.has(path) && left() > 0 && on(path) < limits.line) all[i]?.seats.add(path);
    }
  }
  while (left() > 0 && fill(all, on, limits.line));
  while (pass(all, on, limits.line, left() > 0));
  return all.map(({ seats }) => seats);
}

const poorestFirst = (all: readonly Dealt[]): Dealt[] =>
  [...all].sort((one, other) => one.seats.size - other.seats.size);

/** One free seat, of the line that fewest have, for whoever has fewest seats. */
function fill(all: readonly Dealt[], on: (path: PathId) => number, line: number): boolean {
  for (const { wants, seats } of poorestFirst(all)) {
    const [path] = wants
      .filter((one) => !seats.has(one) && on(one) < line)
      .sort((one, other) => on(one) - on(other));
    if (path === undefined) continue;
    seats.add(path);
    return true;
  }
  return false;
}

/** One seat from a download to one that has at least two fewer. */
function pass(all: readonly Dealt[], on: (path: PathId) => number, line: number, roomLeft: boolean): boolean {
  const poorest = poorestFirst(all);
  for (const poor of poorest) {
    for (const path of poor.wants) {
      if (poor.seats.has(path)) continue;
      const isFull = on(path) >= line;
      if (!isFull && roomLeft) continue;
      const rich = poorest.findLast(
        ({ seats }) => seats.size >= poor.seats.size + 2 && (seats.has(path) || !isFull),
      );
      if (rich === undefined) continue;
      const given = rich.seats.has(path) ? path : [...rich.seats].at(-1);
      if (given !== undefined) rich.seats.delete(given);
      poor.seats.add(path);
      return true;
    }
  }
  return false;
}
