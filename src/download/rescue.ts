/**
 * Rescue: what a path no longer brings is taken from it. A silent path goes to the bench and loses all it was asked
 * for; a path that has become far too slow loses only the span that the client waits for. The bytes that came stay.
 * Pure; the plan calls it on every tick. It must never take the last path's work: late is better than never.
 */

import { span, union } from '../core/span.ts';
import type { Bytes, BytesPerSecond, Milliseconds } from '../core/units.ts';
import { ask as askFor, bench, spared, withoutAsk } from './plan-asks.ts';
import {
  type Ask,
  freeMs,
  isLong,
  isUntried,
  lacking,
  type PathState,
  type PlanCommand,
  type PlanState,
  pathOf,
  rateOf,
  readyPaths,
  remaining,
  waitMs,
  withPath,
} from './plan-state.ts';
import { isRunSilent } from './running.ts';
import { recentRate } from './throughput.ts';

/** A path that has not brought anything yet is given this much more: it has to connect first. */
const FIRST_GRACE_MS: Milliseconds = 600;
/** So long a path that has not brought anything yet may take for its first byte; others do its work meanwhile. */
const PROOF_MS: Milliseconds = 8_000;
/** A path that is silent for so long at the end has lost a packet, or worse: longer than what is read at once is apart. */
const PAUSE_MS: Milliseconds = 60;
/** Round trips that a path may be silent for beyond the stall time. */
const ROUND_TRIPS = 3;
/** What a reset connection costs, in round trips at the full rate. */
const RESET_ROUND_TRIPS = 1.5;
/** A span is taken over when another path would bring it this many times sooner … */
const TIMES_SOONER = 2;
/** … and by at least this much. */
const WORTH_MS: Milliseconds = 150;

export function rescue(before: PlanState, now: Milliseconds, commands: PlanCommand[]): PlanState {
  let state = atTheEnd(before, now, commands);
  for (const path of readyPaths(state)) {
    if (isSilent(state, path, now) && hasOther(state, path, now)) {
      const [first] = path.asks;
      if (isUntried(path) && first !== undefined && now - first.askedAt < PROOF_MS) {
        for (const ask of path.asks) state = spared(state, pathOf(state, path.id) ?? path, ask);
        continue;
      }
      for (const ask of path.asks) commands.push({ kind: 'stop', path: path.id, id: ask.id, at: ask.at });
      state = bench(state, path, now);
    }
  }
  return takeOver(overtake(state), now, commands);
}

/**
 * At the end, when others have nothing left to do, what a path was asked for is theirs too as soon as it pauses: mostly a packet was
 * lost and is sent again in a moment, but now everybody waits for it, and to ask twice costs no more than the bytes.
 */
function atTheEnd(before: PlanState, now: Milliseconds, commands: PlanCommand[]): PlanState {
  let state = before;
  if (state.holes.length > 0 || state.running !== undefined) return state;
  const idle = readyPaths(state).filter((path) => path.proven && path.asks.length === 0);
  for (const path of idle.length === 0 ? [] : readyPaths(state)) {
    const [first] = path.asks;
    const expectedAt = first && Math.max(path.heardAt, first.askedAt + path.latencyMs);
    if (expectedAt === undefined || now - expectedAt < PAUSE_MS) continue;
    for (const ask of path.asks.filter(({ spare }) => !spare)) {
      const freed = spared(state, pathOf(state, path.id) ?? path, ask);
      const [soonest] = idle
        .flatMap(({ id }) => pathOf(freed, id) ?? [])
        .sort((a, b) => freeMs(freed, a) - freeMs(freed, b));
      if (soonest !== undefined) state = askFor(freed, soonest, span(ask.at, ask.end), now, commands);
    }
  }
  return state;
}

