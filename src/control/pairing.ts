/**
 * Pairing without an invitation, and blocking, as the control API shows and takes them: the words, and the seat of the desk where
 * they are asked of the neighbourhood. Invitations are the desk's own.
 */
import { z } from 'zod';
import type { Comparison } from '../neighbours/comparison.ts';
import type { Meeting } from '../neighbours/comparison-desk.ts';
import { shortId } from '../neighbours/household-id.ts';
import type { Neighbourhood } from '../neighbours/neighbourhood.ts';
import { type BlockedHousehold, newName } from './schema.ts';

/** Milliseconds since 1970. */
const moment = z.number();
/** `host:port`, IPv6 bracketed. */
const address = z.string();

/** While others may find us and ask to pair. */
export const Visible = z.object({
  /** What we are called on the air meanwhile. */
  name: z.string(),
  until: moment,
  /** Addresses at which we are announced; none: only who knows where we are can ask. */
  at: z.array(z.string()),
});
export type Visible = z.output<typeof Visible>;

export const Pairing = z.object({
  visible: Visible.optional(),
  /** The comparison that is under way, or the last that was. */
  comparison: z
    .object({
      /** `asking`: ours began it. */
      role: z.enum(['asking', 'asked']),
      address: z.string(),
      /** `committed`, `comparing`, `we_agreed`, `they_agreed`, `paired`, `ended`. */
      state: z.string(),
      /** Six digits; the other side must show the same. */
      number: z.string().optional(),
      /** Why it ended: `rejected_here`, `rejected_there`, `commitment`, `time`, `lost`. */
      why: z.string().optional(),
      /** For the people. */
      leftMs: z.number().optional(),
      /** Once it is paired: what we call it. */
      neighbour: z.string().optional(),
    })
    .optional(),
});
export type Pairing = z.output<typeof Pairing>;

export const DiscoveredRouters = z.object({ routers: z.array(z.object({ name: z.string(), address })) });
export type DiscoveredRouters = z.output<typeof DiscoveredRouters>;

/** How long a household may be visible. */
export const VISIBLE_MS = { min: 10_000, preset: 10 * 60_000, max: 3_600_000 } as const;

export const VisibleRequest = z.strictObject({
  forMs: z
    .int()
    .min(VISIBLE_MS.min, 'must be at least 10 s')
    .max(VISIBLE_MS.max, 'must be at most 1 h')
    .default(VISIBLE_MS.preset),
});
export type VisibleRequest = z.output<typeof VisibleRequest>;

/** A name that discovery showed, or host:port. */
export const PairWithRequest = z.strictObject({ with: z.string().min(1).max(262) });

/** The number that the other side shows, and what to call it. */
export const ConfirmNumberRequest = z.strictObject({
  number: z.string().max(16),
  name: newName.optional(),
});
export type ConfirmNumberRequest = z.output<typeof ConfirmNumberRequest>;

/** The seat. Every method that returns a promise may take as long as the link does. */
export interface PairingSeat {
  pairing(): Pairing;
  /** @throws LinepoolError `config_invalid` when nobody could call us */
  show(request: VisibleRequest): Promise<Visible>;
  hide(): Promise<void>;
  discover(): Promise<DiscoveredRouters>;
  /** @throws LinepoolError `pairing_closed`, `pairing_busy`, `pairing_limited`, `neighbour_unknown`, `neighbour_unreachable` … */
  pairWith(nameOrAddress: string): Promise<Pairing>;
  /** @throws LinepoolError `not_found`, `pairing_rejected`, `neighbour_name_taken`, `state_unusable` */
  confirmNumber(request: ConfirmNumberRequest): Promise<Pairing>;
  /** @throws LinepoolError `not_found` */
  rejectNumber(): Pairing;
  blocked(): readonly BlockedHousehold[];
  /** @throws LinepoolError `neighbour_unknown`, `overloaded`, `state_unusable` */
  block(nameOrId: string): Promise<BlockedHousehold>;
  /** @throws LinepoolError `neighbour_unknown`, `state_unusable` */
  unblock(nameOrId: string): Promise<BlockedHousehold>;
}

/** The seat of a household. */
export class HouseholdPairing implements PairingSeat {
  readonly #neighbourhood: Neighbourhood;

  constructor(neighbourhood: Neighbourhood) {
    this.#neighbourhood = neighbourhood;
  }

  pairing(): Pairing {
    const { introductions } = this.#neighbourhood;
    const { visible, desk } = introductions;
    const { meeting } = desk;
    return {
      ...(visible === undefined ? {} : { visible: { ...visible, at: [...visible.at] } }),
      ...(meeting === undefined ? {} : { comparison: this.#shown(meeting) }),
    };
  }

  async show({ forMs }: VisibleRequest): Promise<Visible> {
    const visible = await this.#neighbourhood.introductions.show(forMs);
    return { ...visible, at: [...visible.at] };
  }

  hide(): Promise<void> {
    return this.#neighbourhood.introductions.hide();
  }

  async discover(): Promise<DiscoveredRouters> {
    return { routers: [...(await this.#neighbourhood.introductions.discover())] };
  }

  async pairWith(nameOrAddress: string): Promise<Pairing> {
    await this.#neighbourhood.introductions.ask(nameOrAddress);
    return this.pairing();
  }

  async confirmNumber({ number, name }: ConfirmNumberRequest): Promise<Pairing> {
    await this.#neighbourhood.introductions.desk.confirm(number, name);
    return this.pairing();
  }

  rejectNumber(): Pairing {
    this.#neighbourhood.introductions.desk.reject();
    return this.pairing();
  }

  blocked(): readonly BlockedHousehold[] {
    return this.#neighbourhood.book.blocked().map(shownBlocked);
  }

  async block(nameOrId: string): Promise<BlockedHousehold> {
    return shownBlocked(await this.#neighbourhood.block(nameOrId));
  }

  async unblock(nameOrId: string): Promise<BlockedHousehold> {
    return shownBlocked(await this.#neighbourhood.unblock(nameOrId));
  }

  #shown(meeting: Meeting): NonNullable<Pairing['comparison']> {
    const { role, address: at, state, peer } = meeting;
    const neighbour = meeting.pinned ? this.#neighbourhood.book.byId(peer.id)?.name : undefined;
    return {
      role,
      address: at,
      state: stateOf(state, meeting.pinned),
      ...('number' in state ? { number: state.number } : {}),
      ...(state.kind === 'ended' ? { why: state.why } : {}),
      ...('until' in state ? { leftMs: this.#neighbourhood.introductions.desk.leftOf(meeting) } : {}),
      ...(neighbour === undefined ? {} : { neighbour }),
    };
  }
}

/** Paired is said once it is in the book. */
const stateOf = (state: Comparison, pinned: boolean): string =>
  state.kind === 'paired' && !pinned ? 'we_agreed' : state.kind;

const shownBlocked = ({
  name,
  id,
  blockedAt,
}: {
  readonly name: string;
  readonly id: string;
  readonly blockedAt: number;
}): BlockedHousehold => ({ name, id, shortId: shortId(id), blockedAt });
