/**
 * How many connections the lender has to one origin for all borrowers together: an origin sees one address, and leaves it out
 * when it has too many. Made by the lender; tunnels and fetches enter it while they use one. It must never let one borrower
 * take all.
 */
import { LinepoolError } from '../core/errors.ts';
import { type Authority, formatAuthority } from '../core/target.ts';

/** As many as a household by itself has by default (`pool.origin_connections`). */
export const LENT_ORIGIN_CONNECTIONS = 24;
/** Of these, for one borrower: twice what it asks for by default (`pool.origin_line_connections`). */
export const LENT_ORIGIN_BORROWER_CONNECTIONS = LENT_ORIGIN_CONNECTIONS / 2;

export class OriginBound {
  /** By origin, who has them: an entry for each; as many as there are connections of borrowers. */
  readonly #taken = new Map<string, string[]>();

  /**
   * One more to that origin, until the result is disposed of.
   * @throws LinepoolError `overloaded`
   */
  enter({ host, port }: Authority, borrowerId: string): Disposable {
    const key = formatAuthority({ host, port });
    const taken = this.#taken.get(key) ?? [];
    const own = taken.filter((id) => id === borrowerId).length;
    if (taken.length >= LENT_ORIGIN_CONNECTIONS || own >= LENT_ORIGIN_BORROWER_CONNECTIONS) {
      throw new LinepoolError('overloaded', `${taken.length} connections of borrowers to ${key} are open.`);
    }
    taken.push(borrowerId);
    this.#taken.set(key, taken);
    return {
      [Symbol.dispose]: () => {
        taken.splice(taken.indexOf(borrowerId), 1);
        if (taken.length === 0) this.#taken.delete(key);
      },
    };
  }
}
