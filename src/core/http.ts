/**
 * HTTP's small grammar where linepool needs it: ranges, validators, hop-by-hop fields (RFC 9110, 9112).
 * The only file that knows HTTP's inclusive ranges; everywhere else a span is half-open.
 * Header lists are flat, as Node and undici give them raw: name, value, name, value, order and repeats kept.
 */
import { LinepoolError } from './errors.ts';
import { parseHttpDate } from './http-date.ts';
import type { Span } from './span.ts';
import type { Bytes } from './units.ts';

/** name, value, name, value, … as they came over the wire. */
export type RawHeaders = readonly string[];

/** All values of a field, in order. */
export function fieldValues(headers: RawHeaders, name: string): string[] {
  const values: string[] = [];
  for (let i = 0; i + 1 < headers.length; i += 2) {
    if ((headers[i] ?? '').toLowerCase() === name) values.push(headers[i + 1] ?? '');
  }
  return values;
}

/** The value of a field that may stand once; undefined when it is missing or repeated with other values. */
export function fieldValue(headers: RawHeaders, name: string): string | undefined {
  const values = fieldValues(headers, name);
  return values.every((v) => v === values[0]) ? values[0] : undefined;
}

/** undici's raw headers (byte strings) as a flat list; bytes of 0x80 and more survive as latin1. */
export function fromWire(raw: readonly (Uint8Array | string | readonly (Uint8Array | string)[])[]): string[] {
  const out: string[] = [];
  for (const item of raw) {
    if (typeof item === 'string') out.push(item);
    else if (item instanceof Uint8Array)
      out.push(Buffer.from(item.buffer, item.byteOffset, item.byteLength).toString('latin1'));
    else throw new LinepoolError('internal', 'nested raw headers');
  }
  return out;
}

const HOP_BY_HOP: ReadonlySet<string> = new Set([
  'connection',
  'keep-alive',
  'proxy-connection',
  'te',
  'transfer-encoding',
  'upgrade',
  'proxy-authorization',
  'proxy-authenticate',
  'proxy-authentication-info',
]);

/** What a Connection field can't strip, whatever it names. */
const ALWAYS_END_TO_END: ReadonlySet<string> = new Set([
  'host',
  'content-length',
  'content-type',
  'content-encoding',
  'content-range',
  'authorization',
  'cookie',
  'set-cookie',
  'via',
  'forwarded',
  'date',
  'range',
  'if-range',
  'etag',
]);

/** Fields with which a client proves who it is: they go to the origin that they were sent to, and to nobody else. */
export const CREDENTIALS = ['authorization', 'cookie', 'proxy-authorization'] as const;

/** The headers without those of this hop (RFC 9110 section 7.6.1), order and repeats kept. */
export function endToEnd(headers: RawHeaders): string[] {
  let named: Set<string> | undefined;
  for (let i = 0; i + 1 < headers.length; i += 2) {
    const name = headers[i] ?? '';
    if (name.length !== 10 || name.toLowerCase() !== 'connection') continue;
    for (const token of (headers[i + 1] ?? '').split(',')) {
      const option = token.trim().toLowerCase();
      if (option !== '' && option !== 'close' && option !== 'keep-alive' && !ALWAYS_END_TO_END.has(option)) {
        named ??= new Set();
        named.add(option);
      }
    }
  }
  const out: string[] = [];
  for (let i = 0; i + 1 < headers.length; i += 2) {
    const name = headers[i] ?? '';
    const lower = name.toLowerCase();
    if (HOP_BY_HOP.has(lower) || named?.has(lower) === true) continue;
    out.push(name, headers[i + 1] ?? '');
  }
  return out;
}

/** `bytes=0-499` for the span [0, 500). */
export function formatRange(s: Span): string {
  return `bytes=${s.start}-${s.end - 1}`;
}

/** `bytes=500-`: from there to the end, wherever that is. */
export function formatRangeFrom(start: Bytes): string {
  return `bytes=${start}-`;
}

/** What a Range field of one part asks for; `end` is missing for "to the end", `suffix` is its last bytes. */
export type RangeAsked =
  | { readonly kind: 'from'; readonly start: Bytes; readonly end: Bytes | undefined }
  | { readonly kind: 'suffix'; readonly length: Bytes };

/** A Range field with exactly one byte range (RFC 9110 section 14.1.2); undefined for anything else. */
export function parseRange(value: string): RangeAsked | undefined {
  const match = /^bytes=[ \t]*(\d{0,15})-(\d{0,15})[ \t]*$/i.exec(value);
  if (match === null) return undefined;
  const [, first = '', last = ''] = match;
  if (first === '') return last === '' ? undefined : { kind: 'suffix', length: Number(last) };
  if (last === '') return { kind: 'from', start: Number(first), end: undefined };
  return Number(last) < Number(first)
    ? undefined
    : { kind: 'from', start: Number(first), end: Number(last) + 1 };
}

export interface ContentRange {
  readonly span: Span;
  /** Length of the whole representation; undefined when the origin wrote `*`. */
  readonly total: Bytes | undefined;
}

/** Content-Range of a 206 (RFC 9110 section 14.4); undefined when it makes no sense. */
export function parseContentRange(value: string): ContentRange | undefined {
  const match = /^bytes[ \t]+(\d{1,15})-(\d{1,15})\/(\d{1,15}|\*)$/i.exec(value.trim());
  if (match === null) return undefined;
  const start = Number(match[1]);
  const end = Number(match[2]) + 1;
  const total = match[3] === '*' ? undefined : Number(match[3]);
  if (end <= start || (total !== undefined && end > total)) return undefined;
  return { span: { start, end }, total };
}

/** A Content-Length that is one plain number (RFC 9110 section 8.6). */
export function parseContentLength(value: string): Bytes | undefined {
  return /^\d{1,15}$/.test(value) ? Number(value) : undefined;
}

/** What proves that two responses carry bytes of the same representation (RFC 9110 section 8.8). */
export type Validator =
  | { readonly kind: 'etag'; readonly value: string }
  | { readonly kind: 'last-modified'; readonly value: string };

/** A Last-Modified at least this much older than Date counts as strong (RFC 9110 section 8.8.2.2). */
const SETTLED_MS = 60_000;

/**
 * The strong validator of a response: a strong ETag, or else a Last-Modified that was settled when the
 * response was made. Undefined when there is none; a weak ETag also rules Last-Modified out, since the
 * origin says itself that its bytes may differ.
 */
export function strongValidator(headers: RawHeaders): Validator | undefined {
  const etags = fieldValues(headers, 'etag');
  if (etags.length > 0) {
    const etag = fieldValue(headers, 'etag');
    return etag !== undefined && /^"[\x21\x23-\x7e\x80-\xff]*"$/.test(etag)
      ? { kind: 'etag', value: etag }
      : undefined;
  }
  const modified = fieldValue(headers, 'last-modified');
  const date = fieldValue(headers, 'date');
  const modifiedAt = parseHttpDate(modified ?? '');
  const sentAt = parseHttpDate(date ?? '');
  if (modified === undefined || modifiedAt === undefined || sentAt === undefined) return undefined;
  return sentAt - modifiedAt >= SETTLED_MS ? { kind: 'last-modified', value: modified } : undefined;
}

/** True when the response carries the very same validator. */
export function sameValidator(headers: RawHeaders, validator: Validator): boolean {
  return fieldValue(headers, validator.kind) === validator.value;
}

/** True when no content coding is applied. */
export function isIdentity(headers: RawHeaders): boolean {
  return fieldValues(headers, 'content-encoding').every(
    (v) => v.trim() === '' || v.trim().toLowerCase() === 'identity',
  );
}
