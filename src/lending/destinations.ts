/**
 * Destinations: which ports and hosts the household lets borrowers reach, by its policy; which addresses are public at all
 * is public-address.ts's. Asked by the relay about each request, and by the lender about each address. Pure.
 * Port 80 is for fetches only and 443 for tunnels only: a tunnel to a web server that takes plain http would carry any method, and
 * nothing there would say that it was carried for another. Other ports that a household adds are for both.
 * A denied name holds for the name, not for the machine behind it: where that matters, its addresses are denied.
 */
import { isIP } from 'node:net';
import ipaddr from 'ipaddr.js';
import type { Origin } from '../core/target.ts';
import { type Address, type Network, within } from './public-address.ts';

/** As the settings have them. */
export interface DestinationSettings {
  readonly ports: readonly number[];
  /** Names (with all names below them), addresses and networks. */
  readonly deny_hosts: readonly string[];
}

export interface Destinations {
  readonly ports: ReadonlySet<number>;
  /** In lower case, without a dot at the end. */
  readonly deniedNames: readonly string[];
  readonly deniedNetworks: readonly Network[];
}

/** @throws Error for what `hostComplaint` complains about */
export const destinationsOf = ({ ports, deny_hosts }: DestinationSettings): Destinations => ({
  ports: new Set(ports),
  deniedNames: deny_hosts.map(nameOf).filter((name) => name !== undefined),
  deniedNetworks: networksOf(deny_hosts),
});

/** True when nothing changes between them. */
export const sameDestinations = (one: DestinationSettings, other: DestinationSettings): boolean =>
  String(one.ports) === String(other.ports) && String(one.deny_hosts) === String(other.deny_hosts);

/** The port that belongs to the other scheme. */
const OTHERS_PORT = { http: 443, https: 80 } as const;

/** Why a request may not be carried, as far as its port and host tell before the name is resolved. */
export function destinationRefusal(
  { scheme, host, port }: Origin,
  { ports, deniedNames }: Destinations,
): 'port_refused' | 'host_refused' | undefined {
  if (!ports.has(port) || port === OTHERS_PORT[scheme]) return 'port_refused';
  const name = host.toLowerCase().replace(/\.+$/, '');
  const denied = deniedNames.some((each) => name === each || name.endsWith(`.${each}`));
  return denied ? 'host_refused' : undefined;
}

/** True when the household denies that address, whatever the name was. */
export const isDenied = (address: Address, { deniedNetworks }: Destinations): boolean =>
  within(address, deniedNetworks);

/** What is wrong with a list of hosts; undefined when nothing is. */
export function hostComplaint(texts: readonly string[]): string | undefined {
  const wrong = texts.find((text) => networkOf(text) === undefined && nameOf(text) === undefined);
  return wrong === undefined
    ? undefined
    : `${JSON.stringify(wrong)} must be a name ("example.org"), an address or a network ("203.0.113.0/24")`;
}

/** Addresses and networks among texts; a single address is a network of one. */
export const networksOf = (texts: readonly string[]): readonly Network[] =>
  texts.map(networkOf).filter((network) => network !== undefined);

function networkOf(text: string): Network | undefined {
  if (ipaddr.isValidCIDR(text)) return ipaddr.parseCIDR(text);
  if (isIP(text) === 0 || text.includes('%')) return undefined;
  const address = ipaddr.parse(text);
  return [address, address.kind() === 'ipv4' ? 32 : 128];
}

/** As requests name it: in lower case, and international names in their ASCII form. */
function nameOf(text: string): string | undefined {
  if (text.length > 253 || !/^[^\s/?#@:[\]\\%*]+$/.test(text) || networkOf(text) !== undefined)
    return undefined;
  const hostname = URL.parse(`http://${text}/`)?.hostname.replace(/\.+$/, '') ?? '';
  return hostname === '' || isIP(hostname) !== 0 ? undefined : hostname;
}
