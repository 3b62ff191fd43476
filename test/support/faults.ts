/**
 * The faults of origins, as a pure function from a request to what a broken origin does with it. Each starts
 * from the answer that a good origin would give and bends one thing; several can be combined.
 */
import { gzipSync } from 'node:zlib';
import { fieldValue } from '../../src/core/http.ts';
import { type Span, span } from '../../src/core/span.ts';
import type { Bytes, BytesPerSecond, Milliseconds } from '../../src/core/units.ts';
import {
  type Answer,
  type Asked,
  answerFile,
  bodyLength,
  etagOf,
  fileSize,
  formatContentRange,
  LAST_MODIFIED,
  type Part,
  sayAnswer,
  spanAsked,
} from '../../src/demo/answer.ts';
import { patternBytes } from './pattern-bytes.ts';

export type FaultKind =
  /** Ranges work, but nothing says so. */
  | { readonly kind: 'accept-ranges-missing' }
  /** `Accept-Ranges: none`, and ranges are ignored. */
  | { readonly kind: 'accept-ranges-none' }
  /** 200 and the whole file, whatever range is asked for. */
  | { readonly kind: 'ranges-ignored' }
  /** The bytes are those asked for; Content-Range says otherwise. `missing` leaves it out. */
  | {
      readonly kind: 'wrong-range';
      readonly what: 'start' | 'end' | 'total' | 'star' | 'missing' | 'garbage';
    }
  /** The bytes are others than those asked for; Content-Range says what was asked. */
  | { readonly kind: 'wrong-bytes' }
  /** A 206 with fewer bytes than asked for, well framed; `honest` when Content-Range says so too. */
  | { readonly kind: 'short'; readonly byBytes: Bytes; readonly honest: boolean }
  /** A 206 with more bytes than asked for, well framed; `honest` when Content-Range says so too. */
  | { readonly kind: 'long'; readonly byBytes: Bytes; readonly honest: boolean }
  /** One range is answered as multipart/byteranges. */
  | { readonly kind: 'multipart' }
  | { readonly kind: 'etag-by-connection' }
  /** Each server of the name has an ETag of its own, as of a badly kept content network. */
  | { readonly kind: 'etag-by-server'; readonly server: string }
  | { readonly kind: 'etag-weak' }
  /** Only Last-Modified, long settled. */
  | { readonly kind: 'etag-missing' }
  | { readonly kind: 'validators-missing' }
  /** A Repr-Digest (RFC 9530) of another file. */
  | { readonly kind: 'digest-wrong' }
  /** Content-Encoding: gzip, of what was asked for. */
  | { readonly kind: 'gzip' }
  /** No Content-Length, chunked. */
  | { readonly kind: 'chunked' }
  | { readonly kind: 'redirect'; readonly to: string; readonly status: 301 | 302 | 303 | 307 | 308 }
  | { readonly kind: 'status'; readonly status: number; readonly headers?: readonly string[] }
  /** The connection breaks after exactly so many bytes of the body. `reset` may also lose bytes before. */
  | { readonly kind: 'cut'; readonly afterBytes: Bytes; readonly how?: 'end' | 'reset' }
  | { readonly kind: 'stall'; readonly afterBytes: Bytes }
  | { readonly kind: 'trickle'; readonly rate: BytesPerSecond }
  /** Infinity: it never answers. */
  | { readonly kind: 'late'; readonly delay: Milliseconds }
  /** Another version of the file: another ETag and other bytes. */
  | { readonly kind: 'changed' }
  | { readonly kind: 'closes' }
  | { readonly kind: 'http-1.0' }
  /** These bytes in place of head and body, then the end. */
  | { readonly kind: 'garbage'; readonly bytes: string };

export type Fault = FaultKind & {
  /** Only the requests for the path from this one on, counted from 1. */
  readonly fromNth?: number;
  /** Only the requests for the path up to this one, and it too. */
  readonly toNth?: number;
  /** Only requests with a Range field (true), or only those without (false). */
  readonly ranged?: boolean;
};

const applies = (fault: Fault, asked: Asked): boolean =>
  asked.nth >= (fault.fromNth ?? 1) &&
  asked.nth <= (fault.toNth ?? Number.POSITIVE_INFINITY) &&
  (fault.ranged === undefined || fault.ranged === (fieldValue(asked.headers, 'range') !== undefined));

/** What an origin with these faults answers. */
export function answerWithFaults(asked: Asked, faults: readonly Fault[]): Answer {
  const present = faults.filter((fault) => applies(fault, asked));
  const version = present.some((fault) => fault.kind === 'changed') ? 2 : 1;
  return present.reduce((answer, fault) => bend(answer, fault, asked, version), answerFile(asked, version));
}

const without = (headers: readonly string[], name: string): string[] =>
  headers.filter((_, i) => headers[i - (i % 2)]?.toLowerCase() !== name);

const replaced = (answer: Answer, name: string, value: string | undefined): Answer => {
  const rest = without(answer.headers, name.toLowerCase());
  return { ...answer, headers: value === undefined ? rest : [...rest, name, value] };
};

const withBody = (answer: Answer, body: readonly Part[]): Answer =>
  replaced({ ...answer, body }, 'Content-Length', String(bodyLength(body)));

/** The single span of the deterministic file that is the body of a 200 or 206. */
const onlySpan = (answer: Answer): Span | undefined => {
  const [part] = answer.body;
  return answer.body.length === 1 && part !== undefined && !(part instanceof Uint8Array) ? part : undefined;
};

