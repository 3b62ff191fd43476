/**
 * The lock on a state folder: one daemon at a time. daemon.ts takes it before it opens anything else there. What locks
 * there is for any file: `get` has one beside each that it downloads.
 *
 * The lock is SQLite's exclusive one on an empty file, which the kernel lets go of when the process ends, however
 * it ends. A file with a process id in it would have to be judged stale after a kill -9, and two daemons that
 * start at once can both judge so; Node itself has no call for a file lock.
 */
import { join } from 'node:path';
import { LinepoolError } from '../core/errors.ts';
import { readRunFile } from './runfile.ts';

const SQLITE_BUSY = 5;

/**
 * The lock on that file, which is made when it is missing, until disposed of; undefined when another has it. A process
 * that opens the file itself lets go of the lock when it closes it (POSIX), so it must do that afterwards.
 * @throws Error as SQLite gives it, when the file can't be used
 */
export async function holdFile(file: string): Promise<Disposable | undefined> {
  const { DatabaseSync } = await import('node:sqlite');
  const database = new DatabaseSync(file, { timeout: 0 });
  try {
    // No journal beside the file: it would stay after a kill -9, and can't be made once the file is removed.
    database.exec('PRAGMA journal_mode = MEMORY; BEGIN EXCLUSIVE');
  } catch (error) {
    database.close();
    if ((error as { errcode?: number }).errcode === SQLITE_BUSY) return undefined;
    throw error;
  }
  return { [Symbol.dispose]: () => database.close() };
}

/**
 * Held until disposed of.
 * @throws LinepoolError `daemon_running`, `state_unusable`
 */
export async function lockState(stateDir: string): Promise<Disposable> {
  const file = join(stateDir, 'daemon.lock');
  let held: Disposable | undefined;
  try {
    held = await holdFile(file);
  } catch (error) {
    throw new LinepoolError('state_unusable', `${file}: ${(error as Error).message}`, { cause: error });
  }
  if (held !== undefined) return held;
  const pid = readRunFile(stateDir)?.pid;
  throw new LinepoolError(
    'daemon_running',
    pid === undefined ? `(${stateDir})` : `(${stateDir}, process ${pid})`,
  );
}
