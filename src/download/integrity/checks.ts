/**
 * The checks of one download: what checked neighbours bring is compared, sample by sample, with what our own line brings,
 * and with what the neighbour signed. Made by the download, which tells it of each span and does what follows.
 * It must never call a span good of which no sample was compared.
 *
 *     asked ──first bytes──► samples asked over our own line ──┐
 *       └──────over, statement read────────────────────────────┴──► judged: good │ caught │ unsigned
 *
 * Nobody but us knows what is sampled: it is chosen here and fetched over our own line.
 */
import type { Clock } from '../../core/clock.ts';
import { asLinepoolError, LinepoolError } from '../../core/errors.ts';
import type { Validator } from '../../core/http.ts';
import { covers, lengthOf, type Span } from '../../core/span.ts';
import { type Bytes, MIB, type Milliseconds } from '../../core/units.ts';
import { type SpanStatement, validatorHash } from '../../lending/span-statement.ts';
import type { Caught } from '../../neighbours/trust.ts';
import type { PathId } from '../../paths/path.ts';
import { type SpanOver, STOPPED } from '../lanes.ts';
import type { AskId } from '../plan-state.ts';
import type { OwnProbe } from './own-probe.ts';
import type { Random } from './samples.ts';
import { keyOf, type Sample, WatchedSpan } from './watched-span.ts';

/** All bytes are here: so long the samples may still take, tries again included. */
export const PATIENCE_MS: Milliseconds = 15_000;
/** All bytes are here: so long a neighbour's signature may still take. */
export const SIGNATURE_MS: Milliseconds = 500;
/** So often another version in a row: the file has changed, it is not one of several servers that is behind. */
export const OTHER_VERSIONS = 4;
const LOOK_MS: Milliseconds = 100;
/** So often all bytes of a span may come and its signature not, because the answer did not come to its end. */
export const BROKEN_OFF_MAX = 4;
/**
 * So often in a row a span may break off within, and none be signed meanwhile. A bad line breaks many, but brings a whole one now and
 * then; one that never does is of no use, and whoever never comes to an end never signs.
 */
export const CUT_SHORT_MAX = 8;
/** A larger span is not fetched again as a whole, to prove what is known already. */
export const PROVED_BYTES_MAX: Bytes = 32 * MIB;
/** Good spans of which signature and hash are kept, to find out who it was when the digest of the whole is wrong. */
export const KEPT_SPANS = 512;

export interface ChecksOptions {
  readonly percent: number;
  readonly random: Random;
  readonly clock: Clock;
  /** `http://host:port`. */
  readonly origin: string;
  readonly total: Bytes;
  readonly validator: Validator;
  /** What the path's neighbour signed; undefined when it is not asked to. @throws LinepoolError `span_unsigned` */
  readonly read: (path: PathId, token: string) => SpanStatement;
}

export interface ChecksListener {
  /** It brought other bytes than our own line. Again, with `signed`, when its signature proves it. */
  caught(path: PathId, caught: Caught): void;
  /** What it was asked for and brought was compared, and nothing of it is wrong. */
  good(path: PathId, id: AskId): void;
  /** It didn't sign what it brought, or signed something else. */
  unsigned(path: PathId, error: LinepoolError): void;
  /** Nothing is open any more. */
  settled(): void;
  /** What is left could not be compared in time. */
  failed(error: LinepoolError): void;
}

interface Watch {
  readonly id: AskId;
  readonly span: WatchedSpan;
  readonly probes: Map<Sample, { readonly asked: Disposable; ours: string | undefined }>;
  state: 'coming' | 'over';
  /** Read and fitting. */
  signed: string | undefined;
}

/** A span that was found good, or whose bytes went on. */
interface Kept {
  readonly path: PathId;
  readonly span: Span;
  readonly brought: string;
  readonly signed: string | undefined;
}

export class Checks implements Disposable {
  readonly #openProbe: () => OwnProbe;
  #opened: OwnProbe | undefined;
  readonly #options: ChecksOptions;
  readonly #listener: ChecksListener;
  #timers = new DisposableStack();
  readonly #watches = new Map<string, Watch>();
  readonly #caught = new Set<PathId>();
  readonly #kept: Kept[] = [];
  /** Where a path was found wrong at a border, whose span has yet to end: its signature is to prove it. */
  readonly #differs = new Map<PathId, Span>();
  readonly #involved = new Set<PathId>();
  readonly #brokenOff = new Map<PathId, number>();
  /** In a row. */
  readonly #cutShort = new Map<PathId, number>();
  /** Parts that are being fetched again to prove something. */
  #proving = 0;
  #closed = false;

  constructor(openProbe: () => OwnProbe, options: ChecksOptions, listener: ChecksListener) {
    this.#openProbe = openProbe;
    this.#options = options;
    this.#listener = listener;
  }

  /** What comes of it is checked: it was asked for, and is not judged by what came before. */
  isWatching(path: PathId, id: AskId): boolean {
    return this.#watches.get(keyOf(path, id))?.state === 'coming';
  }

