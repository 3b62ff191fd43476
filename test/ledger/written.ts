/**
 * Ledgers for tests: households with keys, leases and receipts as they sign them, and a whole ledger of them.
 */
import { generateKeyPairSync, type KeyObject, sign } from 'node:crypto';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { NewEntry } from '../../src/ledger/entry.ts';
import { Ledger, type LedgerOptions } from '../../src/ledger/ledger.ts';
import { countersign, signReceipt } from '../../src/ledger/receipt.ts';
import { LEASE_HEADER_TEXT, leasePayload } from '../../src/ledger/terms.ts';
import { idOfPublicKey } from '../../src/neighbours/household-id.ts';
import { FakeClock } from '../support/fake-clock.ts';

export interface Keys {
  readonly id: string;
  readonly publicKey: string;
  readonly privateKey: KeyObject;
}

export function household(): Keys {
  const { publicKey, privateKey } = generateKeyPairSync('ed25519');
  const spki = publicKey.export({ type: 'spki', format: 'der' });
  return { id: idOfPublicKey(spki), publicKey: spki.toString('base64url'), privateKey };
}

/** A compact JWS under any text. */
export function jws(header: string, payload: string, key: KeyObject): string {
  const input = `${Buffer.from(header).toString('base64url')}.${Buffer.from(payload).toString('base64url')}`;
  return `${input}.${sign(null, Buffer.from(input), key).toString('base64url')}`;
}

export interface LeaseText {
  readonly id: string;
  readonly origin?: string;
  readonly maxBytes?: number;
  readonly issuedAt?: number;
  readonly expiresAt?: number;
}

export const ISSUED_AT = Date.UTC(2026, 0, 1);

export function leaseToken(borrower: Keys, lender: Keys, text: LeaseText): string {
  const { id, origin = 'https://files.example:443', maxBytes = 2 ** 30 } = text;
  const { issuedAt = ISSUED_AT, expiresAt = issuedAt + 1_200_000 } = text;
  const terms = { id, borrower: borrower.id, lender: lender.id, origin, maxBytes, issuedAt, expiresAt };
  return jws(LEASE_HEADER_TEXT, leasePayload(terms), borrower.privateKey);
}

/** The name of lease number n. */
export const leaseId = (n: number): string => `lease-${String(n).padStart(16, '0')}`;

/** One side's view of leases with one neighbour. */
export class Dealings {
  readonly #us: Keys;
  readonly #them: Keys;
  readonly role: 'borrower' | 'lender';

  constructor(us: Keys, them: Keys, role: 'borrower' | 'lender') {
    this.#us = us;
    this.#them = them;
    this.role = role;
  }

  get borrower(): Keys {
    return this.role === 'borrower' ? this.#us : this.#them;
  }

  get lender(): Keys {
    return this.role === 'lender' ? this.#us : this.#them;
  }

  lease(text: LeaseText): Extract<NewEntry, { kind: 'lease' }> {
    const { id: neighbour, publicKey } = this.#them;
    const token = leaseToken(this.borrower, this.lender, text);
    return { kind: 'lease', role: this.role, neighbour, publicKey, token };
  }

  receipt(
    lease: string,
    total: number,
    { last = false, countersigned = true } = {},
  ): Extract<NewEntry, { kind: 'receipt' }> {
    const borrower = signReceipt(
      {
        borrower: this.borrower.id,
        lender: this.lender.id,
        lease,
        total,
        issuedAt: ISSUED_AT + 60_000,
        last,
      },
      this.borrower.privateKey,
    );
    const lender = countersigned ? countersign(borrower, this.lender.privateKey) : null;
    return { kind: 'receipt', role: this.role, neighbour: this.#them.id, lease, borrower, lender };
  }

  contact(lease: string, address: string, from: number, until: number | null = null): NewEntry {
    return { kind: 'contact', neighbour: this.#them.id, lease, address, port: 443, from, until };
  }

  proof(reason: string): Extract<NewEntry, { kind: 'proof' }> {
    const statement = jws('{"alg":"EdDSA","typ":"other"}', '{"bytes":"altered"}', this.#them.privateKey);
    return { kind: 'proof', neighbour: this.#them.id, publicKey: this.#them.publicKey, reason, statement };
  }
}

/** A folder that is gone at the end. */
export function folder(): Disposable & { readonly path: string } {
  const path = mkdtempSync(join(tmpdir(), 'linepool-ledger-'));
  return { path, [Symbol.dispose]: () => rmSync(path, { recursive: true, force: true }) };
}

export interface Opened {
  readonly ledger: Ledger;
  readonly clock: FakeClock;
  readonly us: Keys;
  readonly file: string;
}

/** A ledger in that folder. */
export function openLedger(path: string, more: Partial<LedgerOptions> = {}, us: Keys = household()): Opened {
  const clock = new FakeClock(ISSUED_AT);
  const file = join(path, 'ledger.sqlite');
  return { ledger: Ledger.open({ file, clock, household: us, ...more }), clock, us, file };
}

export const DAY_MS = 86_400_000;

/** As `fill`, long ago, with a lease that goes on: retention has left that one, with its contact, between what it removed. */
export function fillAndPrune(opened: Opened, leases: number, neighbours: [Keys, Keys]): void {
  const { ledger, clock, us } = opened;
  const deal = new Dealings(us, neighbours[0], 'lender');
  const id = leaseId(90);
  fill(opened, leases, neighbours);
  ledger.append(deal.lease({ id, issuedAt: clock.wall() }));
  ledger.append(deal.contact(id, '192.0.2.90', clock.wall()));
  ledger.append(deal.contact(id, '192.0.2.91', clock.wall()));
  const other = new Dealings(us, neighbours[1], 'lender');
  ledger.append(other.lease({ id: leaseId(91) }));
  ledger.append(other.receipt(leaseId(91), 1, { last: true }));
  clock.advance(60 * DAY_MS);
  ledger.append(deal.receipt(id, 1));
  if (ledger.prune(40 * DAY_MS) === 0) throw new Error('nothing was removed');
}

/** Leases both ways with two neighbours, each with a contact, receipts and some a proof. */
export function fill(
  { ledger, clock, us }: Opened,
  leases: number,
  [one, two] = [household(), household()],
): void {
  for (let n = 0; n < leases; n += 1) {
    const deal = new Dealings(us, n % 3 === 0 ? two : one, n % 2 === 0 ? 'lender' : 'borrower');
    const id = leaseId(n);
    const entries: NewEntry[] = [deal.lease({ id, issuedAt: clock.wall() })];
    if (deal.role === 'lender') entries.push(deal.contact(id, '192.0.2.7', clock.wall()));
    for (let step = 1; step <= 3; step += 1) {
      entries.push(deal.receipt(id, step * 4_000_000, { last: step === 3, countersigned: step !== 2 }));
    }
    if (n % 5 === 4) entries.push(deal.proof('A span was altered (span 3).'));
    for (const entry of entries) {
      if (ledger.append(entry) === undefined) throw new Error(`not recorded: ${JSON.stringify(entry)}`);
      clock.advance(1_000);
    }
  }
}
