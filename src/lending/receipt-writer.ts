/**
 * The borrower's side of leases and receipts: hands out leases, counts what comes under each, signs the running totals and checks
 * that the lender signs them too. The paths over neighbours' lines and the gateway count into it.
 *
 *     carrying(token) ─► down, up ─► due? ─► sign ─► post ─► the lender's signature ─► both on record
 *                                                     └── none for ANSWER_MS, or a wrong one ─► the lender is left alone
 *
 * One receipt at a time is on its way to a lender. It must never sign more than came, nor hold up what is carried.
 */
import type { KeyObject } from 'node:crypto';
import type { Clock } from '../core/clock.ts';
import { asLinepoolError, type ErrorCode, LinepoolError } from '../core/errors.ts';
import type { Events } from '../core/events.ts';
import type { Origin } from '../core/target.ts';
import { type Bytes, KIB, type Milliseconds } from '../core/units.ts';
import { readReceipt, sameText, signReceipt } from '../ledger/receipt.ts';
import { parseMessage, ReceiptAnswer, type ReceiptMessage } from '../neighbours/messages.ts';
import { publicKeyOf } from '../neighbours/public-key.ts';
import type { LeaseMeter } from '../paths/metered.ts';
import type { Leases } from '../paths/neighbour-line.ts';
import { LEASE_HEADER, type Lease } from './lease.ts';
import { LEASES_KEPT, type LeaseSigner } from './lease-signer.ts';
import { dueOf, isSettled, type Owed, owedAtStart, signable, unsigned } from './owed.ts';
import type { LendingRecord } from './receipt-desk.ts';
import { RECEIPT_STEP } from './standing.ts';

/** A lender that has not signed for so long, asked again and again, is left alone. */
export const ANSWER_MS: Milliseconds = 10_000;
/** How long it is left alone. */
export const LEFT_ALONE_MS: Milliseconds = 60_000;
/** How soon a receipt that was not answered is sent again. */
export const RETRY_MS: Milliseconds = 500;
/** By its own count a lender may be ahead of ours by what is in flight; by more, and one of us has counted wrongly. */
export const DISPUTE_BYTES: Bytes = 2 * RECEIPT_STEP;
/** At the end lenders have so long to sign what is still owed, whatever they do. */
export const LAST_WORD_MS: Milliseconds = 1_000;
/** What is due is looked at again when so much has come from a lender. */
const LOOK_EVERY: Bytes = 256 * KIB;
/** Leases whose totals are remembered, over all lenders. */
export const OWED_MAX = 2 * LEASES_KEPT;

/** A lender's answer with which its lease is done for. */
const FINAL: ReadonlySet<ErrorCode> = new Set([
  'receipt_invalid',
  'receipt_missing',
  'message_invalid',
  'not_found',
  'not_paired',
]);

export interface ReceiptWriterOptions {
  readonly signer: LeaseSigner;
  readonly privateKey: KeyObject;
  /** The neighbour's key as the book has it; undefined for whoever is not in it. */
  readonly publicKeyOf: (lenderId: string) => string | undefined;
  /** Whether the neighbour is there, as presence has it: one that is away is not at fault. */
  readonly isUp: (lenderId: string) => boolean;
  /** Sends a receipt; resolves with the text of the answer. */
  readonly post: (lenderId: string, message: ReceiptMessage) => Promise<string>;
  readonly record: Pick<LendingRecord, 'append'>;
  readonly clock: Clock;
  readonly events: Events;
}

interface Lender {
  readonly id: string;
  readonly owed: Map<string, Owed>;
  /** A receipt is on its way; resolves when it was answered, or not. */
  sending: Promise<void> | undefined;
  /** Since when it has not answered, and when it is asked again. */
  failing: { readonly since: Milliseconds; readonly retryAt: Milliseconds } | undefined;
  leftAloneUntil: Milliseconds;
  signed: Bytes;
  /** Came since somebody looked what is due. */
  came: Bytes;
  timer: Disposable | undefined;
}

