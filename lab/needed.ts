/**
 * What the lab needs of the machine: root, programs, a device. Called by main.ts before anything is touched; what is
 * missing is said in one line, with the command that mends it.
 */
import { accessSync, constants } from 'node:fs';
import { delimiter, join } from 'node:path';
import { LabError } from './failure.ts';
import { isSoundName } from './places.ts';

/** Programs that are needed, and the Debian packages of each. */
export const NEEDED: Readonly<Record<string, string>> = {
  ip: 'iproute2',
  nginx: 'nginx-light',
  curl: 'curl',
  wget: 'wget',
  aria2c: 'aria2',
  cc: 'gcc libc6-dev',
  mptcpize: 'mptcpize',
  nsenter: 'util-linux',
  setpriv: 'util-linux',
  sysctl: 'procps',
};

/** Daemons and tools of root are there whatever the PATH of who calls says. */
const FOLDERS = [...new Set([...(process.env['PATH'] ?? '').split(delimiter), '/usr/sbin', '/sbin'])];

function isThere(program: string): boolean {
  return FOLDERS.some((folder) => {
    try {
      accessSync(join(folder, program), constants.X_OK);
      return true;
    } catch {
      // Not in this folder.
      return false;
    }
  });
}

/** Also puts the folders of root's tools into the PATH, where the lab's processes look for them. @throws LabError */
export function checkMachine(): void {
  if (!isSoundName) throw new LabError('LINEPOOL_LAB_NAME must be 1 to 16 of a to z and 0 to 9.');
  if (process.getuid?.() !== 0)
    throw new LabError('The lab makes network namespaces, so it needs root: run it as root.');
  const missing = Object.keys(NEEDED).filter((program) => !isThere(program));
  if (missing.length > 0) {
    const packages = [...new Set(missing.flatMap((program) => NEEDED[program]?.split(' ') ?? []))];
    throw new LabError(
      `The lab needs ${missing.join(', ')}: apt-get install --no-install-recommends ${packages.join(' ')}`,
    );
  }
  try {
    accessSync('/dev/net/tun', constants.R_OK | constants.W_OK);
  } catch {
    throw new LabError('The lab needs /dev/net/tun: modprobe tun');
  }
  process.env['PATH'] = FOLDERS.join(delimiter);
}
