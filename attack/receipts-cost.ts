/**
 * What signing and recording cost a pooled download of three lines of 100 Mbit/s, in processor time. No attack, but a bar of the same
 * table: trust must not cost what pooling brings.
 */
import type { Attack } from './attack.ts';
import { benchFigures } from './process.ts';

const MOST = 0.03;
const SHARE = 'of a processor at 300 Mbit/s';

export const receiptsCost: Attack = {
  name: 'receipts-cost',
  says: 'what receipts and their record cost a pooled download',
  bar: {
    says: `<= ${MOST * 100} %`,
    holds: ({ tries, values = {} }, asked) => tries >= asked && (values[SHARE] ?? Infinity) <= MOST,
  },
  // A few rounds measure the noise of the machine.
  quickTries: 0,
  tries: 7,
  run: async ({ tries, signal }) => {
    const results = (await benchFigures('receipts', ['--rounds', String(tries)], signal)) as readonly {
      readonly atPooled: number;
      readonly throughput: number;
    }[];
    return {
      tries,
      wrong: 0,
      values: {
        [SHARE]: Math.max(...results.map(({ atPooled }) => atPooled)),
        'throughput on loopback, unshaped': Math.min(...results.map(({ throughput }) => throughput)),
      },
    };
  },
};