export class ReceiptWriter implements Leases, AsyncDisposable {
  readonly header = LEASE_HEADER;
  readonly #options: ReceiptWriterOptions;
  /** Bounded by the neighbours there have been. */
  readonly #lenders = new Map<string, Lender>();
  #disposed = false;

  constructor(options: ReceiptWriterOptions) {
    this.#options = options;
  }

  /** @see Leases.lease. @throws LinepoolError `receipt_unanswered` */
  async lease(lenderId: string, origin: Origin, bytes: Bytes): Promise<string> {
    if (this.isLeftAlone(lenderId)) throw new LinepoolError('receipt_unanswered');
    return await this.#options.signer.lease(lenderId, origin, bytes);
  }

  /** @see Leases.isLeftAlone */
  isLeftAlone(lenderId: string): boolean {
    const until = this.#lenders.get(lenderId)?.leftAloneUntil;
    return until !== undefined && until > this.#options.clock.now();
  }

  /** @see Leases.spoiled */
  spoiled(token: string): void {
    const lease = this.#options.signer.leaseOf(token);
    this.#options.signer.spoiled(token);
    const lender = lease === undefined ? undefined : this.#lenders.get(lease.lender);
    const owed = lender?.owed.get(token);
    if (lender === undefined || owed === undefined) return;
    owed.over = true;
    owed.atRest = false;
    this.#look(lender);
  }

  /** @see Leases.carrying */
  carrying(token: string): LeaseMeter {
    const { signer, clock } = this.#options;
    const lease = signer.leaseOf(token);
    if (lease === undefined) return UNCOUNTED;
    const lender = this.#lender(lease.lender);
    const owed = this.#owed(lender, lease, token);
    owed.transfers += 1;
    if (owed.transfers === 1) owed.toldAt = clock.now();
    owed.atRest = false;
    this.#look(lender);
    let open = true;
    return {
      down: (bytes) => {
        owed.down += bytes;
        signer.used(token, bytes);
        lender.came += bytes;
        // Not at each piece, of which there are thousands.
        if (lender.came >= LOOK_EVERY && lender.failing === undefined) this.#look(lender);
      },
      up: (bytes) => {
        owed.up += bytes;
        signer.used(token, bytes);
      },
      [Symbol.dispose]: () => {
        if (!open) return;
        open = false;
        owed.transfers -= 1;
        owed.restedAt = clock.now();
        this.#look(lender);
      },
    };
  }

  /** Signed for by both since the daemon started. */
  signedFor(lenderId: string): Bytes {
    return this.#lenders.get(lenderId)?.signed ?? 0;
  }

