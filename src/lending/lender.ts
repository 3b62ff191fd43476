/**
 * The lender: the room's face. daemon.ts makes one and hands it to the link server as its handlers. It knows who borrows,
 * deals out what the steward says is lent now, and ends at once what may not go on.
 *
 *     link ─► Lender ─► Tunnel | FetchConnection ─► origin
 *               ├── LeaseOffice what may be carried, and how much of it was and is signed for
 *               ├── Shaper      how fast
 *               └── deal        who gets how much of what is lent, and what is offered
 *
 * While nothing is lent, nothing runs: a rate of zero cuts every transfer, because one that only stops reading goes on
 * taking the household's line.
 */
import type { IncomingMessage, ServerResponse } from 'node:http';
import type { Duplex } from 'node:stream';
import type { Clock } from '../core/clock.ts';
import { asLinepoolError, LinepoolError } from '../core/errors.ts';
import type { Events } from '../core/events.ts';
import type { Bytes, BytesPerSecond, Milliseconds } from '../core/units.ts';
import type { Neighbour } from '../neighbours/book.ts';
import type { LinkHandlers } from '../neighbours/channel.ts';
import type { ReceiptAnswer, ReceiptMessage } from '../neighbours/messages.ts';
import { refuse, refuseConnect } from '../neighbours/refusal.ts';
import type { DialOptions } from '../paths/dial.ts';
import { Lookups } from '../paths/lookups.ts';
import { NO_OFFER, type Offer } from '../paths/path.ts';
import { LENDER_ERROR } from '../paths/range-fetch.ts';
import { Borrower } from './borrower.ts';
import { CutOffs } from './cut-offs.ts';
import { dealt, ifBegun, type Wish } from './deal.ts';
import { type DestinationSettings, type Destinations, destinationsOf } from './destinations.ts';
import { CLOCK_SKEW_MS } from './lease.ts';
import { LeaseOffice, type LeaseOfficeOptions } from './lease-office.ts';
import type { LenderStatus } from './lender-status.ts';
import { type Lent, NOTHING_LENT } from './lent.ts';
import { offerOf } from './offer.ts';
import { OriginBound } from './origin-bound.ts';
import { lenderPermit, type PermitOptions } from './permit.ts';
import type { Directions } from './policy.ts';
import { RefusalReport } from './refusal-report.ts';
import { ORIGIN_SILENCE_MS, type RelayOptions, TRANSFER_IDLE_MS } from './relay.ts';
import { FetchConnection } from './relay-fetch.ts';
import { Tunnel } from './relay-tunnel.ts';
import { Shaper } from './shaper.ts';
import { sendable } from './share.ts';
import { signSpan } from './span-statement.ts';

export interface LenderOptions extends Omit<LeaseOfficeOptions, 'leaseLimits'>, PermitOptions {
  /** Of origins that may be reached. */
  readonly ports: readonly number[];
  /** Hosts that may not, as the setting `deny_hosts` has them; default none. */
  readonly denyHosts?: readonly string[];
  readonly dial: Omit<DialOptions, 'permit'>;
  /** How far ahead of the borrower one connection reads. */
  readonly bufferBytes: Bytes;
  readonly leaseLimits: {
    readonly maxBytes: Bytes;
    readonly maxTime: Milliseconds;
    /** Default `CLOCK_SKEW_MS`. */
    readonly clockSkew?: Milliseconds;
  };
  /** Of all borrowers together; one may have half of them, at least `BORROWER_CONNECTIONS_MIN`. */
  readonly maxConnections: number;
  /** Default `ORIGIN_SILENCE_MS`. */
  readonly originSilence?: Milliseconds;
  /** Default `TRANSFER_IDLE_MS`. */
  readonly transferIdle?: Milliseconds;
}

/** One borrower may have so many connections however few all together may have. */
export const BORROWER_CONNECTIONS_MIN = 4;

type Direction = keyof Directions<unknown>;

const sum = ({ down, up }: Directions<Bytes>, { flows }: Borrower): Directions<Bytes> => ({
  down: down + flows.down.bytes,
  up: up + flows.up.bytes,
});

