/**
 * The own line's probe: fetches parts again over our own line and gives their hashes. One connection beside those of the
 * download, opened with the first part and closed with the last; what fails is tried again later.
 * It must never go over a neighbour's line, nor keep the bytes that it fetched.
 */
import { createHash } from 'node:crypto';
import type { Clock } from '../../core/clock.ts';
import { LinepoolError } from '../../core/errors.ts';
import type { Span } from '../../core/span.ts';
import type { Milliseconds } from '../../core/units.ts';
import type { Lane, Path } from '../../paths/path.ts';
import { RangeFetch } from '../../paths/range-fetch.ts';
import type { Wanted } from '../lanes.ts';

/** Requests on their way at once. */
const PIPELINED = 8;
/** Before the next try; doubled by each, up to the longest. */
const RETRY_MS: Milliseconds = 100;
const LONGEST_RETRY_MS: Milliseconds = 2_000;

type Told = (sha256: string) => void;

interface Part {
  readonly span: Span;
  readonly told: Told;
  tries: number;
}

export class OwnProbe implements Disposable {
  readonly #own: Path;
  readonly #wanted: Wanted;
  readonly #clock: Clock;
  readonly #waiting: Part[] = [];
  readonly #asked = new Map<Part, RangeFetch>();
  #lane: Lane | undefined;
  #resting: Disposable | undefined;
  #failures = 0;
  #disposed = false;
  #otherVersions = 0;

  constructor(own: Path, wanted: Wanted, clock: Clock) {
    this.#own = own;
    this.#wanted = wanted;
    this.#clock = clock;
  }

  /** How often in a row the origin had another version of the file. */
  get otherVersions(): number {
    return this.#otherVersions;
  }

  /** Tells the SHA-256 of the part, base64url, sooner or later; a part that is dropped is not told of. */
  fetch(span: Span, told: Told): Disposable {
    const part: Part = { span, told, tries: 0 };
    this.#waiting.push(part);
    this.#next();
    return { [Symbol.dispose]: () => this.#drop(part) };
  }

  [Symbol.dispose](): void {
    this.#disposed = true;
    this.#resting?.[Symbol.dispose]();
    this.#waiting.length = 0;
    for (const fetch of this.#asked.values()) fetch.forget();
    this.#asked.clear();
    this.#close();
  }

  #drop(part: Part): void {
    const at = this.#waiting.indexOf(part);
    if (at >= 0) this.#waiting.splice(at, 1);
    // One that is asked comes all the same: to stop it would cost the connection. Its answer is not told.
  }

  #next(): void {
    while (!this.#disposed && this.#resting === undefined && this.#asked.size < PIPELINED) {
      const part = this.#waiting.shift();
      if (part === undefined) return;
      this.#send(part);
    }
  }

  #send(part: Part): void {
    const { target, ownHeaders: headers, total, validator } = this.#wanted;
    const hash = createHash('sha256');
    const fetch = new RangeFetch(
      { path: target.path, headers, span: part.span, total, validator },
      {
        proven: () => undefined,
        data: (_offset, chunk) => void hash.update(chunk),
        ended: () => {
          this.#failures = 0;
          this.#otherVersions = 0;
          this.#asked.delete(part);
          part.told(hash.digest('base64url'));
          this.#next();
        },
        failed: ({ code }) => {
          this.#asked.delete(part);
          if (this.#disposed) return;
          if (code === 'span_validator') this.#otherVersions += 1;
          this.#waiting.unshift(part);
          this.#rest();
        },
      },
      this.#clock,
    );
    this.#asked.set(part, fetch);
    this.#lane ??= this.#own.lane(target.origin, { bytesWanted: 0 });
    fetch.send(this.#lane);
  }

  /** Once for all that failed on one connection; then a new one. */
  #rest(): void {
    if (this.#resting !== undefined) return;
    const delay = Math.min(LONGEST_RETRY_MS, RETRY_MS * 2 ** this.#failures);
    this.#failures += 1;
    this.#resting = this.#clock.after(delay, () => {
      this.#resting = undefined;
      for (const [part, fetch] of this.#asked) {
        fetch.forget();
        this.#waiting.push(part);
      }
      this.#asked.clear();
      this.#close();
      this.#next();
    });
  }

  #close(): void {
    this.#lane?.destroy(new LinepoolError('interrupted', 'the probe is over'));
    this.#lane = undefined;
  }
}
