/**
 * A borrower's standing with the lender: what it was carried and has not signed for, over all its leases, and what it never
 * signed for. Kept by the receipt desk, asked before a byte passes. Pure but for its own count: the time is handed in.
 *
 *     carried ──► open ──receipt──► signed
 *                   └──nothing is under way, and still no receipt──► lost ──time──► forgiven
 *
 * Bytes are lost without anybody's fault: what lay in the kernel when a connection was reset arrived nowhere. So some are
 * forgiven, more to who has signed for much. Who never signs gets one step, and then half a step in five minutes. Over time no more is never
 * signed for than `STEPS_MAX` steps, one in `FORGIVEN_STEP_MS`, and an eighth of what is signed.
 */
import { EMPTY, LeakyBucket, type Level, leaked } from '../core/leaky-bucket.ts';
import { type Bytes, type BytesPerSecond, KIB, MIB, type Milliseconds } from '../core/units.ts';

/** Most that is carried under one lease beyond what is signed, but for what is in flight; of a new borrower, under all its leases. */
export const RECEIPT_STEP: Bytes = 4 * MIB;
/** Who has signed may be carried so many steps unsigned, over all its leases. */
export const STEPS_MAX = 8;
/** Of what was signed, so much is added to the first step, up to `STEPS_MAX`. */
const TRUST_OF_SIGNED = 0.5;
/** A step that was never signed for is forgiven in this time. */
export const FORGIVEN_STEP_MS: Milliseconds = 10 * 60_000;
const FORGIVEN_PER_SECOND: BytesPerSecond = RECEIPT_STEP / (FORGIVEN_STEP_MS / 1000);
/** Of a step, so much must be left for another lease: with less, little would be carried under it before it is held. */
const LEAST_ROOM = 0.5;
/** Of what is signed, so much of what was lost is forgiven. */
const FORGIVEN_OF_SIGNED = 0.125;
/**
 * A receipt is small that is for less than so much more than the last one, be it that a lease came to rest or ends. Who signs for 2 MiB over
 * all its leases, the one with most of it first, signs for more than this while no more than 15 carry at once.
 */
export const SMALL_RECEIPT: Bytes = 256 * KIB;
/**
 * Each new receipt is signed twice and kept for years, however little it is for. So many small ones are taken at once, over all leases of a
 * borrower, and so many are earned back in a second: who has less to say waits half a second, and has more.
 */
export const SMALL_RECEIPTS_MAX = 256;
export const SMALL_RECEIPTS_PER_SECOND = 2;

/** A lease is put on record at its first use, and kept for years: so many new ones at once, and so many earned back in a second. */
export const NEW_LEASES_MAX = 1000;
export const NEW_LEASES_PER_SECOND = 1;

/** The same of addresses that the line connects to for it: a name may have another one each time that it is asked for. */
export const NEW_CONTACTS_MAX = 1000;
export const NEW_CONTACTS_PER_SECOND = 1;

export class Standing {
  readonly #step: Bytes;
  readonly #waiting = new Set<() => void>();
  readonly #smallReceipts = new LeakyBucket(SMALL_RECEIPTS_MAX, SMALL_RECEIPTS_PER_SECOND);
  readonly #newLeases = new LeakyBucket(NEW_LEASES_MAX, NEW_LEASES_PER_SECOND);
  readonly #newContacts = new LeakyBucket(NEW_CONTACTS_MAX, NEW_CONTACTS_PER_SECOND);
  #open: Bytes = 0;
  #lost: Level = EMPTY;
  #signed: Bytes = 0;
  #remembered: Bytes = 0;

  /** `step`: `RECEIPT_STEP`, or Infinity when nothing is to be signed. */
  constructor(step: Bytes) {
    this.#step = step;
  }

  /** Signed for since the daemon started. */
  get signed(): Bytes {
    return this.#signed;
  }

  /** How much more may be carried before something is signed: whole bytes, while trust and what is forgiven come in parts of them. */
  room(now: Milliseconds): Bytes {
    return Math.max(0, Math.floor(this.#allowance() - this.#open - this.#stillLost(now).amount));
  }

  /** True when it gets no other lease, because it did not sign for those before. */
  isShutOut(now: Milliseconds): boolean {
    return this.#allowance() - this.#stillLost(now).amount < this.#step * LEAST_ROOM;
  }

  /** Whether one more receipt may be put on record, for so much more than the one before; if so, it is counted. */
  takes(newly: Bytes, now: Milliseconds): boolean {
    return newly >= SMALL_RECEIPT || this.#smallReceipts.takes(1, now);
  }

  /** Whether one more lease may be put on record; if so, it is counted. */
  takesLease(now: Milliseconds): boolean {
    return this.#newLeases.takes(1, now);
  }

  /** Whether so many more addresses may be put on record; if so, they are counted. */
  takesContacts(count: number, now: Milliseconds): boolean {
    return this.#newContacts.takes(count, now);
  }

  /** Calls back when more may be carried than before. */
  onRoom(listener: () => void): Disposable {
    this.#waiting.add(listener);
    return { [Symbol.dispose]: () => this.#waiting.delete(listener) };
  }

  /** There may be room: for all its leases, since they share it. */
  wake(): void {
    for (const listener of this.#waiting) listener();
  }

  /** How much more may be signed of what a daemon before this one carried: it carried no more unsigned. */
  get before(): Bytes {
    return Math.max(0, STEPS_MAX * this.#step - this.#remembered);
  }

  /** So much of that is signed for. */
  signBefore(bytes: Bytes): void {
    this.#remembered += bytes;
  }

  carried(bytes: Bytes): void {
    this.#open += bytes;
  }

  /** `total` more is signed for: so much of what is open, and so much of what was lost. */
  sign(total: Bytes, ofOpen: Bytes, ofLost: Bytes, now: Milliseconds): void {
    this.#signed += total;
    this.#open -= ofOpen;
    const { amount, at } = this.#stillLost(now);
    this.#lost = { amount: Math.max(0, amount - ofLost - total * FORGIVEN_OF_SIGNED), at };
  }

  /** So much of what is open will not be signed for any more. */
  lose(bytes: Bytes, now: Milliseconds): void {
    this.#open -= bytes;
    const { amount, at } = this.#stillLost(now);
    this.#lost = { amount: amount + bytes, at };
  }

  #allowance(): Bytes {
    return this.#step + Math.min((STEPS_MAX - 1) * this.#step, this.#signed * TRUST_OF_SIGNED);
  }

  /** In bytes. */
  #stillLost(now: Milliseconds): Level {
    return leaked(this.#lost, FORGIVEN_PER_SECOND, now);
  }
}
