/**
 * What receipts, their record and the hashes of spans cost a pooled download over three lenders of 100 Mbit/s each. No attack, but a bar
 * of the same table: trust must not cost what pooling brings.
 */
import { type Attack, AttackError } from './attack.ts';
import { benchFigures } from './process.ts';

const MOST = 0.03;
const THROUGHPUT = 'of the throughput';

interface Result {
  readonly name: string;
  readonly way: string;
  readonly throughput: number;
  readonly cpu: number;
}

export const receiptsCost: Attack = {
  name: 'receipts-cost',
  says: 'what receipts, their record and hashes cost a pooled download',
  bar: {
    says: `<= ${MOST * 100} % ${THROUGHPUT}`,
    holds: ({ tries, values = {} }, asked) => tries >= asked && (values[THROUGHPUT] ?? Infinity) <= MOST,
  },
  // A few rounds measure the noise of the machine.
  quickTries: 0,
  tries: 7,
  run: async ({ tries, signal }) => {
    const results = (await benchFigures(
      'receipts',
      ['--rounds', String(tries)],
      signal,
    )) as readonly Result[];
    const pooled = (way: string): Result => {
      const found = results.find((one) => one.name === 'pooled' && one.way === way);
      if (found === undefined)
        throw new AttackError(`bench/receipts.ts told nothing of a download with ${way}.`);
      return found;
    };
    const [receipts, hashes] = [pooled('receipts'), pooled('hashes')];
    return {
      tries,
      wrong: 0,
      values: {
        [THROUGHPUT]: Math.max(1 - receipts.throughput, 1 - hashes.throughput),
        'of a processor, receipts': receipts.cpu,
        'of a processor, receipts and hashes': hashes.cpu,
      },
    };
  },
};
