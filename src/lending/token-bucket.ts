/**
 * The token bucket: whether so many bytes may pass now, and if not, when. Pure: the time is handed in. Used by the shaper.
 *
 *     tokens  ▁▂▃▄▅▆▇▇▇▇  filled at `rate`, never above `burst`; a byte that passes takes one
 *
 * In any stretch of time t at most rate * t + burst bytes pass. A clock that stood still earns one burst, not more.
 */
import { type Bytes, type BytesPerSecond, KIB, type Milliseconds } from '../core/units.ts';

/** The burst, in time of the rate: how late a timer may be without any rate being lost. */
export const BURST_MS: Milliseconds = 25;
/** The burst is never under this: packets and system calls have a size. */
export const BURST_MIN_BYTES: Bytes = 16 * KIB;

export interface Bucket {
  readonly rate: BytesPerSecond;
  /** May pass now; between 0 and the burst. */
  readonly tokens: Bytes;
  /** When `tokens` was so. */
  readonly at: Milliseconds;
}

export const burstOf = (rate: BytesPerSecond): Bytes => Math.max(BURST_MIN_BYTES, (rate * BURST_MS) / 1000);

/** Largest piece that is let pass at once: half the burst, so that the other half makes up for late timers. */
export const pieceOf = (rate: BytesPerSecond): Bytes => Math.floor(burstOf(rate) / 2);

/** Begins empty: nobody has earned anything yet. */
export const bucket = (rate: BytesPerSecond, now: Milliseconds): Bucket => ({ rate, tokens: 0, at: now });

/** The same bucket later. A `now` before `at` changes nothing. */
export function filled(b: Bucket, now: Milliseconds): Bucket {
  if (now <= b.at) return b;
  const tokens = Math.min(burstOf(b.rate), b.tokens + (b.rate * (now - b.at)) / 1000);
  return { ...b, tokens, at: now };
}

/** Another rate from now on; what was earned is kept, up to the new burst, and at rate 0 lost. */
export function withRate(b: Bucket, rate: BytesPerSecond, now: Milliseconds): Bucket {
  const { tokens } = filled(b, now);
  return { rate, tokens: rate === 0 ? 0 : Math.min(tokens, burstOf(rate)), at: Math.max(now, b.at) };
}

/** How long until so many bytes may pass: 0 now, Infinity never. At most `pieceOf` the rate can be asked for. */
export function waitFor(b: Bucket, bytes: Bytes, now: Milliseconds): Milliseconds {
  const { tokens, rate } = filled(b, now);
  if (rate <= 0) return Number.POSITIVE_INFINITY;
  return bytes <= tokens ? 0 : ((bytes - tokens) / rate) * 1000;
}

/** The bucket after so many bytes have passed; only right when `waitFor` said 0. */
export function taken(b: Bucket, bytes: Bytes, now: Milliseconds): Bucket {
  const full = filled(b, now);
  return { ...full, tokens: Math.max(0, full.tokens - bytes) };
}
