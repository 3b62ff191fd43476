/**
 * Where the lab keeps what: results and the compiled wire stay, everything else of a run goes with it.
 */
import { join, resolve } from 'node:path';

/** Kept between runs. */
export const LAB_FOLDER = process.env['LINEPOOL_LAB_DIR'] ?? '/var/tmp/linepool-lab';
export const RESULTS_FOLDER = join(LAB_FOLDER, 'results');
export const CACHE_FOLDER = join(LAB_FOLDER, 'cache');

/** What this lab's namespaces are called, so that two labs, such as one of the tests, can be on one machine. */
const NAME = process.env['LINEPOOL_LAB_NAME'] ?? 'lp';
export const NAMESPACE_PREFIX = `${NAME}-`;
/** Of one run; in memory, so that no disk holds up a download. */
export const RUN_FOLDER = NAME === 'lp' ? '/dev/shm/linepool-lab' : `/dev/shm/linepool-lab-${NAME}`;
export const isSoundName = /^[a-z0-9]{1,16}$/.test(NAME);

export const REPOSITORY = resolve(import.meta.dirname, '..');

/** Where names are asked for (RFC 1035 section 4.2.1), at the origin's address. */
export const NAMES_PORT = 53;
