/**
 * What an origin answers, as a value: from a request to status, headers, body and the manner of delivery.
 * Pure. The demo's origin uses it as it is; the tests bend its answers into those of broken origins.
 * This file must never touch a socket: demo/origin.ts does what an Answer says.
 */
import {
  fieldValue,
  formatRange,
  parseContentLength,
  parseRange,
  type RangeAsked,
  type RawHeaders,
} from '../core/http.ts';
import type { Span } from '../core/span.ts';
import { lengthOf, span } from '../core/span.ts';
import type { Bytes, BytesPerSecond, Milliseconds } from '../core/units.ts';

/** A request as the origin sees it, and what came before it. */
export interface Asked {
  readonly method: string;
  /** With the query. */
  readonly path: string;
  readonly headers: RawHeaders;
  /** Connections of this origin are counted from 1. */
  readonly connection: number;
  /** Requests for this path are counted from 1. */
  readonly nth: number;
}

/** A piece of a body: a span of the deterministic file, or bytes as they are. */
export type Part = Span | Uint8Array;

export type Delivery =
  | { readonly kind: 'whole' }
  /** The connection is ended (FIN) or reset after exactly so many bytes of the body. */
  | { readonly kind: 'cut'; readonly afterBytes: Bytes; readonly how: 'end' | 'reset' }
  /** After so many bytes of the body nothing more comes, and the connection stays open. */
  | { readonly kind: 'stall'; readonly afterBytes: Bytes }
  | { readonly kind: 'trickle'; readonly rate: BytesPerSecond }
  /** Nothing comes for so long, not even the head. */
  | { readonly kind: 'late'; readonly delay: Milliseconds };

export interface Answer {
  readonly status: number;
  /** Flat; framing is what these say: without Content-Length the body is chunked. */
  readonly headers: RawHeaders;
  readonly body: readonly Part[];
  readonly delivery: Delivery;
  /** The connection ends after this answer. */
  readonly closes: boolean;
  /** What to send in place of all the above: the head, or garbage, byte for byte; then the body follows. */
  readonly rawHead?: Uint8Array;
}

/** Long settled (RFC 9110 section 8.8.2.2). */
export const LAST_MODIFIED = 'Wed, 01 Jan 2025 00:00:00 GMT';

/** Where version `version` of every file begins in the deterministic one; the first is 1. */
export const versionStart = (version: number): Bytes => (version - 1) * 7919;

export const etagOf = (size: Bytes, version: number): string => `"${size}-${version}"`;

/** Bytes in a part. */
export const partLength = (part: Part): Bytes =>
  part instanceof Uint8Array ? part.byteLength : lengthOf(part);

/** Bytes in a body. */
export const bodyLength = (body: readonly Part[]): Bytes =>
  body.reduce((sum, part) => sum + partLength(part), 0);

/** A short answer in words. */
export function sayAnswer(status: number, words: string, headers: RawHeaders = []): Answer {
  const body = Buffer.from(`${words}\n`);
  return {
    status,
    headers: ['Content-Type', 'text/plain', 'Content-Length', String(body.length), ...headers],
    body: [body],
    delivery: { kind: 'whole' },
    closes: false,
  };
}

/** The size in `/file/<bytes>`, with or without a query; undefined for another path. */
export function fileSize(path: string): Bytes | undefined {
  const match = /^\/file\/(\d{1,15})(?:[?].*)?$/.exec(path);
  return match?.[1] === undefined ? undefined : parseContentLength(match[1]);
}

function resolveRange(asked: RangeAsked, size: Bytes): Span | undefined {
  const start = asked.kind === 'suffix' ? Math.max(0, size - asked.length) : asked.start;
  const end = asked.kind === 'suffix' ? size : Math.min(asked.end ?? size, size);
  return start < end ? span(start, end) : undefined;
}

/** The span that a request asks for: undefined for the whole file, 'unsatisfiable' for none of it. */
export function spanAsked(asked: Asked, size: Bytes, etag: string): Span | undefined | 'unsatisfiable' {
  const range = fieldValue(asked.headers, 'range');
  if (range === undefined || asked.method !== 'GET') return undefined;
  const condition = fieldValue(asked.headers, 'if-range');
  if (condition !== undefined && condition !== etag && condition !== LAST_MODIFIED) return undefined;
  const parsed = parseRange(range);
  return parsed === undefined ? undefined : (resolveRange(parsed, size) ?? 'unsatisfiable');
}

/** `bytes 0-499/1000` for [0, 500) of 1000. */
export const formatContentRange = (s: Span, total: Bytes | '*'): string =>
  `${formatRange(s).replace('=', ' ')}/${total}`;

/** What a well-behaved origin answers: `/file/<bytes>` is a file, all else is not there. */
export function answerFile(asked: Asked, version = 1): Answer {
  const size = fileSize(asked.path);
  if (size === undefined) return sayAnswer(404, 'Ask for /file/<bytes>.');
  if (asked.method !== 'GET' && asked.method !== 'HEAD') {
    return sayAnswer(405, 'Only GET and HEAD.', ['Allow', 'GET, HEAD']);
  }
  const etag = etagOf(size, version);
  const common = ['ETag', etag, 'Last-Modified', LAST_MODIFIED, 'Accept-Ranges', 'bytes'];
  const answer = { delivery: { kind: 'whole' }, closes: false } as const;
  if (fieldValue(asked.headers, 'if-none-match') === etag) {
    return { ...answer, status: 304, headers: common, body: [] };
  }
  const wanted = spanAsked(asked, size, etag);
  if (wanted === 'unsatisfiable') {
    return sayAnswer(416, 'No byte of that range.', ['Content-Range', `bytes */${size}`]);
  }
  const part = wanted ?? span(0, size);
  const at = versionStart(version);
  const type = ['Content-Type', 'application/octet-stream', 'Content-Length', String(lengthOf(part))];
  const where = wanted === undefined ? [] : ['Content-Range', formatContentRange(wanted, size)];
  return {
    ...answer,
    status: wanted === undefined ? 200 : 206,
    headers: [...common, ...type, ...where],
    body: [span(at + part.start, at + part.end)],
  };
}
