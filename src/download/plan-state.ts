/**
 * What the plan knows: its state, the events it hears, the commands it gives, and the questions asked of the state.
 * Pure values and functions. This file must never decide anything: that is plan.ts and the schemes.
 */
import { EMPTY, type Span, type SpanSet, sizeOf, subtract, union } from '../core/span.ts';
import type { Bytes, BytesPerSecond, Milliseconds } from '../core/units.ts';
import type { PathId } from '../paths/path.ts';
import { fallenRate, lately, rate, type Throughput } from './throughput.ts';

export type AskId = number;

/** A span that a path was asked for. */
export interface Ask {
  readonly id: AskId;
  readonly start: Bytes;
  /** Where it ends now; a stop brings it forward. */
  readonly end: Bytes;
  /** The next byte that is to come: start <= at <= end. */
  readonly at: Bytes;
  readonly askedAt: Milliseconds;
  /** True when the path had nothing else to do: then the wait for the first byte is the path's latency. */
  readonly fromIdle: boolean;
  /**
   * True when another path was asked for the same since. It is left on its way as the proof of a path that has shown nothing
   * yet: how long its first byte takes can't be known before.
   */
  readonly spare: boolean;
}

/**
 * A path in this download.
 *     ready ──failed──► benched ──time──► ready
 *       └─────refused / left────► out                (for this download; `joined` brings it back)
 */
export type Standing =
  | { readonly kind: 'ready' }
  | { readonly kind: 'benched'; readonly until: Milliseconds }
  | { readonly kind: 'out' };

export interface PathState {
  readonly id: PathId;
  readonly standing: Standing;
  /** In the order in which the path will bring them. */
  readonly asks: readonly Ask[];
  readonly flow: Throughput;
  /** From a request on an idle path to its first byte. */
  readonly latencyMs: Milliseconds;
  readonly latencyKnown: boolean;
  /** When something last came, or was first waited for. */
  readonly heardAt: Milliseconds;
  /** True when the head of a part came and was checked: it has ranges. */
  readonly proven: boolean;
  /** True when it has brought enough of a part: what is running may be given up for it. */
  readonly reliable: boolean;
  /** What its connection has brought: it opens up slowly, and the longer the way the slower (RFC 5681 section 3.1). */
  readonly opened: Bytes;
  /** Stalls and failures in a row; each doubles the time on the bench. */
  readonly strikes: number;
}

/**
 * The response that was already running when the download began. It runs on until others have taken over what
 * comes next: it is never given up for a hope.
 */
export interface Running {
  readonly path: PathId;
  readonly at: Bytes;
  /** What the paths, this one included, are asked for starts here. */
  readonly carvedAt: Bytes | undefined;
  /** True when the others begin at the far end, and it goes on until it meets them: for what fits into the window. */
  readonly meets: boolean;
  /** When it last brought something, or was first waited for. */
  readonly heardAt: Milliseconds;
}

export interface PlanSettings {
  readonly scheme: 'adaptive' | 'fixed' | 'proportional' | 'round-robin';
  /** Longest span, in time of its path's rate. */
  readonly spanMs: Milliseconds;
  /** Smallest span worth a request. */
  readonly leastBytes: Bytes;
  /** Span size of the scheme `fixed`. */
  readonly fixedBytes: Bytes;
  /** A path silent for this long, and its round trips, loses its spans. */
  readonly stallMs: Milliseconds;
}

export interface PlanState {
  readonly settings: PlanSettings;
  /** When the last event happened. */
  readonly now: Milliseconds;
  /** What the client is to get. */
  readonly whole: Span;
  /** What was there before the download began. */
  readonly have: SpanSet;
  /** What nobody has and nobody was asked for. */
  readonly holes: SpanSet;
  /** What was brought and lost again behind the running response, which can't bring it: holes once that is over. */
  readonly lost: SpanSet;
  /** All before it went to the client. */
  readonly delivered: Bytes;
  /** Nothing at or beyond it may be asked for yet. */
  readonly horizon: Bytes;
  readonly paths: readonly PathState[];
  readonly running: Running | undefined;
  readonly nextId: AskId;
  /** Of the scheme `proportional`: whose which stretch is. */
  readonly shares: readonly { readonly path: PathId; readonly span: Span }[];
}

/** A path that may be used, and what is thought of it at first. */
export interface Joining {
  readonly path: PathId;
  readonly rate: BytesPerSecond;
  /** From a request to its first byte. */
  readonly latencyMs: Milliseconds;
}

