/**
 * The household's desk: what every room has to show, put into the words of the API, and what can be asked of them.
 * daemon.ts makes it, api.ts serves it. It must never hold state of its own beyond counts.
 */
import type { Clock } from '../core/clock.ts';
import { LinepoolError } from '../core/errors.ts';
import type { Events } from '../core/events.ts';
import { formatAuthority } from '../core/target.ts';
import type { Bytes, Milliseconds } from '../core/units.ts';
import type { DownloadView } from '../download/download-view.ts';
import type { LineView } from '../download/line-view.ts';
import type { Register } from '../download/register.ts';
import type { WindowBudget } from '../download/window.ts';
import type { Lender } from '../lending/lender.ts';
import type { ReceiptWriter } from '../lending/receipt-writer.ts';
import type { Steward } from '../lending/steward.ts';
import { shortId } from '../neighbours/household-id.ts';
import type { Neighbourhood, NeighbourStatus } from '../neighbours/neighbourhood.ts';
import type { Caught, TrustBook } from '../neighbours/trust.ts';
import type { Health } from '../paths/health.ts';
import type { OwnLine } from '../paths/own-line.ts';
import { OWN } from '../paths/path.ts';
import type { Proxy } from '../proxy/server.ts';
import type { Desk, Totals } from './desk.ts';
import type { PathGateway } from './gateway.ts';
import { changed, changedFor, measuredOf, shownLending } from './lending.ts';
import { isMeant, type RememberedOrigin, shownOrigins } from './origins.ts';
import { HouseholdPairing, type PairingSeat } from './pairing.ts';
import { type DownloadReport, type ReportedDownloads, together } from './reported.ts';
import type {
  Download,
  Invitation,
  JoinRequest,
  Lending,
  LendNeighbourRequest,
  LendRequest,
  Neighbour,
  Offer,
  Status,
  TrustRequest,
  Verdict,
} from './schema.ts';

export interface DeskRooms {
  readonly version: string;
  readonly name: string;
  readonly clock: Clock;
  readonly events: Events;
  readonly neighbourhood: Neighbourhood;
  readonly trust: TrustBook;
  /** Quarantines it. */
  readonly caught: (neighbour: Pick<NeighbourStatus, 'id' | 'name'>, caught: Caught) => Promise<void>;
  readonly lender: Lender;
  readonly steward: Steward;
  readonly ownLine: OwnLine;
  readonly register: Register;
  readonly health: Health;
  readonly reported: ReportedDownloads;
  readonly budget: WindowBudget;
  readonly proxy: Proxy;
  readonly gateway: Pick<PathGateway, 'brought'>;
  readonly receipts: Pick<ReceiptWriter, 'signedFor'>;
  readonly controlAddress: () => string;
  readonly stop: (reason: string) => void;
}

const RUNNING_KEPT_MS: Milliseconds = 1_000;

export class HouseholdDesk implements Desk {
  readonly events: Events;
  readonly pairing: PairingSeat;
  readonly #rooms: DeskRooms;
  readonly #startedAt: Milliseconds;
  /** What downloads that ended brought, by path. */
  readonly #brought = new Map<string, Bytes>();
  /** What those that run have brought, at that time. */
  #running: { readonly at: Milliseconds; readonly brought: ReadonlyMap<string, Bytes> } | undefined;

  constructor(rooms: DeskRooms) {
    this.#rooms = rooms;
    this.events = rooms.events;
    this.pairing = new HouseholdPairing(rooms.neighbourhood);
    this.#startedAt = rooms.clock.wall();
    rooms.events.listen(({ event }) => {
      if (event.kind !== 'download_ended') return;
      this.#running = undefined;
      for (const [path, bytes] of Object.entries(event.bytesByPath)) {
        this.#brought.set(path, (this.#brought.get(path) ?? 0) + bytes);
      }
    });
  }

  status(): Status {
    const { version, name, neighbourhood, lender, steward, ownLine, budget, proxy, controlAddress } =
      this.#rooms;
    const lending = lender.status();
    const { now } = steward;
    const { policy, lent, allowance } = now;
    const { rss, heapUsed, external } = process.memoryUsage();
    return {
      version,
      pid: process.pid,
      household: { id: neighbourhood.id, shortId: shortId(neighbourhood.id), name },
      startedAt: this.#startedAt,
      proxy: proxy.addresses.map(formatAuthority),
      control: controlAddress(),
      link: [...neighbourhood.addresses()],
      line: {
        ...(ownLine.down === undefined ? {} : { downBytesPerSecond: ownLine.down }),
        learned: ownLine.isLearned,
        ...measuredOf(now),
      },
      window: { capBytes: budget.capBytes, heldBytes: budget.heldBytes, peakBytes: budget.peakBytes },
      lending: {
        enabled: policy.enabled,
        sharePercent: allowance.percent.down,
        reason: lent.reason,
        words: lent.words,
        ...(lending.reason === 'line_unknown' ? {} : { capBytesPerSecond: lending.rate.down }),
        bytesPerSecond: lending.borrowers.reduce((sum, { rate }) => sum + rate.down + rate.up, 0),
        bytes: lending.bytesCarried,
        connections: lending.borrowers.reduce((sum, one) => sum + one.connections, 0),
        cutOff: lending.borrowers.flatMap(({ name: who, cutOff }) => (cutOff === undefined ? [] : [who])),
      },
      memory: { rssBytes: rss, heapUsedBytes: heapUsed, externalBytes: external },
    };
  }

