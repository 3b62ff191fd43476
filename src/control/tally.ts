/**
 * The tally: counts events for the metrics, from the daemon's start on, so that metrics.ts and its library need
 * not be loaded before somebody asks. Its labels come from closed tables: it can't grow without a bound.
 */
import type { Events } from '../core/events.ts';

export interface Counts {
  /** By outcome. */
  readonly downloads: ReadonlyMap<string, number>;
  /** By "pool" or "pass". */
  readonly verdicts: ReadonlyMap<string, number>;
  /** By error code. */
  readonly spanFailures: ReadonlyMap<string, number>;
  readonly lendRefusals: ReadonlyMap<string, number>;
  readonly neighbourRefusals: ReadonlyMap<string, number>;
  readonly warnings: ReadonlyMap<string, number>;
  /** Of neighbours that asked on and on. */
  readonly cutOffs: number;
  /** Bytes that ended downloads fetched over two paths. */
  readonly bytesTwice: number;
}

export class Tally implements Disposable {
  readonly #listening: Disposable;
  readonly #counts = {
    downloads: new Map<string, number>(),
    verdicts: new Map<string, number>(),
    spanFailures: new Map<string, number>(),
    lendRefusals: new Map<string, number>(),
    cutOffs: 0,
    neighbourRefusals: new Map<string, number>(),
    warnings: new Map<string, number>(),
    bytesTwice: 0,
  };

  constructor(events: Events) {
    const counts = this.#counts;
    this.#listening = events.listen(({ event }) => {
      if (event.kind === 'download_ended') {
        add(counts.downloads, event.outcome);
        counts.bytesTwice += event.bytesTwice;
      } else if (event.kind === 'verdict') add(counts.verdicts, event.pool ? 'pool' : 'pass');
      else if (event.kind === 'span_failed') add(counts.spanFailures, event.code);
      else if (event.kind === 'lend_refused') add(counts.lendRefusals, event.code);
      else if (event.kind === 'borrower_cut_off') counts.cutOffs += 1;
      else if (event.kind === 'neighbour_refused') add(counts.neighbourRefusals, event.code);
      else if (event.kind === 'warning') add(counts.warnings, event.code);
    });
  }

  get counts(): Counts {
    return this.#counts;
  }

  [Symbol.dispose](): void {
    this.#listening[Symbol.dispose]();
  }
}

function add(counts: Map<string, number>, label: string): void {
  counts.set(label, (counts.get(label) ?? 0) + 1);
}
