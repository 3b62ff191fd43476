/**
 * Checksums: what a person gives with --checksum, and whether a file has it. The file is read once, as a stream,
 * before it gets its name. Algorithms are named as in RFC 9530.
 */
import { createHash, timingSafeEqual } from 'node:crypto';
import { createReadStream } from 'node:fs';
import { LinepoolError } from '../../core/errors.ts';
import type { Bytes } from '../../core/units.ts';

export interface Checksum {
  /** A person gives one of the first two; servers give MD5 too. */
  readonly algorithm: 'sha-256' | 'sha-512' | 'md5';
  readonly digest: Buffer;
}

const BYTES = { 'sha-256': 32, 'sha-512': 64 } as const;
const READ_BYTES: Bytes = 1024 * 1024;

/**
 * `sha-256=HEX`, `sha-256=BASE64` or `sha-256=:BASE64:`, the same with sha-512; the dash may be left out.
 * @throws LinepoolError `usage`
 */
export function parseChecksum(text: string): Checksum {
  const match = /^sha-?(256|512)=(.+)$/i.exec(text.trim());
  if (match === null) {
    throw new LinepoolError(
      'usage',
      `--checksum needs sha-256=... or sha-512=..., not ${JSON.stringify(text)}.`,
    );
  }
  const algorithm = match[1] === '256' ? 'sha-256' : 'sha-512';
  const value = (match[2] ?? '').replace(/^:(.*):$/, '$1');
  const size = BYTES[algorithm];
  const digest = /^[0-9a-f]+$/i.test(value) && value.length === size * 2 ? 'hex' : 'base64';
  const bytes = Buffer.from(value, digest);
  if (bytes.length !== size || (digest === 'base64' && !/^[A-Za-z0-9+/_-]+={0,2}$/.test(value))) {
    throw new LinepoolError(
      'usage',
      `${algorithm} has ${size} bytes, in hex or base64; that is not what ${JSON.stringify(value)} is.`,
    );
  }
  return { algorithm, digest: bytes };
}

/** `sha-256=` and hex. */
export const formatChecksum = ({ algorithm, digest }: Checksum): string =>
  `${algorithm}=${digest.toString('hex')}`;

/**
 * Reads the file and compares; `onBytes` is told how far it is.
 * @throws LinepoolError `checksum_mismatch` naming both sums, `file_failed`
 */
export async function verifyFile(
  file: string,
  checksum: Checksum,
  options: { readonly signal: AbortSignal; readonly onBytes?: (bytes: Bytes) => void },
): Promise<void> {
  const hash = createHash(checksum.algorithm.replace('-', ''));
  let done: Bytes = 0;
  try {
    const stream = createReadStream(file, { highWaterMark: READ_BYTES, signal: options.signal });
    for await (const chunk of stream as AsyncIterable<Buffer>) {
      hash.update(chunk);
      done += chunk.length;
      options.onBytes?.(done);
    }
  } catch (error) {
    if (options.signal.aborted) throw new LinepoolError('interrupted', '', { cause: error });
    throw new LinepoolError('file_failed', `${file}: ${(error as Error).message}`, { cause: error });
  }
  const digest = hash.digest();
  if (timingSafeEqual(digest, checksum.digest)) return;
  const found = formatChecksum({ algorithm: checksum.algorithm, digest });
  throw new LinepoolError('checksum_mismatch', `It has ${found}, not ${formatChecksum(checksum)}.`);
}