  downloads(): readonly Download[] {
    const { register, reported } = this.#rooms;
    return together(register.downloads().map(shownDownload), reported.list());
  }

  verdicts(): readonly Verdict[] {
    return this.#rooms.register
      .verdicts()
      .map(({ bytes, ...rest }) => ({ ...rest, ...(bytes === undefined ? {} : { bytes }) }));
  }

  neighbours(): readonly Neighbour[] {
    return this.#rooms.neighbourhood.neighbours().map((one) => this.#shownNeighbour(one));
  }

  offers(): readonly Offer[] {
    const at = this.#rooms.clock.wall();
    const offers: Offer[] = [];
    for (const { id, name: neighbour, offer } of this.#rooms.neighbourhood.neighbours()) {
      offers.push({ neighbour, id, direction: 'received', ...offer, at });
      const known = this.#rooms.neighbourhood.book.byId(id);
      if (known === undefined) continue;
      offers.push({ neighbour, id, direction: 'given', ...this.#rooms.lender.offer(known), at });
    }
    return offers;
  }

  lending(): Lending {
    const { neighbourhood, steward } = this.#rooms;
    const { now } = steward;
    const neighbours = neighbourhood.book.all();
    const { borrowers } = this.#rooms.lender.status();
    return shownLending(now, neighbours, { borrowers, wall: this.#rooms.clock.wall() });
  }

  async lend(request: LendRequest): Promise<Lending> {
    await this.#rooms.steward.change((before, wall) => changed(before, request, wall));
    return this.lending();
  }

  async lendTo(nameOrId: string, request: LendNeighbourRequest): Promise<Lending> {
    const { id } = this.#rooms.neighbourhood.book.find(nameOrId);
    await this.#rooms.steward.change((before) => changedFor(before, id, request));
    return this.lending();
  }

  /** What the daemon fetched over our own line for the household. */
  ownBytes(): Bytes {
    const { register, proxy } = this.#rooms;
    let bytes = (this.#brought.get(OWN) ?? 0) + proxy.totals.passedBytes;
    for (const { lines } of register.live()) {
      for (const line of lines) if (line.id === OWN) bytes += line.bytes;
    }
    return bytes;
  }

  /** What that neighbour's line brought us, under former keys of it too; of what runs, as it was less than a second ago. */
  borrowedFrom(id: string): Bytes {
    const { neighbourhood, gateway } = this.#rooms;
    const former = neighbourhood.book.byId(id)?.formerKeys ?? [];
    const brought = [this.#brought, this.#runningBrought(), gateway.brought];
    return [id, ...former.map((key) => key.id)].reduce(
      (sum, one) => brought.reduce((bytes, by) => bytes + (by.get(one) ?? 0), sum),
      0,
    );
  }

  totals(): Totals {
    const { register, lender, proxy, gateway } = this.#rooms;
    let ownBytes = this.#brought.get(OWN) ?? 0;
    let borrowedBytes = [...this.#brought, ...gateway.brought].reduce(
      (sum, [path, bytes]) => (path === OWN ? sum : sum + bytes),
      0,
    );
    for (const { lines } of register.live()) {
      for (const line of lines) {
        if (line.id === OWN) ownBytes += line.bytes;
        else borrowedBytes += line.bytes;
      }
    }
    const lentBytes = lender.status().bytesCarried;
    return { ownBytes, borrowedBytes, lentBytes, ...proxy.totals };
  }

  // Async, so that what is thrown is a rejection like that of the others.
  // oxlint-disable-next-line typescript/require-await
  async invite({ ttlMs }: { readonly ttlMs: Milliseconds }): Promise<Invitation> {
    const { text, expiresAt } = this.#rooms.neighbourhood.invite({ ttlMs });
    return { invitation: text, expiresAt };
  }

  async join({ invitation, name }: JoinRequest): Promise<Neighbour> {
    const { neighbourhood } = this.#rooms;
    const joined = await neighbourhood.join(invitation, name === undefined ? {} : { name });
    return this.#byId(joined.id);
  }

  async part(nameOrId: string): Promise<void> {
    await this.#rooms.neighbourhood.part(nameOrId);
  }

  async rename(nameOrId: string, name: string): Promise<Neighbour> {
    const renamed = await this.#rooms.neighbourhood.rename(nameOrId, name);
    return this.#byId(renamed.id);
  }

  async trust(nameOrId: string, { trust, caught }: TrustRequest): Promise<Neighbour> {
    const book = this.#rooms.trust;
    const { id, name: neighbour } = this.#rooms.neighbourhood.book.find(nameOrId);
    if (caught !== undefined && caught !== 'lift') {
      await this.#rooms.caught({ id, name: neighbour }, caught);
    }
    const changes = [
      ...(trust === undefined ? [] : [book.set(id, trust)]),
      ...(caught === 'lift' ? [book.lift(id)] : []),
    ];
    if (changes.length > 0) {
      const quarantined = book.caught(id) !== undefined;
      this.events.report({ kind: 'neighbour_trust', neighbour, id, trust: book.of(id), quarantined });
    }
    await Promise.all(changes);
    return this.#byId(id);
  }

  origins(): readonly RememberedOrigin[] {
    const { health, neighbourhood, ownLine } = this.#rooms;
    return shownOrigins(health, (path) =>
      path === OWN ? ownLine.name : (neighbourhood.book.byId(path)?.name ?? path),
    );
  }

  report(id: string, report: DownloadReport): void {
    this.#rooms.reported.report(id, report);
  }

  forgetOrigin(name: string): void {
    if (!this.#rooms.health.forget(isMeant(name)))
      throw new LinepoolError('not_found', `(no server ${JSON.stringify(name)} is left alone)`);
  }

  stop(reason: string): void {
    this.#rooms.stop(reason);
  }

  /** By path. The lender asks for it many times a second, for the weight of each that borrows. */
  #runningBrought(): ReadonlyMap<string, Bytes> {
    const now = this.#rooms.clock.now();
    if (this.#running !== undefined && now - this.#running.at < RUNNING_KEPT_MS) return this.#running.brought;
    const brought = new Map<string, Bytes>();
    for (const { lines } of this.#rooms.register.live()) {
      for (const { id, bytes } of lines) brought.set(id, (brought.get(id) ?? 0) + bytes);
    }
    this.#running = { at: now, brought };
    return brought;
  }

  #byId(id: string): Neighbour {
    const found = this.#rooms.neighbourhood.neighbours().find((one) => one.id === id);
    // It was in the book a moment ago; parted since, it is shown as gone.
    return found === undefined
      ? {
          name: '',
          id,
          shortId: shortId(id),
          up: false,
          since: this.#rooms.clock.wall(),
          lentBytes: 0,
          borrowedBytes: 0,
        }
      : this.#shownNeighbour(found);
  }

  #shownNeighbour(one: NeighbourStatus): Neighbour {
    const lent = this.#rooms.lender.status().borrowers.find((borrower) => borrower.id === one.id);
    const [address] = one.addresses;
    const caught = this.#rooms.trust.caught(one.id);
    const publicKey = this.#rooms.neighbourhood.book.byId(one.id)?.publicKey;
    return {
      trust: this.#rooms.trust.of(one.id),
      ...(publicKey === undefined ? {} : { publicKey }),
      ...(caught === undefined ? {} : { caught }),
      name: one.name,
      id: one.id,
      shortId: shortId(one.id),
      up: one.up,
      ...(address === undefined ? {} : { address }),
      ...(one.up ? { offer: { ...one.offer } } : {}),
      ...(one.quality.words === '' ? {} : { link: one.quality.words }),
      ...(one.roundTripMs === undefined ? {} : { roundTripMs: one.roundTripMs }),
      since: one.since,
      ...(one.lastError === undefined ? {} : { lastError: { ...one.lastError, at: one.since } }),
      lentBytes: lent?.bytesCarried ?? 0,
      borrowedBytes: this.borrowedFrom(one.id),
      signed: {
        lentBytes: lent?.bytesSigned ?? 0,
        borrowedBytes: this.#rooms.receipts.signedFor(one.id),
      },
    };
  }
}

function shownDownload({ lines, code, ...view }: DownloadView): Download {
  const byPath = <T>(of: (line: LineView) => T): Record<string, T> =>
    Object.fromEntries(lines.map((line) => [line.id, of(line)]));
  return {
    ...view,
    ...(code === undefined ? {} : { code }),
    namesByPath: byPath(({ name }) => name),
    bytesByPath: byPath(({ bytes }) => bytes),
    ratesByPath: view.state === 'live' ? byPath(({ bytesPerSecond }) => bytesPerSecond) : {},
    spansInFlight: lines.flatMap(({ id: path, asks }) =>
      asks.map(({ start, end, at }) => ({ path, start, end, doneBytes: at - start })),
    ),
  };
}
