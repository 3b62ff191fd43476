/**
 * A transfer through a real lender, by hand: asked for under a lease, read as fast as it comes, and signed for only when the attack says
 * so. What came is counted as a borrower counts it: the body of a 206, and each byte of a tunnel behind the 200, both directions.
 */
import { systemClock } from '../../src/core/clock.ts';
import { type Bytes, MIB } from '../../src/core/units.ts';
import type { Patience } from '../../src/demo/wait.ts';
import { waitUntil, within } from '../../src/demo/wait.ts';
import { signReceipt } from '../../src/ledger/receipt.ts';
import { leaseTerms } from '../../src/ledger/terms.ts';
import { RECEIPT_STEP } from '../../src/lending/standing.ts';
import { PATHS } from '../../src/neighbours/channel.ts';
import type { ReceiptAnswer } from '../../src/neighbours/messages.ts';
import type { RawPeer } from '../../test/support/raw-client.ts';
import type { TurnedBorrower } from '../../test/support/turned-borrower.ts';
import { AttackError } from '../attack.ts';
import type { Mode } from '../ssrf/corpus.ts';

/**
 * The lender holds a transfer when a step has left it unsigned; what waits in its buffer for the connection (256 KiB) and what is
 * being encrypted comes besides.
 */
export const IN_FLIGHT: Bytes = MIB;

const TRY_MS = 15_000;

export const patient = (signal: AbortSignal): Patience => ({ clock: systemClock, signal, bound: TRY_MS });

/** What the lender answered to a receipt. */
export interface Answered {
  readonly status: number;
  /** Of its refusal. */
  readonly code: string;
  readonly body: string;
}

/** Posts that text as a receipt, on a connection of its own: the lender closes it behind a refusal. */
export async function post(borrower: TurnedBorrower, text: string, signal: AbortSignal): Promise<Answered> {
  await using peer = await borrower.connect();
  const body = Buffer.from(text);
  peer.send(
    `POST ${PATHS.receipt} HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\nContent-Length: ${body.length}\r\n\r\n`,
  );
  peer.send(body);
  const answer = await within('an answer to a receipt', patient(signal), peer.message());
  const said = answer.body.toString();
  return { status: answer.status, code: /(?<="code":")[^"]+/.exec(said)?.[0] ?? '', body: said };
}

export class Borrowing implements AsyncDisposable {
  readonly mode: Mode;
  readonly leaseToken: string;
  readonly leaseId: string;
  readonly #borrower: TurnedBorrower;
  readonly #peer: RawPeer;
  readonly #signal: AbortSignal;
  /** All receipts that were honestly signed and taken, oldest first. */
  readonly taken: string[] = [];
  /** The lender's token under the last of them. */
  countersigned = '';
  /** Both directions. */
  came: Bytes = 0;
  signed: Bytes = 0;
  /** Nothing more comes. */
  ended = false;

  private constructor(
    mode: Mode,
    leaseToken: string,
    borrower: TurnedBorrower,
    peer: RawPeer,
    signal: AbortSignal,
  ) {
    this.mode = mode;
    this.leaseToken = leaseToken;
    this.leaseId = leaseTerms(leaseToken)?.id ?? '';
    this.#borrower = borrower;
    this.#peer = peer;
    this.#signal = signal;
  }

  /** @throws AttackError when the lender does not carry it */
  static async begin(
    borrower: TurnedBorrower,
    mode: Mode,
    from: { readonly host: string; readonly port: number; readonly bytes: Bytes },
    signal: AbortSignal,
  ): Promise<Borrowing> {
    const at = `${from.host}:${from.port}`;
    const path = `/file/${from.bytes}`;
    const origin = `${mode === 'fetch' ? 'http' : 'https'}://${at}`;
    const lease = await borrower.newLease(origin, { maxBytes: 2 * from.bytes });
    const peer = await borrower.connect();
    const line =
      mode === 'fetch'
        ? `GET http://${at}${path} HTTP/1.1\r\nRange: bytes=0-${from.bytes - 1}`
        : `CONNECT ${at} HTTP/1.1`;
    peer.send(`${line}\r\nHost: ${at}\r\nLinepool-Lease: ${lease}\r\n\r\n`);
    const head = await within('an answer', patient(signal), peer.message({ bodyless: true }));
    const borrowing = new Borrowing(mode, lease, borrower, peer, signal);
    if (head.status !== (mode === 'fetch' ? 206 : 200)) {
      await peer[Symbol.asyncDispose]();
      throw new AttackError(`the lender did not carry a ${mode}: ${head.line}`);
    }
    if (mode === 'tunnel') {
      const request = `GET ${path} HTTP/1.1\r\nHost: ${at}\r\n\r\n`;
      peer.send(request);
      borrowing.came = request.length;
    }
    void borrowing.#read();
    return borrowing;
  }

  /** The most that the lender may have carried by now. */
  get most(): Bytes {
    return this.signed + RECEIPT_STEP + IN_FLIGHT;
  }

  /** A receipt that would hold. */
  honest(total: Bytes, { last = false } = {}): string {
    const { identity, lenderId } = this.#borrower;
    const issuedAt = systemClock.wall();
    return signReceipt(
      { borrower: identity.id, lender: lenderId, lease: this.leaseId, total, issuedAt, last },
      identity.privateKey,
    );
  }

  /** Until the lender has sent a step more than is signed for. @throws AttackError when it ends instead */
  async untilHeld(): Promise<void> {
    const step = this.signed + RECEIPT_STEP;
    await waitUntil(
      `a ${this.mode} brings a step`,
      patient(this.#signal),
      () => this.came >= step || this.ended,
    );
    if (this.came < step) throw new AttackError(`a ${this.mode} ended after ${this.came} bytes`);
  }

  /** Signs for so many bytes. @throws AttackError when the lender does not take it */
  async sign(total: Bytes): Promise<void> {
    const receipt = this.honest(total);
    const { status, code, body } = await this.#post(receipt);
    if (status !== 200) throw new AttackError(`an honest receipt for a ${this.mode} was refused: ${code}`);
    this.signed = total;
    this.countersigned = (JSON.parse(body) as ReceiptAnswer).receipt;
    this.taken.push(receipt);
  }

  /** The lender hears the last receipt once more, as it does from a borrower that has nothing new to say. @throws AttackError */
  async again(): Promise<void> {
    const { status, code } = await this.#post(this.taken.at(-1) ?? '');
    if (status !== 200)
      throw new AttackError(`a receipt that was taken was refused the second time: ${code}`);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#peer[Symbol.asyncDispose]();
  }

  #post(receipt: string): Promise<Answered> {
    return post(this.#borrower, JSON.stringify({ receipt, idle: false }), this.#signal);
  }

  async #read(): Promise<void> {
    try {
      for (;;) this.came += (await this.#peer.some()).length;
    } catch {
      // It was ended, by the lender or by us.
      this.ended = true;
    }
  }
}
