/**
 * Refusals: failures as a client sees them. A status from the ERRORS table, a Proxy-Status (RFC 9209) that
 * machines read, and a few sentences that a person understands. Called wherever the proxy itself answers.
 * Must never answer a client that has been answered: when a head is out already, the connection is cut instead.
 */
import { type ServerResponse, STATUS_CODES } from 'node:http';
import type { Duplex } from 'node:stream';
import { type BareItem, serializeList, Token } from 'structured-headers';
import type { Clock } from '../core/clock.ts';
import { ERRORS, type LinepoolError } from '../core/errors.ts';
import type { Milliseconds } from '../core/units.ts';

export interface Refusal {
  readonly status: number;
  /** Flat, with the length of the body. */
  readonly headers: string[];
  readonly body: string;
}

/** How much of a detail is told; it may be the peer's own words. */
const DETAIL_CHARACTERS = 200;

/** `linepool-ab12cd; error=dns_error; details="..."`; undefined when the error is not about an intermediary. */
export function proxyStatus(error: LinepoolError, pseudonym: string): string | undefined {
  const type = ERRORS[error.code].proxyStatus;
  if (type === null) return undefined;
  const parameters = new Map<string, BareItem>([['error', new Token(type)]]);
  // A structured string holds printable ASCII only.
  const details = error.detail.slice(0, DETAIL_CHARACTERS).replace(/[^\x20-\x7e]/g, '?');
  if (details !== '') parameters.set('details', details);
  return serializeList([[new Token(pseudonym), parameters]]);
}

const escaped = (text: string): string =>
  text.replace(/[&<>"]/g, (c) => ({ '&': '&amp;', '<': '&lt;', '>': '&gt;' })[c] ?? '&quot;');

/** True when the client says that it likes HTML, as browsers do; programs do not name it. */
const likesHtml = (accept: string | undefined): boolean => /\btext\/html\b/i.test(accept ?? '');

/** The whole answer; `accept` is the client's Accept field. */
export function refusal(error: LinepoolError, pseudonym: string, accept?: string): Refusal {
  const { status, says, advice } = ERRORS[error.code];
  const title = `${status} ${STATUS_CODES[status] ?? 'Error'}`;
  const detail = error.detail.slice(0, DETAIL_CHARACTERS);
  const html = likesHtml(accept);
  const body = html
    ? `<!doctype html><meta charset="utf-8"><title>${title}</title><h1>${escaped(says)}</h1>` +
      `${detail === '' ? '' : `<p>${escaped(detail)}</p>`}<p>${escaped(advice)}</p>` +
      `<hr><p>${title}, ${error.code}, from the linepool proxy ${pseudonym}</p>\n`
    : `${says}${detail === '' ? '' : ` ${detail}`}\n${advice}\n\n${title}, ${error.code}, from the linepool proxy ${pseudonym}\n`;
  const headers = [
    'Content-Type',
    html ? 'text/html; charset=utf-8' : 'text/plain; charset=utf-8',
    'Content-Length',
    String(Buffer.byteLength(body)),
    'Cache-Control',
    'no-store',
  ];
  const told = proxyStatus(error, pseudonym);
  if (told !== undefined) headers.push('Proxy-Status', told);
  return { status, headers, body };
}

/** What every answer of the proxy itself needs. */
export interface Voice {
  /** How this proxy calls itself in Via and Proxy-Status. */
  readonly pseudonym: string;
  readonly clock: Clock;
}

/**
 * Answers a request with a refusal; the connection ends after it when `close` is set. Content that is still on
 * its way is read and thrown away, so that the client gets to read the answer: server.ts bounds for how long.
 */
export function refuse(response: ServerResponse, error: LinepoolError, voice: Voice, close = false): void {
  if (response.headersSent) {
    response.destroy();
    return;
  }
  const request = response.req;
  const { status, headers, body } = refusal(error, voice.pseudonym, request.headers.accept);
  if (close) headers.push('Connection', 'close');
  else if (!request.complete) request.resume();
  response.writeHead(status, headers);
  response.end(body);
}

/** How long a refused connection may take to fetch its answer. */
const FAREWELL_MS: Milliseconds = 2_000;

/** Answers on a bare connection, where there is no request to answer, and ends it. */
export function refuseSocket(socket: Duplex, error: LinepoolError, voice: Voice): void {
  if (socket.destroyed || !socket.writable) {
    socket.destroy();
    return;
  }
  const { status, headers, body } = refusal(error, voice.pseudonym);
  let head = `HTTP/1.1 ${status} ${STATUS_CODES[status] ?? ''}\r\n`;
  for (let i = 0; i + 1 < headers.length; i += 2) head += `${headers[i]}: ${headers[i + 1]}\r\n`;
  endSoon(socket, voice.clock);
  socket.end(`${head}Connection: close\r\n\r\n${body}`);
}

/**
 * Lets what is written arrive before the connection goes: bytes that the client still sends are thrown away,
 * since closing with unread bytes makes TCP drop what was written. Ends after a short time in any case.
 */
export function endSoon(socket: Duplex, clock: Clock): void {
  const limit = clock.after(FAREWELL_MS, () => socket.destroy());
  socket.on('close', () => limit[Symbol.dispose]());
  socket.on('error', () => socket.destroy());
  socket.on('data', ignore);
  socket.on('end', () => socket.end());
}

function ignore(): void {
  // Bytes of a request that is refused already.
}
