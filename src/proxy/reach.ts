/**
 * Reach: which addresses a client may be led to. What only this machine can reach (its loopback, and the links it is
 * on) is for clients on this machine; to others a proxy must not be a way in. Pure; asked by `dial` about each address
 * before a packet goes to it.
 */
import ipaddr from 'ipaddr.js';
import type { Authority } from '../core/target.ts';
import type { Permit } from '../paths/dial.ts';

/** Clients on this machine: they can reach its services without us. */
export const THIS_MACHINE: readonly string[] = ['127.0.0.0/8', '::1/128'];

/** Connecting to an unspecified address is connecting to loopback. */
const LOCAL_RANGES: ReadonlySet<string> = new Set(['loopback', 'unspecified', 'linkLocal']);

export interface ReachOptions {
  /** True for clients on this machine. */
  readonly fromHere: boolean;
  /** True for what nobody may reach. */
  readonly forbidden: (authority: Authority) => boolean;
  /** Asked last. */
  readonly permit: Permit | undefined;
}

/** What clients of one kind may connect to; else `destination_refused`. */
export function reach({ fromHere, forbidden, permit }: ReachOptions): Permit {
  return (address, port) =>
    forbidden({ host: address, port }) || (!fromHere && isLocal(address))
      ? 'destination_refused'
      : permit?.(address, port);
}

/** What is no address counts as local, since nothing is known about it. */
function isLocal(address: string): boolean {
  const bare = address.replace(/%.*$/, '');
  return !ipaddr.isValid(bare) || LOCAL_RANGES.has(ipaddr.process(bare).range());
}
