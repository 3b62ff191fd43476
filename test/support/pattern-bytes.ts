/** The bytes of the deterministic file, for tests that alter or code them. */
import type { Span } from '../../src/core/span.ts';
import { patternAt } from '../../src/demo/pattern.ts';

/** A copy of that part, to be changed at will. */
export function patternBytes(part: Span): Buffer {
  const pieces: Buffer[] = [];
  for (let at = part.start; at < part.end; ) {
    const piece = patternAt(at, part.end - at);
    pieces.push(piece);
    at += piece.length;
  }
  return Buffer.concat(pieces);
}
