/**
 * Our own doors: where this daemon listens. The proxy must not lead to them, by whatever address: a page in a browser
 * behind it could otherwise reach what is meant for this machine alone. daemon.ts fills it in as doors open.
 */
import { networkInterfaces } from 'node:os';
import ipaddr from 'ipaddr.js';
import type { Authority } from '../core/target.ts';

export class OwnDoors {
  /** By port: the addresses listened on, in their usual spelling; a wildcard is every address of this machine. */
  readonly #byPort = new Map<number, Set<string>>();

  add({ host, port }: Authority): void {
    const hosts = this.#byPort.get(port) ?? new Set<string>();
    hosts.add(usual(host));
    this.#byPort.set(port, hosts);
  }

  /** True when a connection to that address would come to one of our doors. Names are nobody's door. */
  has({ host, port }: Authority): boolean {
    const hosts = this.#byPort.get(port);
    if (hosts === undefined || !ipaddr.isValid(host)) return false;
    const address = usual(host);
    if (hosts.has(address)) return true;
    const doors = [...hosts].map(rangeOf);
    const anywhere = doors.includes('unspecified');
    // Connecting to no address in particular (0.0.0.0, ::) is connecting to this machine's loopback.
    if (rangeOf(address) === 'unspecified') return anywhere || doors.includes('loopback');
    return anywhere && isThisMachine(address);
  }
}

/** Without a zone, and IPv4 as IPv4. */
const usual = (host: string): string =>
  ipaddr.isValid(host) ? ipaddr.process(host.replace(/%.*$/, '')).toString() : host;

const rangeOf = (address: string): string =>
  ipaddr.isValid(address) ? ipaddr.parse(address).range() : 'none';

const isThisMachine = (address: string): boolean =>
  rangeOf(address) === 'loopback' ||
  Object.values(networkInterfaces()).some((addresses) =>
    addresses?.some((one) => usual(one.address) === address),
  );
