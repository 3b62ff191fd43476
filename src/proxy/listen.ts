/**
 * Listening on the addresses of the configuration. Called by server.ts.
 */
import { isIP, type Server } from 'node:net';
import { LinepoolError } from '../core/errors.ts';
import type { Events } from '../core/events.ts';
import { type Authority, formatAuthority } from '../core/target.ts';

/** @throws LinepoolError `config_invalid` */
export function parseListen(address: string): Authority {
  const match = /^(?:\[([0-9a-f:.]+)\]|([0-9.]+)):(\d{1,5})$/i.exec(address);
  const host = match?.[1] ?? match?.[2] ?? '';
  const port = Number(match?.[3]);
  if (isIP(host) === 0 || port > 65_535)
    throw new LinepoolError('config_invalid', `proxy.listen: ${address} is not an address and a port.`);
  return { host, port };
}

/**
 * Where the server listens now. Undefined, with a warning, for a loopback address that this machine lacks: the
 * defaults name both, and a machine without IPv6 has one.
 * @throws LinepoolError `port_taken` or `config_invalid`, naming the address
 */
export async function listen(
  server: Server,
  address: string,
  events: Events,
): Promise<Authority | undefined> {
  const at = parseListen(address);
  try {
    await new Promise<void>((resolve, reject) => {
      server.once('error', reject);
      server.listen({ host: at.host, port: at.port, ipv6Only: at.host.includes(':') }, () => {
        server.off('error', reject);
        resolve();
      });
    });
  } catch (error) {
    const { code = '' } = error as NodeJS.ErrnoException;
    if (code === 'EADDRINUSE') throw new LinepoolError('port_taken', formatAuthority(at), { cause: error });
    const missing = code === 'EADDRNOTAVAIL' || code === 'EAFNOSUPPORT' || code === 'EINVAL';
    if (missing && (at.host === '::1' || at.host === '127.0.0.1')) {
      const detail = `proxy.listen: this machine has no address ${at.host}; going on without it.`;
      events.report({ kind: 'warning', code: 'config_invalid', detail });
      return undefined;
    }
    throw new LinepoolError('config_invalid', `proxy.listen: ${address} can not be listened on (${code}).`, {
      cause: error,
    });
  }
  const bound = server.address();
  return bound === null || typeof bound === 'string' ? at : { host: bound.address, port: bound.port };
}
