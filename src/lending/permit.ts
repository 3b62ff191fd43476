/**
 * What a lender may connect to for borrowers: every rule about one address and port, in order. The lender makes one and hands
 * it to `dial`, which asks about each address before a packet goes to it. What is refused first can't be allowed after.
 *
 *     our own doors ─► our own addresses ─► denied by policy ─► public, and no address of this home
 */
import { isIP } from 'node:net';
import ipaddr from 'ipaddr.js';
import type { Authority } from '../core/target.ts';
import type { Permit } from '../paths/dial.ts';
import { type Destinations, isDenied } from './destinations.ts';
import { type AddressRule, addressRefusal, type Network, within } from './public-address.ts';

export interface LenderRules {
  readonly allowNetworks: AddressRule['allowNetworks'];
  /** Of this machine's interfaces, as they are now. */
  readonly ownAddresses: () => AddressRule['ownAddresses'];
  /** This home's as the Internet sees it, which no interface need show. */
  readonly ownNetworks: readonly Network[];
  /** True where this daemon listens. */
  readonly isOwnDoor: (door: Authority) => boolean;
  readonly destinations: () => Destinations;
}

/** Refuses with `address_refused`, or `host_refused` for what the household denies. */
export function lenderPermit(rules: LenderRules): Permit {
  const { allowNetworks, ownAddresses, ownNetworks, isOwnDoor, destinations } = rules;
  return (address, port) => {
    if (isOwnDoor({ host: address, port })) return 'address_refused';
    if (isIP(address) !== 0 && !address.includes('%')) {
      const parsed = ipaddr.parse(address);
      if (within(parsed, ownNetworks)) return 'address_refused';
      if (isDenied(parsed, destinations())) return 'host_refused';
    }
    return addressRefusal(address, { allowNetworks, ownAddresses: ownAddresses() });
  };
}
