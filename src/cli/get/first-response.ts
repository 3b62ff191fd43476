/**
 * The first request of `get`: sent over the own line, redirects followed, until a response is there whose body can be
 * used (RFC 9110 section 15.4). Its body waits, paused, for whoever takes it over.
 * It must never carry a person's credentials to another origin than the one they were given for.
 */
import { Client, type Dispatcher } from 'undici';
import type { Clock } from '../../core/clock.ts';
import { asLinepoolError, LinepoolError } from '../../core/errors.ts';
import { fieldValue, formatRange, formatRangeFrom, fromWire, type RawHeaders } from '../../core/http.ts';
import { formatOrigin, type Target } from '../../core/target.ts';
import type { Milliseconds } from '../../core/units.ts';
import { connector, type DialOptions } from '../../paths/dial.ts';
import { asksToWait, Patience } from './patience.ts';
import { headersAlong, isRedirect, redirected } from './redirect.ts';
import { type OpenRequest, REDIRECTS_MAX } from './seam.ts';

export interface FirstResponse {
  readonly target: Target;
  /** Of the request as it was sent there: credentials are gone after a redirect to another origin. */
  readonly requestHeaders: RawHeaders;
  readonly status: number;
  readonly headers: RawHeaders;
  readonly controller: Dispatcher.DispatchController;
  /** From the request to the head, connecting left out of account. */
  readonly latencyMs: Milliseconds;
  /** Takes the body over; until then nothing of it is read. */
  take(body: BodyTaker): void;
  /** Ends it, body and connection. */
  close(): void;
}

export interface BodyTaker {
  data(chunk: Buffer): void;
  end(): void;
  fail(error: Error): void;
}

export interface FirstRequestOptions {
  readonly dial: DialOptions;
  readonly responseTimeout: Milliseconds;
  readonly clock: Clock;
  readonly userAgent: string;
}

/**
 * @throws LinepoolError `origin_refused` for a final status that is not 200 or 206; `origin_busy` for one that asks to be left
 *   alone for longer than there is patience; what a line can throw
 */
export async function firstResponse(
  request: OpenRequest,
  options: FirstRequestOptions,
): Promise<FirstResponse> {
  let target = request.target;
  let headers = request.headers;
  const { clock } = options;
  const patience = new Patience({
    clock,
    signal: request.signal,
    waiting: request.waiting ?? (() => undefined),
  });
  for (let hops = 0; hops <= REDIRECTS_MAX; hops += 1) {
    let response = await ask(target, headers, request, options);
    while (asksToWait(response.status)) {
      response.close();
      await patience.after(response.status, response.headers, target.origin);
      response = await ask(target, headers, request, options);
    }
    if (!isRedirect(response.status)) {
      if (response.status === 200 || response.status === 206) return response;
      response.close();
      throw new LinepoolError(
        'origin_refused',
        `(status ${response.status} from ${formatOrigin(target.origin)})`,
      );
    }
    response.close();
    const next = redirected(target, fieldValue(response.headers, 'location'));
    if (target.origin.scheme === 'https' && next.origin.scheme === 'http') {
      throw new LinepoolError('origin_refused', `(redirect from https to ${formatOrigin(next.origin)})`);
    }
    headers = headersAlong(target, next, headers);
    target = next;
  }
  throw new LinepoolError('origin_refused', `(more than ${REDIRECTS_MAX} redirects)`);
}

function requestHeaders(headers: RawHeaders, { from }: OpenRequest, userAgent: string): string[] {
  const out = [...headers];
  if (fieldValue(headers, 'user-agent') === undefined) out.push('User-Agent', userAgent);
  if (fieldValue(headers, 'accept') === undefined) out.push('Accept', '*/*');
  out.push('Accept-Encoding', 'identity');
  if (from === undefined) return out;
  const { start, end, validator } = from;
  out.push('Range', end === undefined ? formatRangeFrom(start) : formatRange({ start, end }));
  if (validator !== undefined) out.push('If-Range', validator.value);
  return out;
}

function ask(
  target: Target,
  headers: RawHeaders,
  request: OpenRequest,
  { dial, responseTimeout, clock, userAgent }: FirstRequestOptions,
): Promise<FirstResponse> {
  return new Promise((resolve, reject) => {
    const client = new Client(formatOrigin(target.origin), {
      allowH2: false,
      connect: connector(dial),
      headersTimeout: responseTimeout,
      bodyTimeout: responseTimeout,
    });
    client.on('connectionError', () => undefined);
    const close = (): void => queueMicrotask(() => void client.destroy(new LinepoolError('interrupted')));
    const onAbort = (): void => {
      close();
      reject(request.signal.reason as Error);
    };
    if (request.signal.aborted) {
      onAbort();
      return;
    }
    request.signal.addEventListener('abort', onAbort, { once: true });
    let askedAt = clock.now();
    client.on('connect', () => {
      askedAt = clock.now();
    });
    let taker: BodyTaker | undefined;
    const sent = [...headers];
    client.dispatch(
      { method: 'GET', path: target.path, headers: requestHeaders(headers, request, userAgent) },
      {
        onRequestStart: () => undefined,
        onResponseStart(controller, status) {
          if (status < 200) return;
          controller.pause();
          resolve({
            target,
            requestHeaders: sent,
            status,
            headers: fromWire((controller.rawHeaders ?? []) as Buffer[]),
            controller,
            latencyMs: clock.now() - askedAt,
            take(body) {
              taker = body;
              controller.resume();
            },
            close,
          });
        },
        onResponseData: (_controller, chunk) => taker?.data(chunk),
        onResponseEnd() {
          taker?.end();
          request.signal.removeEventListener('abort', onAbort);
          close();
        },
        onResponseError(_controller, error) {
          request.signal.removeEventListener('abort', onAbort);
          close();
          if (taker === undefined) reject(asLinepoolError(error));
          else taker.fail(error);
        },
      },
    );
  });
}
