/**
 * The paths that failed in a download: why, and until when they are not to come back into it. Kept by the download, which hands in
 * the time. The own line never comes back by time alone: it is there for as long as it is all there is.
 */
import type { ErrorCode } from '../core/errors.ts';
import type { Milliseconds } from '../core/units.ts';
import { OWN, type PathId } from '../paths/path.ts';

export class LeftOut {
  readonly #paths = new Map<PathId, { readonly code: ErrorCode; readonly until: Milliseconds }>();

  /** `until`: default for good. */
  add(path: PathId, code: ErrorCode, until: Milliseconds = Number.POSITIVE_INFINITY): void {
    this.#paths.set(path, { code, until: path === OWN ? Number.POSITIVE_INFINITY : until });
  }

  has(path: PathId, now: Milliseconds): boolean {
    return (this.#paths.get(path)?.until ?? 0) > now;
  }

  /** Why that path failed last; undefined when it did not. */
  why(path: PathId): ErrorCode | undefined {
    return this.#paths.get(path)?.code;
  }

  /** It may come back now. */
  forgive(path: PathId): void {
    this.#paths.delete(path);
  }
}
