/**
 * The shaper: holds lent bytes to their rate, first each borrower's, then all of them together. The relay asks at a gate
 * for each piece of a transfer, and the piece waits there until it may pass.
 *
 *     connection ─► gate ┐
 *     connection ─► gate ┴─► borrower's bucket ┐
 *     connection ─► gate ──► borrower's bucket ┴─► bucket of all ─► pass
 *
 * Whose turn it is: the borrower that has had least, of it the gate that has had least (start-time fair queueing), so that
 * many connections get a borrower no more than one does. Pieces pass from a microtask or a timer, never from within `ask`:
 * callers are inside undici's parser, which can't be entered again.
 * It must never let a byte pass early, nor keep a timer when nobody waits.
 */
import type { Clock } from '../core/clock.ts';
import type { Bytes, BytesPerSecond, Milliseconds } from '../core/units.ts';
import { type Bucket, bucket, pieceOf, taken, waitFor, withRate } from './token-bucket.ts';

/** Least wait of the timer: Node's timers know no less. */
const TIMER_MIN_MS: Milliseconds = 1;

/** What has been served, so that who had least comes next. */
interface Served {
  /** Bytes, counted from where the others were when it began to wait. */
  virtual: Bytes;
}

interface Queue extends Served {
  bucket: Bucket;
  /** How far the turn has come: the count of whoever was served last. */
  turn: Bytes;
  readonly waiting: Set<Waiting>;
}

interface Waiting extends Served {
  readonly queue: Queue;
  wanted: Bytes;
  readonly pass: (bytes: Bytes) => void;
}

/** Where one direction of one connection waits. */
export interface Gate extends Disposable {
  /**
   * Asks for `bytes` to pass. `pass` is called once, with how many of them may, at least one; for the rest ask again.
   * Asking again before that replaces the wish.
   */
  ask(bytes: Bytes): void;
}

/** One borrower's part of the shaper. */
export interface ShapedBorrower extends Disposable {
  setRate(rate: BytesPerSecond): void;
  gate(pass: (bytes: Bytes) => void): Gate;
}

export class Shaper implements Disposable {
  readonly #clock: Clock;
  readonly #queues = new Set<Queue>();
  #total: Bucket;
  #turn: Bytes = 0;
  #timer: Disposable | undefined;
  #scheduled = false;
  #ended = false;

  constructor(rate: BytesPerSecond, clock: Clock) {
    this.#clock = clock;
    this.#total = bucket(rate, clock.now());
  }

  /** The rate of all borrowers together, from now on. Zero: nothing passes. */
  setRate(rate: BytesPerSecond): void {
    this.#total = withRate(this.#total, rate, this.#clock.now());
    this.#schedule();
  }

  /** A new borrower, held to its own rate besides. */
  borrower(rate: BytesPerSecond): ShapedBorrower {
    const queue: Queue = {
      bucket: bucket(rate, this.#clock.now()),
      virtual: this.#turn,
      turn: 0,
      waiting: new Set(),
    };
    this.#queues.add(queue);
    return {
      setRate: (next) => {
        queue.bucket = withRate(queue.bucket, next, this.#clock.now());
        this.#schedule();
      },
      gate: (pass) => this.#gate(queue, pass),
      [Symbol.dispose]: () => {
        queue.waiting.clear();
        this.#queues.delete(queue);
      },
    };
  }

  [Symbol.dispose](): void {
    this.#ended = true;
    this.#queues.clear();
    this.#timer?.[Symbol.dispose]();
    this.#timer = undefined;
  }

  #gate(queue: Queue, pass: (bytes: Bytes) => void): Gate {
    const waiting: Waiting = { queue, virtual: queue.turn, wanted: 0, pass };
    return {
      ask: (bytes) => {
        waiting.wanted = bytes;
        if (bytes <= 0 || queue.waiting.has(waiting) || !this.#queues.has(queue)) return;
        // Who was away earns nothing for it.
        waiting.virtual = Math.max(waiting.virtual, queue.turn);
        if (queue.waiting.size === 0) queue.virtual = Math.max(queue.virtual, this.#turn);
        queue.waiting.add(waiting);
        this.#schedule();
      },
      [Symbol.dispose]: () => {
        queue.waiting.delete(waiting);
      },
    };
  }

  #schedule(): void {
    if (this.#scheduled || this.#ended) return;
    this.#scheduled = true;
    queueMicrotask(() => {
      this.#scheduled = false;
      this.#run();
    });
  }

  /** Lets pass what may pass now, then sets one timer for what may pass next. */
  #run(): void {
    this.#timer?.[Symbol.dispose]();
    this.#timer = undefined;
    if (this.#ended) return;
    const now = this.#clock.now();
    let soonest = Number.POSITIVE_INFINITY;
    const held = new Set<Queue>();
    for (;;) {
      const queue = least(this.#queues, (q) => q.waiting.size > 0 && !held.has(q));
      if (queue === undefined) break;
      const next = least(queue.waiting);
      if (next === undefined) break;
      const bytes = Math.min(next.wanted, pieceOf(queue.bucket.rate), pieceOf(this.#total.rate));
      const own = waitFor(queue.bucket, bytes, now);
      if (own > 0) {
        // Held by its own rate: the others go on without it.
        soonest = Math.min(soonest, own);
        held.add(queue);
        continue;
      }
      const ofAll = waitFor(this.#total, bytes, now);
      if (ofAll > 0) {
        // Its turn: it waits for its bytes, and nobody with a smaller piece goes before it.
        soonest = Math.min(soonest, ofAll);
        break;
      }
      this.#serve(queue, next, bytes, now);
    }
    if (Number.isFinite(soonest)) {
      this.#timer = this.#clock.after(Math.max(TIMER_MIN_MS, soonest), () => this.#run());
    }
  }

  #serve(queue: Queue, next: Waiting, bytes: Bytes, now: Milliseconds): void {
    this.#total = taken(this.#total, bytes, now);
    queue.bucket = taken(queue.bucket, bytes, now);
    this.#turn = Math.max(this.#turn, queue.virtual);
    queue.turn = Math.max(queue.turn, next.virtual);
    queue.virtual += bytes;
    next.virtual += bytes;
    queue.waiting.delete(next);
    next.pass(bytes);
  }
}

/** The one that has had least; on a tie the one that has waited longest. */
function least<T extends Served>(
  all: Iterable<T>,
  eligible: (one: T) => boolean = () => true,
): T | undefined {
  let found: T | undefined;
  for (const one of all) {
    if (eligible(one) && (found === undefined || one.virtual < found.virtual)) found = one;
  }
  return found;
}
