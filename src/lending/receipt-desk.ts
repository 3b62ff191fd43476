/**
 * The lender's desk for receipts: records each lease before a byte flows, and where the line connects for it before it does, signs the
 * borrowers' receipts and records them, and says who is to be carried no more. Made by the lender; the book of leases asks it.
 *
 *     first use of a lease ─► in standing? ─► on record ─► LeaseReceipts
 *     POST receipt ─► signature, parties, total ─► both signatures on record ─► answer
 *
 * It must never let a lease be used that is not on record, nor sign for more than passed.
 */
import type { KeyObject } from 'node:crypto';
import { LRUCache } from 'lru-cache';
import type { Clock } from '../core/clock.ts';
import { LinepoolError } from '../core/errors.ts';
import type { Bytes, Milliseconds } from '../core/units.ts';
import type { Ledger } from '../ledger/ledger.ts';
import { countersign, parseReceipt, type Receipt, readReceipt } from '../ledger/receipt.ts';
import type { ReceiptAnswer, ReceiptMessage } from '../neighbours/messages.ts';
import type { Lease } from './lease.ts';
import type { LeaseAccount } from './lease-account.ts';
import { LeaseReceipts } from './lease-receipts.ts';
import { Standing } from './standing.ts';

/** What lending asks of the ledger. */
export type LendingRecord = Pick<Ledger, 'append' | 'carried'>;

/** After its end a lease is signed for so long; what is not signed for then is lost. */
export const LAST_RECEIPT_MS: Milliseconds = 15_000;
/** Addresses of one lease that are remembered as recorded; one that is forgotten is recorded again, and counted again. */
const CONTACTS_KEPT = 64;
/** Leases that are not open of which is remembered how much may be signed yet. */
const LATE_KEPT = 4096;

export interface ReceiptDeskOptions {
  readonly ownId: string;
  readonly privateKey: KeyObject;
  readonly record: LendingRecord;
  readonly clock: Clock;
  /** Most that is carried beyond what is signed: `RECEIPT_STEP`. */
  readonly step: Bytes;
}

/** Who signs: a neighbour as the book of neighbours has it, with its key read. */
export interface Signatory {
  readonly id: string;
  /** Ed25519, SPKI in DER, as base64url. */
  readonly publicKey: string;
  readonly key: KeyObject;
}

/** A lease as it is at its first use. */
export interface OpenedLease {
  readonly receipts: LeaseReceipts;
  /** So much may have been carried before, which nobody remembers. */
  readonly carriedBefore: Bytes;
}

/** Of a lease that is not open. */
interface Late {
  /** The most that may be signed. */
  readonly most: Bytes;
  /** This daemon carried it, so that is what it carried. */
  readonly isCounted: boolean;
}

export class ReceiptDesk implements Disposable {
  readonly #options: ReceiptDeskOptions;
  /** By borrower. Bounded by the neighbours there are; see `forget`. */
  readonly #standings = new Map<string, Standing>();
  /** By address and port. */
  readonly #contacts = new WeakMap<LeaseAccount, Map<string, 'counted' | 'recorded'>>();
  /** By borrower and id. */
  readonly #late = new LRUCache<string, Late>({ max: LATE_KEPT });
  /** Waiting for the last receipts of leases that are over. */
  readonly #waits = new Set<Disposable>();

  constructor(options: ReceiptDeskOptions) {
    this.#options = options;
  }

  /** Signed for by that borrower since the daemon started. */
  signedBy(borrowerId: string): Bytes {
    return this.#standings.get(borrowerId)?.signed ?? 0;
  }

