/**
 * Who may use the proxy: the networks of the household. Called by server.ts once for each connection.
 */
import ipaddr from 'ipaddr.js';
import { LinepoolError } from '../core/errors.ts';

type Network = [ipaddr.IPv4 | ipaddr.IPv6, number];

/**
 * A test for addresses as sockets give them: IPv4-mapped IPv6 addresses count as IPv4, zone ids are left aside.
 * @throws LinepoolError `config_invalid` for what is not a network
 */
export function allowedClients(networks: readonly string[]): (address: string | undefined) => boolean {
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
    return allowed.some(([network, bits]) => network.kind() === client.kind() && client.match(network, bits));
  };
}
