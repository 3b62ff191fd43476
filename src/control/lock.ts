/**
 * The lock on a state folder: one daemon at a time. daemon.ts takes it before it opens anything else there.
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
 * Held until disposed of.
 * @throws LinepoolError `daemon_running`, `state_unusable`
 */
export async function lockState(stateDir: string): Promise<Disposable> {
  const file = join(stateDir, 'daemon.lock');
  const { DatabaseSync } = await import('node:sqlite');
  try {
    const database = new DatabaseSync(file, { timeout: 0 });
    try {
      database.exec('BEGIN EXCLUSIVE');
    } catch (error) {
      database.close();
      throw error;
    }
    return { [Symbol.dispose]: () => database.close() };
  } catch (error) {
    if ((error as { errcode?: number }).errcode === SQLITE_BUSY) {
      const pid = readRunFile(stateDir)?.pid;
      throw new LinepoolError(
        'daemon_running',
        pid === undefined ? `(${stateDir})` : `(${stateDir}, process ${pid})`,
        { cause: error },
      );
    }
    throw new LinepoolError('state_unusable', `${file}: ${(error as Error).message}`, { cause: error });
  }
}
