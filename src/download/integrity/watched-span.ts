/**
 * A span that a checked neighbour brings: hashed as it comes, the whole of it and each sample of it. Made by the checks for
 * each request. No I/O and no copies: only hashes are kept of what came.
 */
import { createHash, type Hash } from 'node:crypto';
import { lengthOf, type Span, span } from '../../core/span.ts';
import type { Bytes } from '../../core/units.ts';
import type { PathId } from '../../paths/path.ts';
import type { AskId } from '../plan-state.ts';
import { type Random, samplesOf, sampleWithin } from './samples.ts';

export interface Sample {
  readonly span: Span;
  /** SHA-256 of what the neighbour brought, once all of it came; base64url. */
  readonly brought: string | undefined;
}

interface Filling {
  readonly span: Span;
  readonly hash: Hash;
  at: Bytes;
  brought: string | undefined;
}

export class WatchedSpan {
  readonly path: PathId;
  readonly asked: Span;
  readonly #hash = createHash('sha256');
  readonly #samples: readonly Filling[];
  readonly #random: Random;
  /** Anywhere in what has come so far: counts when it ends before any other sample has come. */
  #anywhere: Sample | undefined;
  /** From here on what comes goes on to the sink. */
  readonly #counts: Bytes;
  #at: Bytes;
  #whole: string | undefined;

  /** `lap`: so much at its beginning is nothing to anybody but those who compare borders. No sample is spent on it. */
  constructor(path: PathId, asked: Span, percent: number, random: Random, lap: Bytes = 0) {
    this.path = path;
    this.asked = asked;
    this.#random = random;
    this.#at = asked.start;
    this.#counts = asked.start + lap;
    this.#samples = samplesOf(span(this.#counts, asked.end), percent, random).map((one) => ({
      span: one,
      hash: createHash('sha256'),
      at: one.start,
      brought: undefined,
    }));
  }

  /** The next byte to come. */
  get at(): Bytes {
    return this.#at;
  }

  /** Every byte that was asked for came. */
  get isWhole(): boolean {
    return this.#at === this.asked.end;
  }

  /** SHA-256 of all that came; base64url. After this, nothing more may come. */
  get brought(): string {
    this.#whole ??= this.#hash.digest('base64url');
    return this.#whole;
  }

  /** What came, half-open. */
  get came(): Span {
    return span(this.asked.start, this.#at);
  }

  /** Those that are to be fetched over our own line, while the span is on its way. */
  get samples(): readonly Sample[] {
    return this.#samples;
  }

  take(chunk: Buffer): void {
    const from = this.#at;
    this.#at += chunk.length;
    this.#takeAnywhere(chunk, from);
    this.#hash.update(chunk);
    for (const sample of this.#samples) {
      if (sample.at >= this.#at || sample.brought !== undefined) continue;
      const part = chunk.subarray(sample.at - from, Math.min(sample.span.end, this.#at) - from);
      sample.hash.update(part);
      sample.at += part.length;
      if (sample.at === sample.span.end) sample.brought = sample.hash.digest('base64url');
    }
  }

  /** No more comes: the samples that can be compared, at least one when anything came. */
  final(): readonly Sample[] {
    const whole = this.#samples.filter(({ brought }) => brought !== undefined);
    return whole.length > 0 || this.#anywhere === undefined ? whole : [this.#anywhere];
  }

  /** A place in this chunk instead of the one before, as likely as its part in all that came and counts: who breaks off can't foresee it. */
  #takeAnywhere(chunk: Buffer, from: Bytes): void {
    const fresh = Math.max(from, this.#counts);
    if (fresh >= this.#at || this.#samples.length === 0) return;
    if (this.#samples.some(({ brought }) => brought !== undefined)) return;
    if (this.#random(this.#at - this.#counts) >= this.#at - fresh) return;
    const { start, end } = sampleWithin(span(fresh, this.#at), this.#random);
    this.#anywhere = { span: span(start, end), brought: sha256(chunk.subarray(start - from, end - from)) };
  }

  get length(): Bytes {
    return lengthOf(this.came);
  }
}

export const sha256 = (bytes: Buffer): string => createHash('sha256').update(bytes).digest('base64url');

/** Of what a path was asked for: the ids of asks are those of one download. */
export const keyOf = (path: PathId, id: AskId): string => `${path} ${id}`;
