/**
 * Warm connections: a few proven, unused connections to a neighbour, kept for a short while, so that the next tunnel
 * or fetch doesn't wait for a handshake. Used by the link client. Kept only for a neighbour that is being used.
 */
import type { TLSSocket } from 'node:tls';
import type { Clock } from '../core/clock.ts';
import type { Milliseconds } from '../core/units.ts';
import type { HouseholdId } from './household-id.ts';

/** Spare connections to one neighbour, those being made included. */
export const SPARES_MAX = 2;
/** Shorter than the server's patience for a request head, which runs from the handshake on. */
export const SPARE_IDLE_MS: Milliseconds = 10_000;

interface Spare {
  readonly socket: TLSSocket;
  /** Ends our interest in it, without ending the socket. */
  release(): void;
}

interface Shelf {
  readonly spares: Spare[];
  making: number;
}

export class WarmConnections {
  readonly #clock: Clock;
  readonly #make: (id: HouseholdId) => Promise<TLSSocket>;
  readonly #shelves = new Map<HouseholdId, Shelf>();

  /** `make` brings a new, proven connection. */
  constructor(clock: Clock, make: (id: HouseholdId) => Promise<TLSSocket>) {
    this.#clock = clock;
    this.#make = make;
  }

  /** A spare that is still good, or undefined. The caller owns it. */
  take(id: HouseholdId): TLSSocket | undefined {
    const shelf = this.#shelves.get(id);
    for (;;) {
      // The youngest: the least likely to be cut just now.
      const spare = shelf?.spares.pop();
      if (spare === undefined) return undefined;
      spare.release();
      if (!spare.socket.destroyed && spare.socket.writable) return spare.socket;
    }
  }

  /** Fills up to the bound in the background. A failure leaves it less than full; whoever connects next sees why. */
  fill(id: HouseholdId): void {
    let shelf = this.#shelves.get(id);
    if (shelf === undefined) {
      shelf = { spares: [], making: 0 };
      this.#shelves.set(id, shelf);
    }
    const missing = SPARES_MAX - shelf.spares.length - shelf.making;
    for (let i = 0; i < missing; i += 1) {
      const filled = shelf;
      filled.making += 1;
      this.#make(id)
        .then(
          (socket) => {
            if (this.#shelves.get(id) === filled) this.#keep(filled, socket);
            else socket.destroy();
          },
          () => undefined,
        )
        .finally(() => {
          filled.making -= 1;
        });
    }
  }

  /** Ends the spares of one neighbour, or of all. */
  drop(id?: HouseholdId): void {
    for (const [key, shelf] of this.#shelves) {
      if (id !== undefined && key !== id) continue;
      this.#shelves.delete(key);
      for (const spare of shelf.spares) {
        spare.release();
        spare.socket.destroy();
      }
    }
  }

  #keep(shelf: Shelf, socket: TLSSocket): void {
    const discard = (): void => {
      release();
      const at = shelf.spares.findIndex((spare) => spare.socket === socket);
      if (at !== -1) shelf.spares.splice(at, 1);
      socket.destroy();
    };
    const idle = this.#clock.after(SPARE_IDLE_MS, discard);
    const release = (): void => {
      idle[Symbol.dispose]();
      socket.off('readable', discard);
      socket.off('end', discard);
      socket.off('close', discard);
    };
    // A server has nothing to say before it is asked: whatever comes now is a farewell.
    socket.on('readable', discard);
    socket.on('end', discard);
    socket.on('close', discard);
    shelf.spares.push({ socket, release });
  }
}
