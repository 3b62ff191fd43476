/**
 * The product as people install it, for the benches: the one-file bundle, built into a temporary folder. How linepool
 * is run from it is its `command`; disposing of it removes the folder.
 */
import { execFile } from 'node:child_process';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';

export interface Bundle extends AsyncDisposable {
  readonly command: readonly [string, ...string[]];
}

export async function buildBundle(): Promise<Bundle> {
  const folder = await mkdtemp(join(tmpdir(), 'bench-bundle-'));
  const dispose = (): Promise<void> => rm(folder, { recursive: true, force: true });
  const file = join(folder, 'linepool.mjs');
  try {
    const script = join(import.meta.dirname, '../scripts/build.ts');
    await promisify(execFile)(process.execPath, [script, '--out', file]);
  } catch (error) {
    await dispose();
    throw error;
  }
  return { command: [process.execPath, file], [Symbol.asyncDispose]: dispose };
}
