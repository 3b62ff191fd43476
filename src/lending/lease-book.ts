/**
 * The lender's book of leases: verifies each token once, keeps one account for each lease over any number of connections,
 * and remembers leases that are over until they could not be used anyway, so that showing one again never resets its count.
 * Asked by the relay at each request. It must never forget a lease before its time is up.
 */
import { createHash, type KeyObject } from 'node:crypto';
import { LRUCache } from 'lru-cache';
import type { Clock } from '../core/clock.ts';
import { type ErrorCode, LinepoolError } from '../core/errors.ts';
import type { Milliseconds } from '../core/units.ts';
import { publicKeyOf } from '../neighbours/public-key.ts';
import { checkParties, type Lease, type LeaseLimits, readLease } from './lease.ts';
import { LeaseAccount } from './lease-account.ts';
import { type ReceiptDesk, type Signatory, usedBefore } from './receipt-desk.ts';

/** Who signs: a neighbour as the book of neighbours has it. */
export interface LeaseParty {
  readonly id: string;
  /** Ed25519, SPKI in DER, as base64url. */
  readonly publicKey: string;
}

export interface LeaseBookOptions {
  readonly ownId: string;
  /** The most that one lease carries, and for how long, whatever it is made out for: the lender need not use it up. */
  readonly limits: LeaseLimits;
  readonly clock: Clock;
  /** Puts a lease on record before it is used, and keeps its receipts. */
  readonly desk: Pick<ReceiptDesk, 'open' | 'over'>;
  readonly onOpened: (account: LeaseAccount) => void;
  /** When it carries no more, for whatever reason. */
  readonly onOver: (account: LeaseAccount) => void;
}

/** Leases of one borrower whose time is not up; further ones are refused until one is. */
export const LEASES_PER_BORROWER = 1024;
/** Tokens whose signature is not checked again. */
const VERIFIED_TOKENS = 1024;
/** Longest lease that is accepted: what one timer can wait for. */
export const LONGEST_LEASE_MS: Milliseconds = 20 * 86_400_000;

/** How a lease came. */
interface Shown {
  readonly token: string;
  readonly tokenHash: string;
  readonly borrower: LeaseParty;
}

interface Entry {
  readonly account: LeaseAccount;
  readonly tokenHash: string;
  readonly timers: Disposable;
}

export class LeaseBook implements Disposable {
  readonly #options: LeaseBookOptions;
  /** By borrower, then by the lease's id. */
  readonly #entries = new Map<string, Map<string, Entry>>();
  readonly #verified = new LRUCache<string, LeaseAccount>({ max: VERIFIED_TOKENS });
  #disposed = false;

  constructor(options: LeaseBookOptions) {
    this.#options = options;
  }

