/**
 * Problems: how the control server says that it will not or can not, as JSON with a code that clients recognise and
 * words that people understand. Used by api.ts and gate.ts; on a response, or on the bare socket of a CONNECT.
 */
import type { IncomingMessage, ServerResponse } from 'node:http';
import type { Duplex } from 'node:stream';
import { asLinepoolError, ERRORS, type ErrorCode, LinepoolError } from '../core/errors.ts';
import type { Problem } from './schema.ts';

/** What a client is told of an error. */
export function problemOf(error: LinepoolError): Problem {
  const { says, advice } = ERRORS[error.code];
  return { code: error.code, says, advice, detail: error.detail };
}

/** Answers with JSON; `afterwards` is called once it is on its way. */
export function sendJson(
  response: ServerResponse,
  status: number,
  body: unknown,
  afterwards: () => void = () => undefined,
): void {
  const text = `${JSON.stringify(body)}\n`;
  response.writeHead(status, {
    'content-type': 'application/json',
    'content-length': Buffer.byteLength(text),
    'cache-control': 'no-store',
    'x-content-type-options': 'nosniff',
  });
  response.end(text, afterwards);
}

/** Answers with the problem, or cuts the answer off when it has begun already. */
export function sendProblem(
  request: IncomingMessage,
  response: ServerResponse,
  thrown: unknown,
  status?: number,
): void {
  if (response.headersSent) {
    response.destroy();
    return;
  }
  const error = asLinepoolError(thrown);
  // What is left of a body is not read: the connection can't be used again.
  if (!request.complete) response.setHeader('connection', 'close');
  sendJson(response, status ?? ERRORS[error.code].status, problemOf(error));
}

/** The same on a socket that has no response object; ends it. */
export function endWithProblem(
  socket: Duplex,
  thrown: unknown,
  status?: number,
  headers: readonly string[] = [],
): void {
  const error = asLinepoolError(thrown);
  const body = `${JSON.stringify(problemOf(error))}\n`;
  const lines = [
    `HTTP/1.1 ${status ?? ERRORS[error.code].status} Refused`,
    'connection: close',
    'content-type: application/json',
    `content-length: ${Buffer.byteLength(body)}`,
    ...headers,
  ];
  socket.end(`${lines.join('\r\n')}\r\n\r\n${body}`);
}

/**
 * For `clientError`: a request that is not HTTP, too large or too slow. The socket may be gone already. Once it was asked
 * something, an answer may be on its way, and this would be taken for a part of it: then it is cut without a word.
 */
export function refuseUnreadable(error: NodeJS.ErrnoException, socket: Duplex, wasAsked: boolean): void {
  if (wasAsked || !socket.writable || error.code === 'ECONNRESET') {
    socket.destroy();
    return;
  }
  let code: ErrorCode = 'bad_request';
  if (error.code === 'HPE_HEADER_OVERFLOW') code = 'headers_too_large';
  if (error.code === 'ERR_HTTP_REQUEST_TIMEOUT') code = 'request_timeout';
  endWithProblem(socket, new LinepoolError(code));
}
