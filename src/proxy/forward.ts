/**
 * Forwarding: which way a request goes to its origin. Called by server.ts for every absolute-form request; clients that
 * may reach different things have forwarders of their own, since connections are kept.
 *
 *     without content, repeatable ──► shared: undici, kept-alive connections, at most so many for each origin
 *     all others ───────────────────► alone:  node:http, a connection of its own
 *     a dead kept-alive connection ─► alone, once
 *
 * It must never send a request twice that may not be repeated (RFC 9110 section 9.2.2).
 */
import type { IncomingMessage } from 'node:http';
import { Agent } from 'undici';
import { formatOrigin } from '../core/target.ts';
import type { Bytes, Milliseconds } from '../core/units.ts';
import { connector, type DialOptions, type Permit } from '../paths/dial.ts';
import { type AloneOptions, askAlone } from './alone.ts';
import { type ClientResponse, Exchange, type ExchangeContext, type Totals } from './exchange.ts';
import { refuse, type Voice } from './refusal.ts';
import { clientOf, type Refuted } from './refuted.ts';
import type { RequestHead } from './request-head.ts';
import type { Consider } from './takeover.ts';

export interface ForwarderOptions extends Voice {
  readonly dial: DialOptions & { readonly permit: Permit };
  /** Counted up. */
  readonly totals: Totals;
  /** How long an origin may be silent before and within a response. */
  readonly responseTimeout: Milliseconds;
  /** Largest response head. */
  readonly maxHeaderBytes: Bytes;
  readonly consider: Consider | undefined;
  readonly refuted: Refuted | undefined;
}

/** Shared connections to one origin; more requests than that at once wait for one to be free. */
const CONNECTIONS_PER_ORIGIN = 256;
/** Origins with shared connections; requests to yet another get a connection of their own. */
const ORIGINS = 1024;
/** How long a shared connection is kept without a request; many servers close theirs after 5 to 75 s. */
const SHARED_IDLE_MS: Milliseconds = 15_000;
/** The longest that an origin can make us keep it, by its Keep-Alive field. */
const SHARED_IDLE_MAX_MS: Milliseconds = 60_000;

const IDEMPOTENT: ReadonlySet<string> = new Set(['GET', 'HEAD', 'OPTIONS', 'TRACE', 'PUT', 'DELETE']);

export class Forwarder implements AsyncDisposable {
  readonly dial: DialOptions;
  readonly #agent: Agent;
  readonly #alone: AloneOptions;
  readonly #context: ExchangeContext;
  readonly #refuted: Refuted | undefined;
  readonly #voice: Voice;

  constructor(options: ForwarderOptions) {
    const { dial, responseTimeout, maxHeaderBytes } = options;
    const connect = connector(dial);
    this.dial = dial;
    this.#refuted = options.refuted;
    this.#voice = { pseudonym: options.pseudonym, clock: options.clock };
    this.#agent = new Agent({
      connect,
      connections: CONNECTIONS_PER_ORIGIN,
      maxOrigins: ORIGINS,
      allowH2: false,
      pipelining: 1,
      keepAliveTimeout: SHARED_IDLE_MS,
      keepAliveMaxTimeout: SHARED_IDLE_MAX_MS,
      headersTimeout: responseTimeout,
      bodyTimeout: responseTimeout,
      maxHeaderSize: maxHeaderBytes,
    });
    this.#alone = { connect, responseTimeout, maxHeaderBytes };
    this.#context = {
      pseudonym: options.pseudonym,
      clock: options.clock,
      totals: options.totals,
      permit: dial.permit,
      consider: options.consider,
      again: (exchange) => askAlone(exchange, this.#alone),
    };
  }

  /** Answers the request with what its origin answers, or with why there is no answer. Never throws. */
  forward(head: RequestHead, request: IncomingMessage, response: ClientResponse): void {
    const refuted = this.#refuted?.why(clientOf(request), head.target, head.headers);
    if (refuted !== undefined) {
      refuse(response, refuted, this.#voice);
      return;
    }
    const shared = head.content === 'none' && head.target.path !== '*' && IDEMPOTENT.has(head.method);
    const exchange = new Exchange(head, request, response, this.#context, shared);
    if (!shared) {
      askAlone(exchange, this.#alone);
      return;
    }
    const { method, target, headers } = head;
    // Errors reach the exchange, those of the request itself too.
    this.#agent.dispatch(
      { origin: formatOrigin(target.origin), path: target.path, method, headers },
      exchange,
    );
  }

  /** An exchange that upgrade.ts sends itself. */
  exchange(head: RequestHead, request: IncomingMessage, response: ClientResponse): Exchange {
    return new Exchange(head, request, response, this.#context, false);
  }

  get pseudonym(): string {
    return this.#context.pseudonym;
  }

  get alone(): AloneOptions {
    return this.#alone;
  }

  /** Closes every shared connection, at once. */
  async [Symbol.asyncDispose](): Promise<void> {
    await this.#agent.destroy();
  }
}
