/**
 * What a borrower may ask to be fetched, and what the origin is asked and the borrower told because of it. Pure.
 * It must never let anything of the borrower's client through to the origin, besides the path and the one range.
 */
import { LinepoolError } from '../core/errors.ts';
import { CREDENTIALS, fieldValues, formatRange, parseRange, type RawHeaders } from '../core/http.ts';
import { type Span, span } from '../core/span.ts';
import { parseTarget, type Target } from '../core/target.ts';

export interface FetchWanted {
  readonly target: Target;
  readonly span: Span;
}

/**
 * The span that a request asks for: an absolute-form GET (RFC 9112 section 3.2.2) of an http origin, with one range
 * that has both ends, without content and without credentials.
 * @throws LinepoolError `method_refused`, `bad_target`, `credentials_refused`, `bad_request`
 */
export function fetchWanted(method: string, url: string, headers: RawHeaders): FetchWanted {
  if (method !== 'GET') throw new LinepoolError('method_refused', method.slice(0, 40));
  const target = unquoted(() => parseTarget(url));
  if (target.origin.scheme !== 'http') throw new LinepoolError('bad_target', 'https origins need CONNECT.');
  const credential = CREDENTIALS.find((name) => fieldValues(headers, name).length > 0);
  if (credential !== undefined) throw new LinepoolError('credentials_refused', `(${credential})`);
  const content = fieldValues(headers, 'content-length').some((length) => length.trim() !== '0');
  if (content || fieldValues(headers, 'transfer-encoding').length > 0) {
    throw new LinepoolError('bad_request', 'A GET that is fetched has no content.');
  }
  const [text, ...more] = fieldValues(headers, 'range');
  const range = text === undefined || more.length > 0 ? undefined : parseRange(text);
  if (range?.kind !== 'from' || range.end === undefined) {
    throw new LinepoolError('method_refused', 'It needs one Range: bytes=first-last.');
  }
  return { target, span: span(range.start, range.end) };
}

/**
 * What `parse` reads. What can't be read is not quoted: the refusal is logged here, and of the borrower's addresses nothing is.
 * @throws LinepoolError `bad_target`
 */
export function unquoted<T>(parse: () => T): T {
  try {
    return parse();
  } catch {
    throw new LinepoolError('bad_target');
  }
}

/** The fresh request's headers besides Host, flat. */
export const originHeaders = (wanted: Span, pseudonym: string): readonly string[] => [
  'Range',
  formatRange(wanted),
  'Accept-Encoding',
  'identity',
  'Forwarded',
  `for="${pseudonym}"`,
];

/** What the borrower learns of a response: what it checks the span with, and why there is none. */
const PASSED: ReadonlySet<string> = new Set([
  'accept-ranges',
  'content-range',
  'content-type',
  'date',
  'etag',
  'last-modified',
  'location',
  'retry-after',
]);

/** Those fields of an origin's response, as they came; Content-Length is the caller's. */
export function passedHeaders(headers: RawHeaders): string[] {
  const out: string[] = [];
  for (let i = 0; i + 1 < headers.length; i += 2) {
    const name = headers[i] ?? '';
    const value = headers[i + 1] ?? '';
    // Node refuses to write control characters; the parser lets some through.
    if (PASSED.has(name.toLowerCase()) && /^[\t\x20-\x7e\x80-\xff]*$/.test(value)) out.push(name, value);
  }
  return out;
}
