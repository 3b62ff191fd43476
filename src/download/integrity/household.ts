/**
 * Integrity for the downloads of a household's daemon: whose key a signature is read with, and what is done with a
 * neighbour that was caught. daemon.ts makes one for all downloads.
 */
import { LinepoolError } from '../../core/errors.ts';
import { readSpanStatement } from '../../lending/span-statement.ts';
import type { Neighbour } from '../../neighbours/book.ts';
import { publicKeyOf } from '../../neighbours/public-key.ts';
import type { Caught } from '../../neighbours/trust.ts';
import type { Integrity } from '../contract.ts';
import { secretRandom } from './guard.ts';

export interface HouseholdIntegrity {
  readonly percent: number;
  readonly neighbour: (id: string) => Pick<Neighbour, 'id' | 'name' | 'publicKey'> | undefined;
  readonly caught: (neighbour: Pick<Neighbour, 'id' | 'name'>, caught: Caught) => void;
}

export function householdIntegrity({ percent, neighbour, caught }: HouseholdIntegrity): Integrity {
  return {
    percent,
    random: secretRandom,
    read: (path, token) => {
      const lender = neighbour(path);
      const publicKey = lender === undefined ? undefined : publicKeyOf(lender.publicKey);
      if (lender === undefined || publicKey === undefined) {
        throw new LinepoolError('span_unsigned', 'It is no neighbour any more.');
      }
      return readSpanStatement(token, { id: lender.id, publicKey });
    },
    // Also of one that we have parted from since: should it come back, it is known.
    caught: (path, proof) => caught(neighbour(path) ?? { id: path, name: path }, proof),
  };
}
