/**
 * Patience of `get`: a server that answers 429 or 503 is asked again when it wants to be, as long as that is not too long
 * altogether (RFC 9110 section 10.2.3). The first request asks here; it must never wait without a bound, nor unseen.
 */
import { awake, type Clock, sleep } from '../../core/clock.ts';
import { LinepoolError } from '../../core/errors.ts';
import type { RawHeaders } from '../../core/http.ts';
import { retryAfterOf } from '../../core/retry-after.ts';
import { formatOrigin, type Origin } from '../../core/target.ts';
import { formatDuration, type Milliseconds } from '../../core/units.ts';

/** Longest that all waits of one first request take together. */
export const MOST_WAIT_MS: Milliseconds = 120_000;
/** For a server that does not say; doubled each time. */
const UNSAID_MS: Milliseconds = 5_000;
const LEAST_MS: Milliseconds = 1_000;

export const asksToWait = (status: number): boolean => status === 429 || status === 503;

export interface PatienceOptions {
  readonly clock: Clock;
  readonly signal: AbortSignal;
  /** Told before each wait how long it will be, and undefined when it is over. */
  readonly waiting: (ms: Milliseconds | undefined) => void;
}

export class Patience {
  readonly #options: PatienceOptions;
  #spentMs: Milliseconds = 0;
  #times = 0;

  constructor(options: PatienceOptions) {
    this.#options = options;
  }

  /**
   * Waits as long as the response asks for.
   * @throws LinepoolError `origin_busy` when that would be too long; the signal's reason
   */
  async after(status: number, headers: RawHeaders, origin: Origin): Promise<void> {
    const { clock, signal, waiting } = this.#options;
    const wish = retryAfterOf(headers, clock.wall());
    const ms = Math.max(LEAST_MS, wish ?? UNSAID_MS * 2 ** this.#times);
    if (this.#spentMs + ms > MOST_WAIT_MS) {
      const after = this.#times === 0 ? '' : ` after ${formatDuration(this.#spentMs)} of waiting`;
      const more = wish === undefined ? '' : ` It asks to wait ${formatDuration(wish)}.`;
      throw new LinepoolError(
        'origin_busy',
        `(status ${status} from ${formatOrigin(origin)}${after})${more}`,
      );
    }
    this.#spentMs += ms;
    this.#times += 1;
    waiting(ms);
    using _awake = awake();
    await sleep(clock, ms, signal);
    waiting(undefined);
  }
}