  /**
   * The account of the lease in `token`, opened at its first use. `origin` is as `leaseOrigin` writes it.
   * @throws LinepoolError `lease_invalid`, `lease_expired`, `lease_exhausted`, `receipt_missing`, `ledger_failed`, `overloaded`
   */
  async open(token: string, borrower: LeaseParty, origin: string): Promise<LeaseAccount> {
    const tokenHash = createHash('sha256').update(token).digest('base64url');
    const account = this.#verified.get(tokenHash) ?? (await this.#verify(token, tokenHash, borrower, origin));
    checkParties(account.lease, { borrower: borrower.id, lender: this.#options.ownId, origin });
    const refusal = account.refusal();
    if (refusal !== undefined) throw refusal;
    return account;
  }

  /** The account of that lease, whether it may carry or is over. */
  find(borrowerId: string, leaseId: string): LeaseAccount | undefined {
    return this.#entries.get(borrowerId)?.get(leaseId)?.account;
  }

  /** That neighbour, with its key read. */
  signatory({ id, publicKey }: LeaseParty): Signatory {
    return { id, publicKey, key: this.#keyOf({ id, publicKey }) };
  }

  /** Ends every lease of that borrower, or of all when it is undefined. What runs under them stops at once. */
  end(borrowerId: string | undefined, code: ErrorCode): void {
    for (const [borrower, entries] of this.#entries) {
      if (borrowerId !== undefined && borrower !== borrowerId) continue;
      for (const { account } of entries.values()) account.end(code);
    }
  }

  /** Leases remembered, those that are over included. */
  get size(): number {
    let count = 0;
    for (const entries of this.#entries.values()) count += entries.size;
    return count;
  }

  [Symbol.dispose](): void {
    this.#disposed = true;
    this.end(undefined, 'lending_off');
    for (const entries of this.#entries.values()) {
      for (const { timers, account } of entries.values()) {
        timers[Symbol.dispose]();
        account.receipts?.[Symbol.dispose]();
      }
    }
    this.#entries.clear();
    this.#verified.clear();
  }

  async #verify(
    token: string,
    tokenHash: string,
    borrower: LeaseParty,
    origin: string,
  ): Promise<LeaseAccount> {
    const { ownId, limits, clock } = this.#options;
    const lease = await readLease(token, {
      publicKey: this.#keyOf(borrower),
      borrower: borrower.id,
      lender: ownId,
      origin,
      nowWall: clock.wall(),
      limits: { ...limits, maxBytes: Number.MAX_SAFE_INTEGER, maxTime: LONGEST_LEASE_MS },
    });
    const entries = this.#entries.get(borrower.id) ?? new Map<string, Entry>();
    const known = entries.get(lease.id);
    // Of one that is forgotten, the desk looks at what is on record.
    if (known !== undefined && known.tokenHash !== tokenHash) throw usedBefore(lease.id);
    const account = known?.account ?? this.#enter(lease, { token, tokenHash, borrower }, entries);
    this.#verified.set(tokenHash, account);
    return account;
  }

  #enter(lease: Lease, { token, tokenHash, borrower }: Shown, entries: Map<string, Entry>): LeaseAccount {
    if (this.#disposed) throw new LinepoolError('lending_off');
    const { clock, limits, desk, onOpened } = this.#options;
    if (entries.size >= LEASES_PER_BORROWER) {
      throw new LinepoolError(
        'overloaded',
        `${LEASES_PER_BORROWER} leases of this borrower are not over yet.`,
      );
    }
    const maxBytes = Math.min(lease.maxBytes, limits.maxBytes);
    const { receipts, carriedBefore } = desk.open(lease, token, borrower, () =>
      account.end('receipt_missing'),
    );
    const account = new LeaseAccount(
      { ...lease, maxBytes },
      (over) => this.#over(over),
      receipts,
      carriedBefore,
    );
    // From here on by our monotonic clock, so that a step of the wall clock neither cuts nor prolongs a lease. Counted to
    // the last moment at which `readLease` would still take the token: until then it must be remembered.
    const alive = lease.expiresAt + limits.clockSkew - clock.wall();
    const timers = new DisposableStack();
    timers.use(
      clock.after(alive, () => {
        account.expire();
        this.#forget(lease, tokenHash);
      }),
    );
    if (limits.maxTime < alive) timers.use(clock.after(limits.maxTime, () => account.expire()));
    entries.set(lease.id, { account, tokenHash, timers });
    this.#entries.set(lease.borrower, entries);
    onOpened(account);
    return account;
  }

  #over(account: LeaseAccount): void {
    const { desk, onOver } = this.#options;
    desk.over(account);
    onOver(account);
  }

  #forget(lease: Lease, tokenHash: string): void {
    this.find(lease.borrower, lease.id)?.receipts?.[Symbol.dispose]();
    const entries = this.#entries.get(lease.borrower);
    entries?.delete(lease.id);
    if (entries?.size === 0) this.#entries.delete(lease.borrower);
    this.#verified.delete(tokenHash);
  }

  /** @throws LinepoolError `not_paired` */
  #keyOf(borrower: LeaseParty): KeyObject {
    const key = publicKeyOf(borrower.publicKey);
    if (key === undefined) throw new LinepoolError('not_paired', 'Its key in the book is none of Ed25519.');
    return key;
  }
}
