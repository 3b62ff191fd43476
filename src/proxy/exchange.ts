/**
 * One request on its way: the handler that carries the origin's response to the client. forward.ts makes one for
 * each request and sends it over a road (shared.ts, alone.ts); the road calls it back as undici calls a handler.
 * It must never answer twice, never let a broken-off response look whole, and never hold more than one chunk.
 *
 *     waiting ──start──► asked ──head──► answering ──end──► done
 *        └──────error, client gone──────────┴─────────────► done
 *                                            └──taken over──► taken
 *
 *     back-pressure:   origin ──► data() ──write──► client's socket
 *                        ▲                            │ full: controller.pause()
 *                        └──── controller.resume() ◄──┘ 'drain'
 */
import { type IncomingMessage, ServerResponse } from 'node:http';
import type { Socket } from 'node:net';
import type { Dispatcher } from 'undici';
import { asLinepoolError, LinepoolError } from '../core/errors.ts';
import { fromWire } from '../core/http.ts';
import { reset } from '../core/reset.ts';
import { type Bytes, KIB, type Milliseconds } from '../core/units.ts';
import type { Permit } from '../paths/dial.ts';
import { refuse, type Voice } from './refusal.ts';
import type { RequestHead } from './request-head.ts';
import {
  cleaned,
  type Ending,
  type ReadResponse,
  readResponseHead,
  readTrailers,
  reasonPhrase,
} from './response-head.ts';
import type { Consider, Takeover } from './takeover.ts';

/** The response of our servers: it knows its exchange, so that one listener function serves all of them. */
export class ClientResponse extends ServerResponse {
  exchange: Exchange | undefined;
  /** The connection it is counted on. */
  owner: { over(response: ClientResponse): void } | undefined;
}

/** What has gone through a proxy since it was opened. */
export interface Totals {
  requests: number;
  /** Of responses that were passed through; those that were taken over count elsewhere. */
  passedBytes: Bytes;
}

/** What all exchanges of a proxy share. */
export interface ExchangeContext extends Voice {
  readonly totals: Totals;
  /** What their clients may be led to. */
  readonly permit: Permit;
  /** Asked about each final response; undefined when nothing is ever pooled. */
  readonly consider: Consider | undefined;
  /** Sends an exchange again, over a connection of its own. */
  readonly again: (exchange: Exchange) => void;
}

/** A first chunk of up to this size goes out in one piece with the head. */
const JOINED_BYTES: Bytes = 8 * KIB;

type State = 'waiting' | 'asked' | 'answering' | 'taken' | 'done';

export class Exchange implements Dispatcher.DispatchHandler {
  readonly head: RequestHead;
  readonly request: IncomingMessage;
  readonly response: ClientResponse;
  readonly #context: ExchangeContext;
  #state: State = 'waiting';
  #controller: Dispatcher.DispatchController | undefined;
  #takeover: Takeover | undefined;
  #ending: Ending = 'none';
  readonly #askedAt: Milliseconds;
  /** True once a byte of the content, and with it the head, is on its way. */
  #flowing = false;
  #listensForDrain = false;
  /** May be sent a second time: it went over a kept-alive connection, which may have been dead. */
  #repeatable: boolean;

  constructor(
    head: RequestHead,
    request: IncomingMessage,
    response: ClientResponse,
    context: ExchangeContext,
    repeatable: boolean,
  ) {
    this.head = head;
    this.request = request;
    this.response = response;
    this.#context = context;
    this.#repeatable = repeatable;
    response.exchange = this;
    context.totals.requests += 1;
    this.#askedAt = context.clock.now();
    response.on('close', onResponseClose);
  }

  /** True when there is nobody left to ask for. */
  get over(): boolean {
    return this.#state === 'done';
  }

