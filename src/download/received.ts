/**
 * What a download has: which bytes are here, who brought them, and how many came over two paths. The download hands
 * every chunk to it and passes on only what is new. It must never call a byte new twice.
 */
import { intersect, type Span, type SpanSet, sizeOf, span, subtract, union } from '../core/span.ts';
import type { Bytes } from '../core/units.ts';
import type { PathId } from '../paths/path.ts';

export class Received {
  readonly #by = new Map<PathId, Bytes>();
  #set: SpanSet;
  #missing: Bytes;
  #twice: Bytes = 0;

  /** `have`: what was there before. */
  constructor(whole: Span, have: SpanSet) {
    this.#set = have;
    this.#missing = sizeOf(have.reduce(subtract, union([], whole)));
  }

  /** Bytes of the whole that are still to come. */
  get missing(): Bytes {
    return this.#missing;
  }

  /** Bytes that came though they were here. */
  get twice(): Bytes {
    return this.#twice;
  }

  /** What each path brought that was new. */
  get by(): ReadonlyMap<PathId, Bytes> {
    return this.#by;
  }

  /** What that path brought is not here any more. */
  forget(path: PathId, spans: SpanSet): void {
    const bytes = sizeOf(spans);
    this.#set = spans.reduce(subtract, this.#set);
    this.#by.set(path, (this.#by.get(path) ?? 0) - bytes);
    this.#missing += bytes;
  }

  /** Takes note of a chunk; gives the parts of it that are new. */
  take(path: PathId, offset: Bytes, length: Bytes): SpanSet {
    const came = span(offset, offset + length);
    const known = intersect(this.#set, came);
    const fresh: SpanSet = known.length === 0 ? [came] : known.reduce<SpanSet>(subtract, [came]);
    this.#set = union(this.#set, came);
    const bytes = sizeOf(fresh);
    this.#by.set(path, (this.#by.get(path) ?? 0) + bytes);
    this.#twice += length - bytes;
    this.#missing -= bytes;
    return fresh;
  }
}
