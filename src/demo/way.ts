/**
 * One direction of one connection over a shaped line: bytes wait for their turn, then fly for the delay.
 *
 *     source ──► queue (bounded: the source is paused) ──take()──► flying (bounded by the window) ──land()──► sink
 *
 * Used by demo/line.ts. This file must never set a timer or read time: it is told both.
 */
import type { Socket } from 'node:net';
import { reset } from '../core/reset.ts';
import type { Bytes, Milliseconds } from '../core/units.ts';
import type { Flow } from './shaper.ts';

interface Flying {
  readonly at: Milliseconds;
  /** Bytes, or how the connection ends. */
  readonly what: Buffer | 'end' | 'reset';
}

/** Sizes that follow from the line's rate and delay. */
export interface WayLimits {
  /** What the router holds for one connection. */
  readonly queueBytes: Bytes;
  /** What may be under way and not yet taken by the sink. */
  readonly windowBytes: Bytes;
}

/** How much earlier than due a piece may land: half of the timers' granularity. */
const EARLY_MS: Milliseconds = 0.5;

export class Way implements Flow {
  readonly #queue: Buffer[] = [];
  #flying: Flying[] = [];
  #queuedBytes: Bytes = 0;
  #flyingBytes: Bytes = 0;
  #source: Socket | undefined;
  #sink: Socket | undefined;
  /** What follows behind the queue. */
  #ending: 'open' | 'end' | 'reset' = 'open';
  #refilling = false;
  #limits: WayLimits;
  readonly #changed: () => void;

  /** `changed` is called when there is something new to send. */
  constructor(limits: WayLimits, changed: () => void) {
    this.#limits = limits;
    this.#changed = changed;
  }

  set limits(limits: WayLimits) {
    this.#limits = limits;
  }

  get waiting(): Bytes {
    const sink = this.#sink;
    const held = this.#flyingBytes + (sink?.destroyed === false ? sink.writableLength : 0);
    return Math.max(0, Math.min(this.#queuedBytes, this.#limits.windowBytes - held));
  }

  get refilling(): boolean {
    return this.#refilling;
  }

  /** When the next piece lands; undefined when nothing flies. */
  get landsAt(): Milliseconds | undefined {
    return this.#flying[0]?.at;
  }

  /** Starts to take bytes from the source, which was paused until now. */
  from(source: Socket): void {
    this.#source = source;
    source.on('data', (piece: Buffer) => {
      this.#refilling = false;
      this.#queue.push(piece);
      this.#queuedBytes += piece.length;
      if (this.#queuedBytes >= this.#limits.queueBytes) source.pause();
      this.#changed();
    });
    source.resume();
  }

  /** Where landed pieces go. */
  to(sink: Socket): void {
    this.#sink = sink;
    sink.on('drain', this.#changed);
  }

  /** Takes the next `bytes` out of the queue; they land at `at`. */
  take(bytes: Bytes, at: Milliseconds): void {
    this.#flyingBytes += bytes;
    this.#queuedBytes -= bytes;
    for (let left = bytes; left > 0; ) {
      const piece = this.#queue[0];
      if (piece === undefined) break;
      if (piece.length > left) {
        this.#queue[0] = piece.subarray(left);
        this.#flying.push({ at, what: piece.subarray(0, left) });
        break;
      }
      this.#queue.shift();
      this.#flying.push({ at, what: piece });
      left -= piece.length;
    }
    if (this.#queuedBytes === 0 && this.#ending === 'end') this.#flying.push({ at, what: 'end' });
    const source = this.#source;
    if (source?.isPaused() === true && this.#queuedBytes < this.#limits.queueBytes / 2) {
      this.#refilling = true;
      source.resume();
    }
  }

  /** The source has ended (FIN), which travels behind its last byte. */
  end(at: Milliseconds): void {
    this.#refilling = false;
    if (this.#ending !== 'open') return;
    this.#ending = 'end';
    if (this.#queuedBytes === 0) this.#flying.push({ at, what: 'end' });
    this.#changed();
  }

  /** The source was reset: what has not left yet never will, as a reset overtakes a closed window. */
  reset(at: Milliseconds): void {
    this.#refilling = false;
    if (this.#ending === 'reset') return;
    this.#ending = 'reset';
    this.#queue.length = 0;
    this.#queuedBytes = 0;
    this.#flying.push({ at: Math.max(at, this.#flying.at(-1)?.at ?? at), what: 'reset' });
    this.#changed();
  }

  /** Hands the sink what is due; returns how many bytes. */
  land(now: Milliseconds): Bytes {
    const sink = this.#sink;
    if (sink === undefined) return 0;
    let count = 0;
    let bytes = 0;
    for (const { at, what } of this.#flying) {
      if (at > now + EARLY_MS) break;
      if (count === 0) sink.cork();
      count += 1;
      if (what === 'end') sink.end();
      else if (what === 'reset') reset(sink);
      else {
        bytes += what.length;
        // What comes for a connection that has gone is lost, as on a real line.
        if (sink.writable) sink.write(what);
      }
    }
    if (count === 0) return 0;
    sink.uncork();
    this.#flying = this.#flying.slice(count);
    this.#flyingBytes -= bytes;
    return bytes;
  }
}
