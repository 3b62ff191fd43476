/**
 * What lines were seen to carry, over restarts and while another one is in use: in `line.json` in the state folder, each with its
 * interfaces. The steward begins with it and tells what the meter learns. It must never be taken for another line's; what can't be
 * understood is forgotten, and learnt again: a line of which nothing is known is not lent.
 */
import { join } from 'node:path';
import { z } from 'zod';
import type { Clock } from '../core/clock.ts';
import { asLinepoolError } from '../core/errors.ts';
import type { Events } from '../core/events.ts';
import type { BytesPerSecond, Milliseconds } from '../core/units.ts';
import { readStateFile, writeStateFile } from '../neighbours/state-file.ts';
import { LEARN_HALF_LIFE_MS } from './meter.ts';
import type { Directions } from './policy.ts';

/** What a kill loses at most, in time. */
export const REMEMBER_MS: Milliseconds = 60_000;
/** Less of a change is not written: rates vary all the time. */
const CHANGE_LEAST = 0.02;

/** Lines that are remembered, such as the usual one and the mobile one that stands in for it; the one not seen for longest goes. */
export const LINES_KEPT = 4;

const FILE_NAME = 'line.json';
const Remembered = z.strictObject({
  /** Names, sorted; none where there are no counters. */
  interfaces: z.array(z.string()),
  down: z.number().nonnegative(),
  up: z.number().nonnegative(),
  /** When it was so, in milliseconds since 1970. */
  at: z.number(),
});
type Remembered = z.output<typeof Remembered>;
const File = z.strictObject({ version: z.literal(1), lines: z.array(Remembered).max(LINES_KEPT) });

export class LineMemory implements AsyncDisposable {
  readonly #file: string;
  readonly #clock: Clock;
  readonly #events: Events;
  /** The last one seen first. */
  #lines: readonly Remembered[];
  #due: Disposable | undefined;
  #writing: Promise<void> = Promise.resolve();

  private constructor(file: string, text: string | undefined, clock: Clock, events: Events) {
    this.#file = file;
    this.#clock = clock;
    this.#events = events;
    this.#lines = text === undefined ? [] : parsed(text);
  }

  /** @throws LinepoolError `state_unusable` when the file can't be read */
  static async open(stateDir: string, clock: Clock, events: Events): Promise<LineMemory> {
    const file = join(stateDir, FILE_NAME);
    return new LineMemory(file, await readStateFile(file), clock, events);
  }

  /** What the line with those interfaces was seen to carry, less the longer ago it was; 0 when nothing is known of it. */
  recall(interfaces: readonly string[]): Directions<BytesPerSecond> {
    const known = this.#find(interfaces);
    if (known === undefined) return { down: 0, up: 0 };
    const ageMs = Math.max(0, this.#clock.wall() - known.at);
    const left = 0.5 ** (ageMs / LEARN_HALF_LIFE_MS);
    return { down: known.down * left, up: known.up * left };
  }

  /** That was learnt of the line with those interfaces. */
  learnt(interfaces: readonly string[], { down, up }: Directions<BytesPerSecond>): void {
    if (down <= 0 && up <= 0) return;
    // Of what would be recalled now, so that a line that stays the same does not grow old.
    const before = this.recall(interfaces);
    const differs = (is: number, was: number): boolean => Math.abs(is - was) > was * CHANGE_LEAST;
    if (!differs(down, before.down) && !differs(up, before.up)) return;
    const line = { interfaces: sorted(interfaces), down, up, at: this.#clock.wall() };
    const known = this.#find(interfaces);
    const others = this.#lines.filter((one) => one !== known);
    this.#lines = [line, ...others].slice(0, LINES_KEPT);
    this.#due ??= this.#clock.after(REMEMBER_MS, () => this.#write());
  }

  /** Writes what is not written. */
  async [Symbol.asyncDispose](): Promise<void> {
    if (this.#due !== undefined) this.#write();
    await this.#writing;
  }

  #find(interfaces: readonly string[]): Remembered | undefined {
    const names = sorted(interfaces).join(' ');
    return this.#lines.find((one) => one.interfaces.join(' ') === names);
  }

  #write(): void {
    this.#due?.[Symbol.dispose]();
    this.#due = undefined;
    const text = `${JSON.stringify({ version: 1, lines: this.#lines })}\n`;
    this.#writing = this.#writing
      .then(() => writeStateFile(this.#file, text))
      .catch((error: unknown) => {
        const { code, detail } = asLinepoolError(error);
        const what = 'What the line carries would have to be learnt again after a restart.';
        this.#events.report({ kind: 'warning', code, detail: `${detail} ${what}` });
      });
  }
}

const sorted = (names: readonly string[]): string[] => [...names].sort();

function parsed(text: string): readonly Remembered[] {
  try {
    return File.safeParse(JSON.parse(text)).data?.lines ?? [];
  } catch {
    return [];
  }
}
