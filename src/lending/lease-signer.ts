/**
 * The borrower's side of leases: signs them, hands the same one to every lane that goes to one origin over one lender, and
 * signs another when that one is nearly used up or over. Used by the paths over neighbours' lines.
 * It must never sign for more bytes or a longer time than its limits.
 */
import { type KeyObject, randomBytes } from 'node:crypto';
import { LRUCache } from 'lru-cache';
import type { Clock } from '../core/clock.ts';
import type { Origin } from '../core/target.ts';
import { type Bytes, GIB, MIB, type Milliseconds } from '../core/units.ts';
import { type Lease, leaseOrigin, signLease } from './lease.ts';

export interface LeaseSignerOptions {
  readonly ownId: string;
  readonly privateKey: KeyObject;
  readonly clock: Clock;
  /** Default `LEASE_MAX_BYTES`, which a lender's own limit should not be under. */
  readonly maxBytes?: Bytes;
  /** Default `LEASE_TIME_MS`. */
  readonly leaseTime?: Milliseconds;
}

/** Most that is signed for at once; the default limit of a lender is the same. */
export const LEASE_MAX_BYTES: Bytes = 4 * GIB;
/** How long a lease is made out for; it is signed anew in its last quarter. */
export const LEASE_TIME_MS: Milliseconds = 20 * 60_000;
/** Least that is signed for: a lease is a bound, not a booking, and signing often serves nobody. */
export const LEASE_MIN_BYTES: Bytes = 16 * MIB;
/** Signed for each byte wanted: a tunnel counts TLS records and heads, and spans may be asked for twice. */
const HEADROOM = 2;
/** Leases that are remembered, over all lenders and origins; an older one is signed anew when it is wanted again. */
export const LEASES_KEPT = 512;

interface Issued {
  readonly lease: Lease;
  readonly token: Promise<string>;
  /** When it was signed, by the monotonic clock. */
  readonly signedAt: Milliseconds;
  used: Bytes;
}

export class LeaseSigner {
  readonly #options: LeaseSignerOptions;
  readonly #maxBytes: Bytes;
  readonly #leaseTime: Milliseconds;
  /** The lease in use, by lender and origin. */
  readonly #current = new LRUCache<string, Issued>({ max: LEASES_KEPT });
  /** The same by token, older ones that are still in use included. */
  readonly #byToken = new LRUCache<string, { readonly key: string; readonly issued: Issued }>({
    max: LEASES_KEPT * 2,
  });

  constructor(options: LeaseSignerOptions) {
    this.#options = options;
    this.#maxBytes = options.maxBytes ?? LEASE_MAX_BYTES;
    this.#leaseTime = options.leaseTime ?? LEASE_TIME_MS;
  }

  /** A token for that lender and origin under which `bytes` more can be carried. */
  async lease(lenderId: string, origin: Origin, bytes: Bytes): Promise<string> {
    const key = `${lenderId} ${leaseOrigin(origin)}`;
    let issued = this.#current.get(key);
    if (issued === undefined || !this.#serves(issued, bytes)) {
      issued = this.#issue(lenderId, origin, bytes);
      this.#current.set(key, issued);
    }
    const token = await issued.token;
    this.#byToken.set(token, { key, issued });
    return token;
  }

  /** The lease in that token; undefined when it is not one of ours, or was forgotten. */
  leaseOf(token: string): Lease | undefined {
    return this.#byToken.get(token)?.issued.lease;
  }

  /** So many bytes were carried under that token, both directions. */
  used(token: string, bytes: Bytes): void {
    const entry = this.#byToken.get(token);
    if (entry !== undefined) entry.issued.used += bytes;
  }

  /** The lender takes that token no more: the next one asked for is a new one. */
  spoiled(token: string): void {
    const entry = this.#byToken.get(token);
    if (entry === undefined) return;
    this.#byToken.delete(token);
    if (this.#current.peek(entry.key) === entry.issued) this.#current.delete(entry.key);
  }

  #serves({ lease, signedAt, used }: Issued, bytes: Bytes): boolean {
    const age = this.#options.clock.now() - signedAt;
    const left = lease.maxBytes - used;
    return age < this.#leaseTime * 0.75 && left >= Math.min(bytes, this.#maxBytes / 2);
  }

  #issue(lenderId: string, origin: Origin, bytes: Bytes): Issued {
    const { ownId, privateKey, clock } = this.#options;
    const issuedAt = clock.wall();
    const lease: Lease = {
      id: randomBytes(16).toString('base64url'),
      borrower: ownId,
      lender: lenderId,
      origin: leaseOrigin(origin),
      maxBytes: Math.min(this.#maxBytes, Math.max(LEASE_MIN_BYTES, Math.ceil(bytes * HEADROOM))),
      issuedAt,
      expiresAt: issuedAt + this.#leaseTime,
    };
    return { lease, token: signLease(lease, privateKey), signedAt: clock.now(), used: 0 };
  }
}
