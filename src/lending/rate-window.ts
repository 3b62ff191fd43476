/**
 * What was carried in the last second, for people to look at. Bytes are counted in slots of a tenth of a second.
 * Nothing is decided by it.
 */
import type { Bytes, BytesPerSecond, Milliseconds } from '../core/units.ts';

const SLOT_MS: Milliseconds = 100;
const SLOTS = 10;

export class RateWindow {
  readonly #slots = Array.from<Bytes>({ length: SLOTS }).fill(0);
  #newest = 0;

  add(bytes: Bytes, now: Milliseconds): void {
    this.#moveTo(now);
    const at = this.#newest % SLOTS;
    this.#slots[at] = (this.#slots[at] ?? 0) + bytes;
  }

  rate(now: Milliseconds): BytesPerSecond {
    this.#moveTo(now);
    return (this.#slots.reduce((sum, bytes) => sum + bytes, 0) * 1000) / (SLOTS * SLOT_MS);
  }

  #moveTo(now: Milliseconds): void {
    const slot = Math.floor(now / SLOT_MS);
    for (let empty = 0; this.#newest < slot && empty < SLOTS; empty += 1) {
      this.#newest += 1;
      this.#slots[this.#newest % SLOTS] = 0;
    }
    // After a longer silence every slot is empty by now.
    if (this.#newest >= slot) return;
    this.#newest = slot;
  }
}