export type PlanEvent =
  /** These paths may be used from now on, or again. */
  | { readonly kind: 'joined'; readonly paths: readonly Joining[] }
  /** A path may no longer be used; what it was asked for is asked of others. */
  | { readonly kind: 'left'; readonly path: PathId }
  /** The next byte that the span will bring is `at`. */
  | { readonly kind: 'progress'; readonly path: PathId; readonly id: AskId; readonly at: Bytes }
  /** The head of a span came and was checked. */
  | { readonly kind: 'proven'; readonly path: PathId }
  /** The span came to its end. */
  | { readonly kind: 'ended'; readonly path: PathId; readonly id: AskId }
  /** The span broke off. `retry`: soon; `renew`: soon, all its path's spans; `bench`: after a while; `out`: never. */
  | {
      readonly kind: 'failed';
      readonly path: PathId;
      readonly id: AskId;
      readonly next: 'retry' | 'renew' | 'bench' | 'out';
      /** On the bench, at least for so long. */
      readonly restMs?: Milliseconds;
    }
  /** The running response has come to `at`. */
  | { readonly kind: 'ran'; readonly at: Bytes }
  /** The running response broke off. */
  | { readonly kind: 'run_failed' }
  /** The client has taken more, or the window changed. */
  | { readonly kind: 'moved'; readonly delivered: Bytes; readonly horizon: Bytes }
  /** What was brought is to be fetched anew. */
  | { readonly kind: 'lost'; readonly spans: SpanSet }
  /** Time passed. */
  | { readonly kind: 'tick' };

export type PlanCommand =
  | { readonly kind: 'ask'; readonly path: PathId; readonly id: AskId; readonly span: Span }
  /** The span is to end at `at`, which may be where it is already; what comes after is not wanted from it. */
  | { readonly kind: 'stop'; readonly path: PathId; readonly id: AskId; readonly at: Bytes }
  /** The running response is to end now. */
  | { readonly kind: 'stop_running' }
  /** No path is left that could bring what is missing. */
  | { readonly kind: 'give_up' };

export interface Step {
  readonly state: PlanState;
  readonly commands: readonly PlanCommand[];
}

export const remaining = (ask: Ask): Bytes => ask.end - ask.at;

/** Bytes that the path was asked for and has not brought. */
export const backlog = (path: PathState): Bytes => path.asks.reduce((sum, ask) => sum + remaining(ask), 0);

/** Smallest span worth a request to that path: time of a slow one is worth more than requests. */
export const leastSpan = ({ settings }: PlanState, path: PathState): Bytes =>
  Math.min(settings.leastBytes, Math.max(LEAST_BYTES, Math.ceil((rateOf(path) * LEAST_SPAN_MS) / 1000)));

const LEAST_BYTES: Bytes = 16_384;
const LEAST_SPAN_MS: Milliseconds = 50;
/** What a new connection brings in its first round trip (RFC 6928). */
const INITIAL_WINDOW: Bytes = 14_600;
/** Each round trip brings as much as all before it; the one after that twice as much. */
const OPENING = 2;

/** So many times what fits on its way a path has to bring before what it brought says what it will. */
const OPEN_AFTER = 2;

/**
 * What the path brings, or will in a moment. A new connection brings in each round trip as much as in all before it (RFC 5681 section
 * 3.1), so on a long way what was measured says little at first: there it is what comes after what came last.
 */
export function rateOf(path: PathState): BytesPerSecond {
  const { flow, latencyMs, opened } = path;
  const trips = 1000 / Math.max(1, latencyMs);
  const most = OPENING * (opened + INITIAL_WINDOW) * trips;
  const measured = isLong(path) ? rate(flow) : fallenRate(flow);
  if (opened > (OPEN_AFTER * flow.guess) / trips) return Math.min(most, measured);
  const next = OPENING * Math.max(lately(flow, latencyMs), INITIAL_WINDOW * trips);
  return Math.min(most, Math.max(measured, Math.min(flow.guess, next)));
}

/** How long the path would take for what it was asked for, were its bytes to come without a wait. */
export function busyMs(state: PlanState, path: PathState): Milliseconds {
  return ((backlog(path) + runningLeft(state, path)) * 1000) / rateOf(path);
}

/** The running response shares the line with what is asked beside it, so both count. */
function runningLeft(state: PlanState, path: PathState): Bytes {
  const { running } = state;
  if (running?.path !== path.id || running.carvedAt === undefined) return 0;
  return Math.max(0, running.carvedAt - running.at);
}