/** What a silent running response was to bring next, others bring; it is not stopped: it may be all there is. */
function overtake(state: PlanState): PlanState {
  const { running } = state;
  if (running === undefined || !isRunSilent(state)) return state;
  const end = running.carvedAt ?? state.whole.end;
  const others = readyPaths(state).filter((path) => path.id !== running.path);
  if (end <= running.at || !others.some((path) => !isSilent(state, path, state.now))) return state;
  const holes = lacking(state, span(running.at, end)).reduce(union, state.holes);
  return { ...state, holes, running: { ...running, carvedAt: running.at } };
}

function isSilent(state: PlanState, path: PathState, now: Milliseconds): boolean {
  if (path.asks.length === 0) return false;
  const grace = isUntried(path) ? FIRST_GRACE_MS : 0;
  return now - path.heardAt > state.settings.stallMs + grace + ROUND_TRIPS * path.latencyMs;
}

/** Somebody who can do the work: another path that is ready, and not silent itself. */
function hasOther(state: PlanState, path: PathState, now: Milliseconds): boolean {
  return (
    readyPaths(state).some((other) => other.id !== path.id && other.proven && !isSilent(state, other, now)) ||
    (state.running !== undefined && state.running.path !== path.id)
  );
}

/**
 * The span that the client waits for, if another path could bring the rest of it much sooner. That path is asked at
 * once: by what is known of the slow one over a longer time, it would be given the same span again.
 */
function takeOver(state: PlanState, now: Milliseconds, commands: PlanCommand[]): PlanState {
  const head = headAsk(state);
  if (head === undefined) return state;
  const { path, ask } = head;
  const bytes = path.asks.slice(0, path.asks.indexOf(ask) + 1).reduce((sum, one) => sum + remaining(one), 0);
  const first = path.asks[0] ?? ask;
  const leftMs = waitMs(state, path, first) + (bytes * 1000) / rateNow(path, now);
  const inMs = (other: PathState): Milliseconds =>
    freeMs(state, other) + (remaining(ask) * 1000) / rateOf(other);
  const soonest = readyPaths(state)
    .filter((other) => other.id !== path.id && other.proven)
    .reduce<PathState | undefined>(
      (best, other) => (best === undefined || inMs(other) < inMs(best) ? other : best),
      undefined,
    );
  if (soonest === undefined) return state;
  const rest = span(ask.at, ask.end);
  const inTime = isUntried(path) ? inMs(soonest) : inMs(soonest) * TIMES_SOONER + WORTH_MS;
  if (leftMs < inTime) return state;
  // To stop it costs the connection, which has to be made and to open up again: often more than what it still has to bring.
  if (isUntried(path) || remaining(ask) <= resetBytes(path))
    return askFor(spared(state, path, ask), soonest, rest, now, commands);
  commands.push({ kind: 'stop', path: path.id, id: ask.id, at: ask.at });
  const goes = ask.at > ask.start || path.asks.length === 1;
  const left = { ...withoutAsk(path, ask), opened: goes ? 0 : path.opened };
  const freed = withPath({ ...state, holes: union(state.holes, rest) }, left);
  return askFor(freed, soonest, rest, now, commands);
}

/** What it is taken to bring from now on: of a short way what it brings at this moment, since that says more than what it did. */
const rateNow = (path: PathState, now: Milliseconds): BytesPerSecond =>
  isLong(path) ? rateOf(path) : Math.min(rateOf(path), recentRate(path.flow, now, path.latencyMs));

/** What a path would bring while a reset connection is made and opens up again. */
const resetBytes = (path: PathState): Bytes =>
  (isLong(path) ? Math.max(rateOf(path), path.flow.guess) : rateOf(path)) *
  ((RESET_ROUND_TRIPS * path.latencyMs) / 1000);

/** What the client waits for now, wherever its path has it in its queue. */
function headAsk(state: PlanState): { path: PathState; ask: Ask } | undefined {
  for (const path of readyPaths(state)) {
    const ask = path.asks.find((one) => !one.spare && one.at <= state.delivered && state.delivered < one.end);
    if (ask !== undefined) return { path, ask };
  }
  return undefined;
}
