/**
 * A flow: one direction of what a borrower is carried, its bytes, its rate, and whether it would take more. Kept by the
 * borrower, twice each. What the deal goes by is measured here.
 */
import type { Clock } from '../core/clock.ts';
import type { Bytes, BytesPerSecond, Milliseconds } from '../core/units.ts';
import { CARRY_OVER_MS, carryStep, type LinkCarry, mostOver, NEW_CARRY } from './link-carry.ts';
import { RateWindow } from './rate-window.ts';
import type { Gate, ShapedBorrower } from './shaper.ts';

/** One that takes so much of its rate would take more. */
const HUNGRY = 0.8;
/** What it takes is that of at least so long. */
const MEASURE_OVER_MS: Milliseconds = 40;
/** How much of a new measurement counts. */
const MEASURE_NEW = 0.5;

export class Flow implements Disposable {
  readonly #shaped: ShapedBorrower;
  readonly #clock: Clock;
  readonly #window = new RateWindow();
  #carry: LinkCarry = NEW_CARRY;
  /** Since when the link is looked at, and how often it took no more then. */
  #looked: { readonly at: Milliseconds; readonly bytes: Bytes; looks: number; full: number } | undefined;
  #isFull = false;
  #bytes: Bytes = 0;
  #rate: BytesPerSecond = 0;
  /** Since the borrower is active. */
  #measured: { readonly at: Milliseconds; readonly bytes: Bytes; readonly rate: BytesPerSecond } | undefined;

  /** Owns its part of the shaper. */
  constructor(shaped: ShapedBorrower, clock: Clock) {
    this.#shaped = shaped;
    this.#clock = clock;
  }

  /** Since the daemon started. */
  get bytes(): Bytes {
    return this.#bytes;
  }

  /** Over the last second. */
  rate(): BytesPerSecond {
    return this.#window.rate(this.#clock.now());
  }

  gate(pass: (bytes: Bytes) => void): Gate {
    return this.#shaped.gate(pass);
  }

  setRate(rate: BytesPerSecond): void {
    this.#rate = rate;
    this.#shaped.setRate(rate);
  }

  carried(bytes: Bytes): void {
    this.#bytes += bytes;
    this.#window.add(bytes, this.#clock.now());
  }

  /** What it takes at the moment, as measured; 0 while it is idle. */
  get taking(): BytesPerSecond {
    return this.#measured?.rate ?? 0;
  }

  /** The same; undefined when it would take more than it may, or began only now. */
  get takes(): BytesPerSecond | undefined {
    const rate = this.#measured?.rate;
    return rate === undefined || rate >= this.#rate * HUNGRY ? undefined : rate;
  }

  /** Whether the connection takes more at the moment; said by who writes to it. */
  room(hasRoom: boolean): boolean {
    this.#isFull = !hasRoom;
    return hasRoom;
  }

  /** What the link carries at most, as far as it was seen; Infinity when it was not the link that held it. */
  get most(): BytesPerSecond {
    return mostOver(this.#carry, this.#clock.now());
  }

  /** Looks at what it takes; to be called several times a second while the borrower is active. */
  measure(isActive: boolean): void {
    const at = this.#clock.now();
    const before = this.#measured;
    this.#lookAtLink(at, isActive);
    if (!isActive) this.#measured = undefined;
    // As if it had taken all, until it shows that it does not.
    else if (before === undefined) this.#measured = { at, bytes: this.#bytes, rate: this.#rate };
    else if (at - before.at >= MEASURE_OVER_MS) {
      const rate = ((this.#bytes - before.bytes) * 1000) / (at - before.at);
      this.#measured = { at, bytes: this.#bytes, rate: before.rate + (rate - before.rate) * MEASURE_NEW };
    }
  }

  #lookAtLink(at: Milliseconds, isActive: boolean): void {
    if (!isActive) {
      this.#looked = undefined;
      this.#isFull = false;
      return;
    }
    const looked = (this.#looked ??= { at, bytes: this.#bytes, looks: 0, full: 0 });
    looked.looks += 1;
    if (this.#isFull) looked.full += 1;
    const elapsed = at - looked.at;
    if (elapsed < CARRY_OVER_MS) return;
    const bytes = this.#bytes - looked.bytes;
    const wasFull = looked.full > looked.looks / 2;
    this.#carry = carryStep(this.#carry, { at, elapsed, bytes, held: this.#rate, wasFull });
    this.#looked = undefined;
  }

  [Symbol.dispose](): void {
    this.#shaped[Symbol.dispose]();
  }
}
