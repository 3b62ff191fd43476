/**
 * A lender for tests: the real one, behind a plain HTTP/1.1 server in place of the link, and borrowers that sign real
 * leases. Each borrower has a port of its own, so that who asks is known without TLS.
 */
import { generateKeyPairSync, randomBytes } from 'node:crypto';
import { once } from 'node:events';
import { createServer } from 'node:http';
import type { AddressInfo, Socket } from 'node:net';
import { type Clock, systemClock } from '../../src/core/clock.ts';
import { type Event, Events } from '../../src/core/events.ts';
import { MIB } from '../../src/core/units.ts';
import { type Lease, signLease } from '../../src/lending/lease.ts';
import { Lender, type LenderOptions } from '../../src/lending/lender.ts';
import type { Lent } from '../../src/lending/lent.ts';
import type { Terms } from '../../src/lending/policy.ts';
import type { Neighbour } from '../../src/neighbours/book.ts';
import { idOfPublicKey } from '../../src/neighbours/household-id.ts';
import { type RawMessage, RawPeer } from '../support/raw-client.ts';
import { MemoryRecord } from '../support/record.ts';

export const LENDER_ID = 'lender';
export const EVERY_PORT: readonly number[] = Array.from({ length: 65_535 }, (_, i) => i + 1);
/** Faster than any test needs. */
export const FAST = 1e9;
const TERMS: Terms = {
  allowed: true,
  weight: 1,
  rate: { down: Infinity, up: Infinity },
  factor: 1,
  words: '',
};
export const ON: Lent = { rate: { down: FAST, up: FAST }, reason: 'lending', words: '', terms: () => TERMS };
export const OFF: Lent = { ...ON, rate: { down: 0, up: 0 }, reason: 'off', words: 'lending is off' };
/** So much of either direction. */
export const lentAt = (rate: number): Lent => ({ ...ON, rate: { down: rate, up: rate } });
/** With these terms for that neighbour. */
export const termed = (lent: Lent, neighbour: string, change: Partial<Terms>): Lent => ({
  ...lent,
  terms: (id) => (id === neighbour ? { ...lent.terms(id), ...change } : lent.terms(id)),
});

export interface TestBorrower {
  readonly neighbour: Neighbour;
  /** Where the lender's server knows it. */
  readonly port: number;
  /** Connections of it that the server has. */
  readonly sockets: ReadonlySet<Socket>;
  /** A token, as usual but for the changes. `origin` is `http://127.0.0.1:port` or `https://…`. */
  lease(origin: string, change?: Partial<Lease>): Promise<string>;
  /** A raw connection to the lender. */
  connect(): Promise<RawPeer>;
}

export interface LentLine extends AsyncDisposable {
  readonly lender: Lender;
  readonly events: Events;
  readonly borrowers: readonly [TestBorrower, TestBorrower];
  /** Codes of what was refused so far. */
  refused(): string[];
  eventsOf<K extends Event['kind']>(kind: K): Extract<Event, { readonly kind: K }>[];
}

export interface LentLineOptions extends Partial<LenderOptions> {
  readonly clock?: Clock;
  /** What is lent from the start; default `ON`. Nothing has to be signed for, unless there is a `receiptStep`. */
  readonly lent?: Lent;
}

export async function startLentLine(options: LentLineOptions = {}): Promise<LentLine> {
  await using owned = new AsyncDisposableStack();
  const { clock = systemClock, lent = ON, ...rest } = options;
  const events = new Events(() => clock.wall());
  const record = new MemoryRecord();
  const { privateKey } = generateKeyPairSync('ed25519');
  const lender = owned.use(
    new Lender(
      {
        ownId: LENDER_ID,
        privateKey,
        record,
        receiptStep: Number.POSITIVE_INFINITY,
        // Origins of tests are on any port.
        ports: EVERY_PORT,
        allowNetworks: ['127.0.0.0/8'],
        dial: { pinned: new Map(), connectTimeout: 3_000 },
        bufferBytes: 256 * 1024,
        leaseLimits: { maxBytes: 4096 * MIB, maxTime: 3_600_000 },
        maxConnections: 64,
        ...rest,
      },
      { clock, events },
    ),
  );
  lender.setLent(lent);
  const first = owned.use(await startBorrower('first', lender, clock));
  const second = owned.use(await startBorrower('second', lender, clock));
  const kept = owned.move();
  const eventsOf = <K extends Event['kind']>(kind: K): Extract<Event, { readonly kind: K }>[] =>
    events
      .since(0)
      .map(({ event }) => event)
      .filter((event): event is Extract<Event, { readonly kind: K }> => event.kind === kind);
  return {
    lender,
    events,
    borrowers: [first, second],
    refused: () => eventsOf('lend_refused').map(({ code }) => code),
    eventsOf,
    [Symbol.asyncDispose]: () => kept.disposeAsync(),
  };
}

async function startBorrower(
  name: string,
  lender: Lender,
  clock: Clock,
): Promise<TestBorrower & AsyncDisposable> {
  const { publicKey, privateKey } = generateKeyPairSync('ed25519');
  const spki = publicKey.export({ type: 'spki', format: 'der' });
  const neighbour: Neighbour = {
    id: idOfPublicKey(spki),
    name,
    addresses: [],
    pairedAt: 0,
    publicKey: spki.toString('base64url'),
    formerKeys: [],
  };
  const sockets = new Set<Socket>();
  const server = createServer({ requestTimeout: 0 });
  server.on('connection', (socket: Socket) => {
    sockets.add(socket);
    socket.on('error', () => socket.destroy());
    socket.once('close', () => sockets.delete(socket));
  });
  server.on('request', (request, response) => lender.request(neighbour, request, response));
  server.on('connect', (request, socket, head) => lender.connect(neighbour, request, socket, head));
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  const { port } = server.address() as AddressInfo;
  return {
    neighbour,
    port,
    sockets,
    lease: (origin, change = {}) =>
      signLease(
        {
          id: randomBytes(16).toString('base64url'),
          borrower: neighbour.id,
          lender: LENDER_ID,
          origin,
          maxBytes: 64 * MIB,
          issuedAt: clock.wall(),
          expiresAt: clock.wall() + 600_000,
          ...change,
        },
        privateKey,
      ),
    connect: () => RawPeer.connect(port),
    async [Symbol.asyncDispose]() {
      const closed = once(server, 'close');
      server.close();
      for (const socket of sockets) socket.destroy();
      await closed;
    },
  };
}

/** A request for a span, as the borrower writes it. */
export function fetchText(
  url: string,
  range: string | undefined,
  lease: string | undefined,
  more: readonly string[] = [],
): string {
  const fields = ['Host: ignored', ...more];
  if (range !== undefined) fields.push(`Range: bytes=${range}`);
  if (lease !== undefined) fields.push(`Linepool-Lease: ${lease}`);
  return `GET ${url} HTTP/1.1\r\n${fields.join('\r\n')}\r\n\r\n`;
}

export function connectText(authority: string, lease: string | undefined): string {
  const field = lease === undefined ? '' : `Linepool-Lease: ${lease}\r\n`;
  return `CONNECT ${authority} HTTP/1.1\r\nHost: ${authority}\r\n${field}\r\n`;
}

/** The code in a refusal's body. */
export function codeOf(message: RawMessage): string {
  return (JSON.parse(message.body.toString('utf8')) as { code: string }).code;
}
