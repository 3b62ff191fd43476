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
  busyMs,
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
  if (state.holes.length > 0) return state;
  for (const thief of readyPaths(state)) {
    if (thief.asks.length > 0 || !thief.proven) continue;
    const victim = readyPaths(state).reduce<PathState | undefined>(
      (worst, path) =>
        path.id !== thief.id &&
        busyMs(state, path) > 0 &&
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
  // Of a spare one others bring it all already.
  const last = victim.asks.findLast((one) => !one.spare);
  if (last === undefined) return takeOfRunning(state, thief, victim, now, commands);
  const bytes = worthTaking(state, thief, victim, remaining(last));
  if (bytes === undefined) return state;
  const at = last.end - bytes;
  commands.push({ kind: 'stop', path: victim.id, id: last.id, at });
  const asks = victim.asks.flatMap((one) =>
    one.id !== last.id ? [one] : at > one.at ? [{ ...one, end: at }] : [],
  );
  const taken = span(at, last.end);
  const shortened = withPath({ ...state, holes: union(state.holes, taken) }, { ...victim, asks });
  return ask(shortened, pathOf(shortened, thief.id) ?? thief, taken, now, commands);
}

/** The same with the response that was running from the start: it ends sooner. */
function takeOfRunning(
  state: PlanState,
  thief: PathState,
  victim: PathState,
  now: Milliseconds,
  commands: PlanCommand[],
): PlanState {
  const { running } = state;
  if (running?.path !== victim.id || running.carvedAt === undefined) return state;
  // What it claims it may bring beyond the horizon, held by its own connection; nobody else may.
  if (running.carvedAt > state.horizon) return state;
  const bytes = worthTaking(state, thief, victim, running.carvedAt - running.at);
  if (bytes === undefined) return state;
  const taken = span(running.carvedAt - bytes, running.carvedAt);
  const carved = {
    ...state,
    holes: union(state.holes, taken),
    running: { ...running, carvedAt: taken.start },
  };
  return ask(carved, thief, taken, now, commands);
}

/** So much that both finish at the same moment; undefined when that is not worth a request. */
function worthTaking(state: PlanState, thief: PathState, victim: PathState, most: Bytes): Bytes | undefined {
  const aheadMs = doneMs(state, victim) - freeMs(state, thief);
  const both = 1 / rateOf(victim) + 1 / rateOf(thief);
  const bytes = Math.min(most, Math.floor(aheadMs / 1000 / both));
  const wonMs = (bytes * 1000) / rateOf(victim);
  return bytes < LEAST_BYTES || wonMs < WORTH_MS ? undefined : bytes;
}
