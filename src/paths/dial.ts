/**
 * Dialling: name resolution and TCP (or TLS) connections to origins, for the proxy, the own line and the relay.
 * The address that was permitted is the address connected to: names are resolved once, here, and each address
 * is asked about before a packet goes to it. This file must never connect to an address that `permit` refused.
 *
 *     host ── literal? ──► permit ──► connect
 *        └── pinned name or name server ──► permit each address ──► announce ──► connect to those permitted
 */
import type { LookupAddress } from 'node:dns';
import { connect, isIP, type LookupFunction, Socket } from 'node:net';
import { buildConnector } from 'undici';
import { IN_BURSTS } from '../core/bursts.ts';
import { asLinepoolError, type ErrorCode, LinepoolError } from '../core/errors.ts';
import { type Authority, unbracketed } from '../core/target.ts';
import type { Milliseconds } from '../core/units.ts';
import { type AskName, askSystem } from './lookups.ts';
import { markLowerEffort } from './lower-effort.ts';

/** Says why an address and port may not be connected to; undefined when they may. */
export type Permit = (address: string, port: number) => ErrorCode | undefined;

/** Told of each address before a packet goes to it. What it throws ends the connection. */
export interface Attempts {
  /** One after the other, these will be tried until one answers. @throws LinepoolError when they may not be */
  expected(addresses: readonly string[], port: number): void;
  /** This one is tried now. @throws LinepoolError */
  begun(address: string, port: number): void;
}

export interface DialOptions {
  /** Names that are not asked of the name server, in lower case, with their address. */
  readonly pinned: ReadonlyMap<string, string>;
  readonly connectTimeout: Milliseconds;
  /** Asked about each address before a packet goes to it. */
  readonly permit?: Permit;
  /** Certificates of authorities to trust besides the usual ones, PEM; for `get --cacert` and for tests. */
  readonly ca?: string;
  /** For what is carried for others; default: nobody is told. */
  readonly attempts?: Attempts;
  /** True for what is read in bursts: see core/bursts.ts. */
  readonly inBursts?: boolean;
  /** True for what is carried for others: see lower-effort.ts. */
  readonly lowerEffort?: boolean;
  /** Looks names up; default: the system, at once. For what is carried for others: see lookups.ts. */
  readonly askName?: AskName;
  /** False once nobody waits for these connections any more; default: they are waited for. */
  readonly isWanted?: () => boolean;
}

/** How long one address is tried before the next is tried beside it (RFC 8305 section 5). */
const NEXT_ADDRESS_MS: Milliseconds = 250;
/** Addresses of one name that are tried for others. */
const ADDRESSES_TRIED = 16;

/** A `lookup` for net.connect that resolves once and drops what is not permitted. `isOver`: the connection is there, or failed. */
function permittedLookup(options: DialOptions, port: number, isOver = () => false): LookupFunction {
  return (hostname, lookupOptions, callback) => {
    const answer = (addresses: readonly LookupAddress[]): void => {
      let refusal: ErrorCode | undefined;
      const permitted = addresses.filter(({ address }) => {
        const why = options.permit?.(address, port);
        refusal ??= why;
        return why === undefined;
      });
      const first = permitted[0];
      if (first === undefined) {
        callback(new LinepoolError(refusal ?? 'dns_failed', hostname), '', 0);
        return;
      }
      // Whoever gave it up hears no answer; nothing is tried.
      const failure = isOver() ? new LinepoolError('interrupted') : announced(options, permitted, port);
      if (failure !== undefined) callback(failure, '', 0);
      else if (options.attempts !== undefined) callback(null, permitted.slice(0, ADDRESSES_TRIED));
      else if (lookupOptions.all === true) callback(null, permitted);
      else callback(null, first.address, first.family);
    };
    const pinned = options.pinned.get(hostname.toLowerCase());
    if (pinned !== undefined) {
      answer([{ address: pinned, family: isIP(pinned) }]);
      return;
    }
    const { askName = askSystem, isWanted = () => true } = options;
    askName({
      host: hostname,
      hints: lookupOptions.hints ?? 0,
      isWanted: () => !isOver() && isWanted(),
      answer: (error, addresses) => {
        if (error !== null) callback(error, '', 0);
        else answer(addresses);
      },
    });
  };
}

