/**
 * The response that was already running when the download began: how far it goes on, and when it may end. Pure; the
 * plan calls it. It must never end while what comes next is nobody's, nor for a promise of its path.
 *
 *     running  |=====at·········carvedAt|                    |  asked of all paths, its own too  |
 *              ends there when its own path has shown that it brings ranges; else goes on, claim by claim
 */
import { EMPTY, span, subtract } from '../core/span.ts';
import type { Milliseconds } from '../core/units.ts';
import { withoutAsk } from './plan-asks.ts';
import { sharesOf } from './plan-seed.ts';
import {
  lacking,
  type PathState,
  type PlanCommand,
  type PlanState,
  pathOf,
  rateOf,
  readyPaths,
  totalRate,
  withPath,
} from './plan-state.ts';
import { idle } from './throughput.ts';

/** How long the running response is left alone before others take over: enough for them to prove themselves. */
const CARVE_MS: Milliseconds = 250;
/** … and this part of the time that the window holds. */
const CARVE_WINDOW_PART = 1 / 3;
/** What the running response claims at a time where nobody else was asked. */
const CLAIM_MS: Milliseconds = 200;

/** Round trips that it may be silent for beyond the stall time. */
const ROUND_TRIPS = 3;

/** True when the running response could be read, and brings nothing. */
export function isRunSilent(state: PlanState): boolean {
  const { running, settings, now } = state;
  if (running === undefined || running.at >= state.horizon) return false;
  const latencyMs = pathOf(state, running.path)?.latencyMs ?? 0;
  return now - running.heardAt > settings.stallMs + ROUND_TRIPS * latencyMs;
}

/**
 * The running response. Others are dealt what comes after `carvedAt`; there it stops, but only when its own path
 * has shown that it can go on by ranges, and somebody has or was asked for what comes next. Else it runs on:
 * over holes, which it claims, and over what others were asked for, which then may come twice.
 */
export function run(before: PlanState, commands: PlanCommand[]): PlanState {
  let state = before;
  const running = state.running;
  if (running === undefined) return state;
  const own = pathOf(state, running.path);
  if (own === undefined) return state;
  if (own.standing.kind === 'out' && !isRunSilent(state)) return runAlone(state, commands);
  const others = readyPaths(state).filter((path) => path.id !== own.id);
  if (running.carvedAt === undefined) return others.length === 0 ? state : carve(state, own);
  if (running.at < running.carvedAt) return state;

  // What it has passed is done, whoever else was asked for it.
  for (const path of state.paths) {
    for (const ask of path.asks) {
      if (ask.end > running.at) continue;
      commands.push({ kind: 'stop', path: path.id, id: ask.id, at: ask.at });
      state = withPath(state, withoutAsk(pathOf(state, path.id) ?? path, ask));
    }
  }
  const past = span(state.whole.start, running.at);
  state = { ...state, holes: subtract(state.holes, past) };
  const here = state.holes.find((hole) => hole.start === running.at);
  if (here !== undefined && !isRunSilent(state)) {
    const claim = Math.max(state.settings.leastBytes, Math.ceil((rateOf(own) * CLAIM_MS) / 1000));
    const end = Math.min(here.end, running.at + claim);
    return {
      ...state,
      holes: subtract(state.holes, span(here.start, end)),
      running: { ...running, carvedAt: end },
    };
  }
  if (!own.reliable || running.at >= state.whole.end) return state;
  commands.push({ kind: 'stop_running' });
  return { ...state, running: undefined };
}

function carve(state: PlanState, own: PathState): PlanState {
  const running = state.running;
  if (running === undefined) return state;
  // Until it ends there the client gets no more than it brings, and the window fills with what others bring.
  const windowMs = ((state.horizon - state.delivered) * 1000) / totalRate(state);
  const ahead = (rateOf(own) * Math.min(CARVE_MS, windowMs * CARVE_WINDOW_PART)) / 1000;
  const carvedAt = Math.ceil(running.at + Math.max(state.settings.leastBytes, ahead));
  if (state.whole.end - carvedAt < state.settings.leastBytes) return state;
  const holes = lacking(state, span(carvedAt, state.whole.end));
  const carved = { ...state, holes, running: { ...running, carvedAt } };
  return { ...carved, shares: sharesOf(carved) };
}

/** The own line can not go on by ranges: the running response brings everything, as if nothing had been pooled. */
function runAlone(before: PlanState, commands: PlanCommand[]): PlanState {
  const { running } = before;
  if (running === undefined || running.carvedAt === undefined) return before;
  let state = before;
  for (const path of state.paths) {
    for (const ask of path.asks) commands.push({ kind: 'stop', path: path.id, id: ask.id, at: ask.at });
    state = withPath(state, { ...path, asks: [], flow: idle(path.flow) });
  }
  // The others stay ready: should the running response break off, they bring the rest.
  return { ...state, holes: EMPTY, running: { ...running, carvedAt: undefined } };
}
