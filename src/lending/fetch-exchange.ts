/**
 * One fetched span: the origin's response on its way to the borrower. Made by the fetch connection for each request;
 * undici calls it.
 *
 *     waiting ──206──────────────► flowing ──all passed──► over
 *        ├──3xx, 4xx, 5xx: head──► discarding ───────────►┤
 *        └──refused, cut, lost────────────────────────────┘
 *
 * What counts against the lease: every byte of a response's body that the origin sent, passed on or discarded.
 * It must never pass on more bytes than were asked for, or a response that is not the span.
 */
import type { ServerResponse } from 'node:http';
import type { Dispatcher } from 'undici';
import type { Clock } from '../core/clock.ts';
import { asLinepoolError, LinepoolError } from '../core/errors.ts';
import { fieldValue, fromWire, isIdentity, parseContentLength, type RawHeaders } from '../core/http.ts';
import { lengthOf, type Span, span } from '../core/span.ts';
import { type Bytes, KIB } from '../core/units.ts';
import { refuse } from '../neighbours/refusal.ts';
import { LENDER_ERROR, SPAN_TRAILER } from '../paths/range-fetch.ts';
import { Carriage } from './carriage.ts';
import { passedHeaders } from './fetch-request.ts';
import type { LeaseAccount } from './lease-account.ts';
import { toldOf } from './relay.ts';
import type { Gate } from './shaper.ts';
import type { SpanSeal } from './span-statement.ts';

/** Of the body of a response that is no span, so much is read to keep the origin's connection; then it is reset. */
export const DISCARD_MAX: Bytes = 16 * KIB;

/** What the exchange asks of its connection. */
export interface ExchangeHost {
  readonly clock: Clock;
  gate(pass: (bytes: Bytes) => void): Gate;
  /** Whether its response may be written more. */
  hasRoom(exchange: FetchExchange): boolean;
  carried(bytes: Bytes): void;
  /** It was refused, or cut. */
  refused(error: LinepoolError): void;
  /** Resets the origin's connection that it runs on. */
  reset(exchange: FetchExchange): void;
}

type State =
  | { readonly kind: 'waiting' }
  | { readonly kind: 'flowing'; readonly carriage: Carriage; left: Bytes }
  | { readonly kind: 'discarding'; left: Bytes }
  | { readonly kind: 'over' };

export class FetchExchange implements Dispatcher.DispatchHandler {
  readonly response: ServerResponse;
  readonly #host: ExchangeHost;
  readonly #stack = new DisposableStack();
  #account: LeaseAccount | undefined;
  #wanted: Span = span(0, 0);
  /** Of one that the borrower wants signed. */
  #seal: SpanSeal | undefined;
  #controller: Dispatcher.DispatchController | undefined;
  #state: State = { kind: 'waiting' };

