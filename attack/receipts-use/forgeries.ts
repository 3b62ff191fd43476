/**
 * What a borrower could post in place of an honest receipt: the mutations that the tests make of tokens, and what only somebody can who
 * is paired with a real lender: receipts of another neighbour, for another lease that is there, over another link, shown again. Pure.
 */
import { sign } from 'node:crypto';
import type { Bytes } from '../../src/core/units.ts';
import { RECEIPT_HEADER } from '../../src/ledger/receipt.ts';
import { receiptClaims } from '../../test/lending/forged-runs.ts';
import { type Dice, mutated } from '../../test/support/mutations.ts';
import type { TurnedBorrower } from '../../test/support/turned-borrower.ts';
import type { Borrowing } from './borrowing.ts';

export interface Forgery {
  /** For people. */
  readonly says: string;
  /** The body that is posted. */
  readonly text: string;
  /** Over whose link: that of the borrower of the lease, or that of another neighbour. */
  readonly over: 'own' | 'other';
  /** It was taken before: it may be answered, but not be recorded again, and nothing may come of it. */
  readonly isAgain?: boolean;
}

export interface Parties {
  readonly own: TurnedBorrower;
  readonly other: TurnedBorrower;
  /** Under a lease that the other neighbour really has. */
  readonly othersLease: string;
}

/** A transfer that waits for a receipt, and one more of the same borrower. */
export interface Scene {
  readonly on: Borrowing;
  readonly beside: Borrowing;
  /** A receipt for so much would be taken; for more than `most` never. */
  readonly total: Bytes;
  readonly most: Bytes;
}

/** More than a lender reads as a message. */
const LONGEST: Bytes = 9_000;

const message = (receipt: string, more: object = { idle: false }): string =>
  JSON.stringify({ receipt, ...more });

type Make = (scene: Scene, parties: Parties, dice: Dice) => Forgery;

function mutation({ on, total, most }: Scene, { own, other }: Parties, dice: Dice): Forgery {
  const claims = receiptClaims(
    { other: other.identity.id, lender: own.lenderId, borrower: own.identity.id },
    { signed: on.signed, most },
  );
  const keys = { own: own.identity.privateKey, other: other.identity.privateKey };
  const { says, token } = mutated(on.honest(total), dice, keys, claims);
  return { says, text: message(token, { idle: dice.below(2) === 1 }), over: 'own' };
}

/** The honest text but for the changes, with that key's signature. */
function said({ on, total }: Scene, by: TurnedBorrower, change: Readonly<Record<string, unknown>>): string {
  const payload = Buffer.from(on.honest(total).split('.')[1] ?? '', 'base64url').toString();
  const claims = { ...(JSON.parse(payload) as object), ...change };
  const part = (text: string): string => Buffer.from(text).toString('base64url');
  const input = `${part(RECEIPT_HEADER)}.${part(JSON.stringify(claims))}`;
  return `${input}.${sign(null, Buffer.from(input), by.identity.privateKey).toString('base64url')}`;
}

/** Those that need a lender with more than one lease and neighbour, or are no receipts at all. */
const OTHERS: readonly Make[] = [
  (scene, { other }) => ({
    says: "another neighbour's, in its own name",
    text: message(said(scene, other, { iss: other.identity.id })),
    over: 'own',
  }),
  (scene, { other }) => ({
    says: "another neighbour's signature",
    text: message(said(scene, other, {})),
    over: 'own',
  }),
  ({ on, total }) => ({
    says: "ours, over another neighbour's link",
    text: message(on.honest(total)),
    over: 'other',
  }),
  (scene, { own, othersLease }) => ({
    says: 'for the lease of another neighbour',
    text: message(said(scene, own, { lea: othersLease })),
    over: 'own',
  }),
  (scene, { other }) => ({
    says: 'another neighbour signs for our lease, over its own link',
    text: message(said(scene, other, { iss: other.identity.id })),
    over: 'other',
  }),
  (scene, { own }) => ({
    says: 'for our other lease, which carried less',
    text: message(said(scene, own, { lea: scene.beside.leaseId, byt: scene.beside.most + scene.total })),
    over: 'own',
  }),
  (scene, { own }) => ({
    says: 'a step more than was carried',
    text: message(said(scene, own, { byt: scene.most + 1 })),
    over: 'own',
  }),
  (scene, { own }) => ({
    says: 'one byte less than is signed for',
    text: message(said(scene, own, { byt: scene.on.signed - 1, end: true })),
    over: 'own',
  }),
  ({ on: { taken } }, _parties, dice) => {
    const nth = dice.below(taken.length);
    return {
      says: `the one that was taken ${taken.length - nth} before`,
      text: message(taken[nth] ?? ''),
      over: 'own',
      isAgain: nth === taken.length - 1,
    };
  },
  ({ on }) => ({
    says: 'the last one again',
    text: message(on.taken.at(-1) ?? ''),
    over: 'own',
    isAgain: true,
  }),
  ({ on }) => ({
    says: "the lender's own signature",
    text: message(on.countersigned),
    over: 'own',
  }),
  ({ on }) => ({ says: 'the lease itself', text: message(on.leaseToken), over: 'own' }),
  ({ on, total }) => ({
    says: 'an honest one that does not say whether it is idle',
    text: message(on.honest(total), {}),
    over: 'own',
  }),
  ({ on, total }) => ({
    says: 'an honest one in a list',
    text: `[${message(on.honest(total))}]`,
    over: 'own',
  }),
  ({ on, total }, _parties, dice) => {
    const text = message(on.honest(total));
    const at = dice.below(text.length);
    return { says: `its message cut off at ${at}`, text: text.slice(0, at), over: 'own' };
  },
  (_scene, _parties, dice) => {
    const some = Array.from({ length: 97 }, () => String.fromCodePoint(32 + dice.below(90))).join('');
    const text = some.repeat(100).slice(0, 1 + dice.below(LONGEST));
    return { says: `${text.length} characters of garbage`, text, over: 'own' };
  },
];

/** Every third one is of those above, in turns. */
const OTHERS_EVERY = 3;

/** The forgery of that number. */
export function forgery(i: number, scene: Scene, parties: Parties, dice: Dice): Forgery {
  const make = i % OTHERS_EVERY === 0 ? OTHERS[(i / OTHERS_EVERY) % OTHERS.length] : undefined;
  return (make ?? mutation)(scene, parties, dice);
}
