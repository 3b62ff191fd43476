/**
 * One span fetched over a lane: a GET with a Range, its 206 checked before a byte of it counts (RFC 9110 section 14),
 * and stopped where its asker wants it to stop. Used by downloads over every kind of path.
 * It must never pass on a byte of a response that failed a check, or a byte beyond what was asked.
 *
 *     waiting ──head ok──► flowing ──last byte──► over        one that is signed is over with its trailer:
 *        └──────── refused, broken, stopped ───────►┘         flowing ──last byte──► signing ──► over
 */
import type { Dispatcher } from 'undici';
import { Bursts } from '../core/bursts.ts';
import type { Clock } from '../core/clock.ts';
import { asLinepoolError, LinepoolError } from '../core/errors.ts';
import {
  fieldValue,
  formatRange,
  fromWire,
  isIdentity,
  parseContentLength,
  parseContentRange,
  type RawHeaders,
  sameValidator,
  type Validator,
} from '../core/http.ts';
import { retryAfterOf } from '../core/retry-after.ts';
import { lengthOf, type Span } from '../core/span.ts';
import type { Bytes, Milliseconds } from '../core/units.ts';
import type { Lane } from './path.ts';

export interface RangeWanted {
  /** Path with query, as the origin is to get it. */
  readonly path: string;
  /** End-to-end headers besides Range and Accept-Encoding; flat. */
  readonly headers: RawHeaders;
  readonly span: Span;
  /** Length of the whole representation. */
  readonly total: Bytes;
  readonly validator: Validator;
  /** It is to be signed: its end is that of the message, whose trailer has the signature. */
  readonly signed?: boolean;
}

export interface RangeListener {
  /** The head came and is what was asked for. */
  proven(): void;
  /** Bytes from `offset` on; kept by the listener, never changed afterwards. */
  data(offset: Bytes, chunk: Buffer): void;
  /** All up to the end came; `signature` is what its trailer says. */
  ended(signature: string | undefined): void;
  /** It broke off, or was refused; what came before is good. `retryAfterMs` is the origin's wish. */
  failed(error: LinepoolError, retryAfterMs: Milliseconds | undefined): void;
}

/**
 * Why a response is not the span that was asked for; undefined when it is.
 * A lender's own refusal (it has a code in `linepool-error`) is told apart from the origin's.
 */
export function refusalOf(
  status: number,
  headers: RawHeaders,
  wanted: RangeWanted,
): LinepoolError | undefined {
  if (asksForLess(status)) return new LinepoolError('origin_busy', `(status ${status})`);
  if (status !== 206) return new LinepoolError('span_status', `(status ${status})`);
  if (!isIdentity(headers))
    return new LinepoolError('span_coding', fieldValue(headers, 'content-encoding') ?? '');
  const text = fieldValue(headers, 'content-range') ?? '';
  const range = parseContentRange(text);
  const { span, total } = wanted;
  if (
    range === undefined ||
    range.span.start !== span.start ||
    range.span.end !== span.end ||
    range.total !== total
  ) {
    return new LinepoolError(
      'span_range',
      `(asked ${formatRange(span)} of ${total}, got "${text.slice(0, 80)}")`,
    );
  }
  const length = fieldValue(headers, 'content-length');
  if (length !== undefined && parseContentLength(length) !== lengthOf(span)) {
    return new LinepoolError(
      'span_length',
      `(Content-Length ${length.slice(0, 20)} for ${lengthOf(span)} bytes)`,
    );
  }
  if (!sameValidator(headers, wanted.validator)) return new LinepoolError('span_validator');
  return undefined;
}

/** Too Many Requests (RFC 6585 section 4), or Service Unavailable (RFC 9110 section 15.6.4), which servers say for the same. */
const asksForLess = (status: number): boolean => status === 429 || status === 503;

type State =
  | { readonly kind: 'waiting' }
  | { readonly kind: 'flowing' }
  /** Every byte came; the trailer is waited for. */
  | { readonly kind: 'signing' }
  /** Nobody wants it any more; its turn on the lane has not come. */
  | { readonly kind: 'unwanted' }
  | { readonly kind: 'over' };

export class RangeFetch implements Dispatcher.DispatchHandler {
  readonly #wanted: RangeWanted;
  readonly #listener: RangeListener;
  readonly #clock: Clock;
  #source: Bursts | undefined;
  #state: State = { kind: 'waiting' };
  #controller: Dispatcher.DispatchController | undefined;
  #at: Bytes;
  #end: Bytes;

  constructor(wanted: RangeWanted, listener: RangeListener, clock: Clock) {
    this.#clock = clock;
    this.#wanted = wanted;
    this.#listener = listener;
    this.#at = wanted.span.start;
    this.#end = wanted.span.end;
  }

  /** The next byte to come. */
  get at(): Bytes {
    return this.#at;
  }

  /** Where it will end. */
  get end(): Bytes {
    return this.#end;
  }

  get isOver(): boolean {
    return this.#state.kind === 'over' || this.#state.kind === 'unwanted';
  }

  /** Puts the request on the lane. */
  send(lane: Lane): void {
    const { path, headers, span } = this.#wanted;
    lane.dispatch(path, [...headers, 'Accept-Encoding', 'identity', 'Range', formatRange(span)], this);
  }

