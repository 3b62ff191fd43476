/**
 * The register: the downloads that go on and the last that ended, and the last verdicts with their reasons, so that
 * they can be shown. It must never hold more than its bounds, nor what was downloaded.
 */

import type { Bytes, Milliseconds } from '../core/units.ts';
import type { Download } from './download.ts';

/** How many ended downloads and verdicts are kept. */
export const KEPT = { downloads: 50, verdicts: 100 } as const;

export interface Registered {
  readonly download: Download;
  /** The verdict's reason. */
  readonly reason: string;
}

export interface NotedVerdict {
  /** Milliseconds since 1970. */
  readonly at: Milliseconds;
  readonly origin: string;
  readonly pool: boolean;
  readonly reason: string;
  readonly bytes: Bytes | undefined;
}

export class Register {
  readonly #live = new Map<string, Registered>();
  readonly #ended: Registered[] = [];
  readonly #verdicts: NotedVerdict[] = [];

  /** Live until it ends, then among the last. */
  add(registered: Registered): void {
    const { download } = registered;
    this.#live.set(download.id, registered);
    void download.ended.then(() => {
      this.#live.delete(download.id);
      this.#ended.unshift(registered);
      this.#ended.length = Math.min(this.#ended.length, KEPT.downloads);
    });
  }

  note(verdict: NotedVerdict): void {
    this.#verdicts.unshift(verdict);
    this.#verdicts.length = Math.min(this.#verdicts.length, KEPT.verdicts);
  }

  /** Live ones first, then those that ended; the newest first in each. */
  downloads(): readonly Registered[] {
    return [...[...this.#live.values()].reverse(), ...this.#ended];
  }

  live(): Iterable<Registered> {
    return this.#live.values();
  }

  /** Newest first. */
  verdicts(): readonly NotedVerdict[] {
    return this.#verdicts;
  }
}