/** Time until the path has brought all it was asked for: no ask before its request has gone its way. */
export function doneMs(state: PlanState, path: PathState): Milliseconds {
  const rate = rateOf(path);
  let ms = (runningLeft(state, path) * 1000) / rate;
  for (const ask of path.asks) ms = Math.max(ms, dueMs(state, path, ask)) + (remaining(ask) * 1000) / rate;
  return ms;
}

/** Until the first byte of an ask can come; nothing for one that is coming. */
export const dueMs = (state: PlanState, path: PathState, ask: Ask): Milliseconds =>
  ask.at > ask.start ? 0 : Math.max(0, ask.askedAt + path.latencyMs - state.now);

/** When the path could bring the first byte of something new, from now: behind all it was asked for. */
export const freeMs = (state: PlanState, path: PathState): Milliseconds =>
  Math.max(doneMs(state, path), path.latencyMs);

/** From this on a way is long. */
const LONG_WAY_MS: Milliseconds = 250;

/**
 * On a long way a pause of a round trip or two is usual (BBR looks for the shortest one every ten seconds), and to make its connection anew
 * takes seconds.
 */
export const isLong = ({ latencyMs }: PathState): boolean => latencyMs > LONG_WAY_MS;

export const isReady = (path: PathState): boolean => path.standing.kind === 'ready';

export const readyPaths = (state: PlanState): readonly PathState[] => state.paths.filter(isReady);

export const pathOf = (state: PlanState, id: PathId): PathState | undefined =>
  state.paths.find((path) => path.id === id);

/** True when the path, or its new connection, has brought nothing yet: whether it will, nobody knows. Not of one that has stalled: that is known. */
export const isUntried = ({ proven, opened, strikes }: PathState): boolean =>
  !proven || (opened === 0 && strikes === 0);

/** True when nobody counts on the path: its first byte is late. */
const isAwaited = (path: PathState): boolean => isUntried(path) && path.asks.some((ask) => ask.spare);

/** Those that bring something, or are about to. */
export const workingPaths = (state: PlanState): readonly PathState[] =>
  state.paths.filter((path) => isReady(path) && !isAwaited(path));

/** Of a state, which never changes, asked many times over while spans are placed. */
const totalRates = new WeakMap<PlanState, BytesPerSecond>();

export function totalRate(state: PlanState): BytesPerSecond {
  let total = totalRates.get(state);
  if (total === undefined) {
    total = workingPaths(state).reduce((sum, path) => sum + rateOf(path), 0);
    totalRates.set(state, total);
  }
  return total;
}

/** How long all together take for all that is not here yet, if each has its part of it. */
export function endMs(state: PlanState): Milliseconds {
  let bytes = sizeOf(state.holes);
  for (const path of workingPaths(state)) bytes += backlog(path) + runningLeft(state, path);
  return (bytes * 1000) / Math.max(1, totalRate(state));
}

/** How long all together take for half of what nobody was asked for: spans no longer than that end together. */
export const fairMs = (state: PlanState): Milliseconds =>
  (sizeOf(state.holes) * 1000) / (2 * Math.max(1, totalRate(state)));

/** Until the first byte of an ask can come; of one that is overdue it is taken that it takes as long again. */
export function waitMs(state: PlanState, path: PathState, ask: Ask): Milliseconds {
  return ask.at > ask.start ? 0 : Math.abs(ask.askedAt + path.latencyMs - state.now);
}

/**
 * The holes that may be asked for now. A crumb that the horizon cuts off a hole is left out, unless the client waits
 * for it: it grows in a moment, and is then worth a request.
 */
export function openHoles(state: PlanState): SpanSet {
  const out: Span[] = [];
  for (const hole of state.holes) {
    if (hole.start >= state.horizon) break;
    if (hole.end <= state.horizon) out.push(hole);
    else if (state.horizon - hole.start >= state.settings.leastBytes || hole.start <= state.delivered) {
      out.push({ start: hole.start, end: state.horizon });
    }
  }
  return out;
}

/** True when paths could bring more and nothing is asked of any: they wait for the client to move on. */
export const isResting = (state: PlanState): boolean =>
  state.running === undefined &&
  state.paths.some(isReady) &&
  state.paths.every((path) => path.asks.length === 0);

/** What of the span was not there before the download began. */
export const lacking = (state: PlanState, part: Span): SpanSet =>
  state.have.reduce(subtract, union(EMPTY, part));

export function withPath(state: PlanState, path: PathState): PlanState {
  return { ...state, paths: state.paths.map((other) => (other.id === path.id ? path : other)) };
}