export class Lender implements LinkHandlers, AsyncDisposable {
  readonly #options: LenderOptions;
  readonly #clock: Clock;
  readonly #events: Events;
  readonly #relay: RelayOptions;
  readonly #leases: LeaseOffice;
  readonly #shapers: Directions<Shaper>;
  readonly #cutOffs: CutOffs;
  readonly #borrowers = new Map<string, Borrower>();
  readonly #fetching = new WeakMap<object, FetchConnection>();
  readonly #listeners = new Set<() => void>();
  readonly #refusals: RefusalReport;
  #lent: Lent = NOTHING_LENT;
  #destinations: Destinations;
  /** Carried for borrowers that are no longer neighbours. */
  #before: Directions<Bytes> = { down: 0, up: 0 };

  constructor(options: LenderOptions, { clock, events }: { readonly clock: Clock; readonly events: Events }) {
    this.#options = options;
    this.#clock = clock;
    this.#events = events;
    this.#shapers = { down: new Shaper(0, clock), up: new Shaper(0, clock) };
    this.#refusals = new RefusalReport(clock, events);
    this.#cutOffs = new CutOffs(clock, () => this.#apply());
    const { leaseLimits } = options;
    const clockSkew = leaseLimits.clockSkew ?? CLOCK_SKEW_MS;
    this.#leases = new LeaseOffice({ ...options, leaseLimits: { ...leaseLimits, clockSkew } }, clock, events);
    this.#destinations = destinationsOf({ ports: options.ports, deny_hosts: options.denyHosts ?? [] });
    const destinations = (): Destinations => this.#destinations;
    const onUnknown = (): void => events.report({ kind: 'warning', code: 'own_address_unknown', detail: '' });
    const { ownId, privateKey } = options;
    this.#relay = {
      ownId,
      sign: (statement) => signSpan({ ...statement, lender: ownId }, privateKey, clock.wall()),
      destinations,
      dial: {
        ...options.dial,
        lowerEffort: true,
        askName: new Lookups(options.dial.askName).ask,
        permit: lenderPermit({ ...options, onUnknown }, clock, destinations),
      },
      bufferBytes: options.bufferBytes,
      originSilence: options.originSilence ?? ORIGIN_SILENCE_MS,
      transferIdle: options.transferIdle ?? TRANSFER_IDLE_MS,
      leases: this.#leases,
      origins: new OriginBound(),
      clock,
      onRefused: (borrower, error) => this.#report(borrower, error),
    };
  }

  /** @see LinkHandlers.request */
  request(neighbour: Neighbour, request: IncomingMessage, response: ServerResponse): void {
    const borrower = this.#borrower(neighbour);
    try {
      const { socket } = request;
      let connection = this.#fetching.get(socket);
      if (connection?.belongsTo(borrower) === true) this.#admit(borrower, 0);
      else {
        this.#admit(borrower, 1);
        connection = new FetchConnection(this.#relay, borrower, socket);
        this.#fetching.set(socket, connection);
      }
      connection.request(request, response);
    } catch (error) {
      const refusal = asLinepoolError(error);
      this.#report(borrower, refusal);
      response.setHeader(LENDER_ERROR, refusal.code);
      refuse(response, refusal);
    }
  }

  /** @see LinkHandlers.connect */
  connect(neighbour: Neighbour, request: IncomingMessage, socket: Duplex, head: Buffer): void {
    const borrower = this.#borrower(neighbour);
    try {
      this.#admit(borrower, 1);
    } catch (error) {
      const refusal = asLinepoolError(error);
      this.#report(borrower, refusal);
      socket.on('error', () => socket.destroy());
      refuseConnect(socket, refusal);
      return;
    }
    void new Tunnel(this.#relay, borrower, socket).open(request, head);
  }

  /** @see LinkHandlers.receipt */
  receipt(neighbour: Neighbour, message: ReceiptMessage): ReceiptAnswer {
    return this.#leases.receipt(neighbour, message);
  }

  /** @see LinkHandlers.offer */
  offer({ id }: Neighbour): Offer {
    if (this.#ceiling(id) <= 0) return NO_OFFER;
    const others = this.#wishes('down').filter((wish) => wish.id !== id);
    const part = ifBegun(this.#lent.rate.down, others, this.#wish(id, 'down'));
    return offerOf(part, this.#options.bufferBytes, this.#overLink(id));
  }

  /** What the link to it carries. */
  #overLink(id: string): BytesPerSecond {
    return this.#borrowers.get(id)?.flows.down.most ?? Number.POSITIVE_INFINITY;
  }

  /** @see LinkHandlers.onOfferChange */
  onOfferChange(listener: () => void): Disposable {
    this.#listeners.add(listener);
    return { [Symbol.dispose]: () => this.#listeners.delete(listener) };
  }

  /** True while somebody borrows. */
  get isActive(): boolean {
    for (const borrower of this.#borrowers.values()) if (borrower.isActive) return true;
    return false;
  }

  /** Since the daemon started, for all together. */
  get carried(): Directions<Bytes> {
    let carried = this.#before;
    for (const borrower of this.#borrowers.values()) carried = sum(carried, borrower);
    return carried;
  }

  /** Since the daemon started, both directions. */
  carriedFor(neighbourId: string): Bytes {
    return this.#borrowers.get(neighbourId)?.bytes ?? 0;
  }

  /** Whom it has carried anything for since then, and is still a neighbour. */
  get borrowerIds(): Iterable<string> {
    return this.#borrowers.keys();
  }

  /** From now on, for what runs too; when it leaves nothing to lend, everything is cut before this returns. */
  setLent(lent: Lent): void {
    this.#lent = lent;
    for (const borrower of this.#borrowers.values()) borrower.measure();
    this.#apply();
  }

  /** Ends what runs, at once; the leases hold, and are used again in a moment for what is still lent. */
  cutRunning(): void {
    const error = new LinepoolError('lending_off', '(less is lent now, and what runs did not follow)');
    for (const borrower of this.#borrowers.values()) if (borrower.isActive) borrower.cut(error);
  }

  /** Which ports and hosts may be reached, from now on. What runs ends: it may go where nobody may any more. */
  setDestinations(settings: DestinationSettings): void {
    this.#destinations = destinationsOf(settings);
    for (const borrower of this.#borrowers.values())
      borrower.cut(new LinepoolError('lending_off', 'What may be reached over this line was changed.'));
  }

  /** Ends all transfers and leases of that household, which is not a neighbour any more. */
  drop(neighbourId: string): void {
    this.#leases.drop(neighbourId);
    const borrower = this.#borrowers.get(neighbourId);
    if (borrower === undefined) return;
    this.#borrowers.delete(neighbourId);
    this.#cutOffs.forget(neighbourId);
    this.#before = sum(this.#before, borrower);
    borrower.cut(new LinepoolError('not_paired'));
    borrower[Symbol.dispose]();
    this.#refusals.forget(neighbourId);
    this.#apply();
  }

  /** The same for one that has another id now: what it owes, and for how long it is cut off, goes on under that. */
  rekey(before: string, after: string): void {
    this.#cutOffs.rekey(before, after);
    this.#leases.rekey(before, after);
    this.drop(before);
  }

  status(): LenderStatus {
    const { carried } = this;
    return {
      rate: this.#lent.rate,
      reason: this.#lent.reason,
      bytesCarried: carried.down + carried.up,
      carried,
      borrowers: [...this.#borrowers.values()].map((borrower) => ({
        id: borrower.id,
        name: borrower.neighbour.name,
        rate: { down: borrower.flows.down.rate(), up: borrower.flows.up.rate() },
        bytesCarried: borrower.bytes,
        bytesSigned: this.#leases.signedBy(borrower.id),
        connections: borrower.connections,
        active: borrower.isActive,
        cutOff: this.#cutOffs.of(borrower.id),
        overLink: this.#overLink(borrower.id),
      })),
    };
  }

  [Symbol.asyncDispose](): Promise<void> {
    this.#listeners.clear();
    this.setLent({ ...NOTHING_LENT, words: 'the daemon ends' });
    for (const borrower of this.#borrowers.values()) borrower[Symbol.dispose]();
    this.#cutOffs[Symbol.dispose]();
    this.#shapers.down[Symbol.dispose]();
    this.#shapers.up[Symbol.dispose]();
    this.#leases[Symbol.dispose]();
    return Promise.resolve();
  }

  /** @throws LinepoolError `lending_off`, `overloaded` */
  #admit({ id }: Borrower, connections: 0 | 1): void {
    if (this.#ceiling(id) <= 0) throw this.#refusal(id);
    const { maxConnections } = this.#options;
    let open = connections;
    for (const borrower of this.#borrowers.values()) open += borrower.connections;
    if (connections > 0 && open > maxConnections) {
      throw new LinepoolError('overloaded', `${maxConnections} connections of borrowers are open.`);
    }
  }

  #borrower(neighbour: Neighbour): Borrower {
    let borrower = this.#borrowers.get(neighbour.id);
    if (borrower === undefined) {
      const { maxConnections } = this.#options;
      borrower = new Borrower(neighbour, {
        shaped: {
          down: this.#shapers.down.borrower(this.#ceiling(neighbour.id)),
          up: this.#shapers.up.borrower(this.#ceiling(neighbour.id, 'up')),
        },
        maxConnections: Math.max(BORROWER_CONNECTIONS_MIN, Math.ceil(maxConnections / 2)),
        clock: this.#clock,
        onActivity: () => this.#apply(),
      });
      this.#borrowers.set(neighbour.id, borrower);
    }
    borrower.neighbour = neighbour;
    return borrower;
  }

  /** What that neighbour may have at most, whoever else borrows. */
  #ceiling(id: string, direction: Direction = 'down'): BytesPerSecond {
    const { allowed, rate, factor } = this.#lent.terms(id);
    if (!allowed || this.#cutOffs.of(id) !== undefined) return 0;
    return Math.min(rate[direction], this.#lent.rate[direction]) * factor;
  }

  /** Why it may have nothing. */
  #refusal(id: string): LinepoolError {
    const { rate, words, terms } = this.#lent;
    const cutOff = this.#cutOffs.of(id);
    if (cutOff !== undefined) return new LinepoolError('cut_off', `(${cutOff.words})`);
    return new LinepoolError('lending_off', `(${rate.down > 0 ? terms(id).words : words})`);
  }

  #wish(id: string, direction: Direction, takes?: BytesPerSecond): Wish {
    const { weight, factor } = this.#lent.terms(id);
    // The deal applies the factor to what it would have by all that holds.
    const ceiling = factor > 0 ? this.#ceiling(id, direction) / factor : 0;
    return { id, weight, ceiling, factor, takes };
  }

  /** Of those that borrow now. */
  #wishes(direction: Direction): readonly Wish[] {
    return [...this.#borrowers.values()]
      .filter(({ id, isActive }) => isActive && this.#ceiling(id) > 0)
      .map(({ id, flows }) => this.#wish(id, direction, flows[direction].takes));
  }

  /** Brings what runs and what is offered in line with what is lent now. */
  #apply(): void {
    const { rate, reason, passed = rate.down } = this.#lent;
    // The line is wanted at home for a moment: what runs ends at once, but the leases hold, and are used again after it.
    const yields = reason === 'household' || reason === 'unmeasured' || reason === 'delay';
    this.#deal('down', Math.min(rate.down, passed));
    let comingDown = 0;
    for (const { flows } of this.#borrowers.values()) comingDown += flows.down.taking;
    this.#deal('up', sendable(rate.up, comingDown));
    for (const borrower of this.#borrowers.values()) {
      const { id } = borrower;
      const isOffered = this.#ceiling(id) > 0;
      this.#cutOffs.told(id, isOffered);
      if (isOffered) continue;
      // First what runs, so that it ends with the reason.
      borrower.cut(this.#refusal(id));
      if (!yields) this.#leases.end(id, 'lending_off');
    }
    if (rate.down <= 0 && !yields) this.#leases.end(undefined, 'lending_off');
    for (const listener of this.#listeners) listener();
  }

  #deal(direction: Direction, total: BytesPerSecond): void {
    const parts = dealt(total, this.#wishes(direction));
    this.#shapers[direction].setRate(total);
    for (const { id, flows } of this.#borrowers.values()) {
      flows[direction].setRate(parts.get(id)?.rate ?? Math.min(total, this.#ceiling(id, direction)));
    }
  }

  /** It has ignored its offer for too long: what runs for it ends, and it is told so. */
  #cutOff({ id, neighbour }: Borrower): void {
    const cutOff = this.#cutOffs.of(id);
    if (cutOff === undefined) return;
    const { forMs, words } = cutOff;
    this.#events.report({ kind: 'borrower_cut_off', borrower: neighbour.name, forMs, detail: words });
    this.#apply();
  }

  #report(borrower: Borrower, error: LinepoolError): void {
    this.#refusals.refused(borrower, error);
    if (this.#cutOffs.refused(borrower.id, error.code)) this.#cutOff(borrower);
  }
}
