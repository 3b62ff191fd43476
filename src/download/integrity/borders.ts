/**
 * The borders of one download: where the span of one path begins, a few bytes of the span before it are asked for with it, and
 * compared with what the path of that one brought. It costs no request. The guard makes it and tells it what comes. Two
 * that differ don't say who is wrong: it must never judge, only say where to look.
 *
 *     path A    |========= its span =========|
 *     path B                            |lap||========= its span =========|
 *
 * Either may come first; what is kept of each border is one lap of bytes, until the other side is there.
 */
import { type Span, span } from '../../core/span.ts';
import type { Bytes } from '../../core/units.ts';
import type { PathId } from '../../paths/path.ts';
import type { AskId } from '../plan-state.ts';
import { keyOf, sha256 } from './watched-span.ts';

/** What two spans have in common. */
export const LAP_BYTES: Bytes = 512;
/** Borders of which one side is kept, for each side; the oldest are forgotten. */
export const KEPT_BORDERS = 128;

/** What a path brought of a border, and whether it is one that is checked. */
interface Side {
  readonly path: PathId;
  readonly checked: boolean;
  readonly bytes: Buffer;
}

interface Coming extends Omit<Side, 'bytes'> {
  readonly id: AskId;
  /** Where the span begins that it is about: what comes before is the lap. */
  readonly start: Bytes;
  at: Bytes;
  lap: Buffer;
  /** The last that came, up to a lap. */
  last: Buffer;
}

/** Told of each checked path that differs from another there. */
export type Suspect = (path: PathId, place: Span, sha256: string) => void;

export class Borders {
  readonly #suspect: Suspect;
  readonly #coming = new Map<string, Coming>();
  /** By where the border is: what ended there, and what was brought of the same with what begins there. */
  readonly #ends = new Map<Bytes, Side>();
  readonly #laps = new Map<Bytes, Side>();
  /** Where the path was last asked up to: it goes on there without a border. */
  readonly #askedTo = new Map<PathId, Bytes>();
  /** Nothing is worth comparing before a checked path is asked. */
  #anyChecked = false;

  constructor(suspect: Suspect) {
    this.#suspect = suspect;
  }

  /** A path is asked for the span of a file that begins at `first`. Gives how many bytes before it are to be asked for with it. */
  asked(path: PathId, id: AskId, { start, end }: Span, checked: boolean, first: Bytes): Bytes {
    this.#anyChecked ||= checked;
    const goesOn = this.#askedTo.get(path) === start;
    this.#askedTo.set(path, end);
    const lap = this.#anyChecked && !goesOn && start - first >= LAP_BYTES ? LAP_BYTES : 0;
    const at = start - lap;
    const none = Buffer.alloc(0);
    this.#coming.set(keyOf(path, id), { path, id, checked, start, at, lap: none, last: none });
    return lap;
  }

  /** More of it came, in order, the lap first. */
  came(path: PathId, id: AskId, chunk: Buffer): void {
    const one = this.#coming.get(keyOf(path, id));
    if (one === undefined || !this.#anyChecked) return;
    const before = one.start - one.at;
    one.at += chunk.length;
    one.last = chunk.length >= LAP_BYTES ? chunk.subarray(-LAP_BYTES) : joined(one.last, chunk);
    if (before <= 0) return;
    one.lap = Buffer.concat([one.lap, chunk.subarray(0, before)]);
    if (one.at >= one.start) this.#put(this.#laps, one.start, { ...one, bytes: one.lap });
  }

  /** Nothing more of it comes. */
  over(path: PathId, id: AskId): void {
    const one = this.#coming.get(keyOf(path, id));
    this.#coming.delete(keyOf(path, id));
    if (one === undefined || one.at <= one.start || one.last.length < LAP_BYTES) return;
    // A copy: what came is part of a larger piece of memory.
    this.#put(this.#ends, one.at, { ...one, bytes: Buffer.from(one.last) });
  }

  /** All bytes of the download are here: nothing that still comes counts. */
  close(): void {
    for (const { path, id } of this.#coming.values()) this.over(path, id);
  }

  #put(sides: Map<Bytes, Side>, at: Bytes, { path, checked, bytes }: Side): void {
    const opposite = sides === this.#ends ? this.#laps : this.#ends;
    const other = opposite.get(at);
    if (other === undefined) {
      sides.delete(at);
      sides.set(at, { path, checked, bytes });
      const [oldest] = sides.keys();
      if (sides.size > KEPT_BORDERS && oldest !== undefined) sides.delete(oldest);
      return;
    }
    opposite.delete(at);
    if (other.path === path || other.bytes.equals(bytes)) return;
    const place = span(at - LAP_BYTES, at);
    for (const side of [other, { path, checked, bytes }]) {
      if (side.checked) this.#suspect(side.path, place, sha256(side.bytes));
    }
  }
}

const joined = (before: Buffer, chunk: Buffer): Buffer => Buffer.concat([before, chunk]).subarray(-LAP_BYTES);
