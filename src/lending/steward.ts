/**
 * The steward: keeps the household's policy and its line, and tells the lender many times a second what is lent now.
 * daemon.ts makes one; the control API shows it and changes its policy.
 *
 *     /proc ─► line-watch ─► meter ─┐
 *     usage ─► policy ──────────────┴─► share ─► lender ─► shaper, offers
 *
 * While nobody borrows it looks once a second. What can't be measured, or a clock that is stepped, is reported, and less
 * is lent. A change holds at once, before it is on disk: a full disk must not keep a line lent.
 */

import type { Clock } from '../core/clock.ts';
import type { ErrorCode } from '../core/errors.ts';
import type { Events } from '../core/events.ts';
import { type Bytes, type BytesPerSecond, type Milliseconds, PACKET_OVERHEAD } from '../core/units.ts';
import { type Linked, NOT_LINKED } from '../neighbours/link-sockets.ts';
import { reciprocity } from './deal.ts';
import type { Delay, DelayWatch } from './delay-watch.ts';
import { sameDestinations } from './destinations.ts';
import type { Lender } from './lender.ts';
import { FAULTS, type Lent, lentOf } from './lent.ts';
import type { LineMemory } from './line-memory.ts';
import type { LineWatch } from './line-watch.ts';
import { capacityOf, type Measured, type MeterState, meterStep, NEW_METER } from './meter.ts';
import { readOverrides, writeOverrides } from './overrides.ts';
import { carriedBy, NO_OVERRUN, overrunStep, plunges, repaying } from './overrun.ts';
import {
  type Allowance,
  allowanceOf,
  type Directions,
  type LendPolicy,
  lendable,
  type Terms,
  type Usage,
} from './policy.ts';
import {
  type LendSettings,
  type NeighbourSettings,
  type Overrides,
  policyOf,
  settingsOf,
} from './settings.ts';
import { CHATTER, NEW_SHARE, type ShareState, shareStep } from './share.ts';
import type { UsageBook } from './usage.ts';

/** How often it looks while somebody borrows. */
export const LOOK_LENT_MS: Milliseconds = 25;
/** How often while nobody does: what is offered follows the household's demand. */
export const LOOK_IDLE_MS: Milliseconds = 1_000;
/** Clocks that part by more than this between two looks: one was stepped. */
export const STEP_LEAST_MS: Milliseconds = 5_000;
/** How long a clock that was stepped is not trusted. */
export const DOUBT_MS: Milliseconds = 60_000;
/** A clock that shows less was never set. */
const CLOCK_UNSET_BEFORE: Milliseconds = Date.UTC(2025, 0, 1);
const ADDRESSES_EVERY_MS: Milliseconds = 10_000;
/** One kind of warning is reported once in this time. */
export const WARN_EVERY_MS: Milliseconds = 60_000;

export interface StewardOptions {
  readonly stateDir: string;
  readonly configured: LendSettings;
  /** As configured. */
  readonly line: Directions<BytesPerSecond | undefined>;
  /** Neighbours reach us over the line's own interface. */
  readonly linkOnLine: () => boolean;
}

export interface StewardRooms {
  readonly clock: Clock;
  readonly events: Events;
  readonly lender: Lender;
  readonly usage: UsageBook;
  readonly memory: LineMemory;
  readonly watch: LineWatch;
  /** The second sign; default none. */
  readonly delay?: DelayWatch;
  /** Where neighbours are connected. */
  readonly linked: () => Linked | undefined;
  /** What the daemon itself fetched for the household since the start. */
  readonly ownBytes: () => Bytes;
  /** What that neighbour's line brought us since the start. */
  readonly lentUs: (neighbourId: string) => Bytes;
}

/** What is lent now, and why; all that there is to show. */
export interface LendNow {
  readonly configured: LendSettings;
  /** What the configuration says of single neighbours, by id. */
  readonly configuredTerms: Readonly<Record<string, NeighbourSettings>>;
  readonly overrides: Overrides;
  readonly policy: LendPolicy;
  readonly allowance: Allowance;
  readonly lendable: Directions<BytesPerSecond>;
  readonly lent: Lent;
  readonly measured: Measured;
  readonly capacity: Directions<BytesPerSecond | undefined>;
  /** Undefined while there is no such sign. */
  readonly delay: Delay | undefined;
  /** Of the line, what was configured. */
  readonly lineConfigured: Directions<BytesPerSecond | undefined>;
  readonly usage: Usage;
  readonly interfaces: readonly string[];
  readonly isGateway: boolean;
}

