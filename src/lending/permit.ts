/**
 * What a lender may connect to for borrowers: every rule about one address and port, in order. The lender makes one and hands
 * it to `dial`, which asks about each address before a packet goes to it. What is refused first can't be allowed after. What is
 * denied comes last: else `host_refused` would say of a name that it is one of this home.
 *
 *     our own doors ─► our own addresses ─► public, and no address of this home ─► denied by policy
 */
import { isIP } from 'node:net';
import ipaddr from 'ipaddr.js';
import type { Clock } from '../core/clock.ts';
import type { ReadInterfaces } from '../core/interfaces.ts';
import type { Authority } from '../core/target.ts';
import type { Permit } from '../paths/dial.ts';
import { type Destinations, isDenied, networksOf } from './destinations.ts';
import { ownAddresses } from './own-addresses.ts';
import { type Address, addressRefusal, parseNetworks, within } from './public-address.ts';

export interface PermitOptions {
  /** Non-public networks that may be reached all the same, in CIDR notation; for tests. */
  readonly allowNetworks: readonly string[];
  /** This home's addresses as the Internet sees them, and networks of such; default none. */
  readonly ownNetworks?: readonly string[];
  /** True where this daemon listens; default nowhere. */
  readonly isOwnDoor?: (door: Authority) => boolean;
  /** Default: those of this machine. */
  readonly readInterfaces?: ReadInterfaces;
  /** Told once when something is let be reached over IPv4 though no public address of this home is known, so that it may be one. */
  readonly onUnknown?: () => void;
}

/** Refuses with `address_refused`, or `host_refused` for what the household denies now. */
export function lenderPermit(options: PermitOptions, clock: Clock, destinations: () => Destinations): Permit {
  const { isOwnDoor, readInterfaces } = options;
  const allowNetworks = parseNetworks(options.allowNetworks);
  const ownNetworks = networksOf(options.ownNetworks ?? []);
  const own = ownAddresses(clock, readInterfaces);
  let told = ownNetworks.length > 0;
  const isPublic = (one: Address): boolean => one.kind() === 'ipv4' && one.range() === 'unicast';
  return (address, port) => {
    if (isOwnDoor?.({ host: address, port }) === true) return 'address_refused';
    const parsed = isIP(address) !== 0 && !address.includes('%') ? ipaddr.parse(address) : undefined;
    if (parsed !== undefined && within(parsed, ownNetworks)) return 'address_refused';
    const addresses = own();
    // Which addresses are ours is not known: any may be.
    if (addresses === undefined) return 'address_refused';
    const refusal = addressRefusal(address, { allowNetworks, ownAddresses: addresses });
    if (refusal !== undefined) return refusal;
    if (parsed !== undefined && isDenied(parsed, destinations())) return 'host_refused';
    if (!told && parsed !== undefined && isPublic(parsed) && !addresses.some(isPublic)) {
      told = true;
      options.onUnknown?.();
    }
    return undefined;
  };
}
