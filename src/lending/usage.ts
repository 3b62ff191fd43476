/**
 * Usage: what was carried for neighbours, by day and month of local time, in sum and for each. Kept in `lend-usage.json`
 * in the state folder, so that quotas hold over restarts; a kill loses what came since the last save. The steward
 * counts, the policy asks.
 *
 * A clock that is stepped must not make a quota new: what the day before the step had is had by the day after it too. Nor may
 * one that was not set yet at the start: while it is before the newest day that is kept, what is carried counts for that day,
 * and for the right one besides when the clock is stepped to it. A clock that stays behind for an hour is believed.
 * A file that can't be understood is refused, never replaced: to forget what was used is not the safe side.
 */
import { join } from 'node:path';
import { z } from 'zod';
import type { Clock } from '../core/clock.ts';
import { asLinepoolError, LinepoolError } from '../core/errors.ts';
import type { Events } from '../core/events.ts';
import type { Bytes, Milliseconds } from '../core/units.ts';
import { readStateFile, writeStateFile } from '../neighbours/state-file.ts';
import type { Usage, Used } from './policy.ts';

/** What a kill loses at most, in time. */
export const SAVE_EVERY_MS: Milliseconds = 3_000;
/** While the disk refuses, this is how often it is tried and told. */
export const SAVE_RETRY_MS: Milliseconds = 60_000;
/** A clock that is behind what is kept, and is not stepped in this time, is right: that which was kept had a wrong one. */
export const BEHIND_BELIEVED_MS: Milliseconds = 3_600_000;
const DAY_MS: Milliseconds = 86_400_000;
const DAYS_KEPT = 40;
const MONTHS_KEPT = 14;

const FILE_NAME = 'lend-usage.json';
const bytes = z.number().nonnegative();
const Count = z.strictObject({ all: bytes, of: z.record(z.string().max(128), bytes) });
const File = z.strictObject({
  version: z.literal(1),
  days: z.record(z.string().regex(/^\d{4,6}-\d\d-\d\d$/), Count),
  months: z.record(z.string().regex(/^\d{4,6}-\d\d$/), Count),
});

interface Counted {
  all: Bytes;
  readonly of: Map<string, Bytes>;
}

type Saving =
  | { readonly kind: 'saved' }
  | { readonly kind: 'due'; readonly timer: Disposable }
  | { readonly kind: 'saving'; readonly done: Promise<void>; changed: boolean };

/** The wall clock shows a day before the newest that is kept. */
interface Behind {
  /** By the monotonic clock. */
  readonly since: Milliseconds;
  /** Carried since then: of a day that is not known yet. */
  readonly of: Map<string, Bytes>;
}

export class UsageBook implements AsyncDisposable {
  readonly #file: string;
  readonly #clock: Clock;
  readonly #events: Events;
  readonly #days: Map<string, Counted>;
  readonly #months: Map<string, Counted>;
  #saving: Saving = { kind: 'saved' };
  #behind: Behind | undefined;
  #ended = false;

  private constructor(file: string, text: string | undefined, clock: Clock, events: Events) {
    this.#file = file;
    this.#clock = clock;
    this.#events = events;
    const { days, months } = text === undefined ? { days: {}, months: {} } : parsed(file, text);
    this.#days = counted(days);
    this.#months = counted(months);
  }

  /** @throws LinepoolError `state_unusable` when the file is damaged or can't be read */
  static async open(stateDir: string, clock: Clock, events: Events): Promise<UsageBook> {
    const file = join(stateDir, FILE_NAME);
    return new UsageBook(file, await readStateFile(file), clock, events);
  }

