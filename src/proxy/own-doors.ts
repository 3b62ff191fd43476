/**
 * Our own doors: where this daemon listens. The proxy must not lead to them, by whatever address: a page in a browser
 * behind it could otherwise reach what is meant for this machine alone. daemon.ts fills it in as doors open.
 */
import ipaddr from 'ipaddr.js';
import { type Interfaces, type ReadInterfaces, toldInterfaces } from '../core/interfaces.ts';
import type { Authority } from '../core/target.ts';

export class OwnDoors {
  /** By port: the addresses listened on, in their usual spelling; a wildcard is every address of this machine. */
  readonly #byPort = new Map<number, Set<string>>();
  readonly #told: () => Interfaces | undefined;

  /** `read`: default those of this machine. */
  constructor(read?: ReadInterfaces) {
    this.#told = toldInterfaces(read);
  }

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
    return anywhere && isThisMachine(address, this.#told());
  }
}

/** Without a zone, and IPv4 as IPv4. */
const usual = (host: string): string =>
  ipaddr.isValid(host) ? ipaddr.process(host.replace(/%.*$/, '')).toString() : host;

const rangeOf = (address: string): string =>
  ipaddr.isValid(address) ? ipaddr.parse(address).range() : 'none';

/** Where it is not known which addresses this machine has, any may be. */
const isThisMachine = (address: string, interfaces: Interfaces | undefined): boolean =>
  rangeOf(address) === 'loopback' ||
  interfaces === undefined ||
  Object.values(interfaces).some((addresses) => addresses?.some((one) => usual(one.address) === address));
