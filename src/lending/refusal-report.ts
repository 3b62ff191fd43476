/**
 * Refusals, reported as events: each kind of each borrower once in a while, so that however often somebody is refused, what else
 * happened stays to be seen. Used by the lender.
 */
import type { Clock } from '../core/clock.ts';
import type { ErrorCode, LinepoolError } from '../core/errors.ts';
import type { Events } from '../core/events.ts';
import type { Milliseconds } from '../core/units.ts';
import type { Borrower } from './borrower.ts';

/** A borrower's refusals of one kind are reported once in this time. */
export const REPORT_EVERY_MS: Milliseconds = 1_000;
/** Ends that are no refusals: the other side went away, or all was done. */
const NOT_REPORTED: ReadonlySet<ErrorCode> = new Set(['connection_lost', 'interrupted']);

export class RefusalReport {
  readonly #clock: Clock;
  readonly #events: Events;
  /** By borrower, then by code. */
  readonly #reported = new Map<string, Map<ErrorCode, Milliseconds>>();

  constructor(clock: Clock, events: Events) {
    this.#clock = clock;
    this.#events = events;
  }

  refused({ id, neighbour }: Borrower, { code, detail }: LinepoolError): void {
    if (NOT_REPORTED.has(code)) return;
    const reported = this.#reported.get(id) ?? new Map<ErrorCode, Milliseconds>();
    this.#reported.set(id, reported);
    const now = this.#clock.now();
    const before = reported.get(code);
    if (before !== undefined && now - before < REPORT_EVERY_MS) return;
    reported.set(code, now);
    this.#events.report({ kind: 'lend_refused', borrower: neighbour.name, code, detail });
  }

  /** It is not a neighbour any more. */
  forget(borrowerId: string): void {
    this.#reported.delete(borrowerId);
  }
}
