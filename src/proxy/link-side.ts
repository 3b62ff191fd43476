/**
 * The side of this machine on which neighbours reach us: the networks of the interfaces that `link.listen` names, and the proxy
 * doesn't. Who is there is no client by default, even where its address is private: somebody on the radio could otherwise use the
 * household's proxy and whatever it reaches. Asked by clients.ts for each connection.
 *
 *     wlan1  192.168.77.1/24  in link.listen          a client 192.168.77.9: on the link's side
 *     br0    192.168.1.1/24   in proxy.listen         a client 192.168.1.20: at home
 *
 * Which side an address is on can't be told where `link.listen` is every address (0.0.0.0, ::); then it says so, once.
 */
import ipaddr from 'ipaddr.js';
import { type Interfaces, type ReadInterfaces, toldInterfaces } from '../core/interfaces.ts';

export interface Sides {
  /** Hosts of link.listen. */
  readonly link: readonly string[];
  /** Hosts of proxy.listen. */
  readonly proxy: readonly string[];
  /** Default: those of this machine. */
  readonly readInterfaces?: ReadInterfaces | undefined;
}

/** The bits of the link's network that an address is in; undefined when it is in none. */
export type LinkNetworkOf = (address: string) => number | undefined;

const rangeOf = (host: string): string => ipaddr.parse(host.replace(/%.*$/, '')).range();
const isAny = (host: string): boolean => rangeOf(host) === 'unspecified';
const isLoopback = (host: string): boolean => rangeOf(host) === 'loopback';
const usual = (host: string): string => ipaddr.process(host.replace(/%.*$/, '')).toString();

/** Addresses are as sockets give them. Loopback is this machine's own, whoever listens there. */
export function linkSide({ link, proxy, readInterfaces }: Sides): LinkNetworkOf {
  const linkHosts = new Set(link.filter((host) => !isAny(host) && !isLoopback(host)).map(usual));
  const proxyHosts = new Set(proxy.map(usual));
  if (linkHosts.size === 0) return () => undefined;
  const told = toldInterfaces(readInterfaces);
  return (address) => {
    if (isLoopback(address)) return undefined;
    const interfaces = told() ?? {};
    const isLinks = (name: string): boolean =>
      has(interfaces, name, linkHosts) && !has(interfaces, name, proxyHosts);
    const [, zone] = /%(.*)$/.exec(address) ?? [];
    // Link-local addresses are in the same network on each interface: there the zone tells.
    if (zone !== undefined) return isLinks(zone) ? LINK_LOCAL_BITS : undefined;
    const around = Object.keys(interfaces).map((name) => ({
      bits: narrowest(interfaces, name, ipaddr.process(address)),
      isLinks: isLinks(name),
    }));
    const bits = Math.max(...around.map((one) => one.bits));
    // It is where its narrowest network is; of two that are the same, at home.
    return around.every((one) => one.bits < bits || one.isLinks) && bits >= 0 ? bits : undefined;
  };
}

/** What to tell the household when it can't be told who is on the link's side; undefined when it can, or nobody else can come. */
export function sidesUnknown({ link, proxy }: Sides): string | undefined {
  const any = link.find(isAny);
  if (any === undefined || proxy.every(isLoopback)) return undefined;
  return (
    `link.listen = "${any}" is every address of this machine, so it can't be told who is at home and who is on the network of ` +
    "the neighbours: whoever is in proxy.clients may use the proxy. Name one address in link.listen, or your home's network in " +
    'proxy.clients, and keep the port of the proxy closed to all other networks.'
  );
}

const LINK_LOCAL_BITS = 64;

const has = (interfaces: Interfaces, name: string, hosts: ReadonlySet<string>): boolean =>
  interfaces[name]?.some(({ address }) => hosts.has(usual(address))) === true;

/** Bits of the narrowest network of that interface with the address in it; -1 when there is none. */
function narrowest(interfaces: Interfaces, name: string, address: ipaddr.IPv4 | ipaddr.IPv6): number {
  let bits = -1;
  for (const { cidr } of interfaces[name] ?? []) {
    if (cidr === undefined || cidr === null) continue;
    const network = ipaddr.parseCIDR(cidr);
    if (network[0].kind() === address.kind() && address.match(network)) bits = Math.max(bits, network[1]);
  }
  return bits;
}
