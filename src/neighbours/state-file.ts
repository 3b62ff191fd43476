/**
 * Files in the state folder: written whole or not at all, readable by their owner only. Used by identity and book.
 * A file that is there but can't be understood is never replaced or removed here.
 *
 *     write ──► file.tmp ──fsync──► rename over file ──► fsync the folder
 */
import { mkdir, open, readFile, rename } from 'node:fs/promises';
import { dirname } from 'node:path';
import { LinepoolError } from '../core/errors.ts';

const OWNER_ONLY_FILE = 0o600;
const OWNER_ONLY_FOLDER = 0o700;

const codeOf = (error: unknown): string => (error as NodeJS.ErrnoException).code ?? String(error);

/**
 * The text of a file; undefined when there is none.
 * @throws LinepoolError `state_unusable`
 */
export async function readStateFile(file: string): Promise<string | undefined> {
  try {
    return await readFile(file, 'utf8');
  } catch (error) {
    if (codeOf(error) === 'ENOENT') return undefined;
    throw new LinepoolError('state_unusable', `${file} can not be read (${codeOf(error)}).`, {
      cause: error,
    });
  }
}

/**
 * Replaces a file in one step, so that whoever reads it, even after a power cut, finds the old text or the new.
 * @throws LinepoolError `state_unusable`
 */
export async function writeStateFile(file: string, text: string): Promise<void> {
  const folder = dirname(file);
  // Always the same name: what a kill left behind is overwritten. A state folder has one daemon, which writes in turn.
  const temporary = `${file}.tmp`;
  try {
    await mkdir(folder, { recursive: true, mode: OWNER_ONLY_FOLDER });
    {
      await using handle = await open(temporary, 'w', OWNER_ONLY_FILE);
      await handle.writeFile(text);
      await handle.sync();
    }
    await rename(temporary, file);
    await using handle = await open(folder, 'r');
    await handle.sync();
  } catch (error) {
    throw new LinepoolError('state_unusable', `${file} can not be written (${codeOf(error)}).`, {
      cause: error,
    });
  }
}
