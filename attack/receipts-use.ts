/**
 * Receipts that are not what they should be, at a real lender: a neighbour that was really paired borrows, a fetch and a tunnel at once,
 * and answers with forged receipts when the lender waits for one; then again for leases that the lender knows from its ledger alone. None
 * may be put on record, and nothing more may be carried for it.
 *
 *     borrows, signs honestly ─► both are held ─► forged receipts ─► the power is cut ─► forged receipts
 *                                        └─► an honest one: it goes on        └─► an honest one: it is taken
 */
import { join } from 'node:path';
import { systemClock } from '../src/core/clock.ts';
import { type Bytes, MIB, type Milliseconds } from '../src/core/units.ts';
import type { Household } from '../src/demo/household.ts';
import { ORIGIN_HOST } from '../src/demo/processes.ts';
import { LEDGER_FILE } from '../src/ledger/entry.ts';
import { openFile } from '../src/ledger/source.ts';
import { verify } from '../src/ledger/verify.ts';
import { RECEIPT_STEP } from '../src/lending/standing.ts';
import { Dice } from '../test/support/mutations.ts';
import { startTestOrigin, type TestOrigin } from '../test/support/origin.ts';
import { type TurnedBorrower, turned } from '../test/support/turned-borrower.ts';
import { type Attack, AttackError, type Figures, type Means, NEVER } from './attack.ts';
import { startHouseholds, temporaryFolder } from './households.ts';
import { type Answered, Borrowing, post } from './receipts-use/borrowing.ts';
import { type Forgery, forgery, type Parties, type Scene } from './receipts-use/forgeries.ts';

/** So much more than is ever carried here that no transfer comes to its end. */
const FILE_BYTES: Bytes = 64 * MIB;
/** So many steps are signed for first: who has signed for two may have just two leases with a step unsigned each, and none to spare. */
const HONEST_STEPS = 4;
/** After so long without a receipt that holds the lender would end what it holds, and nothing would be tried. */
const HEARD_EVERY_MS: Milliseconds = 4_000;
/** So many of all tries are for leases that the lender knows from its ledger alone. */
const FORGOTTEN = 0.25;
const SAY_EVERY = 250;
/** Refusals that are about the receipt. */
const REFUSED = new Set(['receipt_invalid', 'message_invalid']);
/** Each kind of forgery is tried on either transfer: after so many they change places. */
const TURNS = 48;

export const receiptsUse: Attack = {
  name: 'receipts-use',
  says: 'receipts that are forged, foreign, altered or shown again, while a real lender waits for one',
  bar: NEVER,
  quickTries: 40,
  tries: 1_200,
  run: (means) => forgedReceipts(means),
};

/** `preload`: what the lender's process loads before its own code. @throws AttackError when an honest receipt does not hold */
export async function forgedReceipts(
  { tries, seed, signal, say }: Means,
  preload?: string,
): Promise<Figures> {
  await using owned = new AsyncDisposableStack();
  const origin = owned.use(await startTestOrigin());
  const { lender, own, other } = await start(owned, origin, preload, signal);
  const attack = new Receipts({ lender, own, other, origin, signal, dice: new Dice(seed) });
  await attack.borrow(owned);
  const known = Math.ceil(tries * (1 - FORGOTTEN));
  say('a fetch and a tunnel are held');
  for (let i = 0; i < known; i += 1) {
    await attack.tryOne(i);
    if ((i + 1) % SAY_EVERY === 0) say(`${i + 1} of ${tries}, ${attack.wrong.length} wrong`);
  }
  await attack.goesOn();
  await lender.kill();
  await lender.restart();
  say('the lender knows them from its ledger alone');
  attack.forget();
  for (let i = known; i < tries; i += 1) await attack.tryOne(i);
  await attack.signsLate();
  return {
    tries: attack.tried,
    wrong: attack.wrong.length,
    values: { 'honest receipts taken': attack.honest, 'forged ones answered again': attack.again },
    examples: attack.wrong,
  };
}

interface Places {
  readonly lender: Household;
  readonly own: TurnedBorrower;
  readonly other: TurnedBorrower;
  readonly origin: TestOrigin;
  readonly signal: AbortSignal;
  readonly dice: Dice;
}

async function start(
  owned: AsyncDisposableStack,
  { port }: TestOrigin,
  preload: string | undefined,
  signal: AbortSignal,
): Promise<Pick<Places, 'lender' | 'own' | 'other'>> {
  const folder = await temporaryFolder(owned);
  const config = { lend: [`ports = [${port}]`] };
  const [lender, first, second] = await startHouseholds(
    owned,
    [
      { name: 'lender', config, ...(preload === undefined ? {} : { preload }) },
      { name: 'first', config },
      { name: 'second', config },
    ],
    { folder, ports: { http: port, https: 443 }, signal },
  );
  const own = owned.use(await turned(first, lender, signal));
  const other = owned.use(await turned(second, lender, signal));
  return { lender, own, other };
}

