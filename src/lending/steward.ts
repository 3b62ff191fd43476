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
import type { Bytes, BytesPerSecond, Milliseconds } from '../core/units.ts';
import { reciprocity } from './deal.ts';
import type { Lender, Lent } from './lender.ts';
import type { LineWatch } from './line-watch.ts';
import { capacityOf, type LineFault, type Measured, type MeterState, meterStep, NEW_METER } from './meter.ts';
import { readOverrides, writeOverrides } from './overrides.ts';
import {
  type Allowance,
  allowanceOf,
  type Directions,
  type LendPolicy,
  lendable,
  type Terms,
  type Usage,
} from './policy.ts';
import { type LendSettings, type Overrides, policyOf } from './settings.ts';
import { NEW_SHARE, type ShareReason, type ShareState, shareStep } from './share.ts';
import type { UsageBook } from './usage.ts';

/** How often it looks while somebody borrows. */
export const LOOK_LENT_MS: Milliseconds = 50;
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

const FAULTS: Readonly<Record<LineFault, string>> = {
  no_route: 'No interface leads to the Internet.',
  interface_changed:
    'Another interface leads to the Internet than before; what was learnt of the line is forgotten.',
  counters_jumped: 'The counters of the interface jumped.',
};

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
  readonly watch: LineWatch;
  /** Addresses of this machine at which neighbours are connected. */
  readonly linkedAt: () => ReadonlySet<string>;
  /** What the daemon itself fetched for the household since the start. */
  readonly ownBytes: () => Bytes;
  /** What that neighbour's line brought us since the start. */
  readonly lentUs: (neighbourId: string) => Bytes;
}

/** What is lent now, and why; all that there is to show. */
export interface LendNow {
  readonly configured: LendSettings;
  readonly overrides: Overrides;
  readonly policy: LendPolicy;
  readonly allowance: Allowance;
  readonly lendable: Directions<BytesPerSecond>;
  readonly lent: Lent;
  readonly measured: Measured;
  readonly capacity: Directions<BytesPerSecond | undefined>;
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
  #overrides: Overrides;
  #policy: LendPolicy;
  #meter: MeterState = NEW_METER;
  #share: ShareState = NEW_SHARE;
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
    this.#policy = policyOf(options.configured, overrides);
    this.#looked = { now: rooms.clock.now(), wall: rooms.clock.wall() };
    this.#now = this.#decide();
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
      configured: this.#options.configured,
      overrides: this.#overrides,
      policy: this.#policy,
      measured: this.#meter.measured,
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
    this.#policy = policyOf(this.#options.configured, next);
    await this.#take(next);
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

  async [Symbol.asyncDispose](): Promise<void> {
    this.#ended = true;
    this.#listening[Symbol.dispose]();
    this.#next?.timer[Symbol.dispose]();
    this.#count(this.#rooms.clock.wall());
    await this.#writing;
  }

  #take(overrides: Overrides): Promise<void> {
    this.#overrides = overrides;
    this.#look();
    const written = this.#writing.then(() => writeOverrides(this.#options.stateDir, overrides));
    // The next change goes on whether or not this one is on disk; whoever made it hears of that.
    this.#writing = written.catch(() => undefined);
    return written;
  }

  #look(): void {
    const { clock, lender, watch, linkedAt, ownBytes } = this.#rooms;
    const wall = clock.wall();
    this.#checkClock(wall);
    this.#count(wall);
    this.#meter = meterStep(
      this.#meter,
      {
        at: clock.now(),
        interfaces: watch.counters(),
        inside: watch.inside(linkedAt()),
        lentBytes: lender.status().bytesCarried,
        ownBytes: ownBytes(),
        lentRate: lender.isActive ? this.#share.total : 0,
      },
      { linkOnLine: this.#goesTwice() },
    );
    const { measured } = this.#meter;
    if (measured.kind === 'fault') this.#warn('line_unmeasured', FAULTS[measured.fault]);
    this.#now = this.#decide();
    this.#schedule();
    lender.setLent(this.#now.lent);
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
    const { clock, usage } = this.#rooms;
    const wall = clock.wall();
    const doubtful = clock.now() < this.#doubtfulUntil || wall < CLOCK_UNSET_BEFORE;
    const allowance = allowanceOf(this.#policy, { wall, doubtful, usage: usage.at(wall) });
    const capacity = capacityOf(this.#options.line, this.#meter);
    const may = lendable(allowance, capacity);
    const own = ownOf(this.#meter.measured);
    this.#share = shareStep(this.#share, clock.now(), {
      down: { line: capacity.down, own: own.down, lendable: may.down },
      up: { line: capacity.up, own: own.up, lendable: may.up },
    });
    const lent = lentOf(this.#share, allowance, { may, capacity }, this.#terms(allowance));
    return { allowance, capacity, lendable: may, lent };
  }

  /** Weights follow what was lent either way. */
  #terms({ terms }: Allowance): (neighbourId: string) => Terms {
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
    for (const { id, bytesCarried } of lender.status().borrowers) {
      usage.add(id, bytesCarried - (this.#carried.get(id) ?? 0), wall);
      this.#carried.set(id, bytesCarried);
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
    if (step <= 0 || pause.kind !== 'until' || pause.until <= before.wall) return;
    // A pause lasts as long as it was asked for.
    const longer = { ...this.#overrides, pause: { kind: 'until', until: pause.until + step } as const };
    this.#overrides = longer;
    this.#policy = policyOf(this.#options.configured, longer);
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

function lentOf(
  share: ShareState,
  allowance: Allowance,
  {
    may,
    capacity,
  }: {
    readonly may: Directions<BytesPerSecond>;
    readonly capacity: Directions<BytesPerSecond | undefined>;
  },
  terms: Lent['terms'],
): Lent {
  const because = (reason: ShareReason, words: string): Lent => ({
    total: share.total,
    reason,
    words,
    terms,
  });
  if (allowance.factor <= 0) return because(allowance.reason, allowance.words);
  if (may.down <= 0 || may.up <= 0) {
    if (capacity.down !== undefined) return because('off', 'the ceilings, and what is kept, leave nothing');
    return because(
      'line_unknown',
      'what the line carries is not known: set line.down, or lend.rate without lend.keep',
    );
  }
  if (share.unmeasured) return because('unmeasured', 'the line can not be measured at the moment');
  if (share.yielding) return because('household', 'the household wants its line');
  return because(allowance.reason, allowance.words);
}
