/**
 * A lease at work: how many bytes it has carried, and whether it may carry more. Made by the LeaseBook, one for each
 * lease however many connections use it. A lease *is* a signal: what runs under it listens to `signal`, and stops.
 *
 *     opened ──first byte──► active ──over the limit──► exhausted
 *        │                     ├──────time is up──────► expired
 *        └─────────────────────┴──parted, off, …──────► ended          all three: the signal aborts, for good
 *
 * It must never count a byte twice or let one pass beyond the limit.
 */
import { type ErrorCode, LinepoolError } from '../core/errors.ts';
import type { Bytes } from '../core/units.ts';
import type { Lease } from './lease.ts';
import type { LeaseReceipts } from './lease-receipts.ts';

export type LeaseState =
  | { readonly kind: 'opened' }
  | { readonly kind: 'active'; readonly bytes: Bytes }
  | { readonly kind: 'exhausted'; readonly bytes: Bytes }
  | { readonly kind: 'expired'; readonly bytes: Bytes }
  | { readonly kind: 'ended'; readonly bytes: Bytes; readonly code: ErrorCode };

export type LeaseEvent =
  /** Somebody wishes to carry so many bytes. */
  | { readonly kind: 'carry'; readonly bytes: Bytes }
  | { readonly kind: 'time_up' }
  /** The neighbour was parted from, lending was switched off, the daemon stops. */
  | { readonly kind: 'end'; readonly code: ErrorCode };

export const bytesOf = (state: LeaseState): Bytes => (state.kind === 'opened' ? 0 : state.bytes);

/**
 * The one transition. Wishing for more than is left uses up what is left and exhausts the lease; using it up exactly
 * does not, so that a transfer that fits ends in peace.
 */
export function leaseStep(state: LeaseState, event: LeaseEvent, maxBytes: Bytes): LeaseState {
  switch (state.kind) {
    case 'opened':
    case 'active': {
      const bytes = bytesOf(state);
      switch (event.kind) {
        case 'carry':
          return bytes + event.bytes > maxBytes
            ? { kind: 'exhausted', bytes: maxBytes }
            : { kind: 'active', bytes: bytes + event.bytes };
        case 'time_up':
          return { kind: 'expired', bytes };
        case 'end':
          return { kind: 'ended', bytes, code: event.code };
        default:
          return event satisfies never;
      }
    }
    case 'exhausted':
    case 'expired':
    case 'ended':
      return state;
    default:
      return state satisfies never;
  }
}

export class LeaseAccount {
  readonly lease: Lease;
  /** What is signed of it; undefined where nothing is to be signed. */
  readonly receipts: LeaseReceipts | undefined;
  readonly #controller = new AbortController();
  readonly #onOver: (account: LeaseAccount) => void;
  #state: LeaseState = { kind: 'opened' };

  /** `onOver` is called once, when the lease is over, before the signal aborts. `before`: carried by a daemon before this one. */
  constructor(
    lease: Lease,
    onOver: (account: LeaseAccount) => void,
    receipts?: LeaseReceipts,
    before: Bytes = 0,
  ) {
    this.lease = lease;
    this.#onOver = onOver;
    this.receipts = receipts;
    if (before > 0) this.#state = { kind: 'active', bytes: Math.min(before, lease.maxBytes) };
  }

  get state(): LeaseState {
    return this.#state;
  }

  /** Carried so far, both directions. */
  get bytes(): Bytes {
    return bytesOf(this.#state);
  }

  /** Aborts when nothing more may be carried; its reason is a LinepoolError. */
  get signal(): AbortSignal {
    return this.#controller.signal;
  }

  /** Counts bytes that are about to pass; says how many of them may. Fewer than asked: the signal has aborted. */
  carry(bytes: Bytes): Bytes {
    const allowed = this.discard(bytes);
    this.receipts?.passed(allowed);
    return allowed;
  }

  /** Counts bytes that were fetched and go nowhere: the borrower can't know of them, so it never signs for them. */
  discard(bytes: Bytes): Bytes {
    if (this.#isOver()) return 0;
    const before = this.bytes;
    this.#step({ kind: 'carry', bytes });
    return this.bytes - before;
  }

  /** How much may pass before more is signed. */
  room(): Bytes {
    return this.receipts?.room() ?? Number.POSITIVE_INFINITY;
  }

  /** Its time is up. */
  expire(): void {
    this.#step({ kind: 'time_up' });
  }

  /** Ended from outside, for that reason. */
  end(code: ErrorCode): void {
    this.#step({ kind: 'end', code });
  }

  /** Why a request under this lease is refused; undefined while it may carry. */
  refusal(): LinepoolError | undefined {
    const { id, maxBytes } = this.lease;
    switch (this.#state.kind) {
      case 'opened':
        return undefined;
      case 'active':
        return this.#state.bytes < maxBytes ? undefined : exhausted(this.lease);
      case 'exhausted':
        return exhausted(this.lease);
      case 'expired':
        return new LinepoolError('lease_expired', `(lease ${id})`);
      case 'ended':
        // Whether it gets another lease is judged when it asks with one: here it needs to know only that this one is over.
        return new LinepoolError(
          this.#state.code === 'not_paired' ? 'lease_invalid' : 'lease_expired',
          `Lease ${id} was ended before (${this.#state.code}).`,
        );
      default:
        return this.#state satisfies never;
    }
  }

  #isOver(): boolean {
    return this.#state.kind !== 'opened' && this.#state.kind !== 'active';
  }

  #step(event: LeaseEvent): void {
    if (this.#isOver()) return;
    this.#state = leaseStep(this.#state, event, this.lease.maxBytes);
    if (!this.#isOver()) return;
    this.#onOver(this);
    this.#controller.abort(this.#reason());
  }

  #reason(): LinepoolError {
    const code = this.#state.kind === 'ended' ? this.#state.code : undefined;
    return code === undefined ? (this.refusal() ?? exhausted(this.lease)) : new LinepoolError(code);
  }
}

const exhausted = ({ id, maxBytes }: Lease): LinepoolError =>
  new LinepoolError('lease_exhausted', `(lease ${id}, ${maxBytes} bytes)`);
