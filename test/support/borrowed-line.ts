/**
 * A path that stands in for a neighbour's line: it goes straight to the origin like the own line, but has an offer
 * and an id of its own. For tests of downloads that are not about the link between routers.
 */

import type { Origin } from '../../src/core/target.ts';
import { type DialOptions } from '../../src/paths/dial.ts';
import { OwnLine } from '../../src/paths/own-line.ts';
import type { Lane, Offer, Path } from '../../src/paths/path.ts';

export const DIAL: DialOptions = { pinned: new Map([['origin.demo', '127.0.0.1']]), connectTimeout: 3_000 };

export function ownLine(dial: DialOptions = DIAL): OwnLine {
  return new OwnLine({ dial, down: undefined, responseTimeout: 10_000 });
}

export class BorrowedLine implements Path {
  readonly id: string;
  readonly name: string;
  #offer: Offer;
  readonly #through: OwnLine;
  /** Where requests really go; another origin makes this neighbour a liar. */
  readonly #instead: Origin | undefined;

  constructor(id: string, bytesPerSecond: number, options: { instead?: Origin; dial?: DialOptions } = {}) {
    this.id = id;
    this.name = id;
    this.#offer = { bytesPerSecond, bufferBytes: 262_144 };
    this.#through = ownLine(options.dial);
    this.#instead = options.instead;
  }

  offer(): Offer {
    return this.#offer;
  }

  setOffer(bytesPerSecond: number): void {
    this.#offer = { ...this.#offer, bytesPerSecond };
  }

  carries(_origin: Origin, request: { readonly credentials: boolean }): boolean {
    return !request.credentials;
  }

  lane(origin: Origin): Lane {
    return this.#through.lane(this.#instead ?? origin);
  }
}
