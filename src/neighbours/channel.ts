/**
 * The channel: how routers talk. Mutual TLS 1.3, HTTP/1.1 inside. Here is what both ends share: the contracts, the
 * TLS settings and how the other side's id is read. The server is link-server.ts, the client link-client.ts.
 *
 * Trust is the SHA-256 of the other side's public key, nothing else: certificates are self-signed, `authorized` is
 * not looked at. Sessions are never resumed: a resumed one shows no certificate, so the key would go unproved.
 */
import { constants, type X509Certificate } from 'node:crypto';
import type { IncomingMessage, ServerResponse } from 'node:http';
import type { Duplex } from 'node:stream';
import type { SecureContextOptions, TLSSocket } from 'node:tls';
import type { Bytes, BytesPerSecond } from '../core/units.ts';
import type { Neighbour } from './book.ts';
import { type HouseholdId, idOfPublicKey } from './household-id.ts';
import type { ReceiptAnswer, ReceiptMessage } from './messages.ts';

/** What the lender's relay does for paired neighbours. The link server calls these; none may throw, but for `receipt`. */
export interface LinkHandlers {
  /** A request of a paired neighbour that is not about pairing or offers: absolute-form (a fetch). */
  request(neighbour: Neighbour, request: IncomingMessage, response: ServerResponse): void;
  /** CONNECT of a paired neighbour (a tunnel). The handler owns the socket from here on; errors on it included. */
  connect(neighbour: Neighbour, request: IncomingMessage, socket: Duplex, head: Buffer): void;
  /**
   * It has signed how much it was carried; the answer is our signature under the same. This one may throw.
   * @throws LinepoolError `receipt_invalid`, `ledger_failed`
   */
  receipt(neighbour: Neighbour, message: ReceiptMessage): ReceiptAnswer;
  /** What that neighbour is offered now. Asked at once and at each change; zero means nothing. */
  offer(neighbour: Neighbour): LinkOffer;
  /** Calls back when any offer may have changed, until the result is disposed of. */
  onOfferChange(listener: () => void): Disposable;
}

export interface LinkOffer {
  readonly bytesPerSecond: BytesPerSecond;
  readonly bufferBytes: Bytes;
}

/** Whom to call: a neighbour, or the inviter that an invitation names; undefined: whoever is there, who is to be asked that. */
export interface LinkPeer {
  readonly id: HouseholdId | undefined;
  /** host:port, tried in this order. */
  readonly addresses: readonly string[];
}

/** Who is at the other end of a TLS connection, as proved in its handshake. */
export interface ProvenPeer {
  readonly id: HouseholdId;
  /** Ed25519, SPKI in DER. */
  readonly publicKey: Buffer;
}

/** The version of what is said inside. */
export const PROTOCOL = 2;

export const PATHS = {
  hello: '/linepool/v1/hello',
  offers: '/linepool/v1/offers',
  pair: '/linepool/v1/pair',
  confirm: '/linepool/v1/pair/confirm',
  compare: '/linepool/v1/compare',
  reveal: '/linepool/v1/compare/reveal',
  say: '/linepool/v1/compare/say',
  rotation: '/linepool/v1/rotation',
  part: '/linepool/v1/part',
  receipt: '/linepool/v1/receipt',
} as const;

/** TLS settings of both ends. */
export const LINK_TLS = {
  minVersion: 'TLSv1.3',
  secureOptions: constants.SSL_OP_NO_TICKET,
} as const satisfies SecureContextOptions;

/**
 * Who is there. Read it once for each connection, in 'secureConnection' or 'secureConnect': a later call gives
 * nothing on a client. Undefined: no certificate, a resumed session, or a key that is not Ed25519.
 */
export function provenPeer(socket: TLSSocket): ProvenPeer | undefined {
  const certificate: X509Certificate | undefined = socket.getPeerX509Certificate();
  if (certificate === undefined || socket.isSessionReused()) return undefined;
  const key = certificate.publicKey;
  if (key.asymmetricKeyType !== 'ed25519') return undefined;
  const publicKey = key.export({ type: 'spki', format: 'der' });
  return { id: idOfPublicKey(publicKey), publicKey };
}

/** Bytes that are the same at both ends of this connection and of no other (RFC 9266). */
export function channelBinding(socket: TLSSocket): Buffer {
  return socket.exportKeyingMaterial(32, 'EXPORTER-Channel-Binding', Buffer.alloc(0));
}
