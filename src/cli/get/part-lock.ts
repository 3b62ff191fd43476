/**
 * The lock on FILE.part: two downloads that write into it at once would leave a file, and a journal, of neither. `get`
 * takes it before it looks at what is on disk, and holds it to the end.
 *
 * It is on an empty FILE.part.lock, which whoever holds it removes at the end; after a kill -9 it stays, and is no lock.
 */
import { closeSync, constants, fstatSync, openSync, readFileSync, rmSync, statSync } from 'node:fs';
import { holdFile } from '../../control/lock.ts';
import { LinepoolError } from '../../core/errors.ts';
import { partOf } from './journal.ts';

const CREATED = constants.O_RDWR | constants.O_CREAT | constants.O_NOFOLLOW;
/** Another that ends takes the file away, and this one begins anew; so often in a row somebody is always there. */
const TRIES_MOST = 10;

/**
 * Held until disposed of. A process may ask for that of a file only once.
 * @throws LinepoolError `file_busy`, `file_failed`
 */
export async function lockPart(file: string): Promise<Disposable> {
  try {
    for (let tries = 0; tries < TRIES_MOST; tries += 1) {
      const held = await lockOnce(file);
      if (held !== undefined) return held;
    }
  } catch (error) {
    if (error instanceof LinepoolError) throw error;
    throw new LinepoolError('file_failed', `${partOf(file)}: ${(error as Error).message}`, { cause: error });
  }
  throw new LinepoolError('file_busy', partOf(file));
}

/** Undefined when what was locked is not there any more: that locks nobody out. */
async function lockOnce(file: string): Promise<Disposable | undefined> {
  const path = `${partOf(file)}.lock`;
  using owned = new DisposableStack();
  // Open to the end, so that its inode can't become another file's meanwhile.
  const handle = openSync(path, CREATED, 0o600);
  owned.defer(() => closeSync(handle));
  const { ino } = fstatSync(handle);
  const held = await holdFile(path);
  if (held === undefined) throw new LinepoolError('file_busy', `${partOf(file)}${holderOf(ino)}`);
  owned.use(held);
  if (statSync(path, { throwIfNoEntry: false })?.ino !== ino) return undefined;
  owned.defer(() => rmSync(path, { force: true }));
  return owned.move();
}

/** Who holds the lock on that inode, where the kernel tells (Linux). */
function holderOf(inode: number): string {
  try {
    const holder = new RegExp(`POSIX .* WRITE (\\d+) [0-9a-f:]+:${inode} `).exec(
      readFileSync('/proc/locks', 'utf8'),
    );
    return holder === null ? '' : ` (process ${holder[1]})`;
  } catch {
    // No such file on other systems: then it is not said.
    return '';
  }
}
