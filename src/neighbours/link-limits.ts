/**
 * Limits of the link server: what strangers and neighbours may take up. Each with its name, its default and what happens at it.
 */
import { type Bytes, KIB, type Milliseconds } from '../core/units.ts';

export interface LinkLimits {
  /** For the TLS handshake; then the connection is cut. */
  readonly handshakeMs: Milliseconds;
  /** For a request head, from the handshake or the last answer on; then 408. Longer than `SPARE_IDLE_MS`. */
  readonly headMs: Milliseconds;
  /** Of a request head; then 431. */
  readonly headBytes: Bytes;
  /** Connections that have not proved to be a neighbour's; then the oldest of the source that has most of them is cut. */
  readonly strangers: number;
  /** The same of one IPv4 address or IPv6 /64; then its oldest is cut. */
  readonly strangersPerSource: number;
  /** How long a stranger may stay, pairing included; then it is cut. */
  readonly strangerMs: Milliseconds;
  /** Connections of one neighbour; further ones are cut. */
  readonly perNeighbour: number;
  /** An idle kept connection of a neighbour is closed after this. */
  readonly idleMs: Milliseconds;
  /** A neighbour that holds the offers open and has asked nothing for this long is gone: all its connections are cut. */
  readonly silentMs: Milliseconds;
}

export const LINK_LIMITS: LinkLimits = {
  handshakeMs: 5_000,
  headMs: 20_000,
  headBytes: 16 * KIB,
  strangers: 64,
  strangersPerSource: 24,
  strangerMs: 30_000,
  perNeighbour: 128,
  idleMs: 65_000,
  silentMs: 60_000,
};
