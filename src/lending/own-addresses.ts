/**
 * The addresses of this machine's interfaces, as they are now: lines get new ones. Read by the lender for
 * public-address.ts. They are kept for a moment, since they are asked about for each address of each name.
 */
import { type NetworkInterfaceInfo, networkInterfaces } from 'node:os';
import ipaddr from 'ipaddr.js';
import type { Clock } from '../core/clock.ts';
import type { Milliseconds } from '../core/units.ts';
import type { Address } from './public-address.ts';

const KEPT_MS: Milliseconds = 2_000;

export type ReadInterfaces = () => NodeJS.Dict<Pick<NetworkInterfaceInfo, 'address'>[]>;

/** Asked for each connection; reads the interfaces at most every two seconds. */
export function ownAddresses(
  clock: Clock,
  read: ReadInterfaces = networkInterfaces,
): () => readonly Address[] {
  let kept: { readonly at: Milliseconds; readonly addresses: readonly Address[] } | undefined;
  return () => {
    const now = clock.now();
    if (kept === undefined || now - kept.at >= KEPT_MS) kept = { at: now, addresses: parsed(read()) };
    return kept.addresses;
  };
}

const parsed = (interfaces: ReturnType<ReadInterfaces>): readonly Address[] =>
  Object.values(interfaces).flatMap((all) =>
    (all ?? [])
      .map(({ address }) => address.replace(/%.*$/, ''))
      .filter((address) => ipaddr.isValid(address))
      .map((address) => ipaddr.parse(address)),
  );
