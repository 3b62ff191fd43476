/**
 * Reading the lines of a neighbour's offers. Used by presence. The neighbour is paired but not trusted: a line is bounded, so
 * is how many may come in a second. Pure.
 */
import { LinepoolError } from '../core/errors.ts';
import { LeakyBucket } from '../core/leaky-bucket.ts';
import type { Milliseconds } from '../core/units.ts';
import { Hello, MESSAGE_MAX_BYTES, OfferLine } from './messages.ts';
import { SILENCE_MS } from './presence-state.ts';

export type OfferMessage =
  | { readonly kind: 'hello'; readonly hello: Hello }
  | { readonly kind: 'offer'; readonly offer: OfferLine }
  /** Of a kind that we don't know: a sign of life. */
  | { readonly kind: 'other' };

/** Lines of one neighbour that are read within a second, over some time; more are a fault of it. */
export const LINES_PER_SECOND_MAX = 50;
/** What was held up by the radio comes at once: so much of it as when a neighbour is taken to be gone. */
export const LINES_SAVED_MAX = (SILENCE_MS / 1000) * LINES_PER_SECOND_MAX;

export class OfferLines {
  #rest = '';
  readonly #lines = new LeakyBucket(LINES_SAVED_MAX, LINES_PER_SECOND_MAX);
  readonly #decoder = new TextDecoder();

  /**
   * The messages that are complete with this chunk.
   * @throws LinepoolError `bad_response` when the neighbour doesn't keep to the protocol
   */
  read(chunk: Uint8Array, now: Milliseconds): OfferMessage[] {
    const lines = (this.#rest + this.#decoder.decode(chunk, { stream: true })).split('\n');
    this.#rest = lines.pop() ?? '';
    if (this.#rest.length > MESSAGE_MAX_BYTES)
      throw new LinepoolError('bad_response', 'A line of its offers is too long.');
    if (!this.#lines.takes(lines.length, now))
      throw new LinepoolError('bad_response', 'Its offers come too fast.');
    return lines.filter((line) => line !== '').map(parseLine);
  }
}

function parseLine(line: string): OfferMessage {
  let raw: unknown;
  try {
    raw = JSON.parse(line);
  } catch (cause) {
    throw new LinepoolError('bad_response', 'A line of its offers is not JSON.', { cause });
  }
  const kind = (raw as { readonly kind?: unknown } | null)?.kind;
  if (kind !== 'hello' && kind !== 'offer') return { kind: 'other' };
  if (kind === 'hello') {
    const hello = Hello.safeParse(raw);
    if (hello.success) return { kind, hello: hello.data };
  } else {
    const offer = OfferLine.safeParse(raw);
    if (offer.success) return { kind, offer: offer.data };
  }
  throw new LinepoolError('bad_response', `Its ${kind} does not make sense.`);
}
