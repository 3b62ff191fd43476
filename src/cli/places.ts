/**
 * Places: where a command looks for the daemon's state and its configuration when the person does not say.
 */
import { existsSync } from 'node:fs';
import { homedir } from 'node:os';
import { join, resolve } from 'node:path';

/** As commander gives them; every command takes both. */
export interface PlaceFlags {
  readonly state?: string;
  readonly config?: string;
}

export interface Surroundings {
  readonly env: Readonly<Record<string, string | undefined>>;
  readonly home: string;
  readonly root: boolean;
  readonly exists: (file: string) => boolean;
}

export const here: Surroundings = {
  env: process.env,
  home: homedir(),
  root: process.getuid?.() === 0,
  exists: existsSync,
};

/** --state, else /var/lib/linepool for root, else as the XDG base directory specification has it. */
export function stateDirOf(flags: PlaceFlags, around: Surroundings = here): string {
  if (flags.state !== undefined) return resolve(flags.state);
  if (around.root) return '/var/lib/linepool';
  const xdg = around.env['XDG_STATE_HOME'];
  // The specification says to ignore a path that is not absolute.
  return join(xdg?.startsWith('/') === true ? xdg : join(around.home, '.local', 'state'), 'linepool');
}

/** --config, else the first that exists; undefined for the defaults. */
export function configFileOf(flags: PlaceFlags, around: Surroundings = here): string | undefined {
  if (flags.config !== undefined) return resolve(flags.config);
  return [join(stateDirOf(flags, around), 'config.toml'), '/etc/linepool/config.toml'].find(around.exists);
}