  /** Nothing is open. */
  get isSettled(): boolean {
    return this.#watches.size === 0 && this.#proving === 0;
  }

  /** Neighbours that brought something that is checked. */
  get involved(): ReadonlySet<PathId> {
    return this.#involved;
  }

  /** A checked neighbour was asked for the span, which begins with a lap. */
  asked(path: PathId, id: AskId, asked: Span, lap: Bytes = 0): void {
    const { percent, random } = this.#options;
    const watch: Watch = {
      id,
      span: new WatchedSpan(path, asked, percent, random, lap),
      probes: new Map(),
      state: 'coming',
      signed: undefined,
    };
    this.#watches.set(keyOf(path, id), watch);
    // Of one that brings its spans the samples are here as soon as the span is: nobody waits for them at the end.
    if (this.#involved.has(path)) this.#sample(watch);
  }

  /** More of it came, in order. */
  came(path: PathId, id: AskId, chunk: Buffer): void {
    const watch = this.#watches.get(keyOf(path, id));
    if (watch?.state !== 'coming' || chunk.length === 0) return;
    const first = watch.span.length === 0;
    watch.span.take(chunk);
    if (!first) return;
    this.#involved.add(path);
    if (watch.probes.size === 0) this.#sample(watch);
  }

  /** Nothing more of it comes. */
  over(path: PathId, id: AskId, how: SpanOver): void {
    const watch = this.#watches.get(keyOf(path, id));
    if (watch !== undefined) this.#over(watch, how);
  }

  /** All bytes of the download are here: what is open must settle within its time. */
  close(): void {
    if (this.#closed || this.isSettled) return;
    this.#closed = true;
    const { clock } = this.#options;
    for (const watch of this.#watches.values()) if (!watch.span.isWhole) this.#over(watch, STOPPED);
    this.#timers.use(
      clock.after(SIGNATURE_MS, () => {
        for (const watch of this.#watches.values()) this.#over(watch, STOPPED);
      }),
    );
    this.#timers.use(
      clock.after(PATIENCE_MS, () => this.#listener.failed(new LinepoolError('span_unchecked'))),
    );
    this.#timers.use(
      clock.every(LOOK_MS, () => {
        if (this.#probe.otherVersions >= OTHER_VERSIONS)
          this.#listener.failed(new LinepoolError('origin_changed'));
      }),
    );
  }

  /** Something has to be fetched anew: the time begins when all is here again. */
  reopen(): void {
    this.#closed = false;
    this.#timers.dispose();
    this.#timers = new DisposableStack();
  }

  /**
   * The digest of the whole is wrong, so somebody altered something: spans are fetched again, in an order that nobody
   * foresees, until one differs or `mostBytes` were. Whoever is found is told of by `caught`.
   */
  audit(mostBytes: Bytes): void {
    const spans = this.#kept.filter(({ span }) => lengthOf(span) <= PROVED_BYTES_MAX);
    let left = mostBytes;
    const next = (): void => {
      const [one] = spans.splice(this.#options.random(Math.max(1, spans.length)), 1);
      if (one === undefined || left < lengthOf(one.span)) return;
      left -= lengthOf(one.span);
      this.#fetchAgain(one.span, (ours) => {
        if (ours === one.brought) next();
        else this.#tell(one.path, this.#proof('digest', one.span, one.brought, ours, one.signed));
      });
    };
    next();
  }

  /** It brought something else there than another path did: our own line says whether it was wrong. */
  suspect(path: PathId, place: Span, brought: string): void {
    if (this.#caught.has(path)) return;
    this.#fetchAgain(place, (ours) => {
      if (ours === brought) return;
      this.#tell(path, this.#proof('border', place, brought, ours, undefined));
      const kept = this.#kept.find((one) => one.path === path && covers([one.span], place));
      if (kept === undefined) this.#differs.set(path, place);
      else if (kept.signed !== undefined) this.#prove(kept, kept.signed);
    });
  }

  /** Samples are not wanted any more; what is being proved goes on. */
  giveUpSamples(): void {
    for (const watch of this.#watches.values()) this.#forget(watch);
  }

  /** What is open is given up. An `audit` may still follow. */
  [Symbol.dispose](): void {
    this.#timers.dispose();
    this.#timers = new DisposableStack();
    this.#opened?.[Symbol.dispose]();
    this.#opened = undefined;
    this.#watches.clear();
    this.#proving = 0;
  }

  get #probe(): OwnProbe {
    this.#opened ??= this.#openProbe();
    return this.#opened;
  }

  #sample(watch: Watch): void {
    for (const sample of watch.span.samples) this.#ask(watch, sample);
  }

