/**
 * The examples of docs/protocol.md, made by the code that sends such messages, from keys that everybody knows. The document is
 * compared with them letter by letter; test/protocol-doc.test.ts reads them again with the code that receives such messages.
 *
 *     LINEPOOL_WRITE_DOCS=1 node --test test/protocol-doc.test.ts      # after a change of the protocol
 */
import { createHash, createPrivateKey, createPublicKey, type KeyObject } from 'node:crypto';
import { PassThrough } from 'node:stream';
import { text as textOf } from 'node:stream/consumers';
import type { Answer } from 'dns-packet';
import { LinepoolError } from '../src/core/errors.ts';
import { countersign, type Receipt, signReceipt } from '../src/ledger/receipt.ts';
import { originHeaders } from '../src/lending/fetch-request.ts';
import { type Lease, leaseOrigin, signLease } from '../src/lending/lease.ts';
import { borrowerPseudonym } from '../src/lending/relay.ts';
import { signSpan, validatorHash } from '../src/lending/span-statement.ts';
import { PATHS, PROTOCOL } from '../src/neighbours/channel.ts';
import { commitmentOf, numberOf } from '../src/neighbours/comparison.ts';
import { announcement } from '../src/neighbours/dns-sd.ts';
import { idOfPublicKey } from '../src/neighbours/household-id.ts';
import { encodeInvitation, type Invitation } from '../src/neighbours/invitation.ts';
import type {
  CompareAsk,
  CompareNonce,
  CompareSay,
  ConfirmRequest,
  Hello,
  OfferLine,
  PairAnswer,
  PairRequest,
  PartNotice,
  ReceiptAnswer,
  ReceiptMessage,
  RotationNotice,
} from '../src/neighbours/messages.ts';
import { handleOf, type ProofRole, proofOf } from '../src/neighbours/pairing.ts';
import { refuseConnect } from '../src/neighbours/refusal.ts';
import { signRotation } from '../src/neighbours/rotation.ts';

export interface Household {
  readonly name: string;
  /** Private key: 32 bytes (RFC 8032 section 5.1.5), in hexadecimal. */
  readonly seed: string;
  readonly id: string;
  /** SPKI in DER, as base64url. */
  readonly publicKey: string;
  readonly key: KeyObject;
  readonly privateKey: KeyObject;
}

/** PKCS #8 of Ed25519 (RFC 8410 section 7), up to the seed. */
const PKCS8 = '302e020100300506032b657004220420';

function household(name: string, seed: string): Household {
  const privateKey = createPrivateKey({
    key: Buffer.from(PKCS8 + seed, 'hex'),
    format: 'der',
    type: 'pkcs8',
  });
  const key = createPublicKey(privateKey);
  const spki = key.export({ type: 'spki', format: 'der' });
  return { name, seed, id: idOfPublicKey(spki), publicKey: spki.toString('base64url'), key, privateKey };
}

/** The keys of RFC 8032 section 7.1, tests 1 to 3. */
export const ATTIC = household('Attic', '9d61b19deffd5a60ba844af492ec2cc44449c5697b326919703bac031cae7f60');
export const BARN = household('Barn', '4ccd089b28ff96da9db6c346ec114e0f5b8a319f35aba624da8cf6ed4fb8a6fb');
export const BARN_LATER = household(
  'Barn, later',
  'c5aa8df43f9f837bedb7442f31dcb7b166d38535076f094b85ce3a2e0b4458f7',
);

export const NOW = Date.UTC(2026, 2, 1, 6);
const MINUTE = 60_000;
export const ADDRESS = '192.168.77.1:7468';
export const ATTIC_ADDRESS = '192.168.77.2:7468';
export const BINDING = Buffer.alloc(32, 3);
export const NONCE_A = Buffer.alloc(32, 4);
export const NONCE_B = Buffer.alloc(32, 5);
export const COMPARED = { asking: ATTIC.id, asked: BARN.id, binding: BINDING };
export const ANNOUNCED = { pseudonym: 'lp-k3v7q2mx', port: 7468 };
const PSEUDONYM_AT = '192.168.77.1';

export const INVITATION: Invitation = {
  id: BARN.id,
  addresses: [ADDRESS],
  secret: Uint8Array.from({ length: 16 }, (_, i) => i),
  expiresAt: NOW + 15 * MINUTE,
};

