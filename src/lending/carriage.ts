/**
 * One direction of a transfer. Bytes come in as the source brings them, wait at the gate for their rate, are counted
 * against the lease, and go to the sink. Used by tunnels, twice each, and by fetches.
 *
 *     source ─push─► held ─gate─► lease ─► sink
 *        ▲             │                    │
 *        └──pause──────┴──────no room◄──────┘      held: at most HELD_BYTES and the piece that came last
 *
 * The source is paused while enough is held, so that the next piece is at the gate when its turn comes, and no more. What
 * passes without being signed for is bounded: then it waits for the borrower's receipt, and the source with it.
 * It must never hand the sink a byte that the lease did not allow, nor call the source from within `push`'s caller:
 * resuming undici from inside its own parser fails.
 */
import { Bursts, type Pausable } from '../core/bursts.ts';
import type { Clock } from '../core/clock.ts';
import { type Bytes, KIB } from '../core/units.ts';
import type { LeaseAccount } from './lease-account.ts';
import type { Gate } from './shaper.ts';

/** Held bytes from which on the source is paused. */
export const HELD_BYTES: Bytes = 32 * KIB;

export interface Sink {
  write(chunk: Buffer): void;
  /** False while it has as much as it may buffer; `drained` is called once it has less. */
  hasRoom(): boolean;
  /** Everything came, and is written. */
  end(): void;
}

export interface CarriageOptions {
  /** A gate of the borrower's; the carriage owns it. */
  readonly gate: (pass: (bytes: Bytes) => void) => Gate;
  readonly account: LeaseAccount;
  readonly source: Pausable;
  readonly sink: Sink;
  readonly clock: Clock;
  /** Told of all that passed. */
  readonly carried: (bytes: Bytes) => void;
}

export class Carriage implements Disposable {
  readonly #options: CarriageOptions;
  readonly #gate: Gate;
  readonly #source: Bursts;
  /** Calls back when the borrower has signed. */
  readonly #signing: Disposable | undefined;
  readonly #held: Buffer[] = [];
  #heldBytes: Bytes = 0;
  #paused = false;
  #ending: 'no' | 'when_empty' | 'over' = 'no';

  constructor(options: CarriageOptions) {
    this.#options = options;
    this.#source = new Bursts(options.source, options.clock);
    this.#signing = options.account.receipts?.onRoom(() => this.drained());
    this.#gate = options.gate((bytes) => this.#pass(bytes));
  }

  /** What the source brought. Kept, and not to be changed afterwards. */
  push(chunk: Buffer): void {
    if (this.#ending !== 'no' || chunk.length === 0) return;
    this.#held.push(chunk);
    this.#heldBytes += chunk.length;
    if (!this.#paused && this.#heldBytes >= HELD_BYTES) {
      this.#paused = true;
      this.#source.pause();
    }
    this.#source.came(chunk.length);
    this.#ask();
  }

  /** The source has no more; the sink ends behind what is held. */
  end(): void {
    if (this.#ending !== 'no') return;
    this.#ending = 'when_empty';
    this.#finish();
  }

  /** The sink has room again. */
  drained(): void {
    this.#ask();
    this.#resume();
  }

  /** Bytes that came and have not passed. */
  get heldBytes(): Bytes {
    return this.#heldBytes;
  }

  [Symbol.dispose](): void {
    this.#ending = 'over';
    this.#held.length = 0;
    this.#heldBytes = 0;
    this.#gate[Symbol.dispose]();
    this.#source[Symbol.dispose]();
    this.#signing?.[Symbol.dispose]();
  }

  #ask(): void {
    const { sink, account } = this.#options;
    if (this.#heldBytes > 0 && sink.hasRoom() && account.room() > 0) this.#gate.ask(this.#heldBytes);
  }

  /** Called by the gate, never from within `push`. */
  #pass(granted: Bytes): void {
    const { account, sink, carried } = this.#options;
    // Half a byte could never be written.
    const wanted = Math.floor(Math.min(granted, this.#heldBytes, account.room()));
    // Others have used up what may pass unsigned; the next receipt asks again.
    if (wanted === 0) return;
    const allowed = account.carry(wanted);
    this.#write(allowed, sink);
    carried(allowed);
    // The lease is over: its signal has ended this transfer already.
    if (allowed < wanted || this.#ending === 'over') return;
    this.#ask();
    this.#finish();
    this.#resume();
  }

  #resume(): void {
    if (!this.#paused || this.#heldBytes >= HELD_BYTES || !this.#options.sink.hasRoom()) return;
    this.#paused = false;
    this.#source.resume();
  }

  /** In one piece: many small writes cost more than the copy. */
  #write(bytes: Bytes, sink: Sink): void {
    const pieces: Buffer[] = [];
    let left = bytes;
    while (left > 0) {
      const [first] = this.#held;
      if (first === undefined) break;
      if (first.length <= left) this.#held.shift();
      else this.#held[0] = first.subarray(left);
      const piece = first.length <= left ? first : first.subarray(0, left);
      left -= piece.length;
      this.#heldBytes -= piece.length;
      pieces.push(piece);
    }
    const [only] = pieces;
    if (only !== undefined) sink.write(pieces.length === 1 ? only : Buffer.concat(pieces));
  }

  #finish(): void {
    if (this.#ending !== 'when_empty' || this.#heldBytes > 0) return;
    this.#ending = 'over';
    this.#gate[Symbol.dispose]();
    this.#options.sink.end();
  }
}
