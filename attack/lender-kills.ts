/**
 * kill -9 of a lender while it carries: a real download through two real daemons, over and over on the same state folders. After each
 * kill both ledgers hold, nothing is gone that the borrower has both signatures of, and of what the neighbour brought at most one step
 * is not signed for.
 */
import { sleep } from '../src/core/clock.ts';
import { type Bytes, formatBytes, KIB, MIB, type Milliseconds } from '../src/core/units.ts';
import { waitUntil } from '../src/demo/wait.ts';
import { RECEIPT_STEP } from '../src/lending/standing.ts';
import { UNFIT_LOSSES } from '../src/neighbours/link-quality.ts';
import { Dice } from '../test/support/mutations.ts';
import { type Attack, AttackError, type Figures, type Means, NEVER } from './attack.ts';
import { leftBehindBy, type Recorded, type RecordedLease, recordedBy } from './pooled/recorded.ts';
import { openPooledScene, type PooledScene } from './pooled/scene.ts';
import { IN_FLIGHT } from './receipts-use/borrowing.ts';

/**
 * Of one lease (docs/protocol.md, section 13): a step is carried beyond what is signed, but for what is on its way. A receipt counts as
 * signed when it is on record, so a kill loses none; what was carried after the last one is all that can be lost.
 */
export const LOST_MOST: Bytes = RECEIPT_STEP + IN_FLIGHT;
/** When it is killed: the borrower signs for each 2 MiB, so that there are none to eight receipts by then. */
const FIRST_BYTES: Bytes = 256 * KIB;
const LAST_BYTES: Bytes = 16 * MIB;
/** In turns from each of so many parts of that, so that a few kills come sooner and later, too. */
const PARTS = 5;
/** Longer than the pause between two pieces that the origin sends. */
const LATER_MS: Milliseconds = 20;
/** A neighbour whose link was lost five times in five minutes is not used: so the borrower's power is cut after every few kills, too. */
const BORROWER_EVERY = UNFIT_LOSSES - 2;
/** So many of all kills must have come when something was carried and signed for already: else nothing was there to be lost. */
const SIGNED_LEAST = 0.5;
/** Every signature is checked this often, and at the end; the last ones of all leases each time. */
const ALL_EVERY = 20;
const SAY_EVERY = 20;

export const lenderKills: Attack = {
  name: 'lender-kills',
  says: 'kill -9 of a real lender at random moments while it carries',
  bar: { ...NEVER, says: `0 wrong, <= ${formatBytes(LOST_MOST)} unsigned` },
  quickTries: 5,
  tries: 200,
  run: (means) => killedLenders(means),
};

/** What was there when the lender was gone. */
export interface Killed {
  /** `http://host:port`, of the download that was cut alone. */
  readonly origin: string;
  /** By the origin to the lender. */
  readonly sent: Bytes;
  /** By the lender, as the borrower counts it. */
  readonly brought: Bytes;
  readonly lent: Recorded;
  readonly borrowed: Recorded;
}

/** `most`: how much may be lost. @throws AttackError when hardly anything was there to be lost */
export async function killedLenders(
  { tries, seed, signal, say }: Means,
  most: Bytes = LOST_MOST,
): Promise<Figures> {
  await using scene = await openPooledScene({ downloads: tries, signal });
  const { borrower, lender } = scene;
  const dice = new Dice(seed);
  const tally = new Tally(most);
  for (let i = 0; i < tries; i += 1) {
    if (i > 0) {
      const isCut = i % BORROWER_EVERY === 0;
      if (isCut) await borrower.kill();
      await Promise.all([lender.restart(), isCut ? borrower.restart() : undefined]);
      await scene.untilOffered();
    }
    const part = Math.floor((LAST_BYTES - FIRST_BYTES) / PARTS);
    const bytes = FIRST_BYTES + (i % PARTS) * part + dice.below(part);
    tally.add(await killOne(scene, { bytes, ms: dice.below(LATER_MS) }, (i + 1) % ALL_EVERY === 0));
    if ((i + 1) % SAY_EVERY === 0) say(`${i + 1} of ${tries}, ${tally.wrong.length} wrong`);
  }
  // As people do it.
  for (const household of [borrower, lender]) {
    const failed = (error: Error): void => void tally.wrong.push(error.message);
    await household.run('ledger', 'verify', '--all').catch(failed);
  }
  return tally.figures();
}

