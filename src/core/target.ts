/**
 * Targets: the origin and path that a request names (RFC 9112 section 3.2). Parsed once, here; whatever
 * is ambiguous or carries credentials in the address is refused. This file must never resolve a name.
 */
import { LinepoolError } from './errors.ts';

/** The server that has the file. `host` is lower case; an IPv6 address has no brackets. */
export interface Origin {
  readonly scheme: 'http' | 'https';
  readonly host: string;
  /** 1 to 65535. */
  readonly port: number;
}

/** An origin and the path with query that is asked of it; never a fragment. */
export interface Target {
  readonly origin: Origin;
  /** Starts with `/`, or is `*` for OPTIONS. */
  readonly path: string;
}

/** A host and port as CONNECT names them. */
export interface Authority {
  readonly host: string;
  readonly port: number;
}

const DEFAULT_PORT = { http: 80, https: 443 } as const;

const bracketed = (host: string): string => (host.includes(':') ? `[${host}]` : host);

/** `http://example.org:8080`, the default port left out. */
export function formatOrigin(origin: Origin): string {
  return `${origin.scheme}://${formatHost(origin)}`;
}

/** The value of a Host header: the default port is left out, IPv6 is bracketed. */
export function formatHost(origin: Origin): string {
  const host = bracketed(origin.host);
  return origin.port === DEFAULT_PORT[origin.scheme] ? host : `${host}:${origin.port}`;
}

/** `host:port`, the port always there; IPv6 is bracketed. */
export function formatAuthority(authority: Authority): string {
  return `${bracketed(authority.host)}:${authority.port}`;
}

/**
 * Absolute-form (RFC 9112 section 3.2.2), or a URL that a person typed.
 * @throws LinepoolError `bad_target`
 */
export function parseTarget(text: string): Target {
  const refuse = (why: string): never => {
    throw new LinepoolError('bad_target', `${why}: ${shown(text)}`);
  };
  const match = /^(https?):\/\/([^/?#]*)/i.exec(text);
  if (match === null) return refuse('not an absolute http or https address');
  const authority = match[2] ?? '';
  if (authority === '') return refuse('no host');
  if (authority.includes('@')) return refuse('credentials in the address are not accepted');
  // Bytes of 0x80 and more arrive as the characters of the same number and leave the same way.
  if (/[^\x21-\x7e\x80-\xff]|\\/.test(text))
    return refuse('white space or control characters in the address');
  let url: URL;
  try {
    url = new URL(text);
  } catch {
    return refuse('not a valid address');
  }
  const scheme = url.protocol === 'https:' ? 'https' : 'http';
  const port = url.port === '' ? DEFAULT_PORT[scheme] : Number(url.port);
  if (port === 0 || url.hostname === '') return refuse('no usable host and port');
  const rest = text.slice(match[0].length).replace(/#.*$/, '');
  // The path goes to the origin as the client spelled it: normalising it would change signed addresses.
  const path = rest === '' ? '/' : rest.startsWith('/') ? rest : `/${rest}`;
  return { origin: { scheme, host: unbracketed(url.hostname), port }, path };
}

/**
 * Authority-form, as CONNECT has it (RFC 9112 section 3.2.3): `host:port`, the port required.
 * @throws LinepoolError `bad_target`
 */
export function parseAuthority(text: string): Authority {
  const match = /^(\[[0-9a-f:.]+\]|[^\s/?#@:[\]\\]+):(\d{1,5})$/i.exec(text);
  const port = Number(match?.[2]);
  if (match?.[1] === undefined || port < 1 || port > 65_535) {
    throw new LinepoolError(
      'bad_target',
      `CONNECT needs host:port with a port from 1 to 65535: ${shown(text)}`,
    );
  }
  try {
    // The URL parser brings names to lower case and odd spellings of IPv4 addresses to the usual one.
    return { host: unbracketed(new URL(`http://${match[1]}/`).hostname), port };
  } catch {
    throw new LinepoolError('bad_target', `not a valid host: ${shown(text)}`);
  }
}

/** An IPv6 address as it is without the brackets that URLs and authorities put around it. */
export const unbracketed = (hostname: string): string => hostname.replace(/^\[(.*)\]$/, '$1');

/** Of an `address:port` that was checked before: where to listen, or where we do. The port may be 0, which is any. */
export function splitListen(text: string): Authority {
  const at = text.lastIndexOf(':');
  return { host: unbracketed(text.slice(0, at)), port: Number(text.slice(at + 1)) };
}

const shown = (text: string): string => JSON.stringify(text.length > 120 ? `${text.slice(0, 120)}…` : text);