  /** The request can't go on, or its answer can't come: the client gets an error, or sees its connection cut. */
  fail(error: unknown): void {
    if (this.#state === 'done') return;
    if (this.#state === 'taken') {
      this.#controller?.abort(asLinepoolError(error));
      return;
    }
    this.#state = 'done';
    this.#detach();
    const reason = named(error);
    this.#controller?.abort(reason);
    if (!this.response.headersSent)
      refuse(this.response, reason, this.#context, reason.code === 'bad_request');
    else this.#breakOff();
  }

  /** The client went away: nobody waits for the rest. */
  abandon(): void {
    if (this.#state === 'done' || this.#state === 'taken') return;
    this.#state = 'done';
    this.#controller?.abort(new LinepoolError('interrupted'));
  }

  /** A client that had part of a response must not take it for whole. */
  #breakOff(): void {
    const socket = this.response.socket;
    if (socket === null) {
      this.response.destroy();
      return;
    }
    if (!this.#flowing) this.response.flushHeaders();
    // What ends with the connection looks whole after an orderly close, so only a reset says that it is not.
    if (this.#ending === 'close') reset(socket);
    else socket.destroySoon();
  }

  /** The connection is no longer HTTP: from now on its two ends talk past this exchange. */
  leave(): void {
    this.#state = 'done';
    this.#detach();
  }

  #detach(): void {
    this.response.off('close', onResponseClose);
    if (this.#listensForDrain) this.response.off('drain', onResponseDrain);
    this.#listensForDrain = false;
  }

  onRequestStart(controller: Dispatcher.DispatchController): void {
    if (this.#state === 'done') {
      controller.abort(new LinepoolError('interrupted'));
      return;
    }
    this.#controller = controller;
    this.#state = 'asked';
  }

  onResponseStarted(): void {
    // From here on the origin is answering: asking a second time is out.
    this.#repeatable = false;
  }

  onResponseStart(
    controller: Dispatcher.DispatchController,
    status: number,
    _headers: unknown,
    statusMessage?: string,
  ): void {
    if (this.#state !== 'asked') return;
    this.#controller = controller;
    let read: ReadResponse;
    try {
      const raw = fromWire((controller.rawHeaders ?? []) as (Uint8Array | string)[]);
      if (status < 200) {
        this.#inform(status, raw);
        return;
      }
      read = readResponseHead(this.head.method, status, raw);
      this.#writeHead(status, reasonPhrase(status, statusMessage), read.headers, read.ending);
    } catch (error) {
      this.fail(error instanceof LinepoolError ? error : new LinepoolError('bad_response', String(error)));
      return;
    }
    this.#ending = read.ending;
    this.#state = 'answering';
    const takeover = this.#context.consider?.({
      target: this.head.target,
      requestHeaders: this.head.headers,
      method: this.head.method,
      status,
      headers: read.headers,
      permit: this.#context.permit,
      controller,
      response: this.response,
      waitedMs: this.#context.clock.now() - this.#askedAt,
    });
    if (takeover !== undefined) {
      this.#takeover = takeover;
      this.#state = 'taken';
      this.#detach();
      this.response.flushHeaders();
      return;
    }
    // A head usually comes with its content, and goes out with it; one that comes alone must not wait for it.
    process.nextTick(flushHead, this);
  }

  #writeHead(status: number, reason: string, headers: readonly string[], ending: Ending): void {
    const { response } = this;
    const all = [...headers, 'Via', `1.1 ${this.#context.pseudonym}`];
    response.sendDate = false;
    if (ending === 'close') {
      response.useChunkedEncodingByDefault = false;
      all.push('Connection', 'close');
    }
    try {
      response.writeHead(status, reason, all);
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code !== 'ERR_INVALID_CHAR') throw error;
      response.writeHead(status, reason, cleaned(all));
    }
  }

  /** An interim response (RFC 9110 section 15.2). */
  #inform(status: number, raw: readonly string[]): void {
    if (this.request.httpVersion === '1.0' || this.response.destroyed) return;
    // Node must know of a 100, to keep the connection after it.
    if (status === 100) this.response.writeContinue();
    else {
      const headers = cleaned(readResponseHead(this.head.method, status, raw).headers);
      this.response.writeInformation(status, [...headers, 'Via', `1.1 ${this.#context.pseudonym}`]);
    }
  }

