/**
 * The lender's office for leases: the book of leases, and the desk that records them and signs their receipts, as one. Made by
 * the lender, which hands it what neighbours send; it reports what becomes of leases.
 */
import type { KeyObject } from 'node:crypto';
import type { Socket } from 'node:net';
import type { Clock } from '../core/clock.ts';
import { type ErrorCode, LinepoolError } from '../core/errors.ts';
import type { Events } from '../core/events.ts';
import type { Bytes } from '../core/units.ts';
import type { ReceiptAnswer, ReceiptMessage } from '../neighbours/messages.ts';
import type { Attempts } from '../paths/dial.ts';
import type { LeaseLimits } from './lease.ts';
import type { LeaseAccount } from './lease-account.ts';
import { LeaseBook, type LeaseParty } from './lease-book.ts';
import { type LendingRecord, ReceiptDesk } from './receipt-desk.ts';
import { RECEIPT_STEP } from './standing.ts';

export interface LeaseOfficeOptions {
  readonly ownId: string;
  /** Ours: receipts are countersigned with it. */
  readonly privateKey: KeyObject;
  /** The ledger: a lease that it does not take is not carried. */
  readonly record: LendingRecord;
  readonly leaseLimits: LeaseLimits;
  /** Default `RECEIPT_STEP`. */
  readonly receiptStep?: Bytes;
}

export class LeaseOffice implements Disposable {
  readonly book: LeaseBook;
  readonly #desk: ReceiptDesk;

  constructor(options: LeaseOfficeOptions, clock: Clock, events: Events) {
    const { ownId, privateKey, record, leaseLimits, receiptStep = RECEIPT_STEP } = options;
    const desk = new ReceiptDesk({ ownId, privateKey, record, clock, step: receiptStep });
    this.#desk = desk;
    this.book = new LeaseBook({
      ownId,
      limits: leaseLimits,
      clock,
      desk,
      onOpened: ({ lease: { id: lease, borrower, origin } }) =>
        events.report({ kind: 'lease_opened', borrower, lease, origin }),
      onOver: ({ lease: { id: lease, borrower }, bytes, receipts, state }) =>
        events.report({
          kind: 'lease_ended',
          borrower,
          lease,
          bytes,
          signedBytes: receipts?.signed ?? 0,
          code: state.kind === 'ended' ? state.code : undefined,
        }),
    });
  }

  /**
   * Signs that neighbour's receipt.
   * @throws LinepoolError `receipt_invalid`, `ledger_failed`
   */
  receipt(borrower: LeaseParty, message: ReceiptMessage): ReceiptAnswer {
    return this.#desk.receipt(message, this.book.signatory(borrower), (lease) =>
      this.book.find(borrower.id, lease),
    );
  }

  /** Puts on record where the line tries to connect for those leases, before it does; for none, it does not. */
  attempts(accounts: () => readonly LeaseAccount[]): Attempts {
    let trying: readonly LeaseAccount[] = [];
    return {
      expected: (addresses, port) => {
        trying = accounts();
        if (trying.length === 0) throw new LinepoolError('interrupted');
        for (const account of trying) this.#desk.expected(account, addresses, port);
      },
      begun: (address, port) => {
        for (const account of trying) this.#desk.contacted(account, address, port);
      },
    };
  }

  /** The line is connected to the other end of that socket for the lease. @throws LinepoolError `ledger_failed`, `overloaded` */
  contacted(account: LeaseAccount, { remoteAddress, remotePort }: Socket): void {
    if (remoteAddress === undefined || remotePort === undefined) return;
    this.#desk.contacted(account, remoteAddress, remotePort);
  }

  /** Signed for by that borrower since the daemon started. */
  signedBy(borrowerId: string): Bytes {
    return this.#desk.signedBy(borrowerId);
  }

  /** Ends the leases of that borrower, or of all. */
  end(borrowerId: string | undefined, code: ErrorCode): void {
    this.book.end(borrowerId, code);
  }

  /** That borrower has another id. Its leases are those of the old one, and end; what it owes is owed on. */
  rekey(before: string, after: string): void {
    this.#desk.rekey(before, after);
    this.drop(before);
  }

  /** That household is a neighbour no longer: its leases end, and what it owes is forgotten. */
  drop(borrowerId: string): void {
    this.book.end(borrowerId, 'not_paired');
    this.#desk.forget(borrowerId);
  }

  [Symbol.dispose](): void {
    this.book[Symbol.dispose]();
    this.#desk[Symbol.dispose]();
  }
}
