/**
 * What went wrong between two routers, in words for people. Used where a person waits for the answer.
 */
import { asLinepoolError, LinepoolError } from '../core/errors.ts';

/** As `asLinepoolError`; but a connection that ended without an answer is the neighbour's, and not a server's. */
export function linkFailure(error: unknown): LinepoolError {
  const failure = asLinepoolError(error);
  return failure.code === 'connection_lost'
    ? new LinepoolError('neighbour_unreachable', 'It closed the connection without an answer.', {
        cause: error,
      })
    : failure;
}
