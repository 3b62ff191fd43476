/**
 * The neighbourhood: everything about neighbours behind one door, for daemon.ts. It opens identity, book, link and
 * presence, and does what a person asks: invite, join, part, rename, list.
 *
 *     invite, join, part ──► Neighbourhood ──► PairingDesk, Book, Presence
 *     neighbours' routers ─► LinkServer ─► LinkHandlers (the relay)
 *     paths ───────────────► LinkClient, Presence
 */
import type { Clock } from '../core/clock.ts';
import { asLinepoolError, type ErrorCode, LinepoolError } from '../core/errors.ts';
import type { Events } from '../core/events.ts';
import type { Milliseconds } from '../core/units.ts';
import { advertised } from './advertise.ts';
import { Book, type BookChange, type Neighbour } from './book.ts';
import type { Blocked } from './book-file.ts';
import { type LinkHandlers, type LinkOffer, PATHS, PROTOCOL } from './channel.ts';
import type { HouseholdId } from './household-id.ts';
import { type Identity, loadIdentity } from './identity.ts';
import { Introductions } from './introductions.ts';
import { encodeInvitation, type Invitation, parseInvitation } from './invitation.ts';
import { LinkClient } from './link-client.ts';
import { LinkExchange } from './link-exchange.ts';
import type { LinkLimits } from './link-limits.ts';
import type { LinkQuality } from './link-quality.ts';
import { LinkServer } from './link-server.ts';
import { type Linked, NOT_LINKED } from './link-sockets.ts';
import { forStrangers } from './link-strangers.ts';
import { tidyName } from './neighbour-name.ts';
import { PairingDesk } from './pairing-desk.ts';
import { joinInviter } from './pairing-join.ts';
import { Presence } from './presence.ts';
import type { Trouble } from './presence-state.ts';
import { RotationDesk } from './rotation-desk.ts';

export interface NeighbourhoodOptions {
  readonly stateDir: string;
  /** What neighbours see as our name. */
  readonly name: string;
  /** Of the program. */
  readonly version: string;
  /** Where neighbours reach us; empty: we can join, but not invite. */
  readonly listen: readonly string[];
  /** host:port to put into invitations, when it is not one of `listen`. */
  readonly advertise: string | undefined;
  readonly connectTimeout: Milliseconds;
  readonly retry: Milliseconds;
  readonly limits?: Partial<LinkLimits>;
}

export interface NeighbourhoodContext {
  readonly clock: Clock;
  readonly events: Events;
  readonly handlers: LinkHandlers;
}

/** An invitation, and the text that a person passes on. */
export interface IssuedInvitation extends Invitation {
  readonly text: string;
}

/** One neighbour, as people want to see it. */
export interface NeighbourStatus {
  readonly id: HouseholdId;
  readonly name: string;
  readonly pairedAt: Milliseconds;
  /** Where it is called, the best first. Empty: it can only borrow from us. */
  readonly addresses: readonly string[];
  readonly up: boolean;
  /** Milliseconds since 1970. */
  readonly since: Milliseconds;
  readonly offer: LinkOffer;
  readonly quality: LinkQuality;
  readonly roundTripMs: Milliseconds | undefined;
  /** Of its program; undefined until it has said so. */
  readonly version: string | undefined;
  /** Why it is not up. */
  readonly lastError: Trouble | undefined;
  /** Connections of it to us, and of us to it. */
  readonly connections: { readonly in: number; readonly out: number };
}

export const INVITATION_TTL_MS: Milliseconds = 15 * 60_000;
/** How long parting waits for the other side to hear of it; it holds on our side before. */
export const PART_NOTICE_MS: Milliseconds = 2_000;
/** How long telling a neighbour of a new key may take; it is tried again with the next call. */
export const MEETING_MS: Milliseconds = 10_000;
/** Strangers that are turned away are reported no more often than this. */
const REFUSED_SPACING_MS: Milliseconds = 1_000;

