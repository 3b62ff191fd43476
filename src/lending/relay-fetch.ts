/**
 * Fetches: spans of http origins that the lender asks for itself, over one connection of the borrower. Made by the lender
 * at a connection's first fetch; pipelined requests go out at once and come back in order.
 *
 *     borrower ═ one connection ═ exchange, exchange, … ─► one undici Client for each origin ═ one connection ═ origin
 *
 * Read ahead: the response whose turn it is may fill the buffer; those behind it share what is left of it, so that one
 * that waits for its turn can never keep the one before it from ending. When the borrower's connection closes, everything
 * ends in the same tick. It must never follow a redirect or ask an origin for anything on its own.
 */
import type { IncomingMessage, ServerResponse } from 'node:http';
import type { Socket } from 'node:net';
import { Client } from 'undici';
import type { Clock } from '../core/clock.ts';
import { asLinepoolError, LinepoolError } from '../core/errors.ts';
import { fieldValue, type RawHeaders } from '../core/http.ts';
import { reset } from '../core/reset.ts';
import { formatOrigin, type Origin } from '../core/target.ts';
import type { Bytes } from '../core/units.ts';
import { connector } from '../paths/dial.ts';
import { SIGN_HEADER, SIGN_SPAN } from '../paths/range-fetch.ts';
import type { Borrower, Carried } from './borrower.ts';
import { type ExchangeHost, FetchExchange } from './fetch-exchange.ts';
import { fetchWanted, originHeaders } from './fetch-request.ts';
import { IdleWatch } from './idle-watch.ts';
import type { LeaseAccount } from './lease-account.ts';
import {
  admitted,
  borrowerPseudonym,
  ORIGINS_PER_CONNECTION,
  OUTSTANDING_MAX,
  type RelayOptions,
} from './relay.ts';
import type { Gate } from './shaper.ts';
import { SpanSeal } from './span-statement.ts';

/** How long an origin's connection is kept for the borrower's next request. */
const ORIGIN_KEEP_ALIVE_MS = 15_000;

/** The connection to one origin. */
interface OriginLine {
  readonly client: Client;
  /** Requests on it. */
  readonly exchanges: Set<FetchExchange>;
  /** Among all that the lender has to that origin, while there are any. */
  entered: Disposable | undefined;
  /** The one in use, to be reset. */
  socket: Socket | undefined;
}

/** The leases of those on it. */
const accountsOn = (line: OriginLine | undefined): readonly LeaseAccount[] =>
  [...(line?.exchanges ?? [])].map(({ account }) => account).filter((account) => account !== undefined);

/** Nothing runs on it: others may have a connection to that origin. */
function left(line: OriginLine): void {
  line.entered?.[Symbol.dispose]();
  line.entered = undefined;
}

export class FetchConnection implements Carried, ExchangeHost {
  readonly #relay: RelayOptions;
  readonly #borrower: Borrower;
  /** By origin. */
  readonly #lines = new Map<string, OriginLine>();
  /** In the order of their requests; each until its response is sent. */
  readonly #exchanges = new Map<FetchExchange, Disposable>();
  readonly #entered: Disposable;
  readonly #pseudonym: string;
  #watch: IdleWatch | undefined;
  /** Requests reach their origin in the order in which they came, however long a lease takes to verify. */
  #turn: Promise<void> = Promise.resolve();