/** The addresses that will be tried, and that the first of them is now; why they may not be. */
function announced(
  { attempts }: DialOptions,
  permitted: readonly LookupAddress[],
  port: number,
): LinepoolError | undefined {
  if (attempts === undefined) return undefined;
  const addresses = permitted.slice(0, ADDRESSES_TRIED).map(({ address }) => address);
  try {
    attempts.expected(addresses, port);
    attempts.begun(addresses[0] ?? '', port);
    return undefined;
  } catch (error) {
    return asLinepoolError(error);
  }
}

/** Those behind the first, each when its turn comes: Node tells of it before the packet. What it throws can only end what follows. */
function announceNext({ attempts }: DialOptions, socket: Socket): void {
  if (attempts === undefined) return;
  socket.on('connectionAttempt', (address, port) => {
    try {
      attempts.begun(address, port);
    } catch (error) {
      process.nextTick(() => socket.destroy(asLinepoolError(error)));
    }
  });
}

/** A literal address never reaches `lookup`, so it is asked about here. */
function refuseLiteral(options: DialOptions, { host, port }: Authority): void {
  if (isIP(host) === 0) return;
  const why = options.permit?.(host, port);
  if (why !== undefined) throw new LinepoolError(why, host);
  options.attempts?.expected([host], port);
  options.attempts?.begun(host, port);
}

/**
 * A TCP connection, with Nagle's delay off. The signal ends the attempt, not the connection.
 * @throws LinepoolError for what `permit` refused; else the system's error, which `asLinepoolError` names
 */
export function dial(authority: Authority, options: DialOptions, signal?: AbortSignal): Promise<Socket> {
  return new Promise((resolve, reject) => {
    signal?.throwIfAborted();
    refuseLiteral(options, authority);
    let isOver = false;
    const socket = connect({
      host: authority.host,
      port: authority.port,
      noDelay: true,
      lookup: permittedLookup(options, authority.port, () => isOver),
      autoSelectFamily: true,
      autoSelectFamilyAttemptTimeout: NEXT_ADDRESS_MS,
      allowHalfOpen: true,
      ...(options.inBursts === true && IN_BURSTS),
    });
    announceNext(options, socket);
    if (options.lowerEffort === true) markLowerEffort(socket);
    const settle = (): void => {
      isOver = true;
      socket.setTimeout(0);
      socket.off('timeout', onTimeout);
      socket.off('error', fail);
      signal?.removeEventListener('abort', onAbort);
    };
    const fail = (error: Error): void => {
      settle();
      socket.destroy();
      reject(error);
    };
    const onTimeout = (): void => fail(new LinepoolError('connect_timeout', authority.host));
    const onAbort = (): void => fail(signal?.reason as Error);
    socket.setTimeout(options.connectTimeout, onTimeout);
    socket.once('error', fail);
    signal?.addEventListener('abort', onAbort, { once: true });
    socket.once('connect', () => {
      settle();
      resolve(socket);
    });
  });
}

/** The same for undici: the `connect` option of its clients, for http and https origins. */
export function connector(options: DialOptions): buildConnector.connector {
  const byPort = new Map<number, buildConnector.connector>();
  const build = (port: number, isOver?: () => boolean): buildConnector.connector =>
    buildConnector({
      timeout: options.connectTimeout,
      allowH2: false,
      noDelay: true,
      autoSelectFamily: true,
      autoSelectFamilyAttemptTimeout: NEXT_ADDRESS_MS,
      lookup: permittedLookup(options, port, isOver),
      ...(options.ca === undefined ? {} : { ca: options.ca }),
      ...(options.inBursts === true && IN_BURSTS),
    });
  const kept = (port: number): buildConnector.connector => {
    const connectTo = byPort.get(port) ?? build(port);
    // Origins use few ports; a bound keeps a hostile list of them from growing the map.
    if (byPort.size < 64) byPort.set(port, connectTo);
    return connectTo;
  };
  return (request, callback) => {
    const port = Number(request.port) || (request.protocol === 'https:' ? 443 : 80);
    const host = unbracketed(request.hostname);
    try {
      refuseLiteral(options, { host, port });
    } catch (error) {
      // undici does not hear of what is told before its own call has returned.
      queueMicrotask(() => callback(error as Error, null));
      return;
    }
    let isOver = false;
    // A queue wants to know of each connection whether it is still waited for.
    const connectTo = options.askName === undefined ? kept(port) : build(port, () => isOver);
    const socket: unknown = connectTo({ ...request, hostname: host }, (...result) => {
      isOver = true;
      if (options.lowerEffort === true && result[1] !== null) markLowerEffort(result[1]);
      callback(...result);
    });
    if (socket instanceof Socket) announceNext(options, socket);
  };
}
