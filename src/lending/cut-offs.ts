/**
 * Cut-offs: which borrowers ignore what they are offered, and are left without it for a while. Kept by the lender, which asks
 * before it admits, and is told when one may borrow again. What counts is decided in strikes.ts.
 */
import type { Clock } from '../core/clock.ts';
import type { ErrorCode } from '../core/errors.ts';
import { formatDuration, type Milliseconds } from '../core/units.ts';
import { cutOffFor, GRACE_MS, NO_STRIKES, type Strikes, struck, TRIES_MAX } from './strikes.ts';

/** Refusals after which a borrower that keeps to the protocol waits. */
const WAITED_FOR: ReadonlySet<ErrorCode> = new Set(['lending_off', 'overloaded', 'cut_off']);

export interface CutOff {
  readonly forMs: Milliseconds;
  /** How often it was, lately. */
  readonly times: number;
  /** For people. */
  readonly words: string;
}

interface Kept {
  strikes: Strikes;
  /** Since when it is offered nothing; undefined while it is. */
  toldAt: Milliseconds | undefined;
  until: Disposable | undefined;
}

export class CutOffs implements Disposable {
  readonly #clock: Clock;
  readonly #onOver: () => void;
  /** By id; as many as there are borrowers. */
  readonly #kept = new Map<string, Kept>();

  /** `onOver`: some borrower is cut off no longer. */
  constructor(clock: Clock, onOver: () => void) {
    this.#clock = clock;
    this.#onOver = onOver;
  }

  /** Why it is cut off at the moment; undefined when it is not. */
  of(id: string): CutOff | undefined {
    const { strikes } = this.#kept.get(id) ?? { strikes: NO_STRIKES };
    const forMs = cutOffFor(strikes, this.#clock.now());
    if (forMs <= 0) return undefined;
    const again = strikes.times > 1 ? `, time ${strikes.times} of late` : '';
    const words = `cut off for ${formatDuration(forMs)}${again}: it went on after more than ${TRIES_MAX} refusals`;
    return { forMs, times: strikes.times, words };
  }

  /** Whether it is offered something now. */
  told(id: string, isOffered: boolean): void {
    const kept = this.#of(id);
    if (isOffered) kept.toldAt = undefined;
    else kept.toldAt ??= this.#clock.now();
  }

  /** It was refused, or cut, for that reason. True when it is cut off by that. */
  refused(id: string, code: ErrorCode): boolean {
    if (!WAITED_FOR.has(code)) return false;
    const now = this.#clock.now();
    const kept = this.#of(id);
    if (code !== 'overloaded') {
      kept.toldAt ??= now;
      // Its requests were on their way when it was told.
      if (now - kept.toldAt < GRACE_MS) return false;
    }
    const { strikes, cutsOff } = struck(kept.strikes, now);
    kept.strikes = strikes;
    if (!cutsOff) return false;
    kept.toldAt = now;
    kept.until?.[Symbol.dispose]();
    kept.until = this.#clock.after(cutOffFor(strikes, now), () => {
      kept.until = undefined;
      this.#onOver();
    });
    return true;
  }

  /** It has another id: what it did counts on. */
  rekey(before: string, after: string): void {
    const kept = this.#kept.get(before);
    if (kept === undefined) return;
    this.#kept.delete(before);
    this.#kept.set(after, kept);
  }

  /** It is not a neighbour any more. */
  forget(id: string): void {
    this.#kept.get(id)?.until?.[Symbol.dispose]();
    this.#kept.delete(id);
  }

  [Symbol.dispose](): void {
    for (const id of this.#kept.keys()) this.forget(id);
  }

  #of(id: string): Kept {
    let kept = this.#kept.get(id);
    if (kept === undefined) {
      kept = { strikes: NO_STRIKES, toldAt: undefined, until: undefined };
      this.#kept.set(id, kept);
    }
    return kept;
  }
}
