/**
 * The receipts of one lease, as the lender keeps them: what was carried, what is signed, and whether more may be carried before
 * more is signed. Made by the receipt desk; the account of the lease holds it, the relay counts into it.
 *
 *     passed ──the kernel took it──► carried ──receipt──► signed
 *        └── its connection broke: it never left, and is not counted
 *
 * What is counted is what the borrower can count too: payload of a tunnel after the 200, both directions, and the body of a 206.
 * It must never let a total be signed that is more than what passed.
 */
import type { Clock } from '../core/clock.ts';
import { LinepoolError } from '../core/errors.ts';
import type { Bytes, Milliseconds } from '../core/units.ts';
import type { Receipt } from '../ledger/receipt.ts';
import type { Standing } from './standing.ts';

/** A held lease whose borrower sends no receipt for so long is over. */
export const RECEIPT_WAIT_MS: Milliseconds = 15_000;

export interface LeaseReceiptsOptions {
  readonly standing: Standing;
  /** Most that is carried beyond what is signed. */
  readonly step: Bytes;
  readonly clock: Clock;
  /** What the lease was made out for. */
  readonly maxBytes: Bytes;
  /** Signed before this daemon opened it; undefined when nothing could be. */
  readonly signedBefore: Bytes | undefined;
  /** No less than that: so much a daemon before this one may have carried, which nobody here remembers. */
  readonly carriedBefore: Bytes;
  /** It was held, and nothing was signed for `RECEIPT_WAIT_MS`. */
  readonly onSilent: () => void;
}

/** The two signatures under one total. */
export interface Signed {
  readonly receipt: Receipt;
  readonly borrower: string;
  readonly lender: string;
}

export class LeaseReceipts implements Disposable {
  readonly #options: LeaseReceiptsOptions;
  readonly #listeners = new Set<() => void>();
  readonly #woken: Disposable;
  /** More than this can't have passed. */
  #passed: Bytes;
  #carried: Bytes;
  #carriedUp: Bytes = 0;
  #signed: Bytes;
  #lost: Bytes = 0;
  #last: Signed | undefined;
  /** Signed for before the kernel's own word came that it has left. */
  #ahead: Bytes = 0;
  #transfers = 0;
  /** The borrower says that nothing is under way on its side. */
  #idle = false;
  #silence: Disposable | undefined;

  constructor(options: LeaseReceiptsOptions) {
    this.#options = options;
    this.#signed = options.signedBefore ?? 0;
    this.#carried = this.#signed;
    this.#passed = options.carriedBefore;
    this.#woken = options.standing.onRoom(() => {
      for (const listener of this.#listeners) listener();
    });
  }

  /** Running totals, both directions together but for `carriedUp`. */
  get carried(): Bytes {
    return this.#carried - this.#lost;
  }

  /** The most that may be signed. */
  get most(): Bytes {
    return Math.min(this.#passed, this.#options.maxBytes);
  }

  get carriedUp(): Bytes {
    return this.#carriedUp;
  }

  get signed(): Bytes {
    return this.#signed;
  }

  get last(): Signed | undefined {
    return this.#last;
  }

  /** Nothing is under way, and all is signed for. */
  get isSettled(): boolean {
    return this.#transfers === 0 && this.#open === 0;
  }

  /** A transfer begins under the lease; it lasts until the result is disposed of, which may be done more than once. */
  begin(): Disposable {
    this.#transfers += 1;
    this.#idle = false;
    let begun = true;
    return {
      [Symbol.dispose]: () => {
        if (!begun) return;
        begun = false;
        this.#transfers -= 1;
        if (this.#transfers === 0) this.#endWatch();
        this.#settle();
      },
    };
  }

  /** How much more may pass before something is signed; none: `onRoom` tells when there is some, or the lease ends. */
  room(): Bytes {
    const { step, standing, clock } = this.#options;
    const room = Math.max(0, Math.min(step - this.#open, standing.room(clock.now())));
    if (room === 0) this.#silence ??= this.#watch();
    else this.#endWatch();
    return room;
  }

  /** Calls back when there may be room again. */
  onRoom(listener: () => void): Disposable {
    this.#listeners.add(listener);
    return { [Symbol.dispose]: () => this.#listeners.delete(listener) };
  }

  /** So much was handed to a connection. */
  passed(bytes: Bytes): void {
    this.#passed += bytes;
  }

  /** So much of it has left towards the borrower. */
  down(bytes: Bytes): void {
    const known = Math.min(bytes, this.#ahead);
    this.#ahead -= known;
    this.#carried += bytes - known;
    this.#options.standing.carried(bytes - known);
  }

  /** So much has left towards the origin. */
  up(bytes: Bytes): void {
    this.#carriedUp += bytes;
    this.down(bytes);
  }

  /**
   * Whether this receipt may be signed: `again` when it is the last one once more.
   * @throws LinepoolError `receipt_invalid`
   */
  judge(receipt: Receipt, token: string): 'new' | 'again' {
    const last = this.#last;
    if (token === last?.borrower) return 'again';
    const { total } = receipt;
    if (total > this.most) {
      throw new LinepoolError('receipt_invalid', `It is for ${total} bytes; ${this.carried} were carried.`);
    }
    if (total < this.#signed) {
      throw new LinepoolError('receipt_invalid', `It is for ${total} bytes; ${this.#signed} are signed for.`);
    }
    if (last !== undefined && (last.receipt.last || (total === this.#signed && !receipt.last))) {
      throw new LinepoolError('receipt_invalid', `${total} bytes are signed for already.`);
    }
    return 'new';
  }

  /** It is signed by both now. */
  accept(signed: Signed): void {
    const { standing, clock } = this.#options;
    const newly = signed.receipt.total - this.#signed;
    const ofOpen = Math.min(newly, this.#open);
    const ofLost = Math.min(newly - ofOpen, this.#lost);
    this.#signed += newly;
    this.#lost -= ofLost;
    const more = Math.max(0, this.#signed + this.#lost - this.#carried);
    this.#carried += more;
    // What this daemon does not remember never comes.
    if (this.#options.signedBefore === undefined) this.#ahead += more;
    this.#last = signed;
    standing.sign(newly, ofOpen, ofLost, clock.now());
  }

  /** The borrower was heard. `idle`: nothing is under way on its side, so what it did not sign for did not arrive. */
  heard(idle: boolean): void {
    this.#endWatch();
    if (idle) {
      this.#idle = true;
      this.#settle();
    }
    this.#options.standing.wake();
  }

  /** What is not signed for will not be any more. */
  writeOff(): void {
    const bytes = this.#open;
    this.#lost += bytes;
    this.#options.standing.lose(bytes, this.#options.clock.now());
  }

  [Symbol.dispose](): void {
    this.#endWatch();
    this.#woken[Symbol.dispose]();
    this.#listeners.clear();
  }

  get #open(): Bytes {
    return Math.max(0, this.#carried - this.#lost - this.#signed);
  }

  #settle(): void {
    if (this.#idle && this.#transfers === 0) this.writeOff();
  }

  #endWatch(): void {
    this.#silence?.[Symbol.dispose]();
    this.#silence = undefined;
  }

  #watch(): Disposable {
    return this.#options.clock.after(RECEIPT_WAIT_MS, () => {
      this.#silence = undefined;
      this.#options.onSilent();
    });
  }
}
