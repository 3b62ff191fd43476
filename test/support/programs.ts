/**
 * The programs that some tests need: a test that needs one which is not there is left out, with the reason.
 * scripts/test.ts looks them up once and hands them on; a test file that is run alone looks for itself.
 *
 *     test('curl works', needs('curl'), async () => …)
 */
import { accessSync, constants } from 'node:fs';
import { delimiter, join } from 'node:path';

/** The Debian package that brings each program. */
export const PACKAGE_OF = {
  nginx: 'nginx-light',
  curl: 'curl',
  wget: 'wget',
  aria2c: 'aria2',
  squid: 'squid',
  chromium: 'chromium',
  'apt-get': 'apt',
  git: 'git',
} as const;

export type Program = keyof typeof PACKAGE_OF;

/** Set by scripts/test.ts: JSON, program name to its path. */
export const PROGRAMS_VARIABLE = 'LINEPOOL_PROGRAMS';

/** Daemons are in the folders that only root has in its PATH. */
const MORE_FOLDERS = ['/usr/local/sbin', '/usr/sbin', '/sbin'];

/** Where each program is; those that are not there are missing. */
export function findPrograms(): Partial<Record<Program, string>> {
  const folders = [...(process.env['PATH'] ?? '').split(delimiter), ...MORE_FOLDERS];
  const found: Partial<Record<Program, string>> = {};
  for (const program of Object.keys(PACKAGE_OF) as Program[]) {
    const at = folders.map((folder) => join(folder, program)).find(executable);
    if (at !== undefined) found[program] = at;
  }
  return found;
}

function executable(file: string): boolean {
  try {
    accessSync(file, constants.X_OK);
    return true;
  } catch (error) {
    // Not there, or not for us: both mean that it can't be run.
    return (error as NodeJS.ErrnoException).code === undefined;
  }
}

const handed = process.env[PROGRAMS_VARIABLE];
const programs: Partial<Record<Program, string>> =
  handed === undefined ? findPrograms() : (JSON.parse(handed) as Partial<Record<Program, string>>);

/** Where the program is. @throws Error when it is not there: the test lacks `needs` */
export function pathOf(program: Program): string {
  const path = programs[program];
  if (path === undefined)
    throw new Error(`${program} is not there, and the test does not say that it needs it`);
  return path;
}

/** What begins the reason of a test that is left out for want of a program; the program's name follows. */
export const LEFT_OUT = 'needs the program ';

/** The option for node:test: leaves the test out when one of the programs is not there. */
export function needs(...wanted: readonly Program[]): { readonly skip: string | false } {
  const missing = wanted.filter((program) => programs[program] === undefined);
  return { skip: missing.length === 0 ? false : `${LEFT_OUT}${missing.join(', ')}` };
}
