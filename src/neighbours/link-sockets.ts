/**
 * The connections that came in: who is at the other end of each, how many there are, and their end. Used by the link server.
 * A connection is a stranger's from its first packet until TLS proves a neighbour; strangers are few and short-lived. A new one
 * is never turned away, because it may be a neighbour's: the one that has not proved itself for longest makes room.
 */
import type { Socket } from 'node:net';
import type { TLSSocket } from 'node:tls';
import type { Clock } from '../core/clock.ts';
import type { ErrorCode } from '../core/errors.ts';
import { type ProvenPeer, provenPeer } from './channel.ts';
import type { HouseholdId } from './household-id.ts';
import type { LinkLimits } from './link-limits.ts';
import { sourceOf } from './pairing-tries.ts';

export interface LinkSocketsOptions {
  readonly clock: Clock;
  readonly limits: LinkLimits;
  readonly isPaired: (id: HouseholdId) => boolean;
  readonly isBlocked: (id: HouseholdId) => boolean;
  /** A stranger that is given more time. */
  readonly mayStay: (id: HouseholdId) => boolean;
  /** Told of each connection that is cut before it could ask anything. */
  readonly onRefused: (address: string, code: ErrorCode) => void;
}

interface Stranger {
  readonly socket: Socket;
  readonly address: string;
  readonly source: string;
}

/** Addresses of connections with neighbours, as the system names its own: no zone, IPv4 as such. */
export interface Linked {
  /** Of this machine. */
  readonly at: ReadonlySet<string>;
  /** Of the neighbours. */
  readonly from: ReadonlySet<string>;
}

export const NOT_LINKED: Linked = { at: new Set(), from: new Set() };

const plain = (address: string): string => address.replace(/^::ffff:/, '').replace(/%.*$/, '');

export class LinkSockets {
  readonly #options: LinkSocketsOptions;
  readonly #raw = new Set<Socket>();
  /** TCP connections of strangers by their two ends, the oldest first. */
  readonly #strangers = new Map<string, Stranger>();
  readonly #peers = new WeakMap<object, ProvenPeer>();
  readonly #byHousehold = new Map<HouseholdId, Set<TLSSocket>>();

  constructor(options: LinkSocketsOptions) {
    this.#options = options;
  }

  /** Who is at the other end; undefined for a socket that was refused. */
  peer(socket: object): ProvenPeer | undefined {
    return this.#peers.get(socket);
  }

  /** Connections of strangers now. */
  get strangers(): number {
    return this.#strangers.size;
  }

  /** Every TCP connection comes by here first. */
  onConnection(socket: Socket): void {
    const address = socket.remoteAddress ?? '';
    const source = sourceOf(address);
    const ends = endsOf(socket);
    this.#makeRoom(source);
    socket.setNoDelay(true);
    this.#raw.add(socket);
    this.#strangers.set(ends, { socket, address, source });
    socket.once('close', () => {
      this.#raw.delete(socket);
      this.#strangers.delete(ends);
    });
  }

  /** Every connection whose TLS handshake is done. False: it was cut. */
  onSecure(socket: TLSSocket): boolean {
    // For good: an error on a socket that nobody listens on would end the process.
    socket.on('error', () => socket.destroy());
    // A tunnel is half-closed by either side, as TCP is. Not before now: who leaves in mid-handshake has left.
    socket.allowHalfOpen = true;
    const { limits, isPaired, isBlocked, onRefused } = this.#options;
    const address = socket.remoteAddress ?? '';
    const peer = provenPeer(socket);
    if (peer === undefined) {
      socket.destroy();
      onRefused(address, 'identity_mismatch');
      return false;
    }
    if (isBlocked(peer.id)) {
      socket.destroy();
      onRefused(address, 'neighbour_blocked');
      return false;
    }
    const sockets = this.#byHousehold.get(peer.id) ?? new Set();
    if (isPaired(peer.id)) {
      if (sockets.size >= limits.perNeighbour) {
        socket.destroy();
        onRefused(address, 'overloaded');
        return false;
      }
      this.#strangers.delete(endsOf(socket));
    } else {
      this.#boundStay(socket, peer.id);
    }
    this.#peers.set(socket, peer);
    this.#byHousehold.set(peer.id, sockets.add(socket));
    socket.once('close', () => {
      sockets.delete(socket);
      if (sockets.size === 0 && this.#byHousehold.get(peer.id) === sockets) this.#byHousehold.delete(peer.id);
    });
    return true;
  }

  /** Where neighbours are connected to us now. */
  linked(): Linked {
    const sockets = [...this.#byHousehold]
      .filter(([id]) => this.#options.isPaired(id))
      .flatMap(([, of]) => [...of]);
    return {
      at: new Set(sockets.map(({ localAddress = '' }) => plain(localAddress))),
      from: new Set(sockets.map(({ remoteAddress = '' }) => plain(remoteAddress))),
    };
  }

  /** Cuts a stranger off when its time is over, unless it has paired meanwhile, or is about to. */
  #boundStay(socket: TLSSocket, id: HouseholdId): void {
    const { clock, limits, isPaired, mayStay } = this.#options;
    const look = clock.every(limits.strangerMs, () => {
      if (isPaired(id)) look[Symbol.dispose]();
      else if (!mayStay(id)) socket.destroy();
    });
    socket.once('close', () => look[Symbol.dispose]());
  }

  /** Connections of that household now. */
  count(id: HouseholdId): number {
    return this.#byHousehold.get(id)?.size ?? 0;
  }

  /** Ends every connection of that household at once. */
  drop(id: HouseholdId): void {
    for (const socket of this.#byHousehold.get(id) ?? []) socket.destroy();
  }

  /** Ends all. */
  dropAll(): void {
    for (const sockets of this.#byHousehold.values()) for (const socket of sockets) socket.destroy();
    for (const socket of this.#raw) socket.destroy();
  }

  /** Cuts the oldest stranger of that source when it has all it may have, else of the one that has most when all are taken. */
  #makeRoom(source: string): void {
    const { limits, onRefused } = this.#options;
    const counts = new Map<string, number>();
    for (const each of this.#strangers.values()) counts.set(each.source, (counts.get(each.source) ?? 0) + 1);
    const isFull = (counts.get(source) ?? 0) >= limits.strangersPerSource;
    if (!isFull && this.#strangers.size < limits.strangers) return;
    const most = Math.max(...counts.values());
    for (const [ends, oldest] of this.#strangers) {
      if (isFull ? oldest.source !== source : counts.get(oldest.source) !== most) continue;
      this.#strangers.delete(ends);
      oldest.socket.destroy();
      onRefused(oldest.address, 'overloaded');
      return;
    }
  }
}

/** A TCP connection has them, and TLS over it has the same. */
const endsOf = ({ remoteAddress, remotePort, localAddress, localPort }: Socket): string =>
  [remoteAddress, remotePort, localAddress, localPort].join(' ');
