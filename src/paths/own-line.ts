/**
 * The own line as a path: requests go straight to the origin. Used by the daemon's downloads and, when there is no
 * daemon, by `get`. What it carries down is learnt from downloads, so that verdicts can weigh what pooling saves.
 */
import { Client } from 'undici';
import { formatOrigin, type Origin } from '../core/target.ts';
import type { BytesPerSecond, Milliseconds } from '../core/units.ts';
import { clientLane } from './client-lane.ts';
import { connector, type DialOptions, type Permit } from './dial.ts';
import { type Lane, OWN, type Path } from './path.ts';

export interface OwnLineOptions {
  readonly dial: DialOptions;
  /** What the line carries down, if the household said so. */
  readonly down: BytesPerSecond | undefined;
  /** How long an origin may be silent. */
  readonly responseTimeout: Milliseconds;
}

/** How much of a new sample goes into what was learnt. */
const LEARN = 0.3;

export class OwnLine implements Path {
  readonly id = OWN;
  readonly name = 'own line';
  readonly #options: OwnLineOptions;
  #learned: BytesPerSecond | undefined;

  constructor(options: OwnLineOptions) {
    this.#options = options;
  }

  /** What the line carries down: as configured, else as learnt; undefined when nothing is known. */
  get down(): BytesPerSecond | undefined {
    return this.#options.down ?? this.#learned;
  }

  get isLearned(): boolean {
    return this.#options.down === undefined && this.#learned !== undefined;
  }

  /** A download measured this much over the line while it had the line busy. */
  learn(sample: BytesPerSecond): void {
    const before = this.#learned;
    // Other traffic makes a sample low, never high: a higher one counts at once, a lower one slowly.
    this.#learned = before === undefined || sample > before ? sample : before + (sample - before) * LEARN;
  }

  offer(): undefined {
    return undefined;
  }

  carries(): boolean {
    return true;
  }

  lane(origin: Origin): Lane {
    return this.#lane(origin, this.#options.dial);
  }

  /** The same line for those who may not connect everywhere: names may resolve otherwise than a moment ago. */
  within(permit: Permit): Path {
    const { id, name } = this;
    const dial = { ...this.#options.dial, permit };
    return {
      id,
      name,
      offer: () => this.offer(),
      carries: () => this.carries(),
      lane: (origin) => this.#lane(origin, dial),
    };
  }

  #lane(origin: Origin, dial: DialOptions): Lane {
    const { responseTimeout } = this.#options;
    return clientLane(
      (options) =>
        new Client(formatOrigin(origin), { ...options, connect: connector({ ...dial, inBursts: true }) }),
      {
        responseTimeout,
      },
    );
  }
}
