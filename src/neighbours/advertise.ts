/**
 * Where we tell others to call us: into invitations and to inviters. Used by the neighbourhood.
 */
import { networkInterfaces } from 'node:os';
import { formatAuthority, parseAuthority } from '../core/target.ts';
import { ADDRESSES_MAX } from './book-file.ts';

/**
 * What was configured; else the addresses that the link server listens on, where "any address" becomes those that this
 * machine has. Not more than an invitation can carry.
 */
export function advertised(configured: string | undefined, listening: readonly string[]): readonly string[] {
  if (configured !== undefined) return [configured];
  const addresses = listening.flatMap((text) => {
    const { host, port } = parseAuthority(text);
    if (host !== '0.0.0.0' && host !== '::') return [text];
    const own = Object.values(networkInterfaces()).flatMap((list) => list ?? []);
    return own
      .filter(({ internal, family, address }) => !internal && callable(host, family, address))
      .map(({ address }) => formatAuthority({ host: address, port }));
  });
  return [...new Set(addresses)].slice(0, ADDRESSES_MAX);
}

/** Link-local IPv6 addresses mean nothing without the name of an interface, which others don't share. */
const callable = (listening: string, family: string, address: string): boolean =>
  family === 'IPv4' || (listening === '::' && !/^fe[89ab]/i.test(address));