/** What the request asks for, when it is for a range of a file that has it. */
function rangeOf(asked: Asked): { wanted: Span; size: Bytes } | undefined {
  const size = fileSize(asked.path);
  if (size === undefined) return undefined;
  const wanted = spanAsked(asked, size, fieldValue(asked.headers, 'if-range') ?? '');
  return wanted === undefined || wanted === 'unsatisfiable' ? undefined : { wanted, size };
}

function bend(answer: Answer, fault: Fault, asked: Asked, version: number): Answer {
  const size = fileSize(asked.path);
  const part = onlySpan(answer);
  const range = answer.status === 206 ? rangeOf(asked) : undefined;
  switch (fault.kind) {
    case 'accept-ranges-missing':
      return replaced(answer, 'Accept-Ranges', undefined);
    case 'accept-ranges-none':
      return replaced(answerFile(unranged(asked), version), 'Accept-Ranges', 'none');
    case 'ranges-ignored':
      return answerFile(unranged(asked), version);
    case 'wrong-range':
      if (range === undefined) return answer;
      return replaced(answer, 'Content-Range', wrongRange(range.wanted, range.size, fault.what));
    case 'wrong-bytes':
      if (part === undefined) return answer;
      return { ...answer, body: [span(part.start + 1, part.end + 1)] };
    case 'short':
    case 'long': {
      if (range === undefined || part === undefined) return answer;
      const by = fault.kind === 'short' ? -fault.byBytes : fault.byBytes;
      const other = withBody(answer, [span(part.start, Math.max(part.start, part.end + by))]);
      if (!fault.honest) return other;
      const said = span(range.wanted.start, range.wanted.end + by);
      return replaced(other, 'Content-Range', formatContentRange(said, range.size));
    }
    case 'multipart':
      return range === undefined || part === undefined ? answer : multipart(answer, part, range);
    case 'etag-by-connection':
      return replaced(answer, 'ETag', `"by-connection-${asked.connection}"`);
    case 'etag-by-server':
      return replaced(answer, 'ETag', `"by-server-${fault.server}"`);
    case 'digest-wrong':
      return replaced(answer, 'Repr-Digest', `sha-256=:${Buffer.alloc(32).toString('base64')}:`);
    case 'etag-weak':
      return size === undefined ? answer : replaced(answer, 'ETag', `W/${etagOf(size, version)}`);
    case 'etag-missing':
      return replaced(replaced(answer, 'ETag', undefined), 'Last-Modified', LAST_MODIFIED);
    case 'validators-missing':
      return replaced(replaced(answer, 'ETag', undefined), 'Last-Modified', undefined);
    case 'gzip': {
      if (part === undefined) return answer;
      const coded = gzipSync(patternBytes(part));
      return withBody(replaced(answer, 'Content-Encoding', 'gzip'), [coded]);
    }
    case 'chunked':
      return replaced(answer, 'Content-Length', undefined);
    case 'redirect':
      return sayAnswer(fault.status, 'It is elsewhere.', ['Location', fault.to]);
    case 'status':
      return sayAnswer(fault.status, 'Not now.', fault.headers ?? []);
    case 'cut':
      return {
        ...answer,
        delivery: { kind: 'cut', afterBytes: fault.afterBytes, how: fault.how ?? 'end' },
      };
    case 'stall':
    case 'trickle':
    case 'late':
      return { ...answer, delivery: fault };
    case 'changed':
      return answer;
    case 'closes':
      return { ...answer, closes: true };
    case 'http-1.0':
      return { ...answer, closes: true, rawHead: headOf(answer, 'HTTP/1.0') };
    case 'garbage':
      return { ...answer, body: [], closes: true, rawHead: Buffer.from(fault.bytes, 'latin1') };
  }
}

const unranged = (asked: Asked): Asked => ({ ...asked, headers: without(asked.headers, 'range') });

type WrongRange = Extract<FaultKind, { kind: 'wrong-range' }>['what'];

function wrongRange(wanted: Span, size: Bytes, what: WrongRange): string | undefined {
  switch (what) {
    case 'start':
      return formatContentRange({ ...wanted, start: wanted.start + (wanted.start > 0 ? -1 : 1) }, size);
    case 'end':
      return formatContentRange({ ...wanted, end: wanted.end + (wanted.end < size ? 1 : -1) }, size);
    case 'total':
      return formatContentRange(wanted, size + 1);
    case 'star':
      return formatContentRange(wanted, '*');
    case 'missing':
      return undefined;
    case 'garbage':
      return 'bytes some-of/it';
  }
}

function multipart(answer: Answer, part: Span, range: { wanted: Span; size: Bytes }): Answer {
  const boundary = 'THIS_STRING_SEPARATES';
  const said = formatContentRange(range.wanted, range.size);
  const open = `--${boundary}\r\nContent-Type: application/octet-stream\r\nContent-Range: ${said}\r\n\r\n`;
  const body = [Buffer.from(open), part, Buffer.from(`\r\n--${boundary}--\r\n`)];
  const bare = replaced(answer, 'Content-Range', undefined);
  return withBody(replaced(bare, 'Content-Type', `multipart/byteranges; boundary=${boundary}`), body);
}

function headOf(answer: Answer, version: string): Buffer {
  const lines = [`${version} ${answer.status} Whatever`];
  for (let i = 0; i + 1 < answer.headers.length; i += 2)
    lines.push(`${answer.headers[i]}: ${answer.headers[i + 1]}`);
  return Buffer.from(`${lines.join('\r\n')}\r\n\r\n`, 'latin1');
}
