/**
 * Attacks on the ledger: random alterations of its file and of its export, each of which must be named or refused; kills at
 * random moments of a process that writes it; and what it costs in bytes and time when it is long.
 */
import { killedRuns } from '../test/ledger/killed.ts';
import { exportMutations, fileMutations, type Mutations } from '../test/ledger/mutated.ts';
import { type Attack, AttackError, type Figures, NEVER } from './attack.ts';
import { benchFigures } from './process.ts';

/** So many alterations at least must have altered what is read: a file has places that nobody reads. */
const READ_LEAST = 0.25;

/** @throws AttackError when nothing went unseen because hardly anything was altered */
export function mutationFigures({ tried, named, refused, harmless, unseen }: Mutations): Figures {
  if (unseen.length === 0 && named + refused < tried * READ_LEAST)
    throw new AttackError(`Only ${named + refused} of ${tried} alterations altered what is read.`);
  return {
    tries: tried,
    wrong: unseen.length,
    values: { named, refused, harmless },
    examples: unseen,
  };
}

export const ledgerFile: Attack = {
  name: 'ledger-file',
  says: "random alterations of a ledger's file",
  bar: NEVER,
  quickTries: 100,
  tries: 1_000,
  run: async ({ tries }) => mutationFigures(await fileMutations(tries)),
};

export const ledgerExport: Attack = {
  name: 'ledger-export',
  says: 'a ledger that is cut short, put in another order or edited, as an export',
  bar: NEVER,
  quickTries: 100,
  tries: 1_000,
  run: async ({ tries }) => mutationFigures(await exportMutations(tries)),
};

/** What was said to be on record is so after any kill, and the whole holds. */
export const ledgerKills: Attack = {
  name: 'ledger-kills',
  says: 'kill -9 at random moments while the ledger is written',
  bar: NEVER,
  quickTries: 5,
  tries: 200,
  run: async ({ tries }) => {
    const { runs, lost, entries, faults } = await killedRuns(tries);
    return { tries: runs, wrong: faults.length + lost, values: { entries, lost }, examples: faults };
  },
};

const BYTES_MOST = 400;
const SECONDS_MOST = 20;
const FULL_ENTRIES = 1_000_000;

/** Of fewer entries: starting takes a while too. */
const SECONDS_LEAST = 5;

export const ledgerSize: Attack = {
  name: 'ledger-size',
  says: `a ledger of ${FULL_ENTRIES.toLocaleString('en')} entries is verified`,
  bar: {
    says: `<= ${BYTES_MOST} bytes each, 1,000,000 in <= ${SECONDS_MOST} s`,
    holds: ({ tries, values = {} }, asked) =>
      tries >= asked &&
      (values['bytes each'] ?? Infinity) <= BYTES_MOST &&
      (values['seconds'] ?? Infinity) <= Math.max(SECONDS_LEAST, (SECONDS_MOST * tries) / FULL_ENTRIES),
  },
  quickTries: 5_000,
  tries: FULL_ENTRIES,
  run: async ({ tries, signal }) => {
    const measured = (await benchFigures('ledger', ['--entries', String(tries)], signal)) as {
      readonly entries: number;
      readonly bytesPerEntry: number;
      readonly verifySeconds: number;
    };
    const { entries, bytesPerEntry, verifySeconds } = measured;
    return {
      tries: entries,
      wrong: 0,
      values: { 'bytes each': bytesPerEntry, seconds: verifySeconds },
    };
  },
};
