/**
 * Throughput: how fast a path brings bytes, learnt from what it brought. Pure; the plan keeps one for each path.
 * Only busy time counts: a path that was asked nothing is not slow. It starts from a guess (an offer, an earlier
 * download) that fades as measurements come in.
 *
 *     slots    | 100 ms | 100 ms | ... |   the last SLOTS of them, bytes and busy time in each
 */
import type { Bytes, BytesPerSecond, Milliseconds } from '../core/units.ts';

/** Length of one slot. */
const SLOT_MS: Milliseconds = 100;
/** Slots that count for the rate: one second and a half forgets a change of rate fast and rides out jitter. */
const SLOTS = 15;
/** Slots that tell a fall: the whole window knows of one three times later, and what was asked for by it is waited for. */
const FALL_SLOTS = 5;
/** Slots that count for the rate of this moment. */
const RECENT_SLOTS = 3;
/** … or as many as so many round trips take. */
const RECENT_ROUND_TRIPS = 1.5;
/** How much busy time the guess weighs as much as. */
const GUESS_WEIGHT_MS: Milliseconds = 60;
/** A path whose rate is not known at all is taken for this. */
export const UNKNOWN_RATE: BytesPerSecond = 250_000;
/** Rates are never taken for less, so that times stay finite. */
const LEAST_RATE: BytesPerSecond = 1_000;

interface Slot {
  readonly index: number;
  readonly bytes: Bytes;
  readonly busyMs: Milliseconds;
}

export interface Throughput {
  readonly guess: BytesPerSecond;
  /** Oldest first; at most SLOTS. */
  readonly slots: readonly Slot[];
  /** When busy time was last counted up to; undefined while idle. */
  readonly busySince: Milliseconds | undefined;
}

export function throughput(guess: BytesPerSecond = UNKNOWN_RATE): Throughput {
  return { guess: Math.max(guess, LEAST_RATE), slots: [], busySince: undefined };
}

/**
 * Bytes came (or none did, while the path had something to bring). Time before `notBefore` does not count: no
 * answer could have been there by then.
 */
export function observed(state: Throughput, now: Milliseconds, bytes: Bytes, notBefore = 0): Throughput {
  const index = Math.floor(now / SLOT_MS);
  const since = state.busySince === undefined ? now : Math.max(state.busySince, notBefore);
  const busyMs = Math.max(0, now - since);
  const last = state.slots.at(-1);
  const slots =
    last !== undefined && last.index === index
      ? [...state.slots.slice(0, -1), { index, bytes: last.bytes + bytes, busyMs: last.busyMs + busyMs }]
      : [...state.slots, { index, bytes, busyMs }];
  return { ...state, slots: slots.slice(-SLOTS), busySince: now };
}

/** The path has nothing more to bring: time that passes from now on does not count. */
export function idle(state: Throughput): Throughput {
  return { ...state, busySince: undefined };
}

/** Busy time starts now: the first byte after a wait that was latency, not slowness. */
export function flowing(state: Throughput, now: Milliseconds): Throughput {
  return { ...state, busySince: now };
}

/** What came in the slots from that index on, and in how much busy time. */
function sumFrom(slots: readonly Slot[], index = 0): Pick<Slot, 'bytes' | 'busyMs'> {
  let bytes = 0;
  let busyMs = 0;
  for (const slot of slots) {
    if (slot.index < index) continue;
    bytes += slot.bytes;
    busyMs += slot.busyMs;
  }
  return { bytes, busyMs };
}

/** What the path brings. */
export function rate(state: Throughput): BytesPerSecond {
  const { bytes, busyMs } = sumFrom(state.slots);
  if (busyMs === 0) return state.guess;
  const guessMs = Math.max(0, GUESS_WEIGHT_MS - busyMs / 5);
  return Math.max(LEAST_RATE, (bytes + (state.guess * guessMs) / 1000) / ((busyMs + guessMs) / 1000));
}

/** The same, but quick to fall: less when the last half second brought less. Of a long way, where bytes come in bursts, that says nothing. */
export function fallenRate(state: Throughput): BytesPerSecond {
  const { bytes, busyMs } = sumFrom(state.slots, state.slots.at(-FALL_SLOTS)?.index);
  if (busyMs < (FALL_SLOTS - 1) * SLOT_MS) return rate(state);
  return Math.min(rate(state), Math.max(LEAST_RATE, bytes / (busyMs / 1000)));
}

/** What came lately, up to when it was last counted: over three slots, or as long as a round trip and a half. */
export function lately(state: Throughput, latencyMs: Milliseconds): BytesPerSecond {
  const last = state.slots.at(-1);
  if (last === undefined) return 0;
  const { bytes, busyMs } = sumFrom(state.slots, last.index - slotsOf(latencyMs) + 1);
  return busyMs === 0 ? 0 : (bytes * 1000) / busyMs;
}

/** What comes over a long way comes in bursts, a round trip apart. */
const slotsOf = (latencyMs: Milliseconds): number =>
  Math.max(RECENT_SLOTS, Math.ceil((latencyMs * RECENT_ROUND_TRIPS) / SLOT_MS));

/** What the path brings at this moment: quick to fall, too jumpy to plan by. */
export function recentRate(state: Throughput, now: Milliseconds, latencyMs: Milliseconds): BytesPerSecond {
  const { bytes, busyMs } = sumFrom(state.slots, Math.floor(now / SLOT_MS) - slotsOf(latencyMs));
  const ms = busyMs + (state.busySince === undefined ? 0 : now - state.busySince);
  if (ms < SLOT_MS) return rate(state);
  return Math.max(LEAST_RATE, (bytes * 1000) / ms);
}