  /**
   * A lease at its first use: from here on it is on record. `onSilent`: it is to end, because its borrower does not sign.
   * @throws LinepoolError `receipt_missing`, `overloaded`, `lease_invalid`, `ledger_failed`
   */
  open(
    lease: Lease,
    token: string,
    { id, publicKey }: Omit<Signatory, 'key'>,
    onSilent: () => void,
  ): OpenedLease {
    const { record, clock, step } = this.#options;
    const standing = this.#standing(id);
    if (standing.isShutOut(clock.now())) {
      throw new LinepoolError('receipt_missing', 'What was carried for you before was not signed for.');
    }
    if (!standing.takesLease(clock.now())) throw new LinepoolError('overloaded', 'Too many new leases came.');
    const before = record.carried('lender', id, lease.id);
    if (before !== undefined && before.token !== token) throw usedBefore(lease.id);
    if (record.append({ kind: 'lease', role: 'lender', neighbour: id, token, publicKey }) === undefined) {
      throw new LinepoolError('ledger_failed');
    }
    const { maxBytes } = lease;
    const signedBefore = before?.total;
    const carriedBefore =
      signedBefore === undefined ? 0 : (this.#late.get(keyOf(lease))?.most ?? signedBefore + step);
    const options = { standing, step, clock, maxBytes, signedBefore, carriedBefore, onSilent };
    return { receipts: new LeaseReceipts(options), carriedBefore };
  }

  /**
   * The line will try these addresses for the lease, one after the other, until one answers: counted now, since once it has begun with the
   * first nobody can stop it at the next.
   * @throws LinepoolError `overloaded`
   */
  expected(account: LeaseAccount, addresses: readonly string[], port: number): void {
    const contacts = this.#contactsOf(account);
    const counted = addresses.map((address) => `${address} ${port}`).filter((key) => !contacts.has(key));
    const { borrower } = account.lease;
    if (!this.#standing(borrower).takesContacts(counted.length, this.#options.clock.now()))
      throw new LinepoolError('overloaded', 'Too many new addresses came.');
    if (contacts.size + counted.length > CONTACTS_KEPT) contacts.clear();
    for (const key of counted) contacts.set(key, 'counted');
  }

  /**
   * The line is about to try that address for the lease, or is connected to it.
   * @throws LinepoolError `ledger_failed`, `overloaded`
   */
  contacted(account: LeaseAccount, address: string, port: number): void {
    const contacts = this.#contactsOf(account);
    const key = `${address} ${port}`;
    if (contacts.get(key) === 'recorded') return;
    if (!contacts.has(key)) this.expected(account, [address], port);
    const { record, clock } = this.#options;
    const { id: lease, borrower: neighbour } = account.lease;
    const from = clock.wall();
    const entry = { kind: 'contact', neighbour, lease, address, port, from, until: null } as const;
    if (record.append(entry) === undefined) throw new LinepoolError('ledger_failed');
    contacts.set(key, 'recorded');
  }

  /** The lease is over. Its last receipt is waited for, unless it is over because there was none. */
  over({ lease, receipts, state }: LeaseAccount): void {
    if (receipts === undefined) return;
    this.#late.set(keyOf(lease), { most: receipts.most, isCounted: true });
    if (receipts.isSettled) return;
    if (state.kind === 'ended' && state.code === 'receipt_missing') {
      receipts.writeOff();
      return;
    }
    const wait = this.#options.clock.after(LAST_RECEIPT_MS, () => {
      this.#waits.delete(wait);
      receipts.writeOff();
    });
    this.#waits.add(wait);
  }

