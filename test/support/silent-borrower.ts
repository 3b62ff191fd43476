/**
 * A borrower that speaks the protocol by hand: it has the identity of a household whose daemon is not running, asks for spans
 * under leases that it signs, and signs receipts only when the test says so.
 */
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { Client } from 'undici';
import { readRunFile } from '../../src/control/runfile.ts';
import { systemClock } from '../../src/core/clock.ts';
import { parseTarget } from '../../src/core/target.ts';
import type { Bytes } from '../../src/core/units.ts';
import type { Household } from '../../src/demo/household.ts';
import { signReceipt } from '../../src/ledger/receipt.ts';
import { LEASE_HEADER, type Lease } from '../../src/lending/lease.ts';
import { LeaseSigner } from '../../src/lending/lease-signer.ts';
import { PATHS } from '../../src/neighbours/channel.ts';
import { type Identity, loadIdentity } from '../../src/neighbours/identity.ts';
import { LinkClient } from '../../src/neighbours/link-client.ts';
import { LinkPosts } from '../../src/neighbours/link-posts.ts';
import type { ReceiptAnswer } from '../../src/neighbours/messages.ts';
import { LENDER_ERROR } from '../../src/paths/range-fetch.ts';

/** What came of a request for a span. */
export interface Came {
  readonly status: number;
  /** Of the body. */
  readonly bytes: Bytes;
  /** The lender's reason, when it refused before the first byte. */
  readonly code: string | undefined;
  /** False when it was cut off. */
  readonly whole: boolean;
}

export class SilentBorrower implements AsyncDisposable {
  readonly identity: Identity;
  readonly lenderId: string;
  readonly #link: LinkClient;
  readonly #posts: LinkPosts;

  private constructor(identity: Identity, lenderId: string, address: () => string) {
    this.identity = identity;
    this.lenderId = lenderId;
    this.#link = new LinkClient({
      identity,
      clock: systemClock,
      connectTimeout: 3_000,
      paired: (id) => (id === lenderId ? { id, addresses: [address()] } : undefined),
    });
    this.#posts = new LinkPosts(this.#link);
  }

  /** In place of `household`, whose daemon must not be running, to that lender wherever it listens. */
  static async inPlaceOf(household: Household, lender: Household): Promise<SilentBorrower> {
    const file = readFileSync(join(lender.stateDir, 'identity.json'), 'utf8');
    const { id } = JSON.parse(file) as { readonly id: string };
    const identity = await loadIdentity(household.stateDir);
    return new SilentBorrower(identity, id, () => readRunFile(lender.stateDir)?.link[0] ?? '');
  }

  /** A lease of its own for so many bytes at least; each call signs another. */
  async lease(url: string, bytes: Bytes): Promise<{ readonly token: string; readonly lease: Lease }> {
    const signer = new LeaseSigner({
      ownId: this.identity.id,
      privateKey: this.identity.privateKey,
      clock: systemClock,
      maxBytes: bytes,
    });
    const token = await signer.lease(this.lenderId, parseTarget(url).origin, bytes);
    const lease = signer.leaseOf(token);
    if (lease === undefined) throw new Error('it has just been signed');
    return { token, lease };
  }

  /** Asks for the first `bytes` of `url`, and waits for the end of it. `came` is told of all that has come so far. */
  async fetch(
    url: string,
    bytes: Bytes,
    token: string,
    came: (bytes: Bytes) => void = () => undefined,
  ): Promise<Came> {
    const connect = this.#link.undiciConnector({ id: this.lenderId }, { warm: false });
    const client = new Client('http://neighbour.invalid', { connect, allowH2: false });
    let status = 0;
    let code: string | undefined;
    let got = 0;
    try {
      const answer = await client.request({
        method: 'GET',
        path: url,
        headers: { range: `bytes=0-${bytes - 1}`, [LEASE_HEADER]: token },
      });
      status = answer.statusCode;
      const said = answer.headers[LENDER_ERROR];
      code = typeof said === 'string' ? said : undefined;
      for await (const chunk of answer.body as AsyncIterable<Buffer>) {
        if (status !== 206) continue;
        got += chunk.length;
        came(got);
      }
      return { status, bytes: got, code, whole: true };
    } catch {
      return { status, bytes: got, code, whole: false };
    } finally {
      await client.destroy();
    }
  }

  /** Signs for so many bytes, and posts it. @throws LinepoolError with the lender's code */
  async sign(lease: Lease, total: Bytes, { idle = false, last = false } = {}): Promise<ReceiptAnswer> {
    const { borrower, lender, id } = lease;
    const issuedAt = systemClock.wall();
    const receipt = signReceipt(
      { borrower, lender, lease: id, total, issuedAt, last },
      this.identity.privateKey,
    );
    return JSON.parse(
      await this.#posts.send(this.lenderId, PATHS.receipt, { receipt, idle }),
    ) as ReceiptAnswer;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#posts[Symbol.asyncDispose]();
    await this.#link[Symbol.asyncDispose]();
  }
}
