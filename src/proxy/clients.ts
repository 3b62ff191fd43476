/**
 * Who may use the proxy: the networks of the household. Called by server.ts once for each connection.
 */
import ipaddr from 'ipaddr.js';
import { LinepoolError } from '../core/errors.ts';
import { PRIVATE_NETWORKS } from '../core/private-networks.ts';
import type { LinkNetworkOf } from './link-side.ts';

type Network = [ipaddr.IPv4 | ipaddr.IPv6, number];

/** All that is private: it says nothing about one network, though a network of the link may be as wide. */
const WHOLE_RANGES: ReadonlySet<string> = new Set(PRIVATE_NETWORKS);

/**
 * A test for addresses as sockets give them: IPv4-mapped IPv6 addresses count as IPv4, zone ids are left aside. In a network of
 * the link's side only those are clients whom a network names that is no wider.
 * @throws LinepoolError `config_invalid` for what is not a network
 */
export function allowedClients(
  networks: readonly string[],
  linkNetworkOf: LinkNetworkOf = () => undefined,
): (address: string | undefined) => boolean {
  const allowed = networks.map((text): Network => {
    try {
      return ipaddr.parseCIDR(text);
    } catch (error) {
      throw new LinepoolError('config_invalid', `proxy.clients: ${text} is not a network.`, { cause: error });
    }
  });
  return (address) => {
    const bare = (address ?? '').replace(/%.*$/, '');
    // The library takes the old IPv4-compatible addresses for mapped ones; they are not.
    if (!ipaddr.isValid(bare) || /^::\d+\./.test(bare)) return false;
    const client = ipaddr.process(bare);
    const named = allowed.filter(([net, bits]) => net.kind() === client.kind() && client.match(net, bits));
    if (named.length === 0) return false;
    const linkBits = linkNetworkOf(address ?? '');
    if (linkBits === undefined) return true;
    return named.some(
      ([network, bits]) => bits >= linkBits && !WHOLE_RANGES.has(`${network.toString()}/${bits}`),
    );
  };
}