/** One download, in which the lender is killed when so many bytes have been sent to it, and so much time has gone by since. */
async function killOne(
  scene: PooledScene,
  { bytes, ms }: { readonly bytes: Bytes; readonly ms: Milliseconds },
  all: boolean,
): Promise<Killed> {
  const { borrower, lender, patience } = scene;
  using pooled = scene.download();
  await waitUntil(`the lender carries ${bytes} bytes`, patience, () => pooled.sent >= bytes);
  // No condition is waited for: any moment is right, also between two pieces that the origin sends.
  await sleep(patience.clock, ms, patience.signal);
  await lender.kill();
  // What was on its way still arrives.
  await scene.untilRead();
  const { origin, sent } = pooled;
  const brought = await pooled.brought('lender');
  const lent = await leftBehindBy(lender.stateDir, all);
  const borrowed = await recordedBy(borrower.stateDir, all);
  return { origin, sent, brought, lent, borrowed };
}

/** A kill whose neighbours have not met again yet. */
interface Unsettled {
  readonly number: number;
  readonly killed: Killed;
  /** By id, of the download that was cut. */
  readonly leases: ReadonlyMap<string, RecordedLease>;
  readonly signed: Bytes;
}

/** What came of kills. Pure. */
export class Tally {
  readonly wrong: string[] = [];
  readonly #most: Bytes;
  #kills = 0;
  #last: Unsettled | undefined;
  #signed = 0;
  #signedLater = 0;
  #lost: Bytes = 0;

  constructor(most: Bytes = LOST_MOST) {
    this.#most = most;
  }

  add(killed: Killed): void {
    const { origin, brought, lent, borrowed } = killed;
    if (this.#last !== undefined) this.#settle(this.#last, lent);
    this.#kills += 1;
    const what = (says: string): void => void this.wrong.push(`kill ${this.#kills}: ${says}`);
    if (lent.fault !== undefined) what(`the lender's ledger, ${lent.fault}`);
    if (borrowed.fault !== undefined) what(`the borrower's ledger, ${borrowed.fault}`);
    const leases = new Map(
      [...lent.leases].filter(([, lease]) => lease.role === 'lender' && lease.origin === origin),
    );
    if (leases.size === 0 && brought > 0) what(`${brought} bytes came, and no lease is on record`);
    for (const [id, { role, total }] of borrowed.leases) {
      const there = lent.leases.get(id)?.total ?? 0;
      if (role === 'borrower' && there < total)
        what(`the borrower has both signatures for ${total} bytes, the lender for ${there} (lease ${id})`);
    }
    const signed = sumOf(leases.values());
    if (signed > 0) this.#signed += 1;
    this.#last = { number: this.#kills, killed, leases, signed };
  }

  /** @throws AttackError when nothing went wrong because hardly anything could */
  figures(): Figures {
    const entries = this.#last?.killed.lent.entries ?? 0;
    if (this.#last !== undefined) this.#settle(this.#last, this.#last.killed.lent);
    this.#last = undefined;
    if (this.wrong.length === 0 && this.#signed < this.#kills * SIGNED_LEAST)
      throw new AttackError(`Something was signed for before ${this.#signed} of ${this.#kills} kills only.`);
    return {
      tries: this.#kills,
      wrong: this.wrong.length,
      values: {
        'kills after a receipt': this.#signed,
        'bytes unsigned at a kill, at most': this.#lost,
        'kills after which they were signed for': this.#signedLater,
        entries,
      },
      examples: this.wrong,
    };
  }

  /** `since`: as the lender has it now. What the borrower has signed since then did come, to the byte. */
  #settle({ number, killed, leases, signed }: Unsettled, since: Recorded): void {
    const { sent, brought } = killed;
    const later = sumOf([...leases.keys()].map((id) => since.leases.get(id) ?? NOTHING));
    const lost = Math.max(brought, later) - signed;
    this.#lost = Math.max(this.#lost, lost);
    if (later >= brought) this.#signedLater += 1;
    if (lost > this.#most * leases.size)
      this.wrong.push(`kill ${number}: ${lost} bytes were unsigned (leases: ${leases.size})`);
    if (later > sent)
      this.wrong.push(`kill ${number}: ${later} bytes are signed for, and the origin sent ${sent}`);
  }
}

const NOTHING = { total: 0 };
const sumOf = (leases: Iterable<Pick<RecordedLease, 'total'>>): Bytes =>
  [...leases].reduce((sum, { total }) => sum + total, 0);
