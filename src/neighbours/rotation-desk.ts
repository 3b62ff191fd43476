/**
 * The rotation desk: tells neighbours of our new key and hears of theirs. The link server brings what others tell; presence
 * says when a neighbour does not know us any more, or is not who it was. Used by the neighbourhood.
 *
 *     who calls ── rotation: its chain ──► checked with the key in the book ─► the book has its new key
 *               ◄─ ours ─────────────────
 *
 * It must never take a key that the connection did not prove, nor tell a stranger that calls who we were. Whoever answers at a
 * neighbour's address is told, though, neighbour or not: where both have changed their keys, neither knows the other until one has
 * said who it was, and to ask first without it would only let the one there answer that it knows nobody.
 */
import type { Clock } from '../core/clock.ts';
import { LinepoolError } from '../core/errors.ts';
import type { Book, Neighbour } from './book.ts';
import { PATHS } from './channel.ts';
import type { HouseholdId } from './household-id.ts';
import type { Identity } from './identity.ts';
import type { LinkClient } from './link-client.ts';
import { LinkExchange } from './link-exchange.ts';
import { parseMessage, RotationNotice } from './messages.ts';
import type { Caller } from './pairing-desk.ts';
import { afterFailure, type FailedTry, mayTry } from './pairing-tries.ts';
import { publicKeyOf } from './public-key.ts';
import { afterRekey, mayRekey, type Rekeys } from './rekeys.ts';
import { type Followed, followRotations } from './rotation.ts';

export interface RotationDeskOptions {
  readonly identity: Identity;
  readonly book: Book;
  readonly client: LinkClient;
  readonly clock: Clock;
}

export class RotationDesk {
  readonly #options: RotationDeskOptions;
  #tries: readonly FailedTry[] = [];
  #rekeys: Rekeys = new Map();
  readonly #meeting = new Set<HouseholdId>();

  constructor(options: RotationDeskOptions) {
    this.#options = options;
  }

  /** What we tell: how our key came to be this one. */
  get #notice(): RotationNotice {
    return { statements: [...this.#options.identity.statements] };
  }

  /**
   * Somebody tells how its key came to be the one that it proved; the answer tells of ours.
   * @throws LinepoolError `not_paired` when it is nobody's that we know, `pairing_limited`, `rotation_limited`,
   *   `state_unusable`
   */
  async told({ peer, from }: Caller, { statements }: RotationNotice): Promise<RotationNotice> {
    const { book, clock } = this.#options;
    if (book.byId(peer.id) !== undefined) return this.#notice;
    const now = clock.now();
    if (!mayTry(this.#tries, from, now)) throw new LinepoolError('pairing_limited');
    const followed = await this.#follow(statements, (id) => book.byId(id));
    if (followed === undefined || followed.keys.at(-1)?.id !== peer.id) {
      this.#tries = afterFailure(this.#tries, from, now);
      throw new LinepoolError('not_paired');
    }
    if (!mayRekey(this.#rekeys, followed.id, now)) {
      this.#tries = afterFailure(this.#tries, from, now);
      throw new LinepoolError('rotation_limited');
    }
    await this.#rekey(followed.id, followed.keys);
    return this.#notice;
  }

  /**
   * Looks who is where that neighbour should be, tells it who we are, and hears who it is. True: something is clear now that was
   * not before, so it is worth calling it again.
   * @throws LinepoolError `not_paired`, `identity_mismatch`, `rotation_limited`, `neighbour_unreachable`, and as the other side refuses
   */
  async meet(neighbour: Neighbour, signal: AbortSignal): Promise<boolean> {
    const { client } = this.#options;
    const { id, addresses } = neighbour;
    if (this.#meeting.has(id)) return false;
    this.#meeting.add(id);
    try {
      const dialled = await client.dial({ id: undefined, addresses }, signal);
      await using exchange = new LinkExchange(dialled.socket);
      const text = await exchange.send(PATHS.rotation, this.#notice, signal);
      if (dialled.id === id) return true;
      const { statements } = parseMessage(RotationNotice, text);
      const followed = await this.#follow(statements, (one) => (one === id ? neighbour : undefined));
      if (followed?.keys.at(-1)?.id !== dialled.id) throw new LinepoolError('identity_mismatch');
      if (!mayRekey(this.#rekeys, id, this.#options.clock.now())) throw new LinepoolError('rotation_limited');
      await this.#rekey(id, followed.keys);
      return true;
    } finally {
      this.#meeting.delete(id);
    }
  }

  async #rekey(id: HouseholdId, keys: Followed['keys']): Promise<void> {
    const { book, clock } = this.#options;
    const after = keys.at(-1)?.id ?? id;
    try {
      await book.rekey(id, keys);
    } finally {
      // It may hold though the disk refused.
      if (book.byId(after) !== undefined) this.#rekeys = afterRekey(this.#rekeys, id, after, clock.now());
    }
  }

  #follow(
    statements: readonly string[],
    known: (id: HouseholdId) => Neighbour | undefined,
  ): Promise<Followed | undefined> {
    return followRotations(
      statements,
      (id) => {
        const neighbour = known(id);
        return neighbour === undefined ? undefined : publicKeyOf(neighbour.publicKey);
      },
      publicKeyOf,
    );
  }
}
