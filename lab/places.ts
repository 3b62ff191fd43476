/**
 * Where the lab keeps what: results and the compiled wire stay, everything else of a run goes with it.
 */
import { join, resolve } from 'node:path';

/** Kept between runs. */
export const LAB_FOLDER = process.env['LINEPOOL_LAB_DIR'] ?? '/var/tmp/linepool-lab';
export const RESULTS_FOLDER = join(LAB_FOLDER, 'results');
export const CACHE_FOLDER = join(LAB_FOLDER, 'cache');

/** Of one run; in memory, so that no disk holds up a download. */
export const RUN_FOLDER = '/dev/shm/linepool-lab';

export const REPOSITORY = resolve(import.meta.dirname, '..');
