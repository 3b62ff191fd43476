/**
 * The head of a client's request: what is ambiguous is refused here, and what goes on to the origin is made here
 * (RFC 9112 sections 3.2 and 6, RFC 9110 section 7.6). Called by server.ts for every request, before anything is
 * done for it. Pure; must never let through a message that two parsers could frame in two ways.
 *
 * Node's parser (strict) refuses most of it before: see test/proxy/framing.test.ts for who refuses what.
 */
import { LinepoolError } from '../core/errors.ts';
import { endToEnd, fieldValues, parseContentLength, type RawHeaders } from '../core/http.ts';
import { parseTarget, type Target } from '../core/target.ts';

/** What Node's IncomingMessage has, and no more. */
export interface RequestLine {
  readonly method?: string | undefined;
  readonly url?: string | undefined;
  readonly httpVersion: string;
  readonly rawHeaders: RawHeaders;
}

/** How the content of a request is delimited. */
export type Content = 'none' | 'sized' | 'chunked';

export interface Framing {
  readonly content: Content;
  /** The client waits for 100 (Continue) before it sends the content. */
  readonly expects: boolean;
}

/** A request as it goes to the origin. */
export interface RequestHead {
  readonly method: string;
  readonly target: Target;
  /** End-to-end, without Host; our Via last. Content-Length stays, Transfer-Encoding does not. */
  readonly headers: string[];
  readonly content: Content;
  readonly expects: boolean;
}

const bad = (why: string): LinepoolError => new LinepoolError('bad_request', why);

/**
 * How the request is framed.
 * @throws LinepoolError `bad_request` when that is ambiguous, or the Host is (RFC 9112 sections 3.2, 6.1, 6.3)
 */
export function readFraming(request: RequestLine): Framing {
  const { httpVersion, rawHeaders } = request;
  if (httpVersion !== '1.1' && httpVersion !== '1.0')
    throw bad(`HTTP/${httpVersion} is not spoken here, HTTP/1.1 is.`);
  let hosts = 0;
  let length: string | undefined;
  let coding: string | undefined;
  let expects = false;
  for (let i = 0; i + 1 < rawHeaders.length; i += 2) {
    const name = rawHeaders[i] ?? '';
    // The lengths of the four names that matter; most fields are passed by without being lowered.
    if (name.length !== 4 && name.length !== 6 && name.length !== 14 && name.length !== 17) continue;
    const value = rawHeaders[i + 1] ?? '';
    switch (name.toLowerCase()) {
      case 'host':
        hosts += 1;
        if (/[\s/?#@,\\]/.test(value)) throw bad('The Host field is not a host.');
        break;
      case 'content-length':
        if (length !== undefined) throw bad('There is more than one Content-Length.');
        if (parseContentLength(value) === undefined) throw bad('The Content-Length is not a number.');
        length = value;
        break;
      case 'transfer-encoding':
        if (coding !== undefined || value.toLowerCase() !== 'chunked')
          throw bad('No Transfer-Encoding but chunked is understood.');
        coding = value;
        break;
      case 'expect':
        expects ||= value.toLowerCase() === '100-continue';
        break;
      default:
    }
  }
  if (hosts > 1) throw bad('There is more than one Host.');
  if (hosts === 0 && httpVersion === '1.1') throw bad('There is no Host.');
  if (coding !== undefined && length !== undefined)
    throw bad('There is both a Content-Length and a Transfer-Encoding.');
  if (coding !== undefined && httpVersion === '1.0') throw bad('HTTP/1.0 has no Transfer-Encoding.');
  const content =
    coding !== undefined ? 'chunked' : length !== undefined && Number(length) > 0 ? 'sized' : 'none';
  return { content, expects: expects && content !== 'none' && httpVersion === '1.1' };
}

/** True when the request was through this proxy before (RFC 9110 section 7.6.3). */
export function isLoop(headers: RawHeaders, pseudonym: string): boolean {
  for (const value of fieldValues(headers, 'via')) {
    if (!value.includes(pseudonym)) continue;
    if (value.split(',').some((hop) => hop.trim().split(/[ \t]+/)[1] === pseudonym)) return true;
  }
  return false;
}

/** Max-Forwards of TRACE and OPTIONS (RFC 9110 section 7.6.2); undefined for others, and when it is not a number. */
export function maxForwards(request: RequestLine): number | undefined {
  if (request.method !== 'TRACE' && request.method !== 'OPTIONS') return undefined;
  const [value = ''] = fieldValues(request.rawHeaders, 'max-forwards');
  return /^\d{1,9}$/.test(value) ? Number(value) : undefined;
}

/** Fields that are not passed on though they are end-to-end: each is written anew, or has lost its meaning. */
function isReplaced(name: string, framing: Framing): boolean {
  switch (name.length) {
    case 4:
      return name.toLowerCase() === 'host';
    case 6:
      return !framing.expects && name.toLowerCase() === 'expect';
    case 7:
      // Trailers come after chunked content only; a Trailer field elsewhere makes HTTP libraries fail.
      return framing.content !== 'chunked' && name.toLowerCase() === 'trailer';
    case 14:
      return framing.content === 'none' && name.toLowerCase() === 'content-length';
    default:
      return false;
  }
}

/**
 * The request as it goes on. It must be in absolute-form.
 * @throws LinepoolError `bad_target`, `bad_request`, `loop`
 */
export function readRequestHead(request: RequestLine, framing: Framing, pseudonym: string): RequestHead {
  const method = request.method ?? '';
  const url = request.url ?? '';
  if (isLoop(request.rawHeaders, pseudonym)) throw new LinepoolError('loop');
  if (method === 'TRACE' && framing.content !== 'none') throw bad('A TRACE request has no content.');
  // The URL parser would skip further slashes, and take part of the path for the host.
  if (/^https?:\/\/[/?#]/i.test(url))
    throw new LinepoolError('bad_target', 'There is no host in the address.');
  let target = parseTarget(url);
  // "OPTIONS http://host" asks about the server as a whole (RFC 9112 section 3.2.4).
  if (method === 'OPTIONS' && /^https?:\/\/[^/?#]*$/i.test(url))
    target = { origin: target.origin, path: '*' };
  const hops = maxForwards(request);
  const headers: string[] = [];
  const all = endToEnd(request.rawHeaders);
  for (let i = 0; i + 1 < all.length; i += 2) {
    const name = all[i] ?? '';
    if (isReplaced(name, framing)) continue;
    const value = all[i + 1] ?? '';
    headers.push(
      name,
      hops !== undefined && name.toLowerCase() === 'max-forwards' ? String(hops - 1) : value,
    );
  }
  headers.push('Via', `${request.httpVersion} ${pseudonym}`);
  return { method, target, headers, content: framing.content, expects: framing.expects };
}
