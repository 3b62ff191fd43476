/**
 * A lane made of one undici client: one connection, requests pipelined on it. Every path builds its lanes with this.
 */
import type { Client } from 'undici';
import type { Milliseconds } from '../core/units.ts';
import type { Lane } from './path.ts';

/** Requests that may be on their way at once; a long way needs many short ones to be kept full. */
const PIPELINED = 32;
/** A response head of a span is small; a larger one is refused. */
const MOST_HEADER_BYTES = 16_384;

export function clientLane(
  make: (options: Client.Options) => Client,
  options: {
    readonly responseTimeout: Milliseconds;
    /** How the path is written on the wire; as it is, unless the way needs absolute-form. */
    readonly pathOnWire?: (path: string) => string;
    /** Headers that this way adds or leaves out. */
    readonly headersOnWire?: (headers: readonly string[]) => string[];
  },
): Lane {
  const client = make({
    allowH2: false,
    pipelining: PIPELINED,
    maxHeaderSize: MOST_HEADER_BYTES,
    headersTimeout: options.responseTimeout,
    bodyTimeout: options.responseTimeout,
  });
  // A connection that can't be made is told to each request; here it would only be an unhandled event.
  client.on('connectionError', () => undefined);
  return {
    dispatch(path, headers, handler) {
      const request = {
        method: 'GET',
        path: options.pathOnWire?.(path) ?? path,
        headers: options.headersOnWire?.(headers) ?? [...headers],
        blocking: false,
      } as const;
      // Often called from a handler that is told of an error; the client asserts that none of them asks for more.
      queueMicrotask(() => void client.dispatch(request, handler));
    },
    destroy(reason) {
      // Mostly called from a handler of the client itself, which must return before it is destroyed. The promise
      // only says that the sockets are closed, which nobody waits for; it does not reject.
      queueMicrotask(() => void client.destroy(reason));
    },
  };
}
