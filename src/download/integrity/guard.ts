/**
 * The guard of one download: knows what checked neighbours brought, has it checked, and says what follows when it is wrong:
 * the neighbour is out, what it brought is fetched anew where nothing of it has gone on, and else the download fails.
 * The download tells it what comes. It must never let a download be complete while something is unchecked.
 */
import { randomInt } from 'node:crypto';
import type { Clock } from '../../core/clock.ts';
import { type ErrorCode, LinepoolError } from '../../core/errors.ts';
import { EMPTY, type Span, type SpanSet, span, union } from '../../core/span.ts';
import { formatOrigin } from '../../core/target.ts';
import { type Bytes, MIB, type Milliseconds } from '../../core/units.ts';
import type { Caught } from '../../neighbours/trust.ts';
import type { Path, PathId } from '../../paths/path.ts';
import type { DownloadOptions, Ended, Integrity } from '../contract.ts';
import type { SpanOver } from '../lanes.ts';
import type { AskId } from '../plan-state.ts';
import type { Backing } from '../sink.ts';
import { Borders } from './borders.ts';
import { Checks } from './checks.ts';
import { OwnProbe } from './own-probe.ts';

/** Who does not sign, or took part in what came out wrong, is left out for the origin for so long. */
export const DOUBTED_OUT_MS: Milliseconds = 10 * 60_000;
/** How much is fetched again to find out who altered something. */
export const AUDIT_BYTES: Bytes = 64 * MIB;
/** How long the search may go on after the end of the download. */
export const SEARCH_MS: Milliseconds = 30_000;

export interface GuardHost {
  /** It is not used any more in this download. */
  leave(path: PathId, error: LinepoolError, forMs: Milliseconds): void;
  /** What that path brought is gone, and to be fetched anew. */
  lost(path: PathId, spans: SpanSet): void;
  fail(error: LinepoolError): void;
  /** Nothing is unchecked at the moment. */
  settled(): void;
}

/** What a path brought that has not gone on yet: runs in the order in which they came. */
interface Brought {
  runs: { start: Bytes; end: Bytes }[];
  /** Something of it has gone on. */
  goneOn: boolean;
}

export class Guard {
  readonly #options: DownloadOptions;
  readonly #integrity: Integrity;
  readonly #clock: Clock;
  readonly #host: GuardHost;
  readonly #checks: Checks;
  readonly #borders = new Borders((path, place, brought) => this.#checks.suspect(path, place, brought));
  readonly #brought = new Map<PathId, Brought>();
  /** What went to the sink of each ask that is not judged. */
  readonly #unjudged = new Map<PathId, Map<AskId, SpanSet>>();
  /** Asks under way that are not checked. All others of neighbours are: when in doubt, it is unchecked. */
  readonly #trusted = new Map<PathId, Set<AskId>>();
  readonly #out = new Map<PathId, ErrorCode>();
  #ended = false;