export const HTTP_ORIGIN = { scheme: 'http', host: 'files.example', port: 80 } as const;
export const HTTPS_ORIGIN = { scheme: 'https', host: 'files.example', port: 443 } as const;

const leaseFor = (origin: typeof HTTP_ORIGIN | typeof HTTPS_ORIGIN, id: string): Lease => ({
  id,
  borrower: ATTIC.id,
  lender: BARN.id,
  origin: leaseOrigin(origin),
  maxBytes: 16_777_216,
  issuedAt: NOW,
  expiresAt: NOW + 20 * MINUTE,
});
export const HTTP_LEASE = leaseFor(HTTP_ORIGIN, 'q4FJ0pTcX2yVd7bM1rWzGg');
export const HTTPS_LEASE = leaseFor(HTTPS_ORIGIN, 'Zk8sQm1vTn2xLw5dRb7YhA');

export const RECEIPT: Receipt = {
  borrower: ATTIC.id,
  lender: BARN.id,
  lease: HTTP_LEASE.id,
  total: 4_194_304,
  issuedAt: NOW + MINUTE,
  last: false,
};

/** What is fetched: the first bytes of a file. */
export const BODY = '0123456789abcdef';
export const TOTAL = 1_500_000;
export const SPAN = { start: 0, end: BODY.length };
export const VALIDATOR = { kind: 'etag', value: '"v1"' } as const;
export const STATEMENT = {
  lender: BARN.id,
  lease: HTTP_LEASE.id,
  span: SPAN,
  total: TOTAL,
  validator: validatorHash(VALIDATOR),
  sha256: createHash('sha256').update(BODY).digest('base64url'),
};

const proof = (role: ProofRole): string =>
  proofOf(role, { secret: INVITATION.secret, inviter: BARN.id, joiner: ATTIC.id, binding: BINDING });

/** Names and values of a flat list, a line each. */
const lines = (headers: readonly string[]): string[] =>
  headers.flatMap((name, i) => (i % 2 === 0 ? [`${name}: ${headers[i + 1]}`] : []));

/** A record as zone files have it (RFC 1035 section 5.1). */
function record(answer: Answer): string {
  const said = (data: string): string => {
    const { name, type, ttl } = answer as { name: string; type: string; ttl: number };
    return `${name}. ${ttl} IN ${type} ${data}`;
  };
  switch (answer.type) {
    case 'PTR':
      return said(`${answer.data}.`);
    case 'SRV':
      return said(`0 0 ${answer.data.port} ${answer.data.target}.`);
    case 'TXT':
      return said(`"${String(answer.data)}"`);
    case 'A':
      return said(answer.data);
    default:
      throw new TypeError(`${answer.type} is not announced`);
  }
}

async function refusal(): Promise<string> {
  const socket = new PassThrough();
  refuseConnect(socket, new LinepoolError('port_refused', 'files.example:22'));
  return (await textOf(socket)).replaceAll('\r\n', '\n').trimEnd();
}

/** What a token says, as it is signed. */
export const payloadOf = (token: string): string =>
  Buffer.from(token.split('.')[1] ?? '', 'base64url').toString('utf8');

