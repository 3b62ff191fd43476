/**
 * Neighbours that alter what they bring: a byte, a part, all parts, their length, or their heads. Each download is made with
 * two whole daemons that were really paired, and an origin that is honest at home and lies at the end of the neighbour's line.
 */
import { LIES, type Lie } from '../test/support/lies.ts';
import { type Tried, tries, type Way } from '../test/support/lying-lender.ts';
import { type Attack, AttackError, type Figures, type Means, NEVER } from './attack.ts';

/** A run says how far it is this often. */
const SAY_EVERY = 50;
const EXAMPLES = 5;
const LIED_IN = 'downloads that were lied in';
/** Of all tries, so many must have been lied in: who never lies holds every bar. */
export const LIED_LEAST = 0.5;

export interface Plan {
  readonly way: Way;
  readonly lies: readonly Lie[];
  /** What must not come of a download. */
  readonly isWrong: (tried: Tried) => boolean;
}

/** @throws AttackError when nothing went wrong because hardly anything was tried */
export async function altered(
  { way, lies, isWrong }: Plan,
  { tries: asked, seed, signal, say }: Means,
  tryAll = tries,
): Promise<Figures> {
  let tried = 0;
  let wrong = 0;
  let lied = 0;
  let caught = 0;
  const examples: string[] = [];
  await tryAll(asked, { way, lies, seed }, (one, lie) => {
    signal.throwIfAborted();
    tried += 1;
    if (one.lies > 0) lied += 1;
    if (one.caught) caught += 1;
    if (isWrong(one)) {
      wrong += 1;
      const how = one.complete ? 'complete' : 'failed';
      if (examples.length < EXAMPLES)
        examples.push(`${lie}, seed ${seed + tried - 1}: ${one.wrongBytes} wrong bytes, ${how}`);
    }
    if (tried % SAY_EVERY === 0) say(`${tried} of ${asked}, ${wrong} wrong`);
  });
  if (wrong === 0 && lied < tried * LIED_LEAST)
    throw new AttackError(
      `The neighbour lied in ${lied} of ${tried} downloads only: its line was hardly used, so nothing was found out.`,
    );
  return { tries: tried, wrong, values: { [LIED_IN]: lied, caught }, examples };
}

/** TLS ends in the borrower's own program: not one wrong byte may be taken. */
export const alterHttps: Attack = {
  name: 'alter-https',
  says: 'a neighbour alters what its tunnels carry',
  bar: NEVER,
  quickTries: 5,
  tries: 1_000,
  run: (means) => altered({ way: 'https', lies: LIES, isWrong: ({ wrongBytes }) => wrongBytes > 0 }, means),
};

/** A bad body must never look complete. */
export const alterDigest: Attack = {
  name: 'alter-digest',
  says: 'a neighbour alters http parts of a file whose digest the server gives',
  bar: NEVER,
  quickTries: 5,
  tries: 1_000,
  run: (means) =>
    altered(
      { way: 'digest', lies: LIES, isWrong: ({ complete, wrongBytes }) => complete && wrongBytes > 0 },
      means,
    ),
};

const CAUGHT_LEAST = 0.99;

/** Where what was altered was given up before it was used, there is nothing to catch. */
const gotAway = ({ lies, caught, complete, wrongBytes }: Tried): boolean =>
  wrongBytes > 0 ? complete || !caught : lies > 0 && !caught && !complete;

/** Nothing but samples over the own line: who alters whole parts is caught within the one download. */
export const alterSampling: Attack = {
  name: 'alter-sampling',
  says: 'a neighbour alters whole http parts, and there is no digest',
  bar: {
    says: `caught in >= ${CAUGHT_LEAST * 100} % of downloads`,
    holds: ({ tries, wrong, values = {} }, asked) =>
      tries >= asked && wrong <= (values[LIED_IN] ?? 0) * (1 - CAUGHT_LEAST),
  },
  quickTries: 5,
  tries: 300,
  run: (means) => altered({ way: 'sampled', lies: ['span', 'all'], isWrong: gotAway }, means),
};