  constructor(response: ServerResponse, host: ExchangeHost) {
    this.response = response;
    this.#host = host;
    // Dates are the origin's or none.
    response.sendDate = false;
    response.once('close', () => this.#stop(new LinepoolError('connection_lost')));
  }

  /** Undefined until it is admitted. */
  get account(): LeaseAccount | undefined {
    return this.#account;
  }

  get isOver(): boolean {
    return this.#state.kind === 'over';
  }

  /** From here on it runs under that lease, for that span. */
  admit(account: LeaseAccount, wanted: Span, seal?: SpanSeal): void {
    this.#account = account;
    this.#wanted = wanted;
    this.#seal = seal;
    const { signal, receipts } = account;
    if (receipts !== undefined) this.#stack.use(receipts.begin());
    const onAbort = (): void => this.fail(asLinepoolError(signal.reason));
    signal.addEventListener('abort', onAbort, { once: true });
    this.#stack.defer(() => signal.removeEventListener('abort', onAbort));
    if (signal.aborted) onAbort();
  }

  /** The borrower's connection takes more. */
  drained(): void {
    if (this.#state.kind === 'flowing') this.#state.carriage.drained();
  }

  /** Ends it at once: with a refusal while that is possible, else by resetting the borrower's connection. */
  fail(error: LinepoolError): void {
    if (this.isOver) return;
    this.#stop(error);
    this.#host.refused(error);
    const told = toldOf(error);
    if (!this.response.headersSent) this.response.setHeader(LENDER_ERROR, told.code);
    refuse(this.response, told);
  }

  onRequestStart(controller: Dispatcher.DispatchController): void {
    this.#controller = controller;
    if (this.isOver) controller.abort(STOPPED);
  }

  onResponseStart(controller: Dispatcher.DispatchController, status: number): void {
    if (status < 200) return;
    if (this.#state.kind !== 'waiting') {
      controller.abort(STOPPED);
      return;
    }
    const headers = fromWire((controller.rawHeaders ?? []) as Buffer[]);
    if (status === 206) this.#beginSpan(controller, headers);
    else if (status >= 300 && status <= 599) this.#passHead(status, headers);
    else this.fail(new LinepoolError('span_status', `(status ${status})`));
  }

  onResponseData(controller: Dispatcher.DispatchController, chunk: Buffer): void {
    const state = this.#state;
    if (state.kind === 'flowing') {
      state.left -= chunk.length;
      if (state.left < 0) this.fail(new LinepoolError('span_length', '(more came than was asked for)'));
      else state.carriage.push(chunk);
    } else if (state.kind === 'discarding') {
      state.left -= chunk.length;
      this.#account?.discard(chunk.length);
      this.#host.carried(chunk.length);
      if (state.left < 0) controller.abort(STOPPED);
    }
  }

  onResponseEnd(): void {
    if (this.#state.kind === 'flowing') this.#state.carriage.end();
    else if (this.#state.kind === 'discarding') this.#stop(STOPPED);
  }

  onResponseError(_controller: Dispatcher.DispatchController, error: Error): void {
    if (this.#state.kind === 'discarding') this.#stop(STOPPED);
    else if (this.#state.kind === 'flowing') this.#breakOff(this.#state.carriage);
    else this.fail(asLinepoolError(error));
  }

  #beginSpan(controller: Dispatcher.DispatchController, headers: RawHeaders): void {
    const account = this.#account;
    if (account === undefined) return;
    if (!isIdentity(headers)) {
      this.fail(new LinepoolError('span_coding', fieldValue(headers, 'content-encoding') ?? ''));
      return;
    }
    const text = fieldValue(headers, 'content-length');
    const length = text === undefined ? undefined : parseContentLength(text);
    const wanted = lengthOf(this.#wanted);
    if (length !== undefined && length > wanted) {
      this.fail(new LinepoolError('span_length', `(${length} bytes for ${wanted})`));
      return;
    }
    const { response } = this;
    const seal = this.#seal;
    seal?.begin(this.#wanted, headers);
    // What has a trailer is chunked (RFC 9112 section 7.1.2).
    const framing = length === undefined || seal !== undefined ? [] : ['Content-Length', String(length)];
    const head = [...passedHeaders(headers), ...framing];
    // With the first byte, not before: until then a refusal can still be told.
    const writeHead = (): void => {
      if (!response.headersSent) response.writeHead(206, head);
    };
    const carriage = this.#stack.use(
      new Carriage({
        gate: (pass) => this.#host.gate(pass),
        account,
        source: controller,
        clock: this.#host.clock,
        sink: {
          write: (chunk) => {
            writeHead();
            seal?.update(chunk);
            response.write(chunk, (error) => {
              if ((error ?? null) === null) account.receipts?.down(chunk.length);
            });
          },
          hasRoom: () => this.#host.hasRoom(this),
          end: () => {
            writeHead();
            this.#finish();
          },
        },
        carried: (bytes) => this.#host.carried(bytes),
      }),
    );
    this.#state = { kind: 'flowing', carriage, left: wanted };
  }

  /** A response that is no span goes without its body: what it is about is in its head. */
  #passHead(status: number, headers: RawHeaders): void {
    const framing = status === 304 ? [] : ['Content-Length', '0'];
    this.#state = { kind: 'discarding', left: DISCARD_MAX };
    this.response.writeHead(status, [...passedHeaders(headers), ...framing]);
    this.response.end();
  }

  /** The origin's connection broke: what came still goes to the borrower, which sees that the rest is missing. */
  #breakOff(carriage: Carriage): void {
    const { response } = this;
    this.#host.refused(new LinepoolError('response_incomplete'));
    this.#finish = () => {
      this.#stop(STOPPED);
      // A response that waits for its turn has no socket yet, and nothing of it was sent.
      if (response.socket === null) response.destroy();
      else response.socket.destroySoon();
    };
    carriage.end();
  }

  /** All that came has passed. */
  #finish = (): void => {
    const seal = this.#state.kind === 'flowing' && this.#state.left === 0 ? this.#seal : undefined;
    this.#stop(STOPPED);
    if (seal !== undefined) this.#sign(seal);
    this.response.end();
  };

  /** Never throws: what can't be signed goes unsigned, and the borrower judges that. */
  #sign(seal: SpanSeal): void {
    try {
      this.response.addTrailers([[SPAN_TRAILER, seal.end()]]);
    } catch (error) {
      this.#host.refused(asLinepoolError(error));
    }
  }

  #stop(reason: LinepoolError): void {
    const { kind } = this.#state;
    if (kind === 'over') return;
    this.#state = { kind: 'over' };
    this.#stack.dispose();
    if (reason === STOPPED || this.#controller === undefined) return;
    // undici alone would end the connection in good order, and the origin go on sending for a round trip.
    this.#host.reset(this);
    this.#controller.abort(reason);
  }
}

const STOPPED = new LinepoolError('interrupted', 'the fetch is over');