  flushHead(): void {
    if (this.#state === 'answering' && !this.#flowing) this.response.flushHeaders();
  }

  onResponseData(controller: Dispatcher.DispatchController, chunk: Buffer): void {
    if (this.#takeover !== undefined) {
      this.#takeover.data(chunk);
      return;
    }
    if (this.#state !== 'answering') return;
    this.#context.totals.passedBytes += chunk.length;
    const first = !this.#flowing;
    this.#flowing = true;
    if (first && chunk.length <= JOINED_BYTES && this.response.socket !== null) {
      if (this.#writeJoined(chunk, this.response.socket)) return;
    } else if (this.response.write(chunk)) return;
    controller.pause();
    if (!this.#listensForDrain) {
      this.#listensForDrain = true;
      this.response.on('drain', onResponseDrain);
    }
  }

  /**
   * The head and a short content in one string, and so in one write. Node would cork the connection until the end
   * of the turn, and then write string and end in two pieces; this costs a tenth less CPU for each small response.
   */
  #writeJoined(chunk: Buffer, socket: Socket): boolean {
    socket.cork();
    const roomLeft = this.response.write(chunk.toString('latin1'), 'latin1');
    socket.uncork();
    return roomLeft;
  }

  drained(): void {
    if (this.#state === 'answering') this.#controller?.resume();
  }

  onResponseEnd(controller: Dispatcher.DispatchController): void {
    if (this.#takeover !== undefined) {
      this.#state = 'done';
      this.#takeover.end();
      return;
    }
    if (this.#state !== 'answering') return;
    this.#state = 'done';
    this.#detach();
    const trailers = controller.rawTrailers as (Uint8Array | string)[] | null | undefined;
    if (this.#ending === 'chunked' && trailers !== null && trailers !== undefined && trailers.length > 0) {
      this.response.addTrailers(readTrailers(fromWire(trailers)));
    }
    this.response.end();
  }

  onResponseError(_controller: Dispatcher.DispatchController | undefined | null, error: Error): void {
    if (this.#takeover !== undefined) {
      if (this.#state === 'done') return;
      this.#state = 'done';
      this.#takeover.fail(error);
      return;
    }
    if (this.#state === 'done') return;
    if (this.#repeatable && wantsOwnConnection(error)) {
      this.#repeatable = false;
      this.#controller = undefined;
      this.#state = 'waiting';
      this.#context.again(this);
      return;
    }
    this.fail(
      this.#state === 'answering' ? new LinepoolError('response_incomplete', '', { cause: error }) : error,
    );
  }
}

/**
 * True when the kept-alive connections are to blame: the one used broke before a byte of an answer, or there are
 * too many. undici says how much was read on a connection in its life: nothing means that it was new, and that
 * asking again would fare no better.
 */
function wantsOwnConnection(error: Error): boolean {
  const { code, socket } = error as NodeJS.ErrnoException & { socket?: { bytesRead?: number } | null };
  switch (code) {
    case 'UND_ERR_MAX_ORIGINS_REACHED':
    case 'ECONNRESET':
    case 'EPIPE':
      return true;
    case 'UND_ERR_SOCKET':
      return (socket?.bytesRead ?? 0) > 0;
    default:
      return false;
  }
}

/** The error with what only this file can know: whose doing it is that undici or node:http complain. */
function named(error: unknown): LinepoolError {
  const { code, message } = error as NodeJS.ErrnoException;
  switch (code) {
    case 'UND_ERR_INVALID_ARG':
    case 'ERR_INVALID_CHAR':
    case 'ERR_UNESCAPED_CHARACTERS':
      return new LinepoolError('bad_request', message, { cause: error });
    default:
      return asLinepoolError(error);
  }
}

// One function each for all responses: a closure per request would cost more than the call.
function onResponseClose(this: ClientResponse): void {
  this.exchange?.abandon();
}

function onResponseDrain(this: ClientResponse): void {
  this.exchange?.drained();
}

function flushHead(exchange: Exchange): void {
  exchange.flushHead();
}
