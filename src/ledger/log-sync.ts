/**
 * Syncing the write-ahead log of a ledger: what was appended is safe against a power cut within a second, and the thread that carries all
 * traffic never waits for the disk. Used by the ledger's file.
 */
import { close, fsync, open } from 'node:fs';
import type { Clock } from '../core/clock.ts';
import type { Milliseconds } from '../core/units.ts';

/** How much is lost to a power cut at most. */
export const SYNC_EVERY_MS: Milliseconds = 1_000;

/** Asks the system, off the daemon's thread, to bring the write-ahead log to the disk: at most one at a time. */
export class LogSync implements Disposable {
  readonly #log: string;
  readonly #clock: Clock;
  #timer: Disposable | undefined;

  constructor(log: string, clock: Clock) {
    this.#log = log;
    this.#clock = clock;
  }

  wanted(): void {
    this.#timer ??= this.#clock.after(SYNC_EVERY_MS, () => {
      open(this.#log, 'r', (failed, descriptor) => {
        this.#timer = undefined;
        // Gone: its entries are in the file itself by now, synced.
        if (failed !== null) return;
        // Whether it worked, the next append shows: a disk that fails fails there too.
        fsync(descriptor, () => close(descriptor, () => undefined));
      });
    });
  }

  [Symbol.dispose](): void {
    this.#timer?.[Symbol.dispose]();
  }
}
