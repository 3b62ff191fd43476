/**
 * Reading in bursts. A line brings packets of 1500 bytes one by one; handing on each by itself costs far more processor time
 * than all else that is done with it. So a source that has shown that it brings much is left unread for some milliseconds
 * at a time: meanwhile the kernel gathers, and all is read at once. Used where spans and tunnels are read.
 *
 *     reading ──little came──► gathering ──GATHER_MS──► reading          back-pressure holds the source besides
 *
 * It must never hold back the first bytes of anything, nor a source that brings large pieces by itself.
 */
import type { Clock } from './clock.ts';
import { type Bytes, KIB, type Milliseconds } from './units.ts';

/** So long the kernel gathers: a few full reads of a fast line, and far less than a round trip of most. */
export const GATHER_MS: Milliseconds = 8;
/** What was gathered comes within this time, in several pieces when it was encrypted. */
const READ_MS: Milliseconds = 0.3;
/** Who brings so much within it is read on. */
const LARGE_BYTES: Bytes = 48 * KIB;
/** The first bytes of a response or tunnel: heads, handshakes and small files don't wait. */
export const UNDELAYED_BYTES: Bytes = 48 * KIB;

/**
 * For sockets whose source is read in bursts: Node stops reading them as soon as somebody has paused, not only after
 * having taken another 64 KiB packet by packet.
 */
export const IN_BURSTS = { highWaterMark: 1 } as const;

export interface Pausable {
  pause(): void;
  resume(): void;
}

/** A source that is read in bursts; it is paused for that and, by `pause` and `resume`, for lack of room. */
export class Bursts implements Pausable, Disposable {
  readonly #source: Pausable;
  readonly #clock: Clock;
  #undelayed: Bytes = UNDELAYED_BYTES;
  #held = false;
  #gathering: Disposable | undefined;
  #readSince: Milliseconds = 0;
  #read: Bytes = 0;

  constructor(source: Pausable, clock: Clock) {
    this.#source = source;
    this.#clock = clock;
  }

  /** The source brought so much. Called from within its own callback, and may pause it there. */
  came(bytes: Bytes): void {
    if (this.#undelayed > 0) {
      this.#undelayed -= bytes;
      return;
    }
    if (this.#gathering !== undefined || this.#held) return;
    this.#read += bytes;
    const now = this.#clock.now();
    if (now - this.#readSince < READ_MS) return;
    if (this.#read >= LARGE_BYTES) {
      this.#begin(now);
      return;
    }
    this.#gathering = this.#clock.after(GATHER_MS, () => this.#gathered());
    this.#source.pause();
  }

  pause(): void {
    if (this.#held) return;
    this.#held = true;
    if (this.#gathering === undefined) this.#source.pause();
  }

  resume(): void {
    if (!this.#held) return;
    this.#held = false;
    if (this.#gathering !== undefined) return;
    this.#begin(this.#clock.now());
    this.#source.resume();
  }

  /**
   * Ends the gathering; the source is read on, unless it is held. In a moment: who disposes of it is often told so by undici,
   * whose parser can't be entered from within itself, whatever connection it is about.
   */
  [Symbol.dispose](): void {
    if (this.#gathering === undefined) return;
    this.#gathering[Symbol.dispose]();
    queueMicrotask(() => this.#gathered());
  }

  #gathered(): void {
    this.#gathering = undefined;
    if (this.#held) return;
    this.#begin(this.#clock.now());
    this.#source.resume();
  }

  #begin(now: Milliseconds): void {
    this.#readSince = now;
    this.#read = 0;
  }
}
