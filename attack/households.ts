/**
 * Real households for the attacks: their daemons in processes of their own, on loopback, in a folder that is removed at the end. What is
 * at the end of their lines is the attack's. It must leave nothing running, also when one of them did not start.
 */
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { systemClock } from '../src/core/clock.ts';
import type { BytesPerSecond } from '../src/core/units.ts';
import { Household } from '../src/demo/household.ts';
import type { OriginPorts } from '../src/demo/processes.ts';

const MAIN = resolve(import.meta.dirname, '../src/main.ts');
/** Faster than what is tried, unless an attack says otherwise. */
const DOWN: BytesPerSecond = 1e8;

export interface Plan {
  readonly name: string;
  /** Loaded into its process before its own code. */
  readonly preload?: string;
  readonly down?: BytesPerSecond;
  /** Where its line leads; default 127.0.0.1. */
  readonly lineHost?: string;
  /** Lines of TOML by section. */
  readonly config?: Readonly<Record<string, readonly string[]>>;
}

/** A folder of its own, removed at the end. */
export async function temporaryFolder(owned: AsyncDisposableStack): Promise<string> {
  const folder = await mkdtemp(join(tmpdir(), 'linepool-attack-'));
  owned.defer(() => rm(folder, { recursive: true, force: true }));
  return folder;
}

/** Started at once; those that started are owned also when another did not. In the order of the plans. */
export async function startHouseholds<const P extends readonly Plan[]>(
  owned: AsyncDisposableStack,
  plans: P,
  place: { readonly folder: string; readonly ports: OriginPorts; readonly signal: AbortSignal },
): Promise<{ [K in keyof P]: Household }> {
  const starting = plans.map(({ name, preload, down = DOWN, lineHost = '127.0.0.1', config = {} }) =>
    Household.start({
      name,
      folder: join(place.folder, name),
      command: [process.execPath, ...(preload === undefined ? [] : ['--import', preload]), MAIN],
      down,
      lineHost,
      ports: place.ports,
      config,
      clock: systemClock,
      signal: place.signal,
    }),
  );
  for (const outcome of await Promise.allSettled(starting))
    if (outcome.status === 'fulfilled') owned.use(outcome.value);
  return (await Promise.all(starting)) as { [K in keyof P]: Household };
}
