/**
 * What the demo shows while it runs: a bar for each line with its rate of the moment, on a terminal; elsewhere a
 * plain line for each step. Writes to the stream it is given, and to nothing else.
 */
import { type Clock } from '../core/clock.ts';
import { type Bytes, type BytesPerSecond, formatRate, type Milliseconds } from '../core/units.ts';
import type { LineShown } from './report.ts';

export interface Terminal {
  readonly isTTY?: boolean;
  write(text: string): unknown;
}

const DRAW_EVERY_MS: Milliseconds = 200;
const BAR_CELLS = 30;

export class Display implements Disposable {
  readonly #terminal: Terminal;
  readonly #lines: readonly LineShown[];
  readonly #carried: () => readonly Bytes[];
  readonly #clock: Clock;
  readonly #timer: Disposable | undefined;
  #drawn = 0;
  #before: { readonly at: Milliseconds; readonly bytes: readonly Bytes[] };
  #rates: readonly BytesPerSecond[] = [];

  /** `carried` says how many bytes each line has carried so far. */
  constructor(
    terminal: Terminal,
    lines: readonly LineShown[],
    carried: () => readonly Bytes[],
    clock: Clock,
  ) {
    this.#terminal = terminal;
    this.#lines = lines;
    this.#carried = carried;
    this.#clock = clock;
    this.#before = { at: clock.now(), bytes: carried() };
    if (terminal.isTTY === true) this.#timer = clock.every(DRAW_EVERY_MS, () => this.#draw());
  }

  /** A sentence about what begins or has ended; stays on the screen above the bars. */
  say(text: string): void {
    this.#erase();
    this.#terminal.write(`${text}\n`);
    if (this.#timer !== undefined) this.#draw();
  }

  [Symbol.dispose](): void {
    this.#timer?.[Symbol.dispose]();
    this.#erase();
  }

  #draw(): void {
    const now = this.#clock.now();
    const bytes = this.#carried();
    const ms = now - this.#before.at;
    if (ms >= DRAW_EVERY_MS / 2) {
      this.#rates = bytes.map((value, i) => ((value - (this.#before.bytes[i] ?? 0)) * 1000) / ms);
      this.#before = { at: now, bytes };
    }
    this.#erase();
    this.#terminal.write(drawBars(this.#lines, this.#rates));
    this.#drawn = this.#lines.length + 1;
  }

  /** Back to where the bars began. */
  #erase(): void {
    if (this.#drawn > 0) this.#terminal.write(`\x1b[${this.#drawn}A\x1b[J`);
    this.#drawn = 0;
  }
}

/** One bar for each line, full at its rate, and the sum below. */
export function drawBars(lines: readonly LineShown[], rates: readonly BytesPerSecond[]): string {
  const width = Math.max(...lines.map(({ name }) => name.length), 'together'.length);
  const row = (name: string, rate: BytesPerSecond, of: BytesPerSecond): string => {
    const cells = Math.round(Math.min(1, rate / of) * BAR_CELLS);
    const bar = '█'.repeat(cells) + '·'.repeat(BAR_CELLS - cells);
    return `  ${name.padEnd(width)}  ${bar}  ${formatRate(rate).padStart(11)}\n`;
  };
  const sum = (values: readonly number[]): number => values.reduce((total, value) => total + value, 0);
  return [
    ...lines.map(({ name, rate }, i) => row(name, rates[i] ?? 0, rate)),
    row('together', sum(rates), sum(lines.map(({ rate }) => rate))),
  ].join('');
}
