/**
 * Answers about the proxy itself: requests in origin-form, and TRACE and OPTIONS whose hops are used up
 * (RFC 9110 section 7.6.2). Called by server.ts.
 */
import type { IncomingMessage, ServerResponse } from 'node:http';
import { LinepoolError } from '../core/errors.ts';
import { CREDENTIALS, type RawHeaders } from '../core/http.ts';
import { refuse, type Voice } from './refusal.ts';

const ABOUT = `This is linepool, the HTTP proxy of this household.
It pools the lines of paired neighbours for large downloads.
Use it as a proxy: for example  curl -x http://THIS-ADDRESS http://example.org/
`;

/** Fields that a TRACE must not echo (RFC 9110 section 9.3.8). */
const SECRET: ReadonlySet<string> = new Set(CREDENTIALS);

/** Answers a request whose target is the proxy and no origin. */
export function answerItself(request: IncomingMessage, response: ServerResponse, voice: Voice): void {
  const { method, url } = request;
  if (method === 'OPTIONS') answerOptions(request, response);
  else if (method === 'TRACE') answerTrace(request, response);
  else if (url !== '/') {
    const detail = 'This is a proxy: ask it for an absolute address.';
    refuse(
      response,
      new LinepoolError(url?.startsWith('/') === true ? 'not_found' : 'bad_target', detail),
      voice,
    );
  } else if (method !== 'GET' && method !== 'HEAD')
    refuse(response, new LinepoolError('method_not_allowed'), voice);
  else answer(request, response, 200, 'text/plain; charset=utf-8', ABOUT);
}

/** OPTIONS that stops here. */
export function answerOptions(request: IncomingMessage, response: ServerResponse): void {
  request.resume();
  response.writeHead(204, ['Allow', 'GET, HEAD, POST, PUT, DELETE, PATCH, OPTIONS, TRACE, CONNECT']);
  response.end();
}

/** TRACE that stops here: the request as it came. */
export function answerTrace(request: IncomingMessage, response: ServerResponse): void {
  const lines = [`${request.method} ${request.url} HTTP/${request.httpVersion}`];
  const fields: RawHeaders = request.rawHeaders;
  for (let i = 0; i + 1 < fields.length; i += 2) {
    const name = fields[i] ?? '';
    if (!SECRET.has(name.toLowerCase())) lines.push(`${name}: ${fields[i + 1]}`);
  }
  answer(request, response, 200, 'message/http', `${lines.join('\r\n')}\r\n\r\n`);
}

function answer(
  request: IncomingMessage,
  response: ServerResponse,
  status: number,
  type: string,
  body: string,
): void {
  request.resume();
  const bytes = Buffer.from(body, type === 'message/http' ? 'latin1' : 'utf8');
  response.writeHead(status, ['Content-Type', type, 'Content-Length', String(bytes.length)]);
  response.end(bytes);
}
