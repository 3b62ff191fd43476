/**
 * What a lying lender does to what it brings, as values: from an honest answer, or honest bytes, to altered ones. lying-lender.ts
 * does it to real downloads. No I/O; what looks random comes again with the same seed.
 */
import { fieldValue } from '../../src/core/http.ts';
import { type Span, span } from '../../src/core/span.ts';
import type { Bytes } from '../../src/core/units.ts';
import { type Answer, type Asked, etagOf } from '../../src/demo/answer.ts';
import { patternSha256 } from '../../src/demo/pattern.ts';
import { patternBytes } from './pattern-bytes.ts';

/** What the liar does to what it brings: a byte of one part, one part, all parts, their length, or their heads. */
export const LIES = ['byte', 'span', 'all', 'length', 'headers'] as const;
/** … or the last byte of each part. */
export type Lie = (typeof LIES)[number] | 'ends';

/** What the liar is to do to the host that is tried now. */
export interface Order {
  readonly lie: Lie | 'none';
  /** Of the parts that it is asked for, the one to alter; for lies about one. */
  readonly nth: number;
  readonly random: (below: number) => number;
  asked: number;
  lies: number;
  digest: boolean;
  /** What becomes of what the own line is answered. */
  own: (asked: Asked, answer: Answer) => Answer;
}

/** The digest of the whole, when the host is to give one. */
export const withDigest = (answer: Answer, order: Order | undefined): Answer => {
  const size = Number(fieldValue(answer.headers, 'content-length'));
  if (order?.digest !== true || answer.status !== 200) return answer;
  const digest = Buffer.from(patternSha256(size), 'hex').toString('base64');
  return { ...answer, headers: [...answer.headers, 'Repr-Digest', `sha-256=:${digest}:`] };
};

/** What becomes of an honest answer. */
export function altered(answer: Answer, order: Order | undefined): Answer {
  const [part] = answer.body;
  if (order === undefined || answer.status !== 206 || part === undefined || part instanceof Uint8Array)
    return answer;
  const nth = order.asked;
  order.asked += 1;
  if (order.lie === 'none' || (order.lie !== 'all' && order.lie !== 'ends' && nth !== order.nth))
    return answer;
  order.lies += 1;
  return lied(answer, part, order);
}

function lied(answer: Answer, part: Span, { lie, random }: Order): Answer {
  const header = (name: string, value: string): Answer['headers'] =>
    answer.headers.map((text, i) => (answer.headers[i - 1]?.toLowerCase() === name ? value : text));
  const length = part.end - part.start;
  switch (lie) {
    case 'none':
      return answer;
    case 'byte': {
      const body = patternBytes(part);
      const at = random(length);
      body[at] = (body[at] ?? 0) ^ (1 + random(255));
      return { ...answer, body: [body] };
    }
    case 'ends': {
      const body = patternBytes(part);
      const last = length - 1;
      body[last] = (body[last] ?? 0) ^ (1 + random(255));
      return { ...answer, body: [body] };
    }
    case 'span':
    case 'all': {
      const body = patternBytes(part);
      const mask = 1 + random(255);
      for (let i = 0; i < body.length; i += 1) body[i] = (body[i] ?? 0) ^ mask;
      return { ...answer, body: [body] };
    }
    case 'length': {
      const by = random(2) === 0 ? -1 - random(Math.min(1_000, length - 1)) : 1 + random(1_000);
      const body = [span(part.start, part.end + by)];
      // Well framed, or chunked so that nothing but the count tells.
      const headers =
        random(2) === 0
          ? header('content-length', String(length + by))
          : answer.headers.filter((_, i) => answer.headers[i - (i % 2)]?.toLowerCase() !== 'content-length');
      return { ...answer, body, headers };
    }
    case 'headers': {
      // The bytes are another part's, or another version's, and the head says what was asked for, or does not.
      const body = [span(part.start + 1 + random(5_000), part.end + 1 + random(5_000))];
      const moved = [span(body[0]?.start ?? 0, (body[0]?.start ?? 0) + length)];
      const kind = random(3);
      if (kind === 0) return { ...answer, body: moved, headers: header('etag', etagOf(1, 2)) };
      if (kind === 1)
        return {
          ...answer,
          body: moved,
          headers: header('content-range', `bytes ${part.start + 1}-${part.end}/${part.end + 10}`),
        };
      return { ...answer, body: moved };
    }
  }
}

/** From where on a single lie may come: now in the handshake, now in the middle of the file. */
const FIRST_LIE_WITHIN = 200_000;

/** What becomes of TLS that passes: `passed` bytes of that connection, with this chunk. */
export function tampered(chunk: Buffer, passed: Bytes, order: Order): Buffer {
  const { random } = order;
  // Where parts end can't be seen there.
  const lie = order.lie === 'ends' ? 'byte' : order.lie;
  const isTime = order.lies === 0 && passed > random(FIRST_LIE_WITHIN);
  if (lie === 'none' || chunk.length === 0 || (lie !== 'all' && !isTime)) return chunk;
  if (lie === 'all' && passed < 8_000) return chunk;
  order.lies += 1;
  const out = Buffer.from(chunk);
  const at = random(out.length);
  switch (lie) {
    case 'byte':
    case 'all':
      out[at] = (out[at] ?? 0) ^ (1 + random(255));
      return out;
    case 'span':
      for (let i = 0; i < out.length; i += 1) out[i] = (out[i] ?? 0) ^ 0x55;
      return out;
    case 'length':
      return random(2) === 0 ? out.subarray(0, at) : Buffer.concat([out, Buffer.alloc(1 + at)]);
    case 'headers':
      // The heads of TLS records: what stands first in most chunks.
      out[Math.min(out.length - 1, random(5))] = random(256);
      return out;
  }
}

/** Whole numbers that look random and come again with the same seed. */
export function seeded(seed: number): (below: number) => number {
  let state = (seed * 2_654_435_761) >>> 0 || 1;
  const next = (): number => {
    state ^= state << 13;
    state >>>= 0;
    state ^= state >>> 17;
    state ^= state << 5;
    state >>>= 0;
    return state;
  };
  for (let i = 0; i < 8; i += 1) next();
  return (below) => next() % below;
}