type Decision = Pick<LendNow, 'allowance' | 'lendable' | 'lent' | 'capacity'>;

export class Steward implements AsyncDisposable {
  readonly #options: StewardOptions;
  readonly #rooms: StewardRooms;
  readonly #carried = new Map<string, Bytes>();
  readonly #warned = new Map<string, Milliseconds>();
  readonly #listening: Disposable;
  #configured: LendSettings;
  #terms: Readonly<Record<string, NeighbourSettings>> = {};
  #overrides: Overrides;
  #policy: LendPolicy;
  #meter: MeterState = NEW_METER;
  #share: ShareState = NEW_SHARE;
  #overrun = NO_OVERRUN;
  #cut = false;
  /** The pause was not there when the daemon started. */
  #pausedHere = false;
  #now: Decision;
  #looked: { readonly now: Milliseconds; readonly wall: Milliseconds };
  #linkOnLine: { readonly at: Milliseconds; readonly so: boolean } | undefined;
  #doubtfulUntil = Number.NEGATIVE_INFINITY;
  #next: { readonly timer: Disposable; readonly soon: boolean } | undefined;
  #writing: Promise<unknown> = Promise.resolve();
  #ended = false;

  private constructor(options: StewardOptions, rooms: StewardRooms, overrides: Overrides) {
    this.#options = options;
    this.#rooms = rooms;
    this.#overrides = overrides;
    this.#configured = options.configured;
    this.#policy = policyOf(options.configured, overrides);
    this.#looked = { now: rooms.clock.now(), wall: rooms.clock.wall() };
    this.#now = this.#decide();
    rooms.lender.setDestinations(settingsOf(options.configured, overrides));
    this.#listening = rooms.lender.onOfferChange(() => {
      // Somebody has begun to borrow: from now on it looks often.
      if (this.#next?.soon === false && rooms.lender.isActive) this.#schedule();
    });
    this.#look();
  }

  /**
   * Begins to lend by the configuration and what was set live before.
   * @throws LinepoolError `state_unusable`, `policy_invalid`
   */
  static async open(options: StewardOptions, rooms: StewardRooms): Promise<Steward> {
    return new Steward(options, rooms, await readOverrides(options.stateDir));
  }

  get now(): LendNow {
    const { clock, usage, watch } = this.#rooms;
    return {
      ...this.#now,
      configured: this.#configured,
      configuredTerms: this.#terms,
      overrides: this.#overrides,
      policy: this.#policy,
      measured: this.#meter.measured,
      delay: this.#rooms.delay?.now,
      lineConfigured: this.#options.line,
      usage: usage.at(clock.wall()),
      interfaces: watch.interfaces,
      isGateway: watch.isGateway,
    };
  }

  /**
   * Changes what was set live, at once, and keeps it.
   * @throws LinepoolError `policy_invalid`: nothing is changed; `state_unusable`: it holds until the next start only
   */
  async change(edit: (before: Overrides, wall: Milliseconds) => Overrides): Promise<void> {
    const next = edit(this.#overrides, this.#rooms.clock.wall());
    this.#policy = policyOf(this.#configured, next, this.#terms);
    await this.#take(next);
  }

  /**
   * Goes by another configuration from now on; `terms` are those of single neighbours, by id.
   * @throws LinepoolError `policy_invalid`: nothing is changed
   */
  configure(configured: LendSettings, terms: Readonly<Record<string, NeighbourSettings>>): void {
    this.#policy = policyOf(configured, this.#overrides, terms);
    this.#terms = terms;
    this.#goBy(configured, this.#overrides);
  }

  /** That household is not a neighbour any more: what was set for it goes with it. */
  async forget(neighbourId: string): Promise<void> {
    this.#carried.delete(neighbourId);
    if (this.#overrides.neighbours[neighbourId] === undefined) return;
    await this.change((before) => {
      const { [neighbourId]: _, ...neighbours } = before.neighbours;
      return { ...before, neighbours };
    });
  }

  /** That neighbour has another key, and so another id: what was set for it and what it used go on. */
  async rekey(beforeId: string, afterId: string): Promise<void> {
    this.#count(this.#rooms.clock.wall());
    this.#carried.delete(beforeId);
    this.#rooms.usage.rekey(beforeId, afterId);
    await this.change((before) => {
      const { [beforeId]: set, ...neighbours } = before.neighbours;
      return set === undefined ? before : { ...before, neighbours: { ...neighbours, [afterId]: set } };
    });
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#ended = true;
    this.#listening[Symbol.dispose]();
    this.#next?.timer[Symbol.dispose]();
    this.#count(this.#rooms.clock.wall());
    await this.#writing;
  }

  /** From now on. What may be reached is told only when it is another: that ends what runs. */
  #goBy(configured: LendSettings, overrides: Overrides): void {
    const before = settingsOf(this.#configured, this.#overrides);
    this.#configured = configured;
    this.#overrides = overrides;
    const settings = settingsOf(configured, overrides);
    if (!sameDestinations(before, settings)) this.#rooms.lender.setDestinations(settings);
    this.#look();
  }

  #take(overrides: Overrides): Promise<void> {
    this.#pausedHere ||= overrides.pause !== this.#overrides.pause;
    this.#goBy(this.#configured, overrides);
    const written = this.#writing.then(() => writeOverrides(this.#options.stateDir, overrides));
    // The next change goes on whether or not this one is on disk; whoever made it hears of that.
    this.#writing = written.catch(() => undefined);
    return written;
  }

  #look(): void {
    const { clock, lender, watch } = this.#rooms;
    const wall = clock.wall();
    this.#checkClock(wall);
    this.#count(wall);
    this.#measure();
    const { measured } = this.#meter;
    if (measured.kind === 'fault') this.#warn('line_unmeasured', `(${FAULTS[measured.fault]})`);
    this.#rooms.delay?.look({
      isLent: lender.isActive,
      isOwn: isUsed(measured, this.#now.capacity),
      // What others of the household use of the line does not pass a machine that is not the gateway.
      hasCounters: watch.isGateway && measured.kind === 'rates' && measured.from === 'counters',
    });
    this.#now = this.#decide();
    this.#schedule();
    lender.setLent(this.#now.lent);
    if (this.#cut) lender.cutRunning();
  }

  #measure(): void {
    const { clock, lender, memory, watch, linked, ownBytes } = this.#rooms;
    const before = this.#meter;
    const reading = {
      at: clock.now(),
      interfaces: watch.counters(),
      inside: watch.inside(linked() ?? NOT_LINKED),
      lentBytes: lender.carried,
      ownBytes: ownBytes(),
      lentRate: lender.isActive ? this.#share.lent.down : 0,
    };
    const after = meterStep(before, reading, { linkOnLine: this.#goesTwice(), isGateway: watch.isGateway });
    const names = [...(after.seen?.keys() ?? [])];
    const isOther = before.since === undefined || after.seen !== before.seen;
    this.#meter = isOther ? { ...after, learned: memory.recall(names) } : after;
    if (!isOther && after.learned !== before.learned) memory.learnt(names, after.learned);
  }

  /** Asked seldom: addresses change seldom. */
  #goesTwice(): boolean {
    const at = this.#rooms.clock.now();
    if (this.#linkOnLine === undefined || at - this.#linkOnLine.at >= ADDRESSES_EVERY_MS) {
      this.#linkOnLine = { at, so: this.#options.linkOnLine() };
    }
    return this.#linkOnLine.so;
  }

  #schedule(): void {
    this.#next?.timer[Symbol.dispose]();
    if (this.#ended) return;
    const { clock, lender } = this.#rooms;
    const soon = lender.isActive;
    this.#next = { soon, timer: clock.after(soon ? LOOK_LENT_MS : LOOK_IDLE_MS, () => this.#look()) };
  }

  #decide(): Decision {
    const { clock, usage, lender, delay } = this.#rooms;
    const wall = clock.wall();
    const doubtful = clock.now() < this.#doubtfulUntil || wall < CLOCK_UNSET_BEFORE;
    const allowance = allowanceOf(this.#policy, { wall, doubtful, usage: usage.at(wall) });
    const capacity = capacityOf(this.#options.line, this.#meter);
    const may = lendable(allowance, capacity);
    const part = (rate: BytesPerSecond): BytesPerSecond =>
      delay === undefined || delay.factor >= 1 ? rate : delay.factor > 0 ? rate * delay.factor : 0;
    const { measured } = this.#meter;
    const own = ownOf(measured);
    // By what was lent meanwhile, not by what is from now on; each transfer begins anew.
    const carried = carriedBy(measured, capacity.down, lender.isActive ? this.#share.lent.down : 0);
    this.#overrun = overrunStep(this.#overrun, clock.now(), carried);
    this.#share = shareStep(this.#share, clock.now(), {
      down: { line: capacity.down, own: own.down, lendable: part(may.down) },
      up: { line: capacity.up, own: own.up, lendable: part(may.up) },
    });
    this.#cut = this.#overrun.cut || plunges(carried, this.#share.lent.down);
    const lent = lentOf(
      this.#share,
      allowance,
      { may, capacity, delay: delay?.now, measured },
      this.#weighed(allowance),
    );
    const passed = repaying(this.#share.lent.down, this.#overrun) / PACKET_OVERHEAD;
    return { allowance, capacity, lendable: may, lent: { ...lent, passed } };
  }

  /** Weights follow what was lent either way. */
  #weighed({ terms }: Allowance): (neighbourId: string) => Terms {
    const { lender, lentUs } = this.#rooms;
    const { reciprocity: bounds } = this.#policy;
    return (id) => {
      const set = terms(id);
      return { ...set, weight: set.weight * reciprocity(lentUs(id), lender.carriedFor(id), bounds) };
    };
  }

  /** Brings the usage up to what was carried. */
  #count(wall: Milliseconds): void {
    const { lender, usage } = this.#rooms;
    for (const id of lender.borrowerIds) {
      const carried = lender.carriedFor(id);
      const before = this.#carried.get(id) ?? 0;
      if (carried === before) continue;
      usage.add(id, carried - before, wall);
      this.#carried.set(id, carried);
    }
  }

  #checkClock(wall: Milliseconds): void {
    const { clock, usage } = this.#rooms;
    const now = clock.now();
    const before = this.#looked;
    this.#looked = { now, wall };
    const step = wall - before.wall - (now - before.now);
    if (Math.abs(step) < STEP_LEAST_MS) return;
    this.#doubtfulUntil = now + DOUBT_MS;
    usage.stepped(before.wall, wall);
    this.#warn('clock_stepped', `By ${Math.round(step / 1000)} s.`);
    const { pause } = this.#overrides;
    if (step <= 0 || pause.kind !== 'until' || pause.until <= before.wall || !this.#pausedHere) return;
    // A pause lasts as long as it was asked for, by this clock. One of before a restart ends when it was to end: this clock may be behind.
    const longer = { ...this.#overrides, pause: { kind: 'until', until: pause.until + step } as const };
    this.#overrides = longer;
    this.#policy = policyOf(this.#configured, longer, this.#terms);
    this.#writing = this.#writing
      .then(() => writeOverrides(this.#options.stateDir, longer))
      .catch(() =>
        this.#warn('state_unusable', 'A pause that was made longer would end early after a restart.'),
      );
  }

  #warn(code: ErrorCode, detail: string): void {
    const now = this.#rooms.clock.now();
    const before = this.#warned.get(code);
    if (before !== undefined && now - before < WARN_EVERY_MS) return;
    this.#warned.set(code, now);
    this.#rooms.events.report({ kind: 'warning', code, detail });
  }
}

/** More than chatter is the household's. */
const isUsed = (measured: Measured, { down, up }: Directions<BytesPerSecond | undefined>): boolean =>
  measured.kind === 'rates' &&
  (measured.own.down > (down ?? 0) * CHATTER || measured.own.up > (up ?? 0) * CHATTER);

function ownOf(measured: Measured): Directions<BytesPerSecond | undefined> {
  switch (measured.kind) {
    case 'rates':
      return measured.own;
    // Nothing is known yet: the household has not wanted anything.
    case 'nothing':
      return { down: 0, up: 0 };
    case 'fault':
      return measured.fault === 'no_route'
        ? { down: Number.POSITIVE_INFINITY, up: 0 }
        : { down: undefined, up: undefined };
    default:
      return measured satisfies never;
  }
}
