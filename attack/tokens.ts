/**
 * Leases and receipts that are not what they should be: altered, of other households, of other servers, out of date, signed with
 * other keys or algorithms. None may open an account or be signed.
 */
import { type ForgedRuns, forgedLeases, forgedReceipts } from '../test/lending/forged-runs.ts';
import { type Attack, type Figures, NEVER } from './attack.ts';

const figuresOf = ({ tried, taken }: ForgedRuns): Figures => ({
  tries: tried,
  wrong: taken.length,
  examples: taken,
});

export const leases: Attack = {
  name: 'leases',
  says: 'leases that are forged, foreign, expired or altered',
  bar: NEVER,
  quickTries: 1_000,
  tries: 1_000,
  run: async ({ tries, seed }) => figuresOf(await forgedLeases(tries, seed)),
};

export const receipts: Attack = {
  name: 'receipts',
  says: 'receipts that are forged, foreign or altered',
  bar: NEVER,
  quickTries: 1_000,
  tries: 1_000,
  run: async ({ tries, seed }) => figuresOf(await forgedReceipts(tries, seed)),
};
