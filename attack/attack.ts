/**
 * The contract of an attack: one file of this folder mounts one, with real processes where it is about processes. The
 * runner gives it a number of tries and a seed, and judges its figures by its bar. An attack must end everything that it
 * started, and must contact nothing but loopback.
 */

/** What one attack came to. */
export interface Figures {
  /** Times that it was tried. */
  readonly tries: number;
  /** Times that it did what must not happen. */
  readonly wrong: number;
  /** Of attacks whose bar is not about `wrong` alone: seconds, bytes, a share; by name. */
  readonly values?: Readonly<Record<string, number>>;
  /** The first few of what went wrong, for people. */
  readonly examples?: readonly string[];
}

export interface Means {
  /** How often at least; an attack that goes by a list may try all of it. */
  readonly tries: number;
  /** Of everything random, so that a run can be repeated. */
  readonly seed: number;
  readonly signal: AbortSignal;
  /** Tells people how far it is. */
  readonly say: (line: string) => void;
}

export interface Bar {
  /** For people: "0 wrong". */
  readonly says: string;
  /** `asked`: how often it was to be tried. */
  readonly holds: (figures: Figures, asked: number) => boolean;
}

export interface Attack {
  /** One word, hyphens allowed: `npm run attack -- NAME` runs it alone. */
  readonly name: string;
  /** What is tried, in one line. */
  readonly says: string;
  readonly bar: Bar;
  /** With --quick, so that all attacks together take a minute at most; 0: it is left out, since in short it would tell nothing. */
  readonly quickTries: number;
  readonly tries: number;
  /** @throws AttackError when it can't be mounted here; then the bar is neither held nor missed */
  readonly run: (means: Means) => Promise<Figures>;
}

/** Something that a person can mend; the message is one line and says how. */
export class AttackError extends Error {
  override readonly name = 'AttackError';
}

/** The bar of most: it must never happen, however often it was to be tried. */
export const NEVER: Bar = {
  says: '0 wrong',
  holds: ({ tries, wrong }, asked) => tries >= asked && wrong === 0,
};
