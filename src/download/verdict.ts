/**
 * The verdict: pool or pass, from the head of the response that is already running. Pure, and quick: it is asked
 * about every response of the household. It must say no wherever a byte could be wrong, and where nothing is won.
 */
import {
  CREDENTIALS,
  fieldValue,
  fieldValues,
  isIdentity,
  parseContentLength,
  parseContentRange,
  parseRange,
  type RawHeaders,
  strongValidator,
  type Validator,
} from '../core/http.ts';
import { lengthOf, type Span } from '../core/span.ts';
import { type Bytes, type BytesPerSecond, formatDuration, type Milliseconds } from '../core/units.ts';

export interface Question {
  readonly method: string;
  readonly scheme: 'http' | 'https';
  readonly requestHeaders: RawHeaders;
  readonly status: number;
  readonly headers: RawHeaders;
  readonly enabled: boolean;
  readonly minBytes: Bytes;
  readonly minSavingMs: Milliseconds;
  /** What the own line brings; undefined when nothing is known yet. */
  readonly ownRate: BytesPerSecond | undefined;
  /** What the neighbours that could be used offer now, together. */
  readonly offered: BytesPerSecond;
  /** True when there is a neighbour that could be used if it offered something. */
  readonly mayOffer: boolean;
  /** True when there is memory for one more window. */
  readonly memory: boolean;
  /** True when the household may have one more download of that origin. */
  readonly roomAtOrigin: boolean;
  /** Why this origin is left alone for a while, in words; undefined when it is not. */
  readonly refusal: string | undefined;
}

export interface Pool {
  readonly pool: true;
  readonly reason: string;
  /** The part of the file that the client is to get. */
  readonly span: Span;
  readonly total: Bytes;
  readonly validator: Validator;
}

export interface Pass {
  readonly pool: false;
  readonly reason: string;
  readonly bytes: Bytes | undefined;
}

export type Verdict = Pool | Pass;

/** What takes longer over the own line alone is worth beginning while nothing is offered: much may be offered before its end. */
export const LONG_MS: Milliseconds = 60_000;

/** Time until the neighbours bring their first byte: a lease, a connection to the origin, a request. */
const SET_UP_MS: Milliseconds = 150;

/** True when the request carries what no neighbour may see or send. */
export const hasCredentials = (headers: RawHeaders): boolean =>
  CREDENTIALS.some((name) => fieldValues(headers, name).length > 0);

export function verdict(q: Question): Verdict {
  const pass = (reason: string, bytes?: Bytes): Pass => ({ pool: false, reason, bytes });
  if (q.method !== 'GET') return pass(`method ${q.method}`);
  if (q.status !== 200 && q.status !== 206) return pass(`status ${q.status}`);
  const length = parseContentLength(fieldValue(q.headers, 'content-length') ?? '');
  if (length === undefined) return pass('length unknown');
  if (length < q.minBytes) return pass('small', length);
  if (!q.enabled) return pass('pooling is off', length);
  if (q.refusal !== undefined) return pass(q.refusal, length);
  const isLong = q.ownRate !== undefined && (length * 1000) / q.ownRate >= LONG_MS;
  if (q.offered <= 0 && !(q.mayOffer && isLong)) return pass('no neighbour offers anything', length);
  if (!isIdentity(q.headers)) return pass('content coding', length);
  const part = partOf(q, length);
  if (typeof part === 'string') return pass(part, length);
  if (fieldValues(q.headers, 'accept-ranges').some((value) => value.trim().toLowerCase() === 'none')) {
    return pass('origin takes no ranges', length);
  }
  const validator = strongValidator(q.headers);
  if (validator === undefined) return pass('no strong validator', length);
  if (hasCredentials(q.requestHeaders)) return pass('request carries credentials', length);
  if (fieldValues(q.headers, 'content-type').some((value) => /^multipart\/byteranges/i.test(value.trim()))) {
    return pass('several ranges', length);
  }
  if (!q.memory) return pass('too many downloads at once', length);
  if (!q.roomAtOrigin) return pass('too many downloads of that origin at once', length);
  if (q.offered <= 0)
    return { pool: true, reason: 'long, and neighbours may offer before its end', ...part, validator };
  if (q.ownRate !== undefined) {
    const left = lengthOf(part.span) * 1000;
    const savingMs = left / q.ownRate - left / (q.ownRate + q.offered) - SET_UP_MS;
    if (savingMs < q.minSavingMs) return pass('saves too little', length);
    return { pool: true, reason: `saves about ${formatDuration(savingMs)}`, ...part, validator };
  }
  return { pool: true, reason: 'large, and neighbours offer', ...part, validator };
}

/** Which part of the file the response carries, or why that can't be said. */
function partOf(q: Question, length: Bytes): { span: Span; total: Bytes } | string {
  const ranges = fieldValues(q.requestHeaders, 'range');
  if (q.status === 200) return { span: { start: 0, end: length }, total: length };
  const asked = ranges.length === 1 ? parseRange(ranges[0] ?? '') : undefined;
  if (asked === undefined) return 'several ranges';
  const range = parseContentRange(fieldValue(q.headers, 'content-range') ?? '');
  if (range?.total === undefined || lengthOf(range.span) !== length) return 'part of an unknown whole';
  const start = asked.kind === 'suffix' ? Math.max(0, range.total - asked.length) : asked.start;
  const end = asked.kind === 'suffix' ? range.total : Math.min(asked.end ?? range.total, range.total);
  if (range.span.start !== start || range.span.end !== end) return 'not the range that was asked for';
  return { span: range.span, total: range.total };
}
