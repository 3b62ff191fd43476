/**
 * Dialling a neighbour: one TLS connection, handed over only when the other side proved that it is the household
 * that it should be. Used by the link client. Nothing of ours is written before that proof.
 */
import { type ConnectionOptions, connect, type SecureContext, type TLSSocket } from 'node:tls';
import { IN_BURSTS } from '../core/bursts.ts';
import type { Clock } from '../core/clock.ts';
import { asLinepoolError, LinepoolError } from '../core/errors.ts';
import { parseAuthority } from '../core/target.ts';
import type { Milliseconds } from '../core/units.ts';
import { type LinkPeer, provenPeer } from './channel.ts';
import { type HouseholdId, shortId } from './household-id.ts';

export interface LinkDialOptions {
  /** With our key and certificate. */
  readonly secureContext: SecureContext;
  readonly clock: Clock;
  /** For each address: TCP and TLS together. */
  readonly connectTimeout: Milliseconds;
}

export interface Dialled {
  readonly socket: TLSSocket;
  /** Who it is, as its key proves. */
  readonly id: HouseholdId;
  /** The one that worked. */
  readonly address: string;
  /** How long the TCP handshake took: one round trip. */
  readonly roundTripMs: Milliseconds;
  /** Of the household at the other end: Ed25519, SPKI in DER. */
  readonly publicKey: Buffer;
}

/** How long a connection may be silent before the kernel asks whether the other side is still there. */
const KEEP_ALIVE_MS: Milliseconds = 15_000;

/**
 * Tries the addresses one after the other. Whoever calls a peer without an id must find out who it is before it trusts it.
 * @throws LinepoolError `neighbour_unreachable`; `identity_mismatch` when an address was answered by another household;
 *   the signal's reason when it aborts
 */
export async function dialNeighbour(
  peer: LinkPeer,
  options: LinkDialOptions,
  signal?: AbortSignal,
): Promise<Dialled> {
  if (peer.addresses.length === 0) {
    throw new LinepoolError(
      'neighbour_unreachable',
      peer.id === undefined ? 'No address is known.' : `No address of ${shortId(peer.id)} is known.`,
    );
  }
  let worst: LinepoolError | undefined;
  for (const address of peer.addresses) {
    try {
      return await dialAddress(address, peer.id, options, signal);
    } catch (error) {
      signal?.throwIfAborted();
      const failure = asLinepoolError(error);
      if (worst?.code !== 'identity_mismatch') worst = failure;
    }
  }
  throw worst ?? new LinepoolError('neighbour_unreachable');
}

async function dialAddress(
  address: string,
  id: HouseholdId | undefined,
  options: LinkDialOptions,
  signal: AbortSignal | undefined,
): Promise<Dialled> {
  signal?.throwIfAborted();
  const { host, port } = parseAuthority(address);
  const { promise, resolve, reject } = Promise.withResolvers<Dialled>();
  const startedAt = options.clock.now();
  let roundTripMs: Milliseconds = 0;
  const settings: ConnectionOptions & { readonly allowHalfOpen: boolean; readonly highWaterMark: number } = {
    host,
    port,
    secureContext: options.secureContext,
    // The pin below is the check: the chain of a self-signed certificate proves nothing.
    rejectUnauthorized: false,
    // No name in the clear, and none to compare: who is called is the id.
    servername: '',
    ALPNProtocols: ['http/1.1'],
    // A tunnel is half-closed by either side, as TCP is.
    allowHalfOpen: true,
    ...IN_BURSTS,
  };
  const socket = connect(settings);
  socket.setNoDelay(true);
  socket.setKeepAlive(true, KEEP_ALIVE_MS);
  // For good: an error on a socket that nobody listens on would end the process.
  socket.on('error', (error: NodeJS.ErrnoException) => {
    fail(
      new LinepoolError('neighbour_unreachable', `${address} (${error.code ?? error.message})`, {
        cause: error,
      }),
    );
  });
  const fail = (error: Error): void => {
    socket.destroy();
    reject(error);
  };
  const onClose = (): void => fail(new LinepoolError('neighbour_unreachable', `${address} closed.`));
  const onAbort = (): void => fail(signal?.reason as Error);
  const timer = options.clock.after(options.connectTimeout, () =>
    fail(
      new LinepoolError('neighbour_unreachable', `${address} was silent for ${options.connectTimeout} ms.`),
    ),
  );
  signal?.addEventListener('abort', onAbort, { once: true });
  socket.once('close', onClose);
  socket.once('connect', () => {
    roundTripMs = options.clock.now() - startedAt;
  });
  socket.once('secureConnect', () => {
    const proven = provenPeer(socket);
    if (proven !== undefined && (id === undefined || proven.id === id)) {
      resolve({ socket, address, roundTripMs, ...proven });
    } else {
      const found = proven === undefined ? 'a household without a certificate' : shortId(proven.id);
      const wanted = id === undefined ? '' : `, not ${shortId(id)}`;
      fail(new LinepoolError('identity_mismatch', `At ${address}: ${found}${wanted}.`));
    }
  });
  try {
    return await promise;
  } finally {
    timer[Symbol.dispose]();
    signal?.removeEventListener('abort', onAbort);
    socket.off('close', onClose);
  }
}
