/**
 * What retention left: one hash over the numbers and hashes of all that is still there up to where it removed entries. The chain alone
 * can't hold that together, since it is broken at each gap. Retention writes it into `pruned`, the chain computes it again. Pure.
 */
import { createHash } from 'node:crypto';

const SEQ_BYTES = 8;

export class Kept {
  readonly #hash = createHash('sha256');
  #digest: string | undefined;

  /** In order; nothing more once `digest` was asked for. */
  add(what: 'entry' | 'gap', seq: number, hash: Uint8Array): void {
    const head = Buffer.alloc(SEQ_BYTES + 1);
    head.writeBigUInt64BE(BigInt(seq));
    head[SEQ_BYTES] = what === 'entry' ? 1 : 0;
    this.#hash.update(head).update(hash);
  }

  /** SHA-256 over the number (8 bytes, big endian), a byte 1 (0: only the hash is left) and the hash of each; base64url. */
  get digest(): string {
    this.#digest ??= this.#hash.digest('base64url');
    return this.#digest;
  }
}
