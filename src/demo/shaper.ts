/**
 * The pure half of a shaped line: which flow may send how much, and when it is through. Used by demo/line.ts,
 * once for each direction. It is told the time, and never reads it; it never sees a byte, only counts.
 *
 *     flows    A ▇▇▇▇▇            one quantum each in turn, those with nothing waiting left out
 *              B ▇▇      ──►  A B C A B A A …  ──►  one line: a quantum takes bytes / rate
 *              C ▇
 *
 * The line is a queue's server with a virtual clock: `#freeAt` is when it has sent all that it was given. A
 * timer that fires late finds `#freeAt` in the past and catches up, so no rate is lost to lateness; a line
 * that really had nothing to send does not save its time up.
 */
import type { Bytes, BytesPerSecond, Milliseconds } from '../core/units.ts';

/** What waits to be sent in one direction of one connection. */
export interface Flow {
  /** Bytes that may be sent now; 0 also while its receiver has no room. */
  readonly waiting: Bytes;
  /** True when its sender was held back by us, so that an empty queue says nothing about the sender. */
  readonly refilling: boolean;
}

/** A quantum of one flow. */
export interface Quantum<F> {
  readonly flow: F;
  readonly bytes: Bytes;
  /** When its last byte is through the bottleneck, before the delay. */
  readonly through: Milliseconds;
}

const LARGEST_QUANTUM_BYTES: Bytes = 16 * 1024;
/** An Ethernet frame's payload: no line sends less at once when more is waiting. */
const SMALLEST_QUANTUM_BYTES: Bytes = 1460;
/** A quantum is at most so much of the line's time. */
const QUANTUM_MS: Milliseconds = 2;
/** What a line that was idle may have saved up: the granularity of timers. */
const IDLE_CREDIT_MS: Milliseconds = 2;
/** How far we may be behind and still catch up. */
const LATE_CREDIT_MS: Milliseconds = 250;

export class Shaper<F extends Flow> {
  readonly #flows: F[] = [];
  #turn = 0;
  #rate: BytesPerSecond;
  #freeAt: Milliseconds;
  #idle: 'no' | 'sender' | 'us' = 'sender';

  /** A rate of 0 sends nothing. */
  constructor(rate: BytesPerSecond, now: Milliseconds) {
    this.#rate = rate;
    this.#freeAt = now;
  }

  get rate(): BytesPerSecond {
    return this.#rate;
  }

  /** From now on. What was not sent under the old rate is not made up for. */
  setRate(rate: BytesPerSecond, now: Milliseconds): void {
    this.#rate = rate;
    this.#freeAt = Math.max(this.#freeAt, now);
  }

  add(flow: F): void {
    this.#flows.push(flow);
  }

  remove(flow: F): void {
    const at = this.#flows.indexOf(flow);
    if (at === -1) return;
    this.#flows.splice(at, 1);
    if (at < this.#turn) this.#turn -= 1;
  }

  /** The next quantum, when the line is free by `now`; the caller takes it from its flow at once. */
  next(now: Milliseconds): Quantum<F> | undefined {
    if (this.#rate <= 0) return undefined;
    if (this.#idle === 'no' && this.#freeAt > now) return undefined;
    const flow = this.#nextFlow();
    if (flow === undefined) {
      if (this.#idle === 'no') this.#idle = this.#flows.some((f) => f.refilling) ? 'us' : 'sender';
      return undefined;
    }
    if (this.#idle !== 'no') {
      const credit = this.#idle === 'us' ? LATE_CREDIT_MS : IDLE_CREDIT_MS;
      this.#freeAt = Math.max(this.#freeAt, now - credit);
      this.#idle = 'no';
      if (this.#freeAt > now) return undefined;
    }
    const most = Math.floor((this.#rate * QUANTUM_MS) / 1000);
    const quantum = Math.min(LARGEST_QUANTUM_BYTES, Math.max(SMALLEST_QUANTUM_BYTES, most));
    const bytes = Math.min(flow.waiting, quantum);
    this.#turn += 1;
    this.#freeAt += (bytes / this.#rate) * 1000;
    return { flow, bytes, through: this.#freeAt };
  }

  /** When `next` is worth calling again; undefined while nothing is waiting or the rate is 0. */
  nextAt(): Milliseconds | undefined {
    return this.#rate > 0 && this.#flows.some((flow) => flow.waiting > 0) ? this.#freeAt : undefined;
  }

  /** The flow whose turn it is. */
  #nextFlow(): F | undefined {
    for (let tried = 0; tried < this.#flows.length; tried += 1) {
      if (this.#turn >= this.#flows.length) this.#turn = 0;
      const flow = this.#flows[this.#turn];
      if (flow !== undefined && flow.waiting > 0) return flow;
      this.#turn += 1;
    }
    return undefined;
  }
}
