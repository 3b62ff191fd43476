/**
 * Quarantine: what is done with a neighbour that brought other bytes than the origin has. Called by the daemon when a
 * download of the proxy finds it, and by the control API when `get` did. It takes effect before this returns.
 */
import { asLinepoolError } from '../core/errors.ts';
import type { Events } from '../core/events.ts';
import type { Neighbour } from './book.ts';
import { type Caught, proves, type TrustBook } from './trust.ts';

export interface QuarantineRooms {
  readonly trust: Pick<TrustBook, 'caught' | 'quarantine'>;
  readonly events: Pick<Events, 'report'>;
  /** Puts on record what the neighbour signed, and why it is kept. */
  readonly record: (neighbour: Pick<Neighbour, 'id'>, reason: string, statement: string) => void;
}

/** Never rejects: what the disk refuses holds until the next start, and is a warning. */
export async function quarantine(
  { trust, events, record }: QuarantineRooms,
  { id, name }: Pick<Neighbour, 'id' | 'name'>,
  caught: Caught,
): Promise<void> {
  const isNews = proves(trust.caught(id), caught);
  const kept = trust.quarantine(id, caught);
  if (isNews) {
    const { origin, signed, ours } = caught;
    events.report({
      kind: 'neighbour_caught',
      neighbour: name,
      id,
      origin,
      signed: signed !== undefined,
    });
    if (signed !== undefined) record({ id }, `altered bytes, ours have sha-256 ${ours}`, signed);
  }
  try {
    await kept;
  } catch (error) {
    const { code, detail } = asLinepoolError(error);
    events.report({ kind: 'warning', code, detail });
  }
}
