/**
 * Re-split: when nothing is left to deal, a path that would idle takes over the end of what the slowest still has to
 * bring, so that both finish at the same moment. Pure; the plan calls it.
 *
 *     before   slow |==========·················|      fast idle
 *     after    slow |==========······|           fast |···········|
 */
import { span, union } from '../core/span.ts';
import type { Bytes, Milliseconds } from '../core/units.ts';
import { ask } from './plan-asks.ts';
import {
  backlog,
  doneMs,
  freeMs,
  type PathState,
  type PlanCommand,
  type PlanState,
  pathOf,
  rateOf,
  readyPaths,
  remaining,
  withPath,
} from './plan-state.ts';

/** What must be won by it: a stopped span costs what is in flight, and a new request. */
const WORTH_MS: Milliseconds = 60;
const LEAST_BYTES: Bytes = 16_384;

export function resplit(before: PlanState, now: Milliseconds, commands: PlanCommand[]): PlanState {
  let state = before;
  if (state.holes.length > 0 || state.running !== undefined) return state;
  for (const thief of readyPaths(state)) {
    if (thief.asks.length > 0 || !thief.proven) continue;
    const victim = readyPaths(state).reduce<PathState | undefined>(
      (worst, path) =>
        path.id !== thief.id &&
        backlog(path) > 0 &&
        (worst === undefined || doneMs(state, path) > doneMs(state, worst))
          ? path
          : worst,
      undefined,
    );
    if (victim !== undefined) state = take(state, thief, victim, now, commands);
  }
  return state;
}

function take(
  state: PlanState,
  thief: PathState,
  victim: PathState,
  now: Milliseconds,
  commands: PlanCommand[],
): PlanState {
  const last = victim.asks.at(-1);
  if (last === undefined) return state;
  const aheadMs = doneMs(state, victim) - freeMs(state, thief);
  const both = 1 / rateOf(victim) + 1 / rateOf(thief);
  const bytes = Math.min(remaining(last), Math.floor(aheadMs / 1000 / both));
  const wonMs = (bytes * 1000) / rateOf(victim);
  if (bytes < LEAST_BYTES || wonMs < WORTH_MS) return state;
  const at = last.end - bytes;
  commands.push({ kind: 'stop', path: victim.id, id: last.id, at });
  const asks = victim.asks.flatMap((one) =>
    one.id !== last.id ? [one] : at > one.at ? [{ ...one, end: at }] : [],
  );
  const taken = span(at, last.end);
  const shortened = withPath({ ...state, holes: union(state.holes, taken) }, { ...victim, asks });
  return ask(shortened, pathOf(shortened, thief.id) ?? thief, taken, now, commands);
}