  /**
   * Signs what a borrower has signed. `find`: the account of its lease, when this daemon has one.
   * @throws LinepoolError `receipt_invalid`, `ledger_failed`, `overloaded`
   */
  receipt(
    { receipt: token, idle }: ReceiptMessage,
    borrower: Signatory,
    find: (leaseId: string) => LeaseAccount | undefined,
  ): ReceiptAnswer {
    const receipt = readReceipt(token, borrower.key);
    this.#checkParties(receipt, borrower);
    const account = find(receipt.lease);
    const receipts = account?.receipts;
    if (account === undefined || receipts === undefined) return this.#signLate(receipt, token);
    const { last } = receipts;
    let signed = receipts.judge(receipt, token) === 'again' ? last : undefined;
    if (signed === undefined) {
      this.#take(receipt, receipts.signed);
      signed = { receipt, borrower: token, lender: countersign(token, this.#options.privateKey) };
      try {
        this.#enter(receipt, token, signed.lender);
      } catch (error) {
        account.end('ledger_failed');
        throw error;
      }
      receipts.accept(signed);
    }
    receipts.heard(idle);
    return { receipt: signed.lender, carriedBytes: receipts.carried, carriedUpBytes: receipts.carriedUp };
  }

  /** It has another id: what it signed for and what it owes goes on. */
  rekey(before: string, after: string): void {
    const standing = this.#standings.get(before);
    if (standing === undefined) return;
    this.#standings.delete(before);
    this.#standings.set(after, standing);
  }

  /** It is a neighbour no longer. */
  forget(borrowerId: string): void {
    this.#standings.delete(borrowerId);
  }

  [Symbol.dispose](): void {
    for (const wait of this.#waits) wait[Symbol.dispose]();
    this.#waits.clear();
  }

  #contactsOf(account: LeaseAccount): Map<string, 'counted' | 'recorded'> {
    const contacts = this.#contacts.get(account) ?? new Map<string, 'counted' | 'recorded'>();
    this.#contacts.set(account, contacts);
    return contacts;
  }

  #standing(borrowerId: string): Standing {
    let standing = this.#standings.get(borrowerId);
    if (standing === undefined) {
      standing = new Standing(this.#options.step);
      this.#standings.set(borrowerId, standing);
    }
    return standing;
  }

  /** It is new, and would be put on record. @throws LinepoolError `overloaded` */
  #take({ borrower, total }: Receipt, signed: Bytes): void {
    if (this.#standing(borrower).takes(total - signed, this.#options.clock.now())) return;
    throw new LinepoolError('overloaded', 'Too many receipts came for too little.');
  }

  /** @throws LinepoolError `receipt_invalid` */
  #checkParties(receipt: Receipt, borrower: Signatory): void {
    if (receipt.borrower !== borrower.id)
      throw new LinepoolError('receipt_invalid', 'It was made by another household.');
    if (receipt.lender !== this.#options.ownId)
      throw new LinepoolError('receipt_invalid', 'It is made out to another lender.');
  }

  /**
   * For a lease that is forgotten, because its time was up, or that the daemon before this one carried: what that one remembers is in
   * the ledger, and besides it may have carried a step.
   */
  #signLate(receipt: Receipt, token: string): ReceiptAnswer {
    const { record, privateKey, step } = this.#options;
    const carried = record.carried('lender', receipt.borrower, receipt.lease);
    if (carried === undefined) throw new LinepoolError('receipt_invalid', `No lease ${receipt.lease}.`);
    const { total, receipt: last } = carried;
    const answer = { carriedBytes: receipt.total, carriedUpBytes: 0 };
    if (last?.borrower === token && last.lender !== null) return { receipt: last.lender, ...answer };
    const ended = last !== undefined && parseReceipt(last.borrower).last;
    const newer = receipt.total > total || receipt.last || last === undefined;
    const key = keyOf({ borrower: receipt.borrower, id: receipt.lease });
    const late = this.#late.get(key) ?? { most: total + step, isCounted: false };
    const standing = this.#standing(receipt.borrower);
    const most = late.isCounted ? late.most : Math.min(late.most, total + standing.before);
    if (receipt.total < total || receipt.total > most || ended || !newer) {
      throw new LinepoolError(
        'receipt_invalid',
        `It is for ${receipt.total} bytes; ${total} are signed for, and the lease is not in use.`,
      );
    }
    this.#take(receipt, total);
    const lender = countersign(token, privateKey);
    this.#enter(receipt, token, lender);
    // Kept as it was at first: a step in all, not a step with each receipt.
    this.#late.set(key, late);
    if (!late.isCounted) standing.signBefore(receipt.total - total);
    return { receipt: lender, ...answer };
  }

  /** @throws LinepoolError `ledger_failed` */
  #enter({ borrower: neighbour, lease }: Receipt, borrower: string, lender: string): void {
    const entry = { kind: 'receipt', role: 'lender', neighbour, lease, borrower, lender } as const;
    if (this.#options.record.append(entry) === undefined) throw new LinepoolError('ledger_failed');
  }
}

/** The same id under another token would be a second account for one lease. */
export const usedBefore = (leaseId: string): LinepoolError =>
  new LinepoolError('lease_invalid', `The id ${leaseId} was used for another lease.`);

const keyOf = ({ borrower, id }: Pick<Lease, 'borrower' | 'id'>): string => `${borrower} ${id}`;
