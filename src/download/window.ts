/**
 * The window: the bounded reorder buffer between the spans that come from the paths and the client's stream.
 * Bytes that are next go straight to the client; the others wait here. All downloads share one budget, a hard cap.
 *
 *     delivered      position                          horizon
 *         |== client's socket ==|..gap..|== held ==|..gap..|
 *         |<----------------- committed ------------------>|    sum over all downloads <= cap
 *
 * Nothing beyond the horizon may be asked for, so what is held can never be more than what is committed.
 */
import type { Writable } from 'node:stream';
import type { Span, SpanSet } from '../core/span.ts';
import type { Bytes } from '../core/units.ts';
import type { Sink } from './sink.ts';

/**
 * What a download may hold beyond what it has committed itself to: a chunk of the running response, which is passed on
 * whatever the window is, and the client's socket buffer in front of it.
 */
export const PASSING_BYTES: Bytes = 131_072;
/** The smallest window that a download is ever left with; with less, a line would mostly wait for its requests. */
export const LEAST_WINDOW_BYTES: Bytes = 131_072;
const LEAST_EACH_BYTES: Bytes = LEAST_WINDOW_BYTES + PASSING_BYTES;
/** Downloads that always find room to begin; more begin while there is room. */
const SURE_TO_BEGIN = 8;

/** The memory that all windows share. */
export class WindowBudget {
  readonly capBytes: Bytes;
  readonly #eachBytes: Bytes;
  /** Kept free for those that have not begun yet. */
  readonly #reserveBytes: Bytes;
  readonly #shares = new Set<WindowShare>();
  #peak: Bytes = 0;

  constructor(options: { readonly capBytes: Bytes; readonly eachBytes: Bytes }) {
    this.capBytes = options.capBytes;
    this.#eachBytes = Math.min(options.eachBytes, options.capBytes);
    this.#reserveBytes = Math.min(SURE_TO_BEGIN * LEAST_EACH_BYTES, options.capBytes / 2);
  }

