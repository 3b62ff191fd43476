/**
 * Refusals on the link: a status, and `{"code", "detail"}` as its body, so that the borrower learns which error it is.
 * Written by the link server and the relay, read by the link client. The other side's words are bounded and tidied here;
 * they must never be trusted to be short, printable or of a code that we know.
 */
import type { ServerResponse } from 'node:http';
import type { Duplex } from 'node:stream';
import { z } from 'zod';
import { ERRORS, type ErrorCode, LinepoolError } from '../core/errors.ts';
import { type Bytes, KIB } from '../core/units.ts';

/** Longest refusal body that is read. */
export const REFUSAL_MAX_BYTES: Bytes = 4 * KIB;
/** Longest detail that is shown, in characters. */
const DETAIL_MAX = 300;

const Refusal = z.object({ code: z.string().max(64), detail: z.string().optional() });

function fields(error: LinepoolError): { status: number; headers: string[]; body: string } {
  const { status, proxyStatus } = ERRORS[error.code];
  const body = `${JSON.stringify({ code: error.code, detail: error.detail.slice(0, DETAIL_MAX) })}\n`;
  const headers = [
    'Content-Type',
    'application/json',
    'Content-Length',
    String(Buffer.byteLength(body)),
    'Connection',
    'close',
  ];
  if (proxyStatus !== null) headers.push('Proxy-Status', `linepool; error=${proxyStatus}`);
  return { status, headers, body };
}

/** Answers a request with the error and closes the connection behind it. Nothing is sent when an answer has begun. */
export function refuse(response: ServerResponse, error: LinepoolError): void {
  if (response.headersSent || response.destroyed) {
    response.destroy();
    return;
  }
  const { status, headers, body } = fields(error);
  response.writeHead(status, headers);
  response.end(body);
}

/** Answers a CONNECT with the error and ends the socket. */
export function refuseConnect(socket: Duplex, error: LinepoolError): void {
  if (!socket.writable) {
    socket.destroy();
    return;
  }
  const { status, headers, body } = fields(error);
  let head = `HTTP/1.1 ${status} Refused\r\n`;
  for (let i = 0; i < headers.length; i += 2) head += `${headers[i]}: ${headers[i + 1]}\r\n`;
  socket.end(`${head}\r\n${body}`, () => socket.destroy());
}

/** The other side's refusal as an error. A code that we don't know becomes `neighbour_refused` and is quoted. */
export function readRefusal(status: number, body: string): LinepoolError {
  let refusal: z.output<typeof Refusal> | undefined;
  try {
    refusal = Refusal.safeParse(JSON.parse(body)).data;
  } catch {
    refusal = undefined;
  }
  const detail = tidy(refusal?.detail ?? '');
  const code = refusal?.code ?? '';
  if (isKnown(code)) return new LinepoolError(code, detail);
  const quoted = code === '' ? '' : ` ${JSON.stringify(tidy(code))}`;
  return new LinepoolError('neighbour_refused', `It answered ${status}${quoted}. ${detail}`.trim());
}

/** `internal` would say that the fault is ours. */
const isKnown = (code: string): code is ErrorCode => Object.hasOwn(ERRORS, code) && code !== 'internal';

const tidy = (text: string): string =>
  text
    .replace(/[\p{C}\p{Z}]+/gu, ' ')
    .trim()
    .slice(0, DETAIL_MAX);
