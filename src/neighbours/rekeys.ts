/**
 * Changes of key that were taken lately, counted for each neighbour: a household changes its key once in a while, not by the minute,
 * and each change ends what runs for it and is written to disk. Used by the rotation desk. Pure: the time is handed in.
 */
import type { Milliseconds } from '../core/units.ts';
import type { HouseholdId } from './household-id.ts';

/** Changes of key of one neighbour that are taken in `REKEYS_WINDOW_MS`; however many keys there were in between, it is one change. */
export const REKEYS_MAX = 4;
export const REKEYS_WINDOW_MS: Milliseconds = 24 * 3_600_000;

/** When each neighbour changed its key, by the id that it has now. */
export type Rekeys = ReadonlyMap<HouseholdId, readonly Milliseconds[]>;

const recent = (times: readonly Milliseconds[], now: Milliseconds): readonly Milliseconds[] =>
  times.filter((at) => now - at < REKEYS_WINDOW_MS);

/** Whether another change of that neighbour's key is taken. */
export const mayRekey = (rekeys: Rekeys, id: HouseholdId, now: Milliseconds): boolean =>
  recent(rekeys.get(id) ?? [], now).length < REKEYS_MAX;

/** The changes with one more, from one id to the next. It holds those of the last day only. */
export function afterRekey(
  rekeys: Rekeys,
  before: HouseholdId,
  after: HouseholdId,
  now: Milliseconds,
): Rekeys {
  const next = new Map<HouseholdId, readonly Milliseconds[]>();
  for (const [id, times] of rekeys) {
    const kept = recent(times, now);
    if (id !== before && kept.length > 0) next.set(id, kept);
  }
  return next.set(after, [...recent(rekeys.get(before) ?? [], now), now]);
}
