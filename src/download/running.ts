/**
 * The response that was already running when the download began: how far it goes on, and when it may end. Pure; the
 * plan calls it. It must never end while what comes next is nobody's, nor for a promise of its path.
 *
 *     running  |=====at·········carvedAt|                    |  asked of all paths, its own too  |
 *              ends there when its own path has shown that it brings ranges; else goes on, claim by claim
 */
import { EMPTY, span, subtract, union } from '../core/span.ts';
import type { Bytes, Milliseconds } from '../core/units.ts';
import { spared, withoutAsk } from './plan-asks.ts';
import { sharesOf } from './plan-seed.ts';
import {
  doneMs,
  fairMs,
  lacking,
  leastSpan,
  type PathState,
  type PlanCommand,
  type PlanState,
  pathOf,
  type Running,
  rateOf,
  remaining,
  withPath,
  workingPaths,
} from './plan-state.ts';
import { idle, rate } from './throughput.ts';

/**
 * How long the running response is left alone before others take over, its own path among them: giving it up costs a round
 * trip of its line, and a connection that has to open up again. This part of the window holds what the others bring meanwhile.
 */
const CARVE_WINDOW_PART = 0.6;
/** A file is small when its end is in sight, and the others' share of it takes no more of the window than this. */
const MEETS_WINDOW_PART = 0.95;
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
  const others = workingPaths(state).filter((path) => path.id !== own.id);
  if (running.carvedAt === undefined) return others.length === 0 ? state : carve(state, own);
  if (running.at < running.carvedAt) return state;

  // What it has passed is done, whoever else was asked for it.
  for (const path of state.paths) {
    for (const ask of path.asks) {
      if (ask.end > running.at || ask.spare) continue;
      // The own path has to show that it brings ranges: what it was asked for first comes to its end, though it comes twice.
      if (!path.proven || (path.id === own.id && !own.reliable)) {
        state = spared(state, pathOf(state, path.id) ?? path, ask);
        continue;
      }
      commands.push({ kind: 'stop', path: path.id, id: ask.id, at: ask.at });
      state = withPath(state, withoutAsk(pathOf(state, path.id) ?? path, ask));
    }
  }
  const past = span(state.whole.start, running.at);
  state = { ...state, holes: subtract(state.holes, past) };
  const here = state.holes.find((hole) => hole.start === running.at);
  if (here !== undefined && !isRunSilent(state)) {
    const end = Math.min(here.end, running.at + claim(state, own));
    return {
      ...state,
      holes: subtract(state.holes, span(here.start, end)),
      running: { ...running, carvedAt: end },
    };
  }
  const met = running.meets ? meet(state, own, commands) : undefined;
  if (met !== undefined) return met;
  if (!own.reliable || running.at >= state.whole.end) return state;
  commands.push({ kind: 'stop_running' });
  return { ...state, running: undefined };
}

/** Where it meets what another path has not begun and would bring later, it goes on. */
function meet(state: PlanState, own: PathState, commands: PlanCommand[]): PlanState | undefined {
  const { running } = state;
  if (running === undefined) return undefined;
  for (const path of workingPaths(state)) {
    const next = path.asks.find((ask) => ask.start === running.at && ask.at === ask.start && !ask.spare);
    if (next === undefined || next === path.asks[0]) continue;
    if (doneMs(state, path) < (remaining(next) * 1000) / rateOf(own)) continue;
    commands.push({ kind: 'stop', path: path.id, id: next.id, at: next.start });
    return { ...withPath(state, withoutAsk(path, next)), running: { ...running, carvedAt: next.end } };
  }
  return undefined;
}

/** Less near the end, so that all come to it together. */
function claim(state: PlanState, own: PathState): Bytes {
  const ms = state.running?.meets === true ? Math.min(CLAIM_MS, fairMs(state)) : CLAIM_MS;
  return Math.max(leastSpan(state, own), Math.ceil((rateOf(own) * ms) / 1000));
}

function carve(state: PlanState, own: PathState): PlanState {
  const running = state.running;
  if (running === undefined) return state;
  const { carvedAt, meets } = carving(state, running, own);
  if (state.whole.end - carvedAt < state.settings.leastBytes) return state;
  const holes = lacking(state, span(carvedAt, state.whole.end));
  const carved = { ...state, holes, running: { ...running, carvedAt, meets } };
  return { ...carved, shares: sharesOf(carved) };
}

/** More have joined since it was carved, and would fill the window before it gets there: it ends sooner. */
export function carvedSooner(state: PlanState): PlanState {
  const { running } = state;
  const own = running && pathOf(state, running.path);
  if (running?.carvedAt === undefined || own === undefined || running.meets) return state;
  const { carvedAt, meets } = carving(state, running, own);
  if (meets || carvedAt > running.carvedAt - state.settings.leastBytes) return state;
  const holes = lacking(state, span(carvedAt, running.carvedAt)).reduce(union, state.holes);
  return { ...state, holes, running: { ...running, carvedAt } };
}

/** Where the running response is to end, and whether the others come to meet it from the end of the file. */
function carving(
  state: PlanState,
  running: Running,
  own: PathState,
): { readonly carvedAt: Bytes; readonly meets: boolean } {
  // Until it ends there the client gets no more than it brings, and the window fills with what others bring.
  const others = workingPaths(state).reduce(
    (sum, path) => sum + (path.id === own.id ? 0 : rate(path.flow)),
    0,
  );
  const window = state.horizon - state.delivered;
  const ownRate = rate(own.flow);
  const shareMs = ((state.whole.end - running.at) * 1000) / (others + ownRate);
  // A small file is brought from both ends: nothing has to be given up then.
  const most = (ownRate * shareMs) / 1000;
  const meets =
    state.settings.scheme === 'adaptive' &&
    (others * shareMs) / 1000 < MEETS_WINDOW_PART * window &&
    state.whole.end - state.horizon < most / 2;
  const ahead = meets
    ? claim(state, own)
    : (CARVE_WINDOW_PART * window * ownRate) / Math.max(others, ownRate);
  const carvedAt = Math.ceil(running.at + Math.max(state.settings.leastBytes, Math.min(ahead, most)));
  return { carvedAt, meets };
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
