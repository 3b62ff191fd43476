/**
 * A borrower that was really paired with a lender and then turned: its daemon is gone, and we speak its mutual TLS by hand,
 * with its key and leases of its own. For attacks on real lenders.
 */
import { randomBytes } from 'node:crypto';
import { readRunFile } from '../../src/control/runfile.ts';
import { systemClock } from '../../src/core/clock.ts';
import { type Bytes, MIB, type Milliseconds } from '../../src/core/units.ts';
import type { Household } from '../../src/demo/household.ts';
import { pair } from '../../src/demo/neighbourhood.ts';
import { type Lease, signLease } from '../../src/lending/lease.ts';
import { type Identity, loadIdentity } from '../../src/neighbours/identity.ts';
import { LinkClient } from '../../src/neighbours/link-client.ts';
import { RawPeer } from './raw-client.ts';

const LEASE_BYTES: Bytes = MIB;
const LEASE_MS: Milliseconds = 600_000;

/** A household that was paired with the lender, in our hands. */
export interface TurnedBorrower extends AsyncDisposable {
  readonly identity: Identity;
  readonly lenderId: string;
  /** A connection to the lender, as its neighbour. */
  connect(): Promise<RawPeer>;
  /** For `scheme://host:port`, signed by it: always the same one. */
  lease(origin: string): Promise<string>;
  /** Another one, as usual but for the changes. */
  newLease(origin: string, change?: Partial<Lease>): Promise<string>;
  /** Leases from now on are new ones: a lender that starts again takes none twice. */
  renew(): void;
}

/** Pairs it as people do, ends its daemon, and takes its key. */
export async function turned(
  borrower: Household,
  lender: Household,
  signal: AbortSignal,
): Promise<TurnedBorrower> {
  await using running = borrower;
  await pair([running, lender], { clock: systemClock, signal });
  const identity = await loadIdentity(borrower.stateDir);
  const { id } = await loadIdentity(lender.stateDir);
  const client = new LinkClient({
    identity,
    clock: systemClock,
    connectTimeout: 5_000,
    paired: () => undefined,
  });
  /** An origin has one lease. */
  const leases = new Map<string, Promise<string>>();
  const sign = (origin: string, change: Partial<Lease> = {}): Promise<string> =>
    signLease(
      {
        id: randomBytes(16).toString('base64url'),
        borrower: identity.id,
        lender: id,
        origin,
        maxBytes: LEASE_BYTES,
        issuedAt: systemClock.wall(),
        expiresAt: systemClock.wall() + LEASE_MS,
        ...change,
      },
      identity.privateKey,
    );
  return {
    identity,
    lenderId: id,
    connect: async () => {
      const addresses = readRunFile(lender.stateDir)?.link ?? [];
      return new RawPeer(await client.connect({ id, addresses }, signal));
    },
    lease: (origin) => {
      const lease = leases.get(origin) ?? sign(origin);
      leases.set(origin, lease);
      return lease;
    },
    newLease: sign,
    renew: () => leases.clear(),
    [Symbol.asyncDispose]: () => client[Symbol.asyncDispose](),
  };
}