  /** So many bytes were carried for that neighbour, at that wall time. */
  add(neighbourId: string, carried: Bytes, wall: Milliseconds): void {
    if (carried <= 0) return;
    const behind = this.#checkBehind(wall);
    behind?.of.set(neighbourId, (behind.of.get(neighbourId) ?? 0) + carried);
    count(this.#days, notBefore(this.#days, dayOf(wall)), neighbourId, carried);
    count(this.#months, notBefore(this.#months, monthOf(wall)), neighbourId, carried);
    prune(this.#days, DAYS_KEPT);
    prune(this.#months, MONTHS_KEPT);
    this.#save();
  }

  /** The wall clock was stepped from one time to another: what was used before it is used after it. */
  stepped(from: Milliseconds, to: Milliseconds): void {
    const behind = this.#checkBehind(from);
    this.#behind = undefined;
    if (to < from)
      this.#goBack(notBefore(this.#days, dayOf(from)), notBefore(this.#months, monthOf(from)), to);
    else if (behind === undefined) {
      carryOver(this.#days.get(dayOf(from)), this.#days, dayOf(to));
      carryOver(this.#months.get(monthOf(from)), this.#months, monthOf(to));
    } else {
      // What counts for the newest already is not counted for it again.
      const isDayNew = dayOf(to) > newest(this.#days);
      const isMonthNew = monthOf(to) > newest(this.#months);
      for (const [id, carried] of behind.of) {
        if (isDayNew) count(this.#days, dayOf(to), id, carried);
        if (isMonthNew) count(this.#months, monthOf(to), id, carried);
      }
      // Less behind than before, but still.
      this.#behind = dayOf(to) < newest(this.#days) ? behind : undefined;
    }
    this.#save();
  }

  /** That neighbour has another key, and so another id. */
  rekey(before: string, after: string): void {
    for (const { of } of [...this.#days.values(), ...this.#months.values()]) moved(of, before, after);
    if (this.#behind !== undefined) moved(this.#behind.of, before, after);
    this.#save();
  }

  /** As of that wall time, and not before what is kept. */
  at(wall: Milliseconds): Usage {
    // Who asks just after a step must not end what the step has yet to be told about.
    if (dayOf(wall) < newest(this.#days)) this.#checkBehind(wall);
    const day = this.#days.get(notBefore(this.#days, dayOf(wall)));
    const month = this.#months.get(notBefore(this.#months, monthOf(wall)));
    const used = (of: (count: Counted) => Bytes): Used => ({
      day: day === undefined ? 0 : of(day),
      month: month === undefined ? 0 : of(month),
    });
    return { all: used(({ all }) => all), of: (id) => used(({ of }) => of.get(id) ?? 0) };
  }

  /** Saves what is not saved. */
  async [Symbol.asyncDispose](): Promise<void> {
    this.#ended = true;
    const saving = this.#saving;
    if (saving.kind === 'saving') await saving.done;
    if (saving.kind === 'due') saving.timer[Symbol.dispose]();
    if (saving.kind === 'due' || (saving.kind === 'saving' && saving.changed)) await this.#write();
  }

  /** Whether that wall time is before the newest day; when it was so for long, it is what was kept that is wrong. */
  #checkBehind(wall: Milliseconds): Behind | undefined {
    if (dayOf(wall) >= newest(this.#days)) this.#behind = undefined;
    else this.#behind ??= { since: this.#clock.now(), of: new Map() };
    if (this.#behind === undefined || this.#clock.now() - this.#behind.since < BEHIND_BELIEVED_MS) {
      return this.#behind;
    }
    this.#behind = undefined;
    this.#goBack(newest(this.#days), newest(this.#months), wall);
    this.#save();
    return undefined;
  }

  /** The clock was ahead: what it had then is had now, and what lies in the future is not kept, or it would count for ever. */
  #goBack(fromDay: string, fromMonth: string, to: Milliseconds): void {
    const day = this.#days.get(fromDay);
    const month = this.#months.get(fromMonth);
    // A step back over midnight does not make the day that had begun a new one.
    forgetAfter(this.#days, dayOf(to + DAY_MS));
    forgetAfter(this.#months, monthOf(to + DAY_MS));
    carryOver(day, this.#days, notBefore(this.#days, dayOf(to)));
    carryOver(month, this.#months, notBefore(this.#months, monthOf(to)));
  }

  #save(wait: Milliseconds = SAVE_EVERY_MS): void {
    if (this.#saving.kind === 'saving') this.#saving.changed = true;
    if (this.#saving.kind !== 'saved' || this.#ended) return;
    const timer = this.#clock.after(wait, () => {
      this.#saving = {
        kind: 'saving',
        changed: false,
        done: this.#write().then((wrote) => this.#saved(wrote)),
      };
    });
    this.#saving = { kind: 'due', timer };
  }

  #saved(wrote: boolean): void {
    const changed = this.#saving.kind === 'saving' && this.#saving.changed;
    this.#saving = { kind: 'saved' };
    if (!wrote) this.#save(SAVE_RETRY_MS);
    else if (changed) this.#save();
  }

  /** False when the disk refused, which is reported. Never rejects. */
  async #write(): Promise<boolean> {
    const text = JSON.stringify({ version: 1, days: plain(this.#days), months: plain(this.#months) });
    try {
      await writeStateFile(this.#file, `${text}\n`);
      return true;
    } catch (error) {
      const { code, detail } = asLinepoolError(error);
      this.#events.report({
        kind: 'warning',
        code,
        detail: `${detail} What is lent is counted, but would not be known after a restart.`,
      });
      return false;
    }
  }
}

function at(counts: Map<string, Counted>, name: string): Counted {
  let count = counts.get(name);
  if (count === undefined) {
    count = { all: 0, of: new Map() };
    counts.set(name, count);
  }
  return count;
}

function count(counts: Map<string, Counted>, name: string, id: string, carried: Bytes): void {
  const counted = at(counts, name);
  counted.all += carried;
  counted.of.set(id, (counted.of.get(id) ?? 0) + carried);
}

/** What is counted for one name counts for another from now on. */
function moved(of: Map<string, Bytes>, before: string, after: string): void {
  const used = of.get(before);
  if (used === undefined) return;
  of.delete(before);
  of.set(after, used + (of.get(after) ?? 0));
}

/** Empty when there is none. */
function newest(counts: ReadonlyMap<string, Counted>): string {
  let found = '';
  for (const name of counts.keys()) if (name > found) found = name;
  return found;
}

/** That name, or the newest that is kept. */
function notBefore(counts: ReadonlyMap<string, Counted>, name: string): string {
  const last = newest(counts);
  return name < last ? last : name;
}

function forgetAfter(counts: Map<string, Counted>, last: string): void {
  for (const name of counts.keys()) if (name > last) counts.delete(name);
}

function carryOver(before: Counted | undefined, counts: Map<string, Counted>, to: string): void {
  if (before === undefined) return;
  const after = at(counts, to);
  after.all = Math.max(after.all, before.all);
  for (const [id, used] of before.of) after.of.set(id, Math.max(after.of.get(id) ?? 0, used));
}

/** Names sort by time. */
function prune(counts: Map<string, Counted>, most: number): void {
  if (counts.size <= most) return;
  const oldest = [...counts.keys()].sort().slice(0, counts.size - most);
  for (const name of oldest) counts.delete(name);
}

function parsed(file: string, text: string): z.output<typeof File> {
  const advice = 'It was left as it is: restore it from a backup, or move it away to begin at zero.';
  let raw: unknown;
  try {
    raw = JSON.parse(text);
  } catch (error) {
    throw new LinepoolError('state_unusable', `${file} is damaged (not JSON). ${advice}`, { cause: error });
  }
  const result = File.safeParse(raw);
  if (result.success) return result.data;
  const [issue] = result.error.issues;
  const where = issue?.path.map(String).join('.') ?? '';
  throw new LinepoolError('state_unusable', `${file} is damaged (${where}: ${issue?.message}). ${advice}`);
}

const counted = (file: Readonly<Record<string, z.output<typeof Count>>>): Map<string, Counted> =>
  new Map(
    Object.entries(file).map(([name, { all, of }]) => [name, { all, of: new Map(Object.entries(of)) }]),
  );

const plain = (counts: ReadonlyMap<string, Counted>): object =>
  Object.fromEntries([...counts].map(([name, { all, of }]) => [name, { all, of: Object.fromEntries(of) }]));

const two = (n: number): string => String(n).padStart(2, '0');

function monthOf(wall: Milliseconds): string {
  const date = new Date(wall);
  return `${String(date.getFullYear()).padStart(4, '0')}-${two(date.getMonth() + 1)}`;
}

function dayOf(wall: Milliseconds): string {
  return `${monthOf(wall)}-${two(new Date(wall).getDate())}`;
}
