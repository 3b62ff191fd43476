/**
 * The connections that came in: who is at the other end of each, how many there are, and their end. Used by the link server.
 * A connection is a stranger's from its first packet until TLS proves a neighbour; strangers are few and short-lived.
 */
import type { Socket } from 'node:net';
import type { TLSSocket } from 'node:tls';
import type { Clock } from '../core/clock.ts';
import type { ErrorCode } from '../core/errors.ts';
import { type ProvenPeer, provenPeer } from './channel.ts';
import type { HouseholdId } from './household-id.ts';
import type { LinkLimits } from './link-limits.ts';

export interface LinkSocketsOptions {
  readonly clock: Clock;
  readonly limits: LinkLimits;
  readonly isPaired: (id: HouseholdId) => boolean;
  /** Told of each connection that is cut before it could ask anything. */
  readonly onRefused: (address: string, code: ErrorCode) => void;
}

export class LinkSockets {
  readonly #options: LinkSocketsOptions;
  readonly #raw = new Set<Socket>();
  /** TCP connections of strangers, by IP address and then by port. */
  readonly #strangers = new Map<string, Set<number>>();
  readonly #peers = new WeakMap<object, ProvenPeer>();
  readonly #byHousehold = new Map<HouseholdId, Set<TLSSocket>>();
  #strangerCount = 0;

  constructor(options: LinkSocketsOptions) {
    this.#options = options;
  }

  /** Who is at the other end; undefined for a socket that was refused. */
  peer(socket: object): ProvenPeer | undefined {
    return this.#peers.get(socket);
  }

  /** Connections of strangers now. */
  get strangers(): number {
    return this.#strangerCount;
  }

  /** Every TCP connection comes by here first. */
  onConnection(socket: Socket): void {
    const address = socket.remoteAddress ?? '';
    const port = socket.remotePort ?? 0;
    const ports = this.#strangers.get(address) ?? new Set();
    const { strangers, strangersPerAddress } = this.#options.limits;
    if (this.#strangerCount >= strangers || ports.size >= strangersPerAddress) {
      socket.destroy();
      this.#options.onRefused(address, 'overloaded');
      return;
    }
    socket.setNoDelay(true);
    this.#raw.add(socket);
    this.#strangers.set(address, ports.add(port));
    this.#strangerCount += 1;
    socket.once('close', () => {
      this.#raw.delete(socket);
      this.#known(address, port);
    });
  }

  /** Every connection whose TLS handshake is done. False: it was cut. */
  onSecure(socket: TLSSocket): boolean {
    // For good: an error on a socket that nobody listens on would end the process.
    socket.on('error', () => socket.destroy());
    // A tunnel is half-closed by either side, as TCP is. Not before now: who leaves in mid-handshake has left.
    socket.allowHalfOpen = true;
    const { clock, limits, isPaired, onRefused } = this.#options;
    const address = socket.remoteAddress ?? '';
    const port = socket.remotePort ?? 0;
    const peer = provenPeer(socket);
    if (peer === undefined) {
      socket.destroy();
      onRefused(address, 'identity_mismatch');
      return false;
    }
    const sockets = this.#byHousehold.get(peer.id) ?? new Set();
    if (isPaired(peer.id)) {
      if (sockets.size >= limits.perNeighbour) {
        socket.destroy();
        onRefused(address, 'overloaded');
        return false;
      }
      this.#known(address, port);
    } else {
      const cut = clock.after(limits.strangerMs, () => {
        // It may have paired meanwhile.
        if (!isPaired(peer.id)) socket.destroy();
      });
      socket.once('close', () => cut[Symbol.dispose]());
    }
    this.#peers.set(socket, peer);
    this.#byHousehold.set(peer.id, sockets.add(socket));
    socket.once('close', () => {
      sockets.delete(socket);
      if (sockets.size === 0 && this.#byHousehold.get(peer.id) === sockets) this.#byHousehold.delete(peer.id);
    });
    return true;
  }

  /** Addresses of this machine that neighbours are connected to now, as the system names its own: no zone, IPv4 as such. */
  reachedAt(): ReadonlySet<string> {
    const addresses = [...this.#byHousehold]
      .filter(([id]) => this.#options.isPaired(id))
      .flatMap(([, sockets]) => [...sockets].map(({ localAddress = '' }) => localAddress));
    return new Set(addresses.map((address) => address.replace(/^::ffff:/, '').replace(/%.*$/, '')));
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

  #known(address: string, port: number): void {
    const ports = this.#strangers.get(address);
    if (ports?.delete(port) !== true) return;
    this.#strangerCount -= 1;
    if (ports.size === 0) this.#strangers.delete(address);
  }
}
