/**
 * A lender's desk and a borrower's writer for tests, with nothing between them but a function: what one posts the other
 * answers, unless the test does something else to it on the way.
 */
import { generateKeyPairSync, type KeyObject, randomBytes } from 'node:crypto';
import { Events } from '../../src/core/events.ts';
import type { Milliseconds } from '../../src/core/units.ts';
import { type Lease, signLease } from '../../src/lending/lease.ts';
import type { LeaseAccount } from '../../src/lending/lease-account.ts';
import { LeaseOffice } from '../../src/lending/lease-office.ts';
import { LeaseSigner } from '../../src/lending/lease-signer.ts';
import { ReceiptWriter } from '../../src/lending/receipt-writer.ts';
import { idOfPublicKey } from '../../src/neighbours/household-id.ts';
import type { ReceiptMessage } from '../../src/neighbours/messages.ts';
import { FakeClock } from '../support/fake-clock.ts';
import { MemoryRecord } from '../support/record.ts';

export const ORIGIN = { scheme: 'http', host: 'files.example', port: 80 } as const;
export const ORIGIN_TEXT = 'http://files.example:80';

export interface Party {
  readonly id: string;
  readonly publicKey: string;
  readonly privateKey: KeyObject;
}

export function party(): Party {
  const { publicKey, privateKey } = generateKeyPairSync('ed25519');
  const spki = publicKey.export({ type: 'spki', format: 'der' });
  return { id: idOfPublicKey(spki), publicKey: spki.toString('base64url'), privateKey };
}

export interface ReceiptPair {
  readonly clock: FakeClock;
  readonly borrower: Party;
  readonly lender: Party;
  readonly office: LeaseOffice;
  readonly writer: ReceiptWriter;
  readonly lent: MemoryRecord;
  readonly borrowed: MemoryRecord;
  /** Of the lender, and of the borrower. */
  readonly lenderEvents: Events;
  readonly borrowerEvents: Events;
  /** What the borrower posted. */
  readonly posted: ReceiptMessage[];
  /** How it is answered; the lender's desk, unless the test says otherwise. */
  answer: (message: ReceiptMessage) => Promise<string>;
  isUp: boolean;
  /** The lender starts anew, with the ledger that it has. */
  restart(): LeaseOffice;
  open(token: string): Promise<LeaseAccount>;
  /** A lease signed by the borrower beside its signer. */
  lease(change?: Partial<Lease>, signedBy?: Party): Promise<string>;
  /** Lets promises run, and time pass. */
  advance(ms: Milliseconds): Promise<void>;
}

export function receiptPair(step?: number): ReceiptPair {
  const clock = new FakeClock();
  const borrower = party();
  const lender = party();
  const lent = new MemoryRecord();
  const borrowed = new MemoryRecord();
  const lenderEvents = new Events(() => clock.wall());
  const borrowerEvents = new Events(() => clock.wall());
  const start = (): LeaseOffice =>
    new LeaseOffice(
      {
        ownId: lender.id,
        privateKey: lender.privateKey,
        record: lent,
        leaseLimits: { maxBytes: 1e12, maxTime: 3_600_000, clockSkew: 300_000 },
        ...(step === undefined ? {} : { receiptStep: step }),
      },
      clock,
      lenderEvents,
    );
  let office = start();
  const posted: ReceiptMessage[] = [];
  const signer = new LeaseSigner({ ownId: borrower.id, privateKey: borrower.privateKey, clock });
  const pair: ReceiptPair = {
    clock,
    borrower,
    lender,
    get office() {
      return office;
    },
    lent,
    borrowed,
    lenderEvents,
    borrowerEvents,
    posted,
    isUp: true,
    // Async, so that what the desk throws is a rejection.
    // oxlint-disable-next-line typescript/require-await
    answer: async (message) => JSON.stringify(office.receipt(borrower, message)),
    writer: new ReceiptWriter({
      signer,
      privateKey: borrower.privateKey,
      publicKeyOf: (id) => (id === lender.id ? lender.publicKey : undefined),
      isUp: () => pair.isUp,
      post: (_id, message) => {
        posted.push(message);
        return pair.answer(message);
      },
      record: borrowed,
      clock,
      events: borrowerEvents,
    }),
    restart: () => {
      office[Symbol.dispose]();
      office = start();
      return office;
    },
    open: (token) => office.book.open(token, borrower, ORIGIN_TEXT),
    lease: (change = {}, signedBy = borrower) =>
      signLease(
        {
          id: randomBytes(16).toString('base64url'),
          borrower: borrower.id,
          lender: lender.id,
          origin: ORIGIN_TEXT,
          maxBytes: 1e9,
          issuedAt: clock.wall(),
          expiresAt: clock.wall() + 600_000,
          ...change,
        },
        signedBy.privateKey,
      ),
    async advance(ms) {
      await settled();
      clock.advance(ms);
      await settled();
    },
  };
  return pair;
}

/** Promises that follow from each other have run. */
export async function settled(): Promise<void> {
  for (let i = 0; i < 20; i += 1) await Promise.resolve();
  await new Promise((resolve) => setImmediate(resolve));
}
