/**
 * Setting aside: a file that can't be continued is renamed, with what SQLite keeps beside it, so that nothing of it is lost.
 */
import { existsSync, renameSync } from 'node:fs';
import { basename } from 'node:path';
import type { Milliseconds } from '../core/units.ts';

/** Where SQLite keeps what is not in the file itself yet. */
const COMPANIONS = ['-wal', '-shm', '-journal'];

/** The new name, without its folder. @throws Error as the system gives it */
export function setAside(file: string, wall: Milliseconds): string {
  const when = new Date(wall).toISOString().replaceAll(/[:.]/g, '-');
  let aside = `${file}.aside-${when}`;
  for (let number = 2; existsSync(aside); number += 1) aside = `${file}.aside-${when}-${number}`;
  // The file last: should this be broken off, it is found again and set aside whole but for what belongs to nothing.
  for (const companion of [...COMPANIONS, '']) {
    if (existsSync(file + companion)) renameSync(file + companion, aside + companion);
  }
  return basename(aside);
}
