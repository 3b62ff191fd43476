/**
 * Mutations of leases and receipts by the thousand, through the code that reads them from the link: what was taken although it must
 * not be. For the tests and for whoever wants many of them.
 */
import { LinepoolError } from '../../src/core/errors.ts';
import { signReceipt } from '../../src/ledger/receipt.ts';
import { RECEIPT_STEP } from '../../src/lending/standing.ts';
import { parseMessage, ReceiptMessage } from '../../src/neighbours/messages.ts';
import { Dice, mutated } from '../support/mutations.ts';
import { party, receiptPair } from './receipt-pair.ts';

export interface ForgedRuns {
  readonly tried: number;
  /** What was done to those that were taken, or refused for another reason, so that it can be done again. Must be empty. */
  readonly taken: readonly string[];
}

/** Seconds that are not the same again when they were milliseconds in between. */
const INEXACT = 3_000_000_000_000_096;

/** Anything but a refusal of ours is a fault of its own. */
const codeOf = (error: unknown): string => (error instanceof LinepoolError ? error.code : String(error));

/** None may open an account. @throws Error when the honest one does not */
export async function forgedLeases(tries: number, seed: number): Promise<ForgedRuns> {
  const pair = receiptPair();
  const { lender, borrower, clock } = pair;
  const other = party();
  const token = await pair.lease();
  await pair.open(token);
  const seconds = Math.floor(clock.wall() / 1000);
  const claims = {
    iss: [other.id, lender.id, '', 5],
    aud: [other.id, borrower.id, null],
    org: ['http://other.example:80', 'https://files.example:443', 'http://files.example:8080', ''],
    byt: [0, -1, 1.5, 1e300, '5'],
    iat: [seconds + 86_400, -1, 'now', INEXACT],
    exp: [seconds - 86_400, seconds - 301, seconds + 400 * 86_400, 0, INEXACT],
    jti: ['short', 'with spaces in the middle', 'A'.repeat(65), ''],
  } as const;
  const dice = new Dice(seed);
  const taken: string[] = [];
  for (let i = 0; i < tries; i += 1) {
    const mutation = mutated(token, dice, { own: borrower.privateKey, other: other.privateKey }, claims);
    const code = await pair.open(mutation.token).then(() => 'taken', codeOf);
    if (!code.startsWith('lease_')) taken.push(`lease ${i}, seed ${seed}: ${mutation.says}: ${code}`);
  }
  if (pair.office.book.size !== 1) taken.push('more accounts than the honest one are open');
  return { tried: tries, taken };
}

/**
 * Claims that make no honest receipt of one, though the borrower's own key signs it. `signed` is signed for, and `most` may have been
 * carried: a total below the one or above the other must not be taken.
 */
export const receiptClaims = (
  { other, lender, borrower }: Readonly<Record<'other' | 'lender' | 'borrower', string>>,
  { signed, most }: { readonly signed: number; readonly most: number },
) =>
  ({
    iss: [other, lender, '', 5],
    aud: [other, borrower, null],
    lea: ['BBBBBBBBBBBBBBBBBBBBBB', 'short', ''],
    byt: [0, signed - 1, most + 1, most + RECEIPT_STEP * 100, -1, 1.5, '600000'],
    iat: [-1, 'now', 1.5, INEXACT],
    end: ['no', 1, null],
  }) as const;

/** None may be signed or be on record. @throws Error when the honest ones are not */
export async function forgedReceipts(tries: number, seed: number): Promise<ForgedRuns> {
  const pair = receiptPair();
  const { lender, borrower, clock } = pair;
  const other = party();
  const account = await pair.open(await pair.lease());
  const { receipts } = account;
  if (receipts === undefined) throw new Error('the lease has no receipts');
  account.carry(1_000_000);
  receipts.down(1_000_000);
  const { id } = account.lease;
  const honest = (total: number): string =>
    signReceipt(
      { borrower: borrower.id, lender: lender.id, lease: id, total, issuedAt: clock.wall(), last: false },
      borrower.privateKey,
    );
  const post = (receipt: string): unknown =>
    pair.office.receipt(borrower, parseMessage(ReceiptMessage, JSON.stringify({ receipt, idle: false })));
  post(honest(400_000));
  const token = honest(600_000);
  const claims = receiptClaims(
    { other: other.id, lender: lender.id, borrower: borrower.id },
    { signed: 400_000, most: 1_000_000 },
  );
  const dice = new Dice(seed);
  const before = pair.lent.entries.length;
  const taken: string[] = [];
  for (let i = 0; i < tries; i += 1) {
    const mutation = mutated(token, dice, { own: borrower.privateKey, other: other.privateKey }, claims);
    let code = 'taken';
    try {
      post(mutation.token);
    } catch (error) {
      code = codeOf(error);
    }
    if (code !== 'receipt_invalid' && code !== 'message_invalid')
      taken.push(`receipt ${i}, seed ${seed}: ${mutation.says}: ${code}`);
  }
  if (pair.lent.entries.length !== before || receipts.signed !== 400_000)
    taken.push('something besides the honest one is on record');
  post(token);
  if (receipts.signed !== 600_000) throw new Error('the honest receipt was not taken');
  return { tried: tries, taken };
}
