/**
 * The register: the downloads that go on and the last that ended, and the last verdicts with their reasons, so that
 * they can be shown. It must never hold more than its bounds, nor what was downloaded: of a download that is over
 * it keeps a view, and nothing that leads to its path, its headers or its client.
 */
import type { Bytes, Milliseconds } from '../core/units.ts';
import type { Download } from './download.ts';
import { type DownloadView, viewOf } from './download-view.ts';

/** How many downloads that are over, and verdicts, are kept. */
export const KEPT = { downloads: 50, verdicts: 100 } as const;

export interface NotedVerdict {
  /** Milliseconds since 1970. */
  readonly at: Milliseconds;
  readonly origin: string;
  readonly pool: boolean;
  readonly reason: string;
  readonly bytes: Bytes | undefined;
}

export class Register {
  /** As many as the proxy has clients. */
  readonly #current = new Map<string, { readonly download: Download; readonly reason: string }>();
  readonly #over: DownloadView[] = [];
  readonly #verdicts: NotedVerdict[] = [];

  /**
   * Shown as it is until it is over, that is, until its client has what it gets of it; then, among the last, as it
   * was at that moment. `reason` is the verdict's; `over` does not reject.
   */
  add(download: Download, reason: string, over: Promise<void>): void {
    this.#current.set(download.id, { download, reason });
    void over.then(() => {
      this.#current.delete(download.id);
      this.#over.unshift(viewOf(download, reason));
      this.#over.length = Math.min(this.#over.length, KEPT.downloads);
    });
  }

  note(verdict: NotedVerdict): void {
    this.#verdicts.unshift(verdict);
    this.#verdicts.length = Math.min(this.#verdicts.length, KEPT.verdicts);
  }

  /** Those that are not over first; the newest first in each. */
  downloads(): readonly DownloadView[] {
    return [...this.#views().reverse(), ...this.#over];
  }

  /** Those for which something is still being fetched. */
  live(): readonly DownloadView[] {
    return this.#views().filter(({ state }) => state === 'live');
  }

  /** Newest first. */
  verdicts(): readonly NotedVerdict[] {
    return this.#verdicts;
  }

  #views(): DownloadView[] {
    return [...this.#current.values()].map(({ download, reason }) => viewOf(download, reason));
  }
}