/** The borrower that forges, what it borrows, and what came of its forgeries. */
class Receipts {
  readonly wrong: string[] = [];
  /** Honest ones that were taken, and forged ones that were answered as the same before. */
  honest = 0;
  again = 0;
  tried = 0;
  readonly #places: Places;
  #parties: Parties | undefined;
  #transfers: readonly Borrowing[] = [];
  /** Transfers that went on without a receipt. */
  readonly #wentOn = new Set<Borrowing>();
  /** The lender has started anew, and carries nothing. */
  #isForgotten = false;
  #heardAt = systemClock.now();

  constructor(places: Places) {
    this.#places = places;
  }

  /** Borrows until the lender carries no more of either transfer. @throws AttackError when it does not carry them, or takes no honest receipt */
  async borrow(owned: AsyncDisposableStack): Promise<void> {
    const { own, other, origin, signal } = this.#places;
    const from = { host: ORIGIN_HOST, port: origin.port, bytes: FILE_BYTES };
    const others = owned.use(await Borrowing.begin(other, 'fetch', { ...from, bytes: 1_000 }, signal));
    this.#parties = { own, other, othersLease: others.leaseId };
    const fetch = owned.use(await Borrowing.begin(own, 'fetch', from, signal));
    for (let step = 0; step < HONEST_STEPS; step += 1) await this.#signHeld(fetch);
    const tunnel = owned.use(await Borrowing.begin(own, 'tunnel', from, signal));
    await this.#signHeld(tunnel);
    this.#transfers = [fetch, tunnel];
    for (const transfer of this.#transfers) await transfer.untilHeld();
  }

  async tryOne(i: number): Promise<void> {
    const { own, other, dice, signal } = this.#places;
    const on = this.#transfers[(i + Math.floor(i / TURNS)) % 2];
    const beside = this.#transfers.find((one) => one !== on);
    if (this.#parties === undefined || on === undefined || beside === undefined)
      throw new AttackError('nothing was borrowed');
    if (systemClock.now() - this.#heardAt > HEARD_EVERY_MS) await this.#hear();
    const total = on.signed + RECEIPT_STEP;
    const scene: Scene = { on, beside, total, most: this.#isForgotten ? total : on.most };
    const forged = forgery(i, scene, this.#parties, dice);
    const before = await this.#lastEntry();
    const answered = await post(forged.over === 'own' ? own : other, forged.text, signal);
    const after = await this.#lastEntry();
    this.tried += 1;
    this.#judge(`${on.mode}, try ${i}: ${forged.says}`, forged, answered, { on, isOnRecord: after > before });
  }

  /** What was held goes on after an honest receipt: so it waited for one, and was not ended. @throws AttackError when it does not */
  async goesOn(): Promise<void> {
    if (this.wrong.length > 0) return;
    for (const transfer of this.#transfers) {
      await this.#signHeld(transfer);
      await transfer.untilHeld();
    }
  }

  /** From here on the lender is one that does not remember them. */
  forget(): void {
    this.#isForgotten = true;
  }

  /** An honest receipt is taken for what a lender that started anew does not remember, and the whole record holds. @throws AttackError */
  async signsLate(): Promise<void> {
    for (const transfer of this.wrong.length > 0 ? [] : this.#transfers) {
      await transfer.sign(transfer.signed + RECEIPT_STEP);
      this.honest += 1;
    }
    await using source = openFile(this.#ledger);
    const { fault } = await verify(source, { all: true });
    if (fault !== undefined) this.wrong.push(`entry ${fault.seq} of the ledger: ${fault.why}`);
  }

  get #ledger(): string {
    return join(this.#places.lender.stateDir, LEDGER_FILE);
  }

  #judge(
    what: string,
    { isAgain = false }: Forgery,
    { status, code, body }: Answered,
    { on, isOnRecord }: { readonly on: Borrowing; readonly isOnRecord: boolean },
  ): void {
    const isSigned = status < 300 && !(isAgain && body.includes(on.countersigned));
    if (isSigned || isOnRecord) this.wrong.push(`${what}: ${isOnRecord ? 'on record' : 'signed'}`);
    else if (status < 300) this.again += 1;
    else if (!REFUSED.has(code)) throw new AttackError(`${what} was not tried: ${status} ${code}`);
    for (const transfer of this.#transfers) {
      if (transfer.came <= transfer.most || this.#wentOn.has(transfer)) continue;
      this.#wentOn.add(transfer);
      this.wrong.push(`${what}: ${transfer.came - transfer.signed} bytes came unsigned`);
    }
  }

  async #signHeld(transfer: Borrowing): Promise<void> {
    await transfer.untilHeld();
    await transfer.sign(transfer.came);
    this.honest += 1;
    this.#heardAt = systemClock.now();
  }

  /** Nothing new, so that the lender goes on waiting. */
  async #hear(): Promise<void> {
    if (this.#isForgotten || this.wrong.length > 0) return;
    for (const transfer of this.#transfers) await transfer.again();
    this.#heardAt = systemClock.now();
  }

  async #lastEntry(): Promise<number> {
    await using source = openFile(this.#ledger);
    return source.last?.(1)[0]?.seq ?? 0;
  }
}
