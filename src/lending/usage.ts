/**
 * Usage: what was carried for neighbours, by day and month of local time, in sum and for each. Kept in `lend-usage.json`
 * in the state folder, so that quotas hold over restarts; a kill loses what came since the last save. The steward
 * counts, the policy asks.
 *
 * A clock that is stepped must not make a quota new: what the day before the step had is had by the day after it too.
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

export class UsageBook implements AsyncDisposable {
  readonly #file: string;
  readonly #clock: Clock;
  readonly #events: Events;
  readonly #days: Map<string, Counted>;
  readonly #months: Map<string, Counted>;
  #saving: Saving = { kind: 'saved' };
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
    for (const count of [at(this.#days, dayOf(wall)), at(this.#months, monthOf(wall))]) {
      count.all += carried;
      count.of.set(neighbourId, (count.of.get(neighbourId) ?? 0) + carried);
    }
    prune(this.#days, DAYS_KEPT);
    prune(this.#months, MONTHS_KEPT);
    this.#save();
  }

  /** The wall clock was stepped from one time to another: what was used before it is used after it. */
  stepped(from: Milliseconds, to: Milliseconds): void {
    carryOver(this.#days, dayOf(from), dayOf(to));
    carryOver(this.#months, monthOf(from), monthOf(to));
    this.#save();
  }

  /** That neighbour has another key, and so another id. */
  rekey(before: string, after: string): void {
    for (const { of } of [...this.#days.values(), ...this.#months.values()]) {
      const used = of.get(before);
      if (used === undefined) continue;
      of.delete(before);
      of.set(after, used + (of.get(after) ?? 0));
    }
    this.#save();
  }

  /** As of that wall time. */
  at(wall: Milliseconds): Usage {
    const day = this.#days.get(dayOf(wall));
    const month = this.#months.get(monthOf(wall));
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

function carryOver(counts: Map<string, Counted>, from: string, to: string): void {
  const before = counts.get(from);
  if (before === undefined || from === to) return;
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
