/**
 * The addresses of this machine's interfaces, as they are now: lines get new ones. Read by the lender for
 * public-address.ts. They are kept for a moment, since they are asked about for each address of each name.
 */
import ipaddr from 'ipaddr.js';
import type { Clock } from '../core/clock.ts';
import { type Interfaces, type ReadInterfaces, toldInterfaces } from '../core/interfaces.ts';
import type { Milliseconds } from '../core/units.ts';
import type { Address } from './public-address.ts';

const KEPT_MS: Milliseconds = 2_000;

/** Asked for each connection; reads the interfaces at most every two seconds. Undefined when they never could be read. */
export function ownAddresses(clock: Clock, read?: ReadInterfaces): () => readonly Address[] | undefined {
  const told = toldInterfaces(read);
  let kept: { readonly at: Milliseconds; readonly addresses: readonly Address[] | undefined } | undefined;
  return () => {
    const now = clock.now();
    if (kept === undefined || now - kept.at >= KEPT_MS) {
      const interfaces = told();
      kept = { at: now, addresses: interfaces === undefined ? undefined : parsed(interfaces) };
    }
    return kept.addresses;
  };
}

const parsed = (interfaces: Interfaces): readonly Address[] =>
  Object.values(interfaces).flatMap((all) =>
    (all ?? [])
      .map(({ address }) => address.replace(/%.*$/, ''))
      .filter((address) => ipaddr.isValid(address))
      .map((address) => ipaddr.parse(address)),
  );
