/**
 * Quarantine: what is done with a neighbour that brought other bytes than the origin has. Called by the daemon when a
 * download of the proxy finds it, and by the control API when `get` did. It takes effect before this returns.
 */
import { asLinepoolError } from '../core/errors.ts';
import type { Events } from '../core/events.ts';
import type { Neighbour } from './book.ts';
import type { Caught, TrustBook } from './trust.ts';

/** Never rejects: what the disk refuses holds until the next start, and is a warning. */
export async function quarantine(
  trust: Pick<TrustBook, 'caught' | 'quarantine'>,
  events: Pick<Events, 'report'>,
  { id, name }: Pick<Neighbour, 'id' | 'name'>,
  caught: Caught,
): Promise<void> {
  const before = trust.caught(id);
  const kept = trust.quarantine(id, caught);
  if (before === undefined) {
    const { origin, signed } = caught;
    events.report({
      kind: 'neighbour_caught',
      neighbour: name,
      id,
      origin,
      signed: signed !== undefined,
    });
  }
  try {
    await kept;
  } catch (error) {
    const { code, detail } = asLinepoolError(error);
    events.report({ kind: 'warning', code, detail });
  }
}
