/**
 * What must not be gone on with: downloads that were broken off because what the client has of them may not be what the server has.
 * Many clients ask by themselves for the rest then, and would make one file of both. Noted by pooled.ts, asked by forward.ts before a
 * request is sent. A request for the whole is never held up, nor what another client asks for.
 */
import type { IncomingMessage } from 'node:http';
import { LRUCache } from 'lru-cache';
import type { Clock } from '../core/clock.ts';
import { type ErrorCode, LinepoolError } from '../core/errors.ts';
import { fieldValues, parseRange, type RawHeaders } from '../core/http.ts';
import { formatOrigin, type Target } from '../core/target.ts';
import type { Milliseconds } from '../core/units.ts';

/** So long after it was broken off a client is kept from going on with a download. */
export const REFUTED_MS: Milliseconds = 3_600_000;
/** Downloads that are remembered; the ones that were broken off first are forgotten first. */
const KEPT = 1024;

const CODES: ReadonlySet<ErrorCode> = new Set([
  'digest_mismatch',
  'span_altered',
  'span_unchecked',
  'origin_changed',
]);

interface Noted {
  readonly at: Milliseconds;
  readonly code: ErrorCode;
}

export class Refuted {
  readonly #clock: Clock;
  readonly #noted = new LRUCache<string, Noted>({ max: KEPT });

  constructor(clock: Clock) {
    this.#clock = clock;
  }

  /** A download of that client was broken off; with most errors what came of it is right, and it may go on. */
  note(client: string, target: Target, { code }: LinepoolError): void {
    if (CODES.has(code)) this.#noted.set(keyOf(client, target), { at: this.#clock.now(), code });
  }

  /** Why that client may not have that part now; undefined: it may. */
  why(client: string, target: Target, headers: RawHeaders): LinepoolError | undefined {
    const noted = this.#noted.peek(keyOf(client, target));
    if (noted === undefined || this.#clock.now() - noted.at >= REFUTED_MS || asksForWhole(headers))
      return undefined;
    return new LinepoolError(
      noted.code,
      'Remove what you have of it and begin anew: the rest is not given out.',
    );
  }
}

function asksForWhole(headers: RawHeaders): boolean {
  return fieldValues(headers, 'range').every((value) => {
    const range = parseRange(value);
    return range?.kind === 'from' && range.start === 0;
  });
}

/** Who asks: clients of a household have addresses of their own. */
export const clientOf = ({ socket }: IncomingMessage): string => socket.remoteAddress ?? '';

const keyOf = (client: string, { origin, path }: Target): string =>
  `${client} ${formatOrigin(origin)}${path}`;