  /** What is still owed is signed for, by whoever answers in time; from then on nothing is. */
  async [Symbol.asyncDispose](): Promise<void> {
    if (this.#disposed) return;
    this.#disposed = true;
    const lenders = [...this.#lenders.values()];
    for (const { timer } of lenders) timer?.[Symbol.dispose]();
    using patience = new DisposableStack();
    const late = new Promise<void>((resolve) => {
      patience.use(this.#options.clock.after(LAST_WORD_MS, resolve));
    });
    await Promise.race([Promise.all(lenders.map((lender) => this.#lastWord(lender))), late]);
    this.#lenders.clear();
  }

  #lender(id: string): Lender {
    let lender = this.#lenders.get(id);
    if (lender === undefined) {
      lender = {
        id,
        owed: new Map(),
        sending: undefined,
        failing: undefined,
        leftAloneUntil: 0,
        signed: 0,
        came: 0,
        timer: undefined,
      };
      this.#lenders.set(id, lender);
    }
    return lender;
  }

  #owed(lender: Lender, lease: Lease, token: string): Owed {
    const known = lender.owed.get(token);
    if (known !== undefined) return known;
    this.#makeRoom();
    const { record, clock, publicKeyOf } = this.#options;
    const publicKey = publicKeyOf(lender.id);
    if (publicKey !== undefined) {
      // Ours to prove with, not ours to be stopped by: a full disk is reported by the ledger.
      record.append({ kind: 'lease', role: 'borrower', neighbour: lender.id, token, publicKey });
    }
    const owed = owedAtStart(lease, token, clock.now());
    lender.owed.set(token, owed);
    return owed;
  }

  /** Forgets the one that is longest at rest, a settled one if there is any, and never uses that lease again. */
  #makeRoom(): void {
    const all = [...this.#lenders.values()].flatMap((lender) =>
      [...lender.owed.values()].map((owed) => ({ lender, owed })),
    );
    if (all.length < OWED_MAX) return;
    const resting = all
      .filter(({ owed }) => owed.transfers === 0)
      .sort(
        ({ owed: a }, { owed: b }) => Number(isSettled(b)) - Number(isSettled(a)) || a.restedAt - b.restedAt,
      );
    const [first] = resting;
    if (first === undefined) return;
    first.lender.owed.delete(first.owed.token);
    this.#options.signer.spoiled(first.owed.token);
  }

  /** Sends what is due, or sees to it that somebody looks again. */
  #look(lender: Lender): void {
    if (lender.sending !== undefined || this.#disposed) return;
    lender.came = 0;
    lender.timer?.[Symbol.dispose]();
    lender.timer = undefined;
    const { clock } = this.#options;
    const now = clock.now();
    const due = dueOf(lender.owed.values(), now);
    if (due.kind === 'nothing') {
      // What it does not owe it can't fail at: the next time is a first time.
      lender.failing = undefined;
      return;
    }
    const at = Math.max(lender.failing?.retryAt ?? now, due.kind === 'wait' ? due.until : now);
    if (due.kind === 'sign' && at <= now) this.#begin(lender, due.owed);
    else lender.timer = clock.after(at - now, () => this.#look(lender));
  }

  #begin(lender: Lender, owed: Owed): void {
    if (owed.over && owed.transfers === 0 && owed.receipt === undefined && signable(owed) === 0) {
      // It was never taken: there is nothing to sign, and perhaps nobody who knows of it.
      lender.owed.delete(owed.token);
      this.#look(lender);
      return;
    }
    lender.sending = this.#send(lender, owed).finally(() => {
      lender.sending = undefined;
      this.#look(lender);
    });
  }

  /** To one that does not answer, once. */
  async #lastWord(lender: Lender): Promise<void> {
    await lender.sending;
    if (!this.#options.isUp(lender.id)) return;
    for (const owed of lender.owed.values()) {
      owed.over = true;
      if (unsigned(owed) > 0 && lender.failing === undefined) await this.#send(lender, owed);
    }
  }

  /** Never rejects. */
  async #send(lender: Lender, owed: Owed): Promise<void> {
    const { post, clock } = this.#options;
    const idle = owed.transfers === 0;
    const { restedAt } = owed;
    const total = Math.max(owed.signed, signable(owed));
    const receipt = this.#receipt(owed, total);
    try {
      const answer = parseMessage(ReceiptAnswer, await post(lender.id, { receipt, idle }));
      this.#answered(lender, owed, { total, receipt, answer });
      if (idle && owed.transfers === 0 && owed.restedAt === restedAt) owed.atRest = true;
      if (owed.over && isSettled(owed)) lender.owed.delete(owed.token);
    } catch (thrown) {
      this.#failed(lender, owed, receipt, asLinepoolError(thrown));
    }
    owed.toldAt = clock.now();
  }

  /** The one before once more when nothing came since, so that it is one receipt however often it is sent. */
  #receipt(owed: Owed, total: Bytes): string {
    const { lease, over, transfers, sent } = owed;
    const last = over && transfers === 0;
    if (sent?.total === total && sent.last === last) return sent.receipt;
    const { borrower, lender, id } = lease;
    const issuedAt = this.#options.clock.wall();
    const { privateKey } = this.#options;
    const receipt = signReceipt({ borrower, lender, lease: id, total, issuedAt, last }, privateKey);
    owed.sent = { total, last, receipt };
    return receipt;
  }