  /** True when one more download may join. */
  get hasRoom(): boolean {
    let sum = LEAST_EACH_BYTES;
    for (const share of this.#shares)
      sum += PASSING_BYTES + Math.max(LEAST_WINDOW_BYTES, share.committedBytes);
    return sum <= this.capBytes;
  }

  /** A part for one more download, when there `hasRoom`; leave it when the download ends. */
  join(): WindowShare {
    const share = new WindowShare(this);
    this.#shares.add(share);
    return share;
  }

  leave(share: WindowShare): void {
    this.#shares.delete(share);
  }

  /** Bytes that are held now, the clients' socket buffers included. */
  get heldBytes(): Bytes {
    let sum = 0;
    for (const share of this.#shares) sum += share.heldBytes;
    return sum;
  }

  /** The most that was ever held. */
  get peakBytes(): Bytes {
    return this.#peak;
  }

  /** What a download may commit itself to, having this much committed already. */
  allow(committed: Bytes): Bytes {
    const shares = Math.max(1, this.#shares.size);
    let others = -Math.max(LEAST_WINDOW_BYTES, committed);
    for (const share of this.#shares) others += Math.max(LEAST_WINDOW_BYTES, share.committedBytes);
    const room = this.capBytes - Math.max(this.#reserveBytes, LEAST_EACH_BYTES) - shares * PASSING_BYTES;
    const fair = Math.min(this.#eachBytes, Math.floor(room / shares));
    return Math.max(committed, LEAST_WINDOW_BYTES, Math.min(fair, room - others));
  }

  noteHeld(): void {
    this.#peak = Math.max(this.#peak, this.heldBytes);
  }
}

export class WindowShare {
  readonly #budget: WindowBudget;
  committedBytes: Bytes = 0;
  heldBytes: Bytes = 0;
  peakBytes: Bytes = 0;

  constructor(budget: WindowBudget) {
    this.#budget = budget;
  }

  /** How far a download that has delivered so much, and was allowed so far before, may go. */
  horizonFrom(delivered: Bytes, before: Bytes): Bytes {
    this.committedBytes = this.#budget.allow(Math.max(0, before - delivered));
    return Math.max(before, delivered + this.committedBytes);
  }

  hold(bytes: Bytes): void {
    this.heldBytes = bytes;
    this.peakBytes = Math.max(this.peakBytes, bytes);
    this.#budget.noteHeld();
  }

  leave(): void {
    this.heldBytes = 0;
    this.committedBytes = 0;
    this.#budget.leave(this);
  }
}

export class Window implements Sink {
  readonly #out: Writable;
  readonly #share: WindowShare;
  readonly #whole: Span;
  /** By offset; what is held is cut at the same places at which it came, so the next piece starts at the position. */
  readonly #held = new Map<Bytes, Buffer>();
  #heldBytes: Bytes = 0;
  /** The next byte that goes to the client's socket. */
  #position: Bytes;
  #horizon: Bytes;
  #blocked = false;
  /** Nothing at or beyond it goes to the client yet. */
  #limit: Bytes;
  #released = false;
  readonly #passing: (chunk: Buffer) => void;
  #listener: () => void = () => {};
  #atLimit: (() => void) | undefined;

  /** The last `heldBack` bytes wait until `release`; `passing` is told of all others as they go to the client. */
  constructor(
    out: Writable,
    share: WindowShare,
    whole: Span,
    { heldBack = 0, passing = () => {} }: { heldBack?: Bytes; passing?: (chunk: Buffer) => void } = {},
  ) {
    this.#out = out;
    this.#limit = Math.max(whole.start, whole.end - heldBack);
    this.#passing = passing;
    this.#share = share;
    this.#whole = whole;
    this.#position = whole.start;
    this.#horizon = whole.start;
    out.on('drain', () => {
      this.#blocked = false;
      this.#flush();
      this.#listener();
    });
  }

  get delivered(): Bytes {
    // What waits in the socket has not left our memory. Response framing may be in the count: never before the start.
    return Math.max(this.#whole.start, this.#position - this.#out.writableLength);
  }

  get horizon(): Bytes {
    this.#horizon = this.#share.horizonFrom(this.delivered, this.#horizon);
    return Math.min(this.#horizon, this.#whole.end);
  }

  /** Calls back once every byte that may was handed to the client's socket: at once, or when it drains. */
  whenHandedOver(listener: () => void): void {
    this.#atLimit = listener;
    this.#flush();
  }

  /** What is held back, once all else was handed over. */
  heldBack(): readonly Buffer[] {
    const chunks: Buffer[] = [];
    for (let at = this.#limit; at < this.#whole.end; ) {
      const chunk = this.#held.get(at);
      if (chunk === undefined) break;
      chunks.push(chunk);
      at += chunk.length;
    }
    return chunks;
  }

  /** Nothing is held back any more. */
  release(): void {
    this.#released = true;
    this.#limit = this.#whole.end;
    this.#flush();
  }

  discard(spans: SpanSet): boolean {
    if (spans.some(({ start }) => start < this.#position)) return false;
    for (const [offset, { length }] of this.#held) {
      if (!spans.some(({ start, end }) => start <= offset && offset < end)) continue;
      this.#held.delete(offset);
      this.#heldBytes -= length;
    }
    return true;
  }

  get peakBytes(): Bytes {
    return this.#share.peakBytes;
  }

  write(offset: Bytes, chunk: Buffer): void {
    this.#held.set(offset, chunk);
    this.#heldBytes += chunk.length;
    if (offset === this.#position && !this.#blocked) this.#flush();
    this.#share.hold(this.#heldBytes + this.#out.writableLength);
  }

  /** Within the horizon there is room; beyond it only what the client takes at once. */
  accepts(offset: Bytes): boolean {
    return offset < this.#horizon || !this.#blocked;
  }

  onMove(listener: () => void): void {
    this.#listener = listener;
  }

  /** Gives back its part of the budget and all that it holds. */
  close(): void {
    this.#held.clear();
    this.#heldBytes = 0;
    this.#share.leave();
    this.#listener = () => {};
  }

  #flush(): void {
    while (!this.#blocked && this.#position < this.#limit) {
      const chunk = this.#cut(this.#position);
      if (chunk === undefined) break;
      this.#held.delete(this.#position);
      this.#heldBytes -= chunk.length;
      this.#position += chunk.length;
      if (!this.#released) this.#passing(chunk);
      this.#blocked = !this.#out.write(chunk);
    }
    if (this.#atLimit === undefined || this.#position < this.#limit) return;
    const listener = this.#atLimit;
    this.#atLimit = undefined;
    listener();
  }

  /** The chunk at that place, and none of what is held back. */
  #cut(offset: Bytes): Buffer | undefined {
    const chunk = this.#held.get(offset);
    const room = this.#limit - offset;
    if (chunk === undefined || chunk.length <= room) return chunk;
    this.#held.set(this.#limit, chunk.subarray(room));
    const first = chunk.subarray(0, room);
    this.#held.set(offset, first);
    return first;
  }
}