  #ask(watch: Watch, sample: Sample): void {
    const asked = this.#probe.fetch(sample.span, (ours) => {
      const probe = watch.probes.get(sample);
      if (probe === undefined) return;
      probe.ours = ours;
      this.#judge(watch);
    });
    watch.probes.set(sample, { asked, ours: undefined });
  }

  #over(watch: Watch, how: SpanOver): void {
    if (watch.state === 'over') return;
    watch.state = 'over';
    const { span } = watch;
    const final = span.final();
    for (const [sample, { asked }] of watch.probes) {
      if (final.includes(sample)) continue;
      asked[Symbol.dispose]();
      watch.probes.delete(sample);
    }
    for (const sample of final) if (!watch.probes.has(sample)) this.#ask(watch, sample);
    if (how.kind === 'ended' && how.signature !== '') this.#read(watch, how.signature);
    else if (span.isWhole ? how.kind === 'ended' || this.#hasBrokenOff(span) : this.#isCutShort(span, how)) {
      this.#unsigned(watch, new LinepoolError('span_unsigned', 'It came without a signature.'));
    }
    this.#judge(watch);
  }

  /** A connection may be lost just then; over and over again it is not by chance. */
  #hasBrokenOff({ path }: WatchedSpan): boolean {
    return counted(this.#brokenOff, path) > BROKEN_OFF_MAX;
  }

  /** What was refused brought nothing, and what we stopped is not the neighbour's doing. */
  #isCutShort({ path, length }: WatchedSpan, how: SpanOver): boolean {
    return how.kind === 'broken' && length > 0 && counted(this.#cutShort, path) > CUT_SHORT_MAX;
  }

  /** Never throws. */
  #read(watch: Watch, token: string): void {
    const { span } = watch;
    const { read, total, validator } = this.#options;
    try {
      const said = read(span.path, token);
      const fits =
        said.span.start === span.asked.start &&
        said.span.end === span.at &&
        said.total === total &&
        said.validator === validatorHash(validator) &&
        said.sha256 === span.brought;
      if (!fits) throw new LinepoolError('span_unsigned', 'It signed something else than it brought.');
      watch.signed = token;
      this.#cutShort.delete(span.path);
    } catch (error) {
      this.#unsigned(watch, asLinepoolError(error));
    }
  }

  #unsigned({ span }: Watch, error: LinepoolError): void {
    if (!this.#caught.has(span.path)) this.#listener.unsigned(span.path, error);
  }

  #judge(watch: Watch): void {
    const { span, probes, signed } = watch;
    if (watch.state !== 'over' || !this.#isOpen(watch)) return;
    const wrong = [...probes].find(([sample, { ours }]) => ours !== undefined && ours !== sample.brought);
    if (wrong === undefined && [...probes.values()].some(({ ours }) => ours === undefined)) return;
    this.#forget(watch);
    if (wrong === undefined) {
      const kept = { path: span.path, span: span.came, brought: span.brought, signed };
      this.#keep(kept);
      this.#listener.good(span.path, watch.id);
      const differs = this.#differs.get(span.path);
      if (signed !== undefined && differs !== undefined && covers([span.came], differs)) {
        this.#differs.delete(span.path);
        this.#prove(kept, signed);
      }
    } else {
      const [sample, { ours = '' }] = wrong;
      this.#tell(span.path, this.#proof('sample', sample.span, sample.brought ?? '', ours, undefined));
      if (signed !== undefined)
        this.#prove({ path: span.path, span: span.came, brought: span.brought }, signed);
    }
    this.#settle();
  }

  /** The whole span again, since its signature is under the hash of the whole. */
  #prove({ path, span, brought }: Omit<Kept, 'signed'>, signed: string): void {
    if (lengthOf(span) > PROVED_BYTES_MAX) return;
    this.#fetchAgain(span, (ours) => {
      if (ours !== brought) this.#listener.caught(path, this.#proof('sample', span, brought, ours, signed));
    });
  }

  #fetchAgain(part: Span, told: (ours: string) => void): void {
    this.#proving += 1;
    this.#probe.fetch(part, (ours) => {
      this.#proving -= 1;
      told(ours);
      this.#settle();
    });
  }

  #tell(path: PathId, caught: Caught): void {
    this.#caught.add(path);
    this.#listener.caught(path, caught);
  }

  #proof(
    by: Caught['by'],
    { start, end }: Span,
    brought: string,
    ours: string,
    signed: string | undefined,
  ): Caught {
    const { origin, total, clock } = this.#options;
    const proof = { at: clock.wall(), origin, start, end, total, by, brought, ours };
    return signed === undefined ? proof : { ...proof, signed };
  }

  #keep(kept: Kept): void {
    if (lengthOf(kept.span) === 0) return;
    this.#kept.push(kept);
    if (this.#kept.length > KEPT_SPANS) this.#kept.shift();
  }

  #isOpen(watch: Watch): boolean {
    return [...this.#watches.values()].includes(watch);
  }

  #forget(watch: Watch): void {
    for (const { asked } of watch.probes.values()) asked[Symbol.dispose]();
    for (const [key, other] of this.#watches) if (other === watch) this.#watches.delete(key);
  }

  #settle(): void {
    if (this.isSettled) this.#listener.settled();
  }
}

function counted(times: Map<PathId, number>, path: PathId): number {
  const next = (times.get(path) ?? 0) + 1;
  times.set(path, next);
  return next;
}