  /** @throws LinepoolError `receipt_unanswered`, `receipt_disputed` */
  #answered(
    lender: Lender,
    owed: Owed,
    sent: {
      readonly total: Bytes;
      readonly receipt: string;
      readonly answer: ReceiptAnswer;
    },
  ): void {
    const { total, receipt, answer } = sent;
    const key = this.#keyOf(lender.id);
    try {
      readReceipt(answer.receipt, key);
    } catch (cause) {
      throw new LinepoolError('receipt_unanswered', 'Its signature does not hold.', { cause });
    }
    if (!sameText(receipt, answer.receipt))
      throw new LinepoolError('receipt_unanswered', 'It signed something else.');
    if (owed.receipt !== receipt) {
      this.#enter(owed, receipt, answer.receipt);
      lender.signed += total - owed.signed;
      owed.signed = total;
      owed.receipt = receipt;
    }
    lender.failing = undefined;
    lender.leftAloneUntil = 0;
    owed.upPassed = Math.max(owed.upPassed, answer.carriedUpBytes);
    const ahead = answer.carriedBytes - owed.down - owed.up;
    if (ahead > DISPUTE_BYTES)
      throw new LinepoolError('receipt_disputed', `It claims ${ahead} bytes more than came.`);
  }

  /** @throws LinepoolError `not_paired` */
  #keyOf(lenderId: string): KeyObject {
    const key = publicKeyOf(this.#options.publicKeyOf(lenderId) ?? '');
    if (key === undefined) throw new LinepoolError('not_paired', lenderId);
    return key;
  }

  #failed(lender: Lender, owed: Owed, receipt: string, error: LinepoolError): void {
    const { clock } = this.#options;
    const now = clock.now();
    const wrong = error.code === 'receipt_unanswered' || error.code === 'receipt_disputed';
    if (FINAL.has(error.code) || wrong) {
      // Nothing more can be signed under it, so nothing more is to come under it.
      lender.owed.delete(owed.token);
      this.#options.signer.spoiled(owed.token);
      this.#report(owed, error);
      if (wrong) lender.leftAloneUntil = now + LEFT_ALONE_MS;
      return;
    }
    const since = lender.failing?.since ?? now;
    lender.failing = { since, retryAt: now + RETRY_MS };
    if (now - since < ANSWER_MS) return;
    if (unsigned(owed) > 0) {
      // What we have signed, for the record; the lender has not answered.
      this.#enter(owed, receipt, null);
    }
    lender.owed.delete(owed.token);
    this.#options.signer.spoiled(owed.token);
    if (lender.owed.size === 0) lender.failing = undefined;
    if (!this.#options.isUp(lender.id)) return;
    lender.leftAloneUntil = now + LEFT_ALONE_MS;
    this.#report(owed, new LinepoolError('receipt_unanswered', `(${error.code})`));
  }

  #enter({ lease: { id, lender } }: Owed, borrower: string, countersigned: string | null): void {
    this.#options.record.append({
      kind: 'receipt',
      role: 'borrower',
      neighbour: lender,
      lease: id,
      borrower,
      lender: countersigned,
    });
  }

  #report({ lease: { id, lender } }: Owed, { code, detail }: LinepoolError): void {
    this.#options.events.report({ kind: 'receipt_failed', lender, lease: id, code, detail });
  }
}

/** For a token that was forgotten: nothing is signed under it, and the lender ends it. */
const UNCOUNTED: LeaseMeter = {
  down: () => undefined,
  up: () => undefined,
  [Symbol.dispose]: () => undefined,
};