/** By name, as they stand in the document between fences. */
export async function makeExamples(): Promise<ReadonlyMap<string, string>> {
  const [httpLease, httpsLease, rotation] = await Promise.all([
    signLease(HTTP_LEASE, ATTIC.privateKey),
    signLease(HTTPS_LEASE, ATTIC.privateKey),
    signRotation({ from: BARN.id, to: BARN_LATER }, BARN.privateKey, NOW),
  ]);
  const span = signSpan(STATEMENT, BARN.privateKey, NOW);
  const handle = handleOf(INVITATION.secret);
  const ours = signReceipt(RECEIPT, ATTIC.privateKey);
  const pseudonym = borrowerPseudonym(BARN.id, ATTIC.id);
  const hello: Hello = { name: 'Barn', version: '0.1.0', protocol: PROTOCOL };
  const offer = (bytesPerSecond: number): OfferLine => ({
    kind: 'offer',
    bytesPerSecond,
    bufferBytes: bytesPerSecond === 0 ? 0 : 262_144,
  });
  const messages = {
    hello,
    'pair-request': {
      protocol: PROTOCOL,
      handle,
      proof: proof('joiner'),
      name: 'Attic',
      addresses: [ATTIC_ADDRESS],
    } satisfies PairRequest,
    'pair-answer': { proof: proof('inviter'), name: 'Barn' } satisfies PairAnswer,
    'confirm-request': { handle, proof: proof('confirm') } satisfies ConfirmRequest,
    'compare-request': {
      protocol: PROTOCOL,
      commitment: commitmentOf(NONCE_A, COMPARED),
    } satisfies CompareAsk,
    'compare-answer': { nonce: NONCE_B.toString('base64url') } satisfies CompareNonce,
    'reveal-request': { nonce: NONCE_A.toString('base64url') } satisfies CompareNonce,
    'say-wait': { says: 'wait' } satisfies CompareSay,
    'say-agree': { says: 'agree', name: 'Attic', addresses: [ATTIC_ADDRESS] } satisfies CompareSay,
    'rotation-notice': { statements: [rotation] } satisfies RotationNotice,
    'part-notice': { kind: 'part' } satisfies PartNotice,
    'receipt-request': { receipt: ours, idle: false } satisfies ReceiptMessage,
    'receipt-answer': {
      receipt: countersign(ours, BARN.privateKey),
      carriedBytes: 4_259_840,
      carriedUpBytes: 0,
    } satisfies ReceiptAnswer,
  };
  const texts: Readonly<Record<string, readonly string[]>> = {
    invitation: [encodeInvitation(INVITATION)],
    number: [numberOf(NONCE_A, NONCE_B, COMPARED)],
    announcement: announcement(ANNOUNCED, PSEUDONYM_AT).map(record),
    offers: [{ kind: 'hello', ...hello }, offer(2_500_000), offer(0)].map((one) => JSON.stringify(one)),
    'rotation-payload': [payloadOf(rotation)],
    'lease-payload': [payloadOf(httpLease)],
    'span-payload': [payloadOf(span)],
    'receipt-payload': [payloadOf(ours)],
    'connect-request': [
      'CONNECT files.example:443 HTTP/1.1',
      'Host: files.example:443',
      `Linepool-Lease: ${httpsLease}`,
    ],
    'connect-answer': ['HTTP/1.1 200 Connection Established'],
    refusal: [await refusal()],
    'fetch-request': [
      'GET http://files.example/image.iso HTTP/1.1',
      'Host: files.example',
      'Accept-Encoding: identity',
      'Range: bytes=0-15',
      `Linepool-Lease: ${httpLease}`,
      'Linepool-Sign: span',
    ],
    'origin-request': [
      'GET /image.iso HTTP/1.1',
      'Host: files.example',
      ...lines(originHeaders(SPAN, pseudonym)),
    ],
    'fetch-answer': [
      'HTTP/1.1 206 Partial Content',
      `Content-Range: bytes 0-15/${TOTAL}`,
      `ETag: ${VALIDATOR.value}`,
      'Transfer-Encoding: chunked',
      '',
      BODY.length.toString(16),
      BODY,
      '0',
      `Linepool-Span: ${span}`,
    ],
    'fetch-refusal': [
      'HTTP/1.1 503 Service Unavailable',
      'Linepool-Error: lending_off',
      'Content-Type: application/json',
      'Content-Length: 35',
      'Connection: close',
      'Proxy-Status: linepool; error=http_request_denied',
      '',
      '{"code":"lending_off","detail":""}',
    ],
  };
  return new Map([
    ...Object.entries(messages).map(([name, message]) => [name, JSON.stringify(message)] as const),
    ...Object.entries(texts).map(([name, text]) => [name, text.join('\n')] as const),
  ]);
}

/** Each path with the names of its messages: what it takes, and what it answers where that is a message. */
export const MESSAGES_AT = {
  [PATHS.pair]: ['pair-request', 'pair-answer'],
  [PATHS.confirm]: ['confirm-request'],
  [PATHS.compare]: ['compare-request', 'compare-answer'],
  [PATHS.reveal]: ['reveal-request'],
  [PATHS.say]: ['say-wait', 'say-agree'],
  [PATHS.rotation]: ['rotation-notice'],
  [PATHS.hello]: ['hello'],
  [PATHS.offers]: ['offers'],
  [PATHS.part]: ['part-notice'],
  [PATHS.receipt]: ['receipt-request', 'receipt-answer'],
} as const;
