/**
 * Names that are looked up for others, a few at a time, in a queue of their own. Made by the lender, asked by dial.ts.
 *
 * The system's look-up holds a thread until it is over, for half a minute where a name server is dead; it can't be called off,
 * and Node has two such threads for the whole process (more, with UV_THREADPOOL_SIZE, would only be more to hold). Who is lent to
 * takes one of them at most: the household's own names always have the other. A look-up that nobody waits for any more is
 * left out when its turn comes.
 *
 *     ask ──► waiting, `WAITING_MAX` at most ──one at a time──► the system
 *      └─full: overloaded   └─nobody waits: left out
 */
import { type LookupAddress, lookup as systemLookup } from 'node:dns';
import { LinepoolError } from '../core/errors.ts';

export interface NameAsked {
  readonly host: string;
  /** As net.connect gives them. */
  readonly hints: number;
  /** Asked when its turn comes. */
  readonly isWanted: () => boolean;
  /** Called once. */
  readonly answer: (error: Error | null, addresses: readonly LookupAddress[]) => void;
}

/** Who asks for a name: the system's own way, or a queue in front of it. */
export type AskName = (asked: NameAsked) => void;

/** Look-ups at once; more than one would leave the household none while two name servers are dead. */
export const AT_ONCE = 1;
/** Look-ups that wait; a further one is refused. As many as one borrower may have connections by default. */
export const WAITING_MAX = 32;

export const askSystem: AskName = ({ host, hints, answer }) =>
  systemLookup(host, { all: true, verbatim: true, hints }, (error, addresses) => answer(error, addresses));

export class Lookups {
  readonly #ask: AskName;
  #waiting: NameAsked[] = [];
  #running = 0;

  /** `ask`: default the system. */
  constructor(ask: AskName = askSystem) {
    this.#ask = ask;
  }

  /** Answers with `overloaded` when too many wait. */
  readonly ask: AskName = (asked) => {
    this.#dropUnwanted();
    if (this.#running < AT_ONCE) this.#run(asked);
    else if (this.#waiting.length < WAITING_MAX) this.#waiting.push(asked);
    else asked.answer(new LinepoolError('overloaded', `${WAITING_MAX} names wait to be looked up.`), []);
  };

  #dropUnwanted(): void {
    const unwanted = this.#waiting.filter(({ isWanted }) => !isWanted());
    this.#waiting = this.#waiting.filter(({ isWanted }) => isWanted());
    for (const { answer } of unwanted) answer(new LinepoolError('interrupted'), []);
  }

  #run(asked: NameAsked): void {
    this.#running += 1;
    this.#ask({
      ...asked,
      answer: (error, addresses) => {
        this.#running -= 1;
        asked.answer(error, addresses);
        this.#dropUnwanted();
        if (this.#running >= AT_ONCE) return;
        const next = this.#waiting.shift();
        if (next !== undefined) this.#run(next);
      },
    });
  }
}