  /**
   * Watches the socket, which stays the link server's.
   * @throws LinepoolError `overloaded`
   */
  constructor(relay: RelayOptions, borrower: Borrower, socket: Socket) {
    this.#relay = relay;
    this.#borrower = borrower;
    this.#entered = borrower.enter(this);
    this.#pseudonym = borrowerPseudonym(relay.ownId, borrower.id);
    socket.once('close', () => {
      this.cut(new LinepoolError('connection_lost'));
      // Node tells nothing to responses that had not had their turn.
      for (const exchange of this.#exchanges.keys()) this.#leave(exchange);
      this.#entered[Symbol.dispose]();
    });
  }

  /** Fetches, or answers why not. */
  request(request: IncomingMessage, response: ServerResponse): void {
    const exchange = new FetchExchange(response, this);
    if (this.#exchanges.size >= OUTSTANDING_MAX) {
      exchange.fail(new LinepoolError('overloaded', `${OUTSTANDING_MAX} requests wait on this connection.`));
      return;
    }
    this.#enter(exchange);
    this.#turn = this.#turn.then(() => this.#start(request, exchange));
  }

  /** False once the neighbour was parted from: one that came back on the same connection is another borrower. */
  belongsTo(borrower: Borrower): boolean {
    return this.#borrower === borrower;
  }

  cut(error: LinepoolError): void {
    for (const exchange of this.#exchanges.keys()) exchange.fail(error);
    for (const key of this.#lines.keys()) this.#endLine(key, error);
  }

  get clock(): Clock {
    return this.#relay.clock;
  }

  gate(pass: (bytes: Bytes) => void): Gate {
    return this.#borrower.flows.down.gate(pass);
  }

  hasRoom({ response }: FetchExchange): boolean {
    const [first] = this.#exchanges.keys();
    // 'drain' comes only to who has filled the high-water mark.
    const most = Math.max(this.#relay.bufferBytes, response.writableHighWaterMark);
    if (first?.response === response) return this.#borrower.flows.down.room(response.writableLength < most);
    let buffered = 0;
    for (const { response: each } of this.#exchanges.keys()) buffered += each.writableLength;
    return buffered < most;
  }

  carried(bytes: Bytes): void {
    this.#watch?.moved();
    this.#borrower.flows.down.carried(bytes);
  }

  refused(error: LinepoolError): void {
    this.#relay.onRefused(this.#borrower, error);
  }

  reset(exchange: FetchExchange): void {
    for (const { exchanges, socket } of this.#lines.values()) {
      if (socket !== undefined && exchanges.has(exchange)) reset(socket);
    }
  }

  #enter(exchange: FetchExchange): void {
    const { response } = exchange;
    this.#exchanges.set(exchange, this.#borrower.begin());
    this.#watch ??= new IdleWatch(this.#relay.clock, this.#relay.transferIdle, () =>
      this.cut(new LinepoolError('response_timeout', 'Nothing moved for too long.')),
    );
    response.on('drain', () => this.#drained());
    response.once('close', () => this.#leave(exchange));
  }

  #leave(exchange: FetchExchange): void {
    this.#exchanges.get(exchange)?.[Symbol.dispose]();
    this.#exchanges.delete(exchange);
    if (this.#exchanges.size === 0) {
      this.#watch?.[Symbol.dispose]();
      this.#watch = undefined;
    }
    this.#drained();
  }

  #drained(): void {
    for (const each of this.#exchanges.keys()) each.drained();
  }

  /** Never rejects. */
  async #start(request: IncomingMessage, exchange: FetchExchange): Promise<void> {
    try {
      const { target, span } = fetchWanted(request.method ?? '', request.url ?? '', request.rawHeaders);
      const account = await admitted(this.#relay, this.#borrower, target.origin, request.rawHeaders);
      if (exchange.isOver) return;
      exchange.admit(account, span, this.#seal(account.lease.id, request.rawHeaders));
      if (exchange.isOver) return;
      const line = this.#line(target.origin);
      line.entered ??= this.#relay.origins.enter(target.origin, this.#borrower.id);
      line.exchanges.add(exchange);
      exchange.response.once('close', () => {
        line.exchanges.delete(exchange);
        if (line.exchanges.size === 0) left(line);
      });
      this.#contacted(line);
      line.client.dispatch(
        {
          path: target.path,
          method: 'GET',
          headers: [...originHeaders(span, this.#pseudonym)],
          idempotent: true,
          // The next request goes out before this one's head is in.
          blocking: false,
        },
        exchange,
      );
    } catch (error) {
      exchange.fail(asLinepoolError(error));
    }
  }

  #seal(lease: string, headers: RawHeaders): SpanSeal | undefined {
    const { sign } = this.#relay;
    return sign === undefined || fieldValue(headers, SIGN_HEADER) !== SIGN_SPAN
      ? undefined
      : new SpanSeal(lease, sign);
  }

  #line(origin: Origin): OriginLine {
    const key = formatOrigin(origin);
    const known = this.#lines.get(key);
    if (known !== undefined) return known;
    if (this.#lines.size >= ORIGINS_PER_CONNECTION) this.#makeRoom();
    const line: OriginLine = {
      client: this.#client(key),
      exchanges: new Set(),
      entered: undefined,
      socket: undefined,
    };
    this.#lines.set(key, line);
    return line;
  }

  #client(key: string): Client {
    const isWanted = (): boolean => this.#lines.get(key)?.client === client;
    const attempts = this.#relay.leases.attempts(() => accountsOn(this.#lines.get(key)));
    const connect = connector({ ...this.#relay.dial, inBursts: true, isWanted, attempts });
    const client = new Client(key, {
      connect: (options, callback) =>
        connect(options, (...result) => {
          const [error, socket] = result;
          const line = this.#lines.get(key);
          if (error === null && line !== undefined) {
            line.socket = socket;
            // For those that came while it was being made.
            try {
              this.#contacted(line);
            } catch (refusal) {
              socket.destroy();
              callback(asLinepoolError(refusal), null);
              return;
            }
          }
          callback(...result);
        }),
      allowH2: false,
      pipelining: OUTSTANDING_MAX,
      headersTimeout: this.#relay.originSilence,
      bodyTimeout: this.#relay.originSilence,
      keepAliveTimeout: ORIGIN_KEEP_ALIVE_MS,
    });
    return client;
  }

  /** Puts on record where those on the line fetch from. @throws LinepoolError `ledger_failed`, `overloaded` */
  #contacted(line: OriginLine): void {
    const { socket } = line;
    if (socket === undefined || socket.destroyed) return;
    for (const account of accountsOn(line)) this.#relay.leases.contacted(account, socket);
  }

  #makeRoom(): void {
    const idle = [...this.#lines].find(([, { exchanges }]) => exchanges.size === 0);
    if (idle === undefined) {
      throw new LinepoolError(
        'overloaded',
        `One connection fetches from ${ORIGINS_PER_CONNECTION} origins at once.`,
      );
    }
    this.#endLine(idle[0], new LinepoolError('interrupted'));
  }

  /** A reset, so that the origin stops sending at once. */
  #endLine(key: string, reason: LinepoolError): void {
    const line = this.#lines.get(key);
    this.#lines.delete(key);
    if (line === undefined) return;
    left(line);
    if (line.socket !== undefined) reset(line.socket);
    line.client.destroy(reason).catch(() => undefined);
  }
}
