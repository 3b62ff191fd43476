/**
 * What a lender could answer to an honest receipt in place of its own signature under it: the mutations that the tests make of tokens,
 * signatures under something else, and counts that are not so. Pure.
 */
import { MIB } from '../../src/core/units.ts';
import { signAgain } from '../../src/ledger/jws.ts';
import type { ReceiptAnswer } from '../../src/neighbours/messages.ts';
import { type Dice, type MutationKeys, mutated } from '../../test/support/mutations.ts';

export interface Answer {
  readonly status: number;
  readonly text: string;
}

export interface ForgedAnswer extends Answer {
  /** For people. */
  readonly says: string;
  /** The lender's signature in it is good: it may be on record. */
  readonly isSigned: boolean;
}

/** What the forger says of an answer that it left as it was. */
export const HONEST = 'honest';

/** One answer, as the forger tells the attack of it. */
export interface Line {
  /** `HONEST`, or what was done. */
  readonly says: string;
  /** The lender's good token that the borrower was given; empty when it was given none. */
  readonly lender: string;
  /** The id of the lease. */
  readonly lease: string;
}

export interface Forging {
  readonly keys: MutationKeys;
  /** The lender's own signatures that the borrower was given before. */
  readonly honest: readonly string[];
  readonly dice: Dice;
}

/** More than a lender can be ahead by. */
const AHEAD = 64 * MIB;

const CLAIMS = {
  byt: [0, 1, AHEAD, -1, '5'],
  end: [true, 'no'],
  iat: [1, -1],
  lea: ['BBBBBBBBBBBBBBBBBBBBBB', ''],
  iss: ['nobody'],
  aud: ['nobody'],
} as const;

type Lie = Omit<ForgedAnswer, 'says'>;
type Make = (answer: ReceiptAnswer, forging: Forging) => Lie;

const lie = (answer: object, isSigned = false): Lie => ({
  status: 200,
  text: JSON.stringify(answer),
  isSigned,
});

/** By what is done. */
const OTHERS: Readonly<Record<string, Make>> = {
  'the signature of another household': (answer, { keys }) =>
    lie({ ...answer, receipt: signAgain(answer.receipt, keys.other) }),
  'its signature from before': (answer, { honest }) => lie({ ...answer, receipt: honest[0] ?? '' }),
  'no signature': (answer) => lie({ ...answer, receipt: answer.receipt.replace(/[^.]*$/, '') }),
  'more than came': (answer) =>
    lie({ ...answer, carriedBytes: answer.carriedBytes + AHEAD, carriedUpBytes: AHEAD }, true),
  'counts alone': ({ carriedBytes, carriedUpBytes }) => lie({ carriedBytes, carriedUpBytes }),
  'counts below nothing': (answer) => lie({ ...answer, carriedBytes: -1 }),
  'two answers': (answer) => lie([answer, answer]),
  'half an answer': (answer, { dice }) => {
    const text = JSON.stringify(answer);
    return { status: 200, text: text.slice(0, dice.below(text.length)), isSigned: false };
  },
  'a refusal': () => ({ status: 403, text: '{"code":"receipt_invalid"}', isSigned: false }),
};
const NAMES = Object.keys(OTHERS);

/** Every third one is of those above. */
const OTHERS_EVERY = 3;

/** `only`: that one of those above. */
export function forgedAnswer(answer: ReceiptAnswer, forging: Forging, only?: string): ForgedAnswer {
  const { keys, dice } = forging;
  const name = only ?? (dice.below(OTHERS_EVERY) === 0 ? NAMES[dice.below(NAMES.length)] : undefined);
  const make = OTHERS[name ?? ''];
  if (name !== undefined && make !== undefined) return { says: name, ...make(answer, forging) };
  const { says, token } = mutated(answer.receipt, dice, keys, CLAIMS);
  return { says, ...lie({ ...answer, receipt: token }) };
}