  /**
   * Nothing at or beyond `at` is wanted. When that much has come already, it is over at once and the listener hears
   * no more, unless it is refused yet. A response that has begun is reset; one that has not is left alone until its turn, since resetting the
   * connection would cut those before it.
   */
  stopAt(at: Bytes): void {
    if (this.isOver) return;
    this.#end = Math.min(this.#end, at);
    if (this.#at < this.#end) return;
    if (this.#state.kind === 'waiting') this.#state = { kind: 'unwanted' };
    else this.#stop();
  }

  /** For when its lane goes away: the listener hears no more. */
  forget(): void {
    this.#state = { kind: 'over' };
    this.#source?.[Symbol.dispose]();
  }

  pause(): void {
    this.#source?.pause();
  }

  resume(): void {
    this.#source?.resume();
  }

  onRequestStart(controller: Dispatcher.DispatchController): void {
    this.#controller = controller;
  }

  onResponseStart(controller: Dispatcher.DispatchController, status: number): void {
    if (status < 200) return;
    if (this.#state.kind === 'over') {
      controller.abort(STOPPED);
      return;
    }
    // undici sends a request again when the connection broke under another one: then it begins anew.
    if (this.#state.kind === 'flowing' || this.#state.kind === 'signing') {
      this.#fail(new LinepoolError('connection_lost'), undefined);
      controller.abort(STOPPED);
      return;
    }
    const headers = fromWire((controller.rawHeaders ?? []) as Buffer[]);
    const refusal = lenderRefusal(headers) ?? refusalOf(status, headers, this.#wanted);
    if (refusal !== undefined) {
      // Told also of a span that nobody wants any more: those queued behind it would be refused alike.
      this.#state = { kind: 'over' };
      const waitMs = asksForLess(status) ? retryAfterOf(headers, this.#clock.wall()) : undefined;
      this.#listener.failed(refusal, waitMs);
      controller.abort(refusal);
      return;
    }
    if (this.#state.kind === 'unwanted') {
      this.#stop();
      return;
    }
    this.#state = { kind: 'flowing' };
    this.#source = new Bursts(controller, this.#clock);
    this.#listener.proven();
  }

  onResponseData(controller: Dispatcher.DispatchController, chunk: Buffer): void {
    if (this.#state.kind === 'signing') {
      const error = new LinepoolError('span_length', '(more came than was asked for)');
      this.#fail(error, undefined);
      controller.abort(error);
    }
    if (this.#state.kind !== 'flowing') return;
    const offset = this.#at;
    const room = this.#end - offset;
    const part = chunk.length > room ? chunk.subarray(0, room) : chunk;
    this.#at += part.length;
    this.#listener.data(offset, part);
    if (this.isOver) return;
    if (this.#at < this.#end) {
      this.#source?.came(part.length);
      return;
    }
    if (chunk.length > room && this.#end === this.#wanted.span.end) {
      const error = new LinepoolError('span_length', '(more came than was asked for)');
      this.#fail(error, undefined);
      // Nobody knows when it would end, and others wait behind it.
      controller.abort(error);
      return;
    }
    // The end was brought forward: the rest of the response is reset.
    if (this.#end < this.#wanted.span.end) this.#stop();
    else if (this.#wanted.signed === true) {
      this.#state = { kind: 'signing' };
      return;
    } else this.#state = { kind: 'over' };
    this.#listener.ended(undefined);
  }

  onResponseEnd(controller: Dispatcher.DispatchController): void {
    const { kind } = this.#state;
    if (kind === 'flowing') this.#fail(new LinepoolError('span_length'), undefined);
    this.#state = { kind: 'over' };
    if (kind !== 'signing') return;
    const trailers = fromWire((controller.rawTrailers ?? []) as Buffer[]);
    this.#listener.ended(fieldValue(trailers, SPAN_TRAILER));
  }

  onResponseError(_controller: Dispatcher.DispatchController, error: Error): void {
    this.#fail(asLinepoolError(error), undefined);
  }

  #stop(): void {
    this.#state = { kind: 'over' };
    this.#source?.[Symbol.dispose]();
    this.#controller?.abort(STOPPED);
  }

  #fail(error: LinepoolError, retryAfterMs: Milliseconds | undefined): void {
    const told = this.isOver;
    this.#state = { kind: 'over' };
    this.#source?.[Symbol.dispose]();
    if (!told) this.#listener.failed(error, retryAfterMs);
  }
}

const STOPPED = new LinepoolError('interrupted', 'the span is not wanted any more');

/** The request header that asks a lender to sign a span, what it says, and the trailer with the signature. */
export const SIGN_HEADER = 'linepool-sign';
export const SIGN_SPAN = 'span';
export const SPAN_TRAILER = 'linepool-span';

/** The header in which a lender names why it refused, as against an error of the origin. */
export const LENDER_ERROR = 'linepool-error';

function lenderRefusal(headers: RawHeaders): LinepoolError | undefined {
  const code = fieldValue(headers, LENDER_ERROR);
  return code === undefined ? undefined : LinepoolError.named(code, 'span_status');
}
