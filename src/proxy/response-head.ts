/**
 * The head of an origin's response: what is ambiguous becomes an error, and what goes on to the client is made here
 * (RFC 9112 section 6, RFC 9110 section 7.6). Called by exchange.ts for every response. Pure.
 */
import { STATUS_CODES } from 'node:http';
import { LinepoolError } from '../core/errors.ts';
import { endToEnd, type RawHeaders } from '../core/http.ts';

/**
 * How the content of a response ends: there is none, after a known length, with a last chunk, or with the
 * connection. Of the last nobody can tell whether it is whole, so it must not be made to look so.
 */
export type Ending = 'none' | 'sized' | 'chunked' | 'close';

export interface ReadResponse {
  /** End-to-end; what the client may see, without our Via. */
  readonly headers: string[];
  readonly ending: Ending;
}

const bad = (why: string): LinepoolError => new LinepoolError('bad_response', why);

/** @throws LinepoolError `bad_response` when the framing is ambiguous or a transfer coding is not chunked */
export function readResponseHead(method: string, status: number, raw: RawHeaders): ReadResponse {
  let length: string | undefined;
  let chunked = false;
  let drop = false;
  for (let i = 0; i + 1 < raw.length; i += 2) {
    const name = raw[i] ?? '';
    if (name.length !== 7 && name.length !== 14 && name.length !== 17) continue;
    const value = raw[i + 1] ?? '';
    switch (name.toLowerCase()) {
      case 'content-length':
        if (length !== undefined && length !== value) throw bad('Two Content-Length fields differ.');
        length = value;
        break;
      case 'transfer-encoding':
        if (chunked || value.toLowerCase() !== 'chunked')
          throw bad('Its Transfer-Encoding is not chunked alone.');
        chunked = true;
        break;
      case 'trailer':
        drop = true;
        break;
      default:
    }
  }
  if (chunked && length !== undefined) throw bad('It has both a Content-Length and a Transfer-Encoding.');
  const bodyless = method === 'HEAD' || status === 204 || status === 304 || status < 200;
  const ending = bodyless ? 'none' : chunked ? 'chunked' : length !== undefined ? 'sized' : 'close';
  let headers = endToEnd(raw);
  // A Trailer field without chunks to trail makes HTTP libraries fail; 204 and 1xx have no length (RFC 9110 section 8.6).
  if (drop && ending !== 'chunked') headers = without(headers, 'trailer');
  if (length !== undefined && (status === 204 || status < 200)) headers = without(headers, 'content-length');
  return { headers, ending };
}

/** The list without one field. */
export function without(headers: RawHeaders, field: string): string[] {
  const out: string[] = [];
  for (let i = 0; i + 1 < headers.length; i += 2) {
    const name = headers[i] ?? '';
    if (name.toLowerCase() !== field) out.push(name, headers[i + 1] ?? '');
  }
  return out;
}

/** The list with a space for each control character in a value (RFC 9110 section 5.5); for the rare list that needs it. */
export function cleaned(headers: RawHeaders): string[] {
  return headers.map((text, i) => (i % 2 === 1 ? text.replace(/[^\t\x20-\x7e\x80-\xff]/g, ' ') : text));
}

/** The origin's reason phrase when it is plain text, else the usual one. */
export function reasonPhrase(status: number, given: string | undefined): string {
  if (given !== undefined && /^[\t\x20-\x7e]*$/.test(given)) return given;
  return STATUS_CODES[status] ?? '';
}

/** Fields that mean nothing after the content, or that must be known before it (RFC 9110 section 6.5.1). */
const NOT_IN_TRAILERS: ReadonlySet<string> = new Set([
  'content-length',
  'content-encoding',
  'content-type',
  'content-range',
  'trailer',
  'host',
  'authorization',
  'set-cookie',
  'cookie',
  'cache-control',
  'expect',
  'max-forwards',
  'range',
  'via',
]);

/** Trailer fields that are passed on, as pairs; order and repeats kept. */
export function readTrailers(raw: RawHeaders): [string, string][] {
  const pairs: [string, string][] = [];
  const fields = cleaned(endToEnd(raw));
  for (let i = 0; i + 1 < fields.length; i += 2) {
    const name = fields[i] ?? '';
    if (!NOT_IN_TRAILERS.has(name.toLowerCase())) pairs.push([name, fields[i + 1] ?? '']);
  }
  return pairs;
}
