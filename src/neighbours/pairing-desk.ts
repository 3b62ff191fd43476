/**
 * The pairing desk: the inviter's side of pairing with its secrets and its book. The link server brings the requests,
 * the neighbourhood makes the invitations. Open invitations live in memory only: a restart withdraws them.
 * It must never say which part of a wrong request was wrong, nor compare a proof in a time that depends on it.
 */
import { randomBytes, timingSafeEqual } from 'node:crypto';
import type { Clock } from '../core/clock.ts';
import { LinepoolError } from '../core/errors.ts';
import type { Milliseconds } from '../core/units.ts';
import type { Book } from './book.ts';
import { PROTOCOL, type ProvenPeer } from './channel.ts';
import type { HouseholdId } from './household-id.ts';
import { type Invitation, SECRET_BYTES } from './invitation.ts';
import type { ConfirmRequest, PairAnswer, PairRequest } from './messages.ts';
import {
  aged,
  handleOf,
  type InvitationAnswer,
  type InvitationEvent,
  type InvitationState,
  type ProofRole,
  proofOf,
  stepInvitation,
} from './pairing.ts';
import { afterFailure, type FailedTry, mayTry } from './pairing-tries.ts';

export interface PairingDeskOptions {
  /** Ours. */
  readonly id: HouseholdId;
  /** What we call ourselves. */
  readonly name: string;
  readonly clock: Clock;
  readonly book: Book;
}

/** Who asks, over which connection. */
export interface Caller {
  readonly peer: ProvenPeer;
  /** IP address, without port. */
  readonly from: string;
  readonly binding: Buffer;
  /** Calls back when the connection is over. */
  readonly onClosed?: (listener: () => void) => void;
}

/** Invitations that are kept at once, used ones included. */
export const INVITATIONS_MAX = 16;

interface Issued {
  readonly secret: Uint8Array;
  state: InvitationState;
  /** What the joiner says of itself. */
  joiner: Pick<PairRequest, 'name' | 'addresses'> | undefined;
}

export class PairingDesk {
  readonly #options: PairingDeskOptions;
  readonly #issued = new Map<string, Issued>();
  #tries: readonly FailedTry[] = [];

  constructor(options: PairingDeskOptions) {
    this.#options = options;
  }

  /**
   * A new invitation to the household with these addresses of ours.
   * @throws LinepoolError `overloaded` when too many are open
   */
  invite(addresses: readonly string[], ttl: Milliseconds): Invitation {
    const { clock, id } = this.#options;
    this.#forgetOld();
    if (this.#issued.size >= INVITATIONS_MAX) {
      throw new LinepoolError(
        'overloaded',
        `${INVITATIONS_MAX} invitations are open; wait until one expires.`,
      );
    }
    const secret = Uint8Array.from(randomBytes(SECRET_BYTES));
    this.#issued.set(handleOf(secret), {
      secret,
      state: { kind: 'issued', expiresAt: clock.now() + ttl },
      joiner: undefined,
    });
    return { id, addresses, secret, expiresAt: Math.floor((clock.wall() + ttl) / 1000) * 1000 };
  }

  /** Withdraws every invitation that is not used yet. */
  withdrawAll(): void {
    for (const issued of this.#issued.values()) {
      issued.state = stepInvitation(issued.state, { kind: 'withdraw' }, this.#options.clock.now()).state;
    }
  }

  /**
   * A joiner claims an invitation; the answer proves who we are.
   * @throws LinepoolError `pairing_limited`, `invitation_refused`, `message_invalid`
   */
  pair(caller: Caller, request: PairRequest): PairAnswer {
    if (request.protocol !== PROTOCOL) {
      throw new LinepoolError('protocol_mismatch', `We speak protocol ${PROTOCOL}, not ${request.protocol}.`);
    }
    const { issued, state, answer } = this.#judge(caller, request, 'joiner', 'claim');
    if (answer.kind !== 'prove') throw new LinepoolError('invitation_refused');
    issued.state = state;
    if (state.kind === 'claimed') issued.joiner = { name: request.name, addresses: request.addresses };
    return { name: this.#options.name, proof: this.#proof('inviter', issued.secret, caller) };
  }

  /**
   * The joiner is convinced: it is put into the book. Asked again by the same joiner, it is answered the same way.
   * @throws LinepoolError `pairing_limited`, `invitation_refused`, `state_unusable`, `overloaded`
   */
  async confirm(caller: Caller, request: ConfirmRequest): Promise<void> {
    const { issued, state, answer } = this.#judge(caller, request, 'confirm', 'confirm');
    const { book } = this.#options;
    const { id, publicKey } = caller.peer;
    if (answer.kind === 'repeat' && book.byId(id) !== undefined) return;
    if (answer.kind !== 'pin' || issued.joiner === undefined) throw new LinepoolError('invitation_refused');
    const { name, addresses } = issued.joiner;
    await book.add({ id, publicKey: publicKey.toString('base64url'), name, addresses, ours: false });
    // Only now: were the disk full, the joiner could try again.
    issued.state = state;
  }

  #judge(
    caller: Caller,
    { handle, proof }: { readonly handle: string; readonly proof: string },
    role: ProofRole,
    kind: Exclude<InvitationEvent['kind'], 'withdraw'>,
  ): { readonly issued: Issued; readonly state: InvitationState; readonly answer: InvitationAnswer } {
    const now = this.#options.clock.now();
    if (!mayTry(this.#tries, caller.from, now)) throw new LinepoolError('pairing_limited');
    this.#forgetOld();
    const issued = this.#issued.get(handle);
    if (issued === undefined) {
      this.#tries = afterFailure(this.#tries, caller.from, now);
      throw new LinepoolError('invitation_refused');
    }
    const proved = sameProof(proof, this.#proof(role, issued.secret, caller));
    const { state, answer } = stepInvitation(issued.state, { kind, joiner: caller.peer.id, proved }, now);
    if (answer.kind === 'refuse' && answer.guess) this.#tries = afterFailure(this.#tries, caller.from, now);
    return { issued, state, answer };
  }

  #proof(role: ProofRole, secret: Uint8Array, { peer, binding }: Caller): string {
    return proofOf(role, { secret, inviter: this.#options.id, joiner: peer.id, binding });
  }

  #forgetOld(): void {
    const now = this.#options.clock.now();
    for (const [handle, issued] of this.#issued) {
      issued.state = aged(issued.state, now);
      if (issued.state.kind === 'expired' || issued.state.kind === 'refused') this.#issued.delete(handle);
    }
  }
}

/** Takes as long for a wrong proof as for the right one. */
export function sameProof(a: string, b: string): boolean {
  const left = Buffer.from(a, 'base64url');
  const right = Buffer.from(b, 'base64url');
  return left.length === right.length && timingSafeEqual(left, right);
}
