/**
 * The drawer: puts progress on stderr while `get` runs. On a terminal it redraws in place; elsewhere it writes a
 * plain line now and then, so that a log stays readable. It must never write to stdout, which belongs to --json.
 */
import type { Clock } from '../../core/clock.ts';
import type { Milliseconds } from '../../core/units.ts';
import { renderPlain, renderProgress, type Snapshot } from './progress.ts';

export const REDRAW_EVERY_MS: Milliseconds = 200;
export const LINE_EVERY_MS: Milliseconds = 5_000;
const WIDTH_UNKNOWN = 80;

export interface Terminal {
  readonly isTTY?: boolean;
  readonly columns?: number;
  write(text: string): unknown;
}

/** Draws until disposed of; the last state is left standing. */
export function draw(terminal: Terminal, clock: Clock, snapshot: () => Snapshot): Disposable {
  if (terminal.isTTY !== true) {
    return clock.every(LINE_EVERY_MS, () => terminal.write(`${renderPlain(snapshot())}\n`));
  }
  let height = 0;
  const redraw = (): void => {
    const lines = renderProgress(snapshot(), (terminal.columns ?? WIDTH_UNKNOWN) - 1);
    // Up to the first line of before; each line is cleared as it is written, and what is left below too.
    const up = height === 0 ? '' : `\x1b[${height}A`;
    terminal.write(`${up}${lines.map((line) => `\r\x1b[2K${line}\n`).join('')}\x1b[J`);
    height = lines.length;
  };
  redraw();
  const ticking = clock.every(REDRAW_EVERY_MS, redraw);
  return {
    [Symbol.dispose]: () => {
      ticking[Symbol.dispose]();
      redraw();
    },
  };
}