export class Neighbourhood implements AsyncDisposable {
  readonly identity: Identity;
  readonly book: Book;
  readonly client: LinkClient;
  readonly presence: Presence;
  readonly #options: NeighbourhoodOptions;
  readonly #context: NeighbourhoodContext;
  readonly #desk: PairingDesk;
  readonly introductions: Introductions;
  readonly #rotations: RotationDesk;
  /** Set once everything is open. */
  #owned: AsyncDisposableStack | undefined;
  #server: LinkServer | undefined;
  #refusedAt: Milliseconds = Number.NEGATIVE_INFINITY;

  private constructor(
    options: NeighbourhoodOptions,
    context: NeighbourhoodContext,
    identity: Identity,
    book: Book,
    owned: AsyncDisposableStack,
  ) {
    const { clock, events } = context;
    this.#options = { ...options, name: tidyName(options.name) || 'linepool' };
    this.#context = context;
    this.identity = identity;
    this.book = book;
    this.#desk = new PairingDesk({ id: identity.id, name: this.#options.name, clock, book });
    // Before presence, so that whoever is parted has lost its connections when presence tells others.
    owned.use(book.listen((change) => this.#onBook(change)));
    this.client = owned.use(
      new LinkClient({
        identity,
        clock,
        connectTimeout: options.connectTimeout,
        paired: (id) => book.byId(id),
        onConnected: (id, { address }) => this.#prefer(id, address),
      }),
    );
    this.presence = owned.use(
      new Presence({
        client: this.client,
        book,
        clock,
        retry: options.retry,
        report: (event) => events.report(event),
        onLost: (id, code) => void this.#meet(id, code),
      }),
    );
    this.#rotations = new RotationDesk({ identity, book, client: this.client, clock });
    this.introductions = owned.use(
      new Introductions({
        id: identity.id,
        name: this.#options.name,
        clock,
        events,
        book,
        client: this.client,
        addresses: () => this.addresses(),
        listening: () => this.#server?.addresses() ?? [],
        onPaired: (id) => this.presence.hurry(id),
      }),
    );
  }

  /** @throws LinepoolError `state_unusable`, `port_taken`, `config_invalid` */
  static async open(options: NeighbourhoodOptions, context: NeighbourhoodContext): Promise<Neighbourhood> {
    const { clock, events, handlers } = context;
    const identity = await loadIdentity(options.stateDir);
    await using owned = new AsyncDisposableStack();
    const book = owned.use(await Book.open(options.stateDir, clock));
    const room = new Neighbourhood(options, context, identity, book, owned);
    const { listen, limits } = options;
    const server = await LinkServer.open(
      { listen, identity, clock, ...(limits === undefined ? {} : { limits }) },
      {
        paired: (id) => book.byId(id),
        hello: () => ({ name: room.#options.name, version: options.version, protocol: PROTOCOL }),
        strangers: forStrangers({
          pairing: room.#desk,
          comparison: room.introductions.desk,
          rotation: room.#rotations,
        }),
        blocked: (id) => book.isBlocked(id),
        mayStay: (id) => room.introductions.desk.isMeeting(id),
        parted: (neighbour) => room.#onParted(neighbour),
        called: ({ id }) => room.presence.hurry(id),
        refused: (address, code) => {
          // However many come: what else happened must stay to be seen.
          if (clock.now() - room.#refusedAt < REFUSED_SPACING_MS) return;
          room.#refusedAt = clock.now();
          events.report({ kind: 'neighbour_refused', address, code });
        },
      },
      handlers,
    );
    room.#server = owned.use(server);
    room.#owned = owned.move();
    return room;
  }

  /** Our own id. */
  get id(): HouseholdId {
    return this.identity.id;
  }

  /** Where neighbours can call us. */
  addresses(): readonly string[] {
    return advertised(this.#options.advertise, this.#server?.addresses() ?? []);
  }

  /** Where we listen for neighbours, whatever others are told. */
  get listening(): readonly string[] {
    return this.#server?.addresses() ?? [];
  }

  /** Where neighbours are connected to us now. */
  linked(): Linked {
    return this.#server?.linked() ?? NOT_LINKED;
  }

  /** Ends every connection of a household to us, and of us to it; a neighbour may come again. */
  cut(id: HouseholdId): void {
    this.#server?.dropConnections(id);
    this.client.drop(id);
  }

  /** Connections now of households that are not in the book, or have not said who they are. */
  get strangers(): number {
    return this.#server?.strangers ?? 0;
  }

  /**
   * A one-time invitation.
   * @throws LinepoolError `config_invalid` when nobody could reach us; `overloaded`
   */
  invite({ ttlMs = INVITATION_TTL_MS }: { readonly ttlMs?: Milliseconds } = {}): IssuedInvitation {
    const addresses = this.addresses();
    if (addresses.length === 0 || this.#server?.addresses().length === 0) {
      throw new LinepoolError(
        'config_invalid',
        'link.listen is empty, so no neighbour could reach us. Set it, or let the neighbour invite.',
      );
    }
    const invitation = this.#desk.invite(addresses, ttlMs);
    return { ...invitation, text: encodeInvitation(invitation) };
  }

  /**
   * Pairs with the household that made the invitation. `name`: what we call it, instead of what it calls itself.
   * @throws LinepoolError `invitation_invalid`, `invitation_refused`, `pairing_limited`, `identity_mismatch`,
   *   `neighbour_unreachable`, `neighbour_name_taken`, `state_unusable`; or the signal's reason
   */
  async join(
    text: string,
    { name, signal }: { readonly name?: string; readonly signal?: AbortSignal } = {},
  ): Promise<Neighbour> {
    const invitation = parseInvitation(text);
    const { id, addresses } = invitation;
    if (id === this.id) throw new LinepoolError('invitation_invalid', 'It is our own.');
    if (this.book.isBlocked(id)) throw new LinepoolError('neighbour_blocked');
    // Asked before the other side knows of us.
    if (name !== undefined) this.book.checkName(name, id);
    const self = { id: this.id, name: this.#options.name, addresses: this.addresses() };
    const joined = await joinInviter(this.client, invitation, self, signal);
    const neighbour = await this.book.add({
      id,
      publicKey: joined.publicKey.toString('base64url'),
      addresses,
      name: name ?? joined.name,
      ours: name !== undefined,
    });
    this.presence.hurry(id);
    return neighbour;
  }

  /**
   * Ends being neighbours: at once on our side, live connections included; the other side is told if it can be reached.
   * @throws LinepoolError `neighbour_unknown`; `state_unusable`: it holds until the next start only
   */
  async part(nameOrId: string): Promise<{ readonly neighbour: Neighbour; readonly told: boolean }> {
    const neighbour = await this.book.remove(nameOrId);
    const { events } = this.#context;
    events.report({ kind: 'neighbour_parted', neighbour: neighbour.name, id: neighbour.id, by: 'us' });
    return { neighbour, told: await this.#tellParted(neighbour) };
  }

  /**
   * Ends being neighbours, as `part`, and for good: it can't pair with us again until it is unblocked, whatever invitation it has.
   * @throws LinepoolError `neighbour_unknown`, `overloaded`; `state_unusable`: it holds until the next start only
   */
  async block(nameOrId: string): Promise<Blocked> {
    const { blocked, neighbour } = await this.book.block(nameOrId);
    // A stranger may be connected too, about to pair.
    this.cut(blocked.id);
    this.#context.events.report({ kind: 'neighbour_blocked', neighbour: blocked.name, id: blocked.id });
    if (neighbour !== undefined) await this.#tellParted(neighbour);
    return blocked;
  }

  /** @throws LinepoolError `neighbour_unknown`, `state_unusable` */
  async unblock(nameOrId: string): Promise<Blocked> {
    const blocked = await this.book.unblock(nameOrId);
    this.#context.events.report({ kind: 'neighbour_unblocked', neighbour: blocked.name, id: blocked.id });
    return blocked;
  }

  /** True when it heard of it. */
  async #tellParted(neighbour: Neighbour): Promise<boolean> {
    const { clock } = this.#context;
    const giveUp = new AbortController();
    using _limit = clock.after(PART_NOTICE_MS, () => giveUp.abort(new LinepoolError('response_timeout')));
    try {
      await using exchange = new LinkExchange(await this.client.connect(neighbour, giveUp.signal));
      await exchange.send(PATHS.part, { kind: 'part' }, giveUp.signal);
      return true;
    } catch {
      // It learns of it when it calls us next: not_paired.
      return false;
    }
  }

  /** @throws LinepoolError `neighbour_unknown`, `neighbour_name_taken`, `usage`, `state_unusable` */
  rename(nameOrId: string, name: string): Promise<Neighbour> {
    return this.book.rename(nameOrId, name);
  }

  /** Every neighbour, in the order of their names. */
  neighbours(): readonly NeighbourStatus[] {
    return this.book.all().map(({ id, name, pairedAt, addresses }) => {
      const { up, since, offer, quality, roundTripMs, trouble, hello } = this.presence.status(id);
      return {
        id,
        name,
        pairedAt,
        addresses,
        up,
        since,
        offer,
        quality,
        roundTripMs,
        version: hello?.version,
        lastError: trouble,
        connections: { in: this.#server?.connections(id) ?? 0, out: this.client.connections(id) },
      };
    });
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#desk.withdrawAll();
    await this.#owned?.disposeAsync();
  }

  #onBook(change: BookChange): void {
    const { id, name } = change.neighbour;
    if (change.kind === 'added')
      this.#context.events.report({ kind: 'neighbour_paired', neighbour: name, id });
    if (change.kind === 'removed') this.cut(id);
    if (change.kind === 'rekeyed') {
      const { id: before } = change.before;
      this.cut(before);
      this.#context.events.report({ kind: 'neighbour_rekeyed', neighbour: name, id, before });
    }
  }

  async #onParted({ id, name }: Neighbour): Promise<void> {
    if (this.book.byId(id) === undefined) return;
    const { events } = this.#context;
    // In effect at once; what the disk may refuse is that it is known after a restart.
    const removed = this.book.remove(id);
    events.report({ kind: 'neighbour_parted', neighbour: name, id, by: 'them' });
    try {
      await removed;
    } catch (error) {
      const { code, detail } = asLinepoolError(error);
      events.report({
        kind: 'warning',
        code,
        detail: `${detail} ${name} would be a neighbour again after a restart.`,
      });
    }
  }

  /** A neighbour that is another, or for which we are another, may have a new key, or not know ours. Never rejects. */
  async #meet(id: HouseholdId, code: ErrorCode): Promise<void> {
    const neighbour = this.book.byId(id);
    const worthIt =
      code === 'identity_mismatch' || (code === 'not_paired' && this.identity.statements.length > 0);
    if (neighbour === undefined || !worthIt) return;
    const { clock, events } = this.#context;
    const giveUp = new AbortController();
    using _limit = clock.after(MEETING_MS, () => giveUp.abort(new LinepoolError('response_timeout')));
    try {
      if (await this.#rotations.meet(neighbour, giveUp.signal)) this.presence.hurry(id);
    } catch (error) {
      const { code: why, detail } = asLinepoolError(error);
      // What presence shows of it already says enough, but for what is wrong on our side.
      if (why === 'state_unusable') events.report({ kind: 'warning', code: why, detail });
    }
  }

  #prefer(id: HouseholdId, address: string): void {
    this.book.prefer(id, address).catch((error: unknown) => {
      const { code, detail } = asLinepoolError(error);
      this.#context.events.report({ kind: 'warning', code, detail });
    });
  }
}