  constructor(options: DownloadOptions, integrity: Integrity, clock: Clock, host: GuardHost) {
    const { target, total, validator, paths } = options;
    this.#options = options;
    this.#integrity = integrity;
    this.#clock = clock;
    this.#host = host;
    this.#checks = new Checks(
      () => new OwnProbe(paths.own, options, clock),
      {
        percent: integrity.percent,
        random: integrity.random,
        clock,
        origin: formatOrigin(target.origin),
        total,
        validator,
        read: integrity.read,
      },
      {
        caught: (path, caught) => this.#caught(path, caught),
        good: (path, id) => this.#good(path, id),
        unsigned: (path, error) => this.#leave(path, error, DOUBTED_OUT_MS),
        settled: () => this.#settled(),
        failed: (error) => this.#host.fail(error),
      },
    );
  }

  get isSettled(): boolean {
    return this.#checks.isSettled;
  }

  /** Gives how many bytes before the span are to be asked for with it: they are told to `came`, and are nothing to the sink. */
  asked(path: Path, id: AskId, asked: Span): Bytes {
    const { target, whole } = this.#options;
    const checked = path.isChecked?.(target.origin) === true;
    const lap =
      this.#integrity.percent > 0 ? this.#borders.asked(path.id, id, asked, checked, whole.start) : 0;
    if (checked) this.#checks.asked(path.id, id, span(asked.start - lap, asked.end), lap);
    else this.#trusted.set(path.id, (this.#trusted.get(path.id) ?? new Set()).add(id));
    return lap;
  }

  /** False of what comes after its check was closed: nothing of it counts any more. */
  counts(path: PathId, id: AskId): boolean {
    return this.#trusted.get(path)?.has(id) === true || this.#checks.isWatching(path, id);
  }

  came(path: PathId, id: AskId, chunk: Buffer): void {
    this.#checks.came(path, id, chunk);
    this.#borders.came(path, id, chunk);
  }

  over(path: PathId, id: AskId, how: SpanOver): void {
    this.#trusted.get(path)?.delete(id);
    // First: with that nothing may be unchecked any more, and the download complete.
    this.#borders.over(path, id);
    this.#checks.over(path, id, how);
  }

  /** The neighbour brought this part for that ask, and it goes to the sink now. Says what stands behind it. */
  writes(path: PathId, id: AskId, part: Span): Backing {
    this.#note(path, part);
    if (this.#options.target.origin.scheme === 'https') return 'sure';
    if (this.#trusted.get(path)?.has(id) === true) return 'trusted';
    const asks = this.#unjudged.get(path) ?? new Map<AskId, SpanSet>();
    this.#unjudged.set(path, asks.set(id, union(asks.get(id) ?? EMPTY, part)));
    return 'unchecked';
  }

  #note(path: PathId, { start, end }: Span): void {
    const brought = this.#brought.get(path) ?? { runs: [], goneOn: false };
    this.#brought.set(path, brought);
    const last = brought.runs.at(-1);
    if (last?.end === start) last.end = end;
    else {
      const { delivered } = this.#options.sink;
      const kept = brought.runs.filter((run) => run.end > delivered);
      brought.goneOn ||= kept.length < brought.runs.length;
      brought.runs = [...kept, { start, end }];
    }
  }

  /** All bytes are here; `settled` is told when they are checked, unless they are. */
  close(): void {
    this.#borders.close();
    this.#checks.close();
  }

  /**
   * The digest of the whole is wrong: whoever altered something is looked for, for a while. Until then all who took part are
   * left out for the origin, so that the client's next try does without them, even if it is the origin's own digest that is wrong.
   */
  audit({ code, detail }: LinepoolError): void {
    for (const path of this.#checks.involved) {
      this.#options.memory.leaveOut(path, code, DOUBTED_OUT_MS, detail);
    }
    this.#checks.audit(AUDIT_BYTES);
    this.#linger();
  }

  /** The download is over. What is being proved goes on for a while, unless nobody wanted it; `audit` may follow. */
  end(outcome: Ended['outcome']): void {
    if (this.#ended) return;
    this.#ended = true;
    if (outcome === 'abandoned') this.#checks[Symbol.dispose]();
    else {
      this.#checks.giveUpSamples();
      this.#linger();
    }
  }

  #linger(): void {
    if (this.isSettled) queueMicrotask(() => this.#settled());
    else this.#clock.after(SEARCH_MS, () => this.#checks[Symbol.dispose]());
  }

  #settled(): void {
    if (!this.isSettled) return;
    if (this.#ended) this.#checks[Symbol.dispose]();
    else this.#host.settled();
  }

  /** Only what that ask brought: parts of it may have come from others before. */
  #good(path: PathId, id: AskId): void {
    const asks = this.#unjudged.get(path);
    const spans = asks?.get(id);
    asks?.delete(id);
    if (spans !== undefined) this.#options.sink.vouch?.(spans);
  }

  #caught(path: PathId, caught: Caught): void {
    this.#integrity.caught(path, caught);
    if (this.#ended || this.#out.get(path) === 'span_altered') return;
    const name = this.#options.paths.neighbours().find(({ id }) => id === path)?.name ?? path;
    const error = new LinepoolError('span_altered', `(${name})`);
    this.#leave(path, error, 0);
    // None of it is vouched for any more: it is brought by others now.
    this.#unjudged.delete(path);
    const { runs, goneOn } = this.#brought.get(path) ?? { runs: [], goneOn: false };
    const spans = runs.reduce<SpanSet>(union, []);
    if (goneOn || this.#options.sink.discard?.(spans) !== true) {
      this.#host.fail(error);
      return;
    }
    this.#brought.delete(path);
    this.#checks.reopen();
    this.#host.lost(path, spans);
  }

  #leave(path: PathId, error: LinepoolError, forMs: Milliseconds): void {
    if (this.#ended || this.#out.get(path) === error.code) return;
    this.#out.set(path, error.code);
    this.#host.leave(path, error, forMs);
  }
}

/** Unpredictable to anybody. */
export const secretRandom = (below: number): number => (below <= 1 ? 0 : randomInt(below));
