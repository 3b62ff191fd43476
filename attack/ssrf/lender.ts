/**
 * The lender under attack: a real household, its daemon in a process of its own with the attack's resolver loaded, and a
 * borrowers that were really paired with it and then turned.
 */
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { systemClock } from '../../src/core/clock.ts';
import { Household } from '../../src/demo/household.ts';
import { type TurnedBorrower, turned } from '../../test/support/turned-borrower.ts';
import type { Mode } from './corpus.ts';
import type { Names } from './resolver.ts';
import { OWN_WAN_NETWORK, PUBLIC_NETWORK } from './trap-places.ts';

const MAIN = resolve(import.meta.dirname, '../../src/main.ts');
const RESOLVER = resolve(import.meta.dirname, 'resolver.ts');
const GUARDED = `allow_networks = ["${PUBLIC_NETWORK}"]`;
/** Everything counts as public: what the corpus would reach if nothing held it. */
const UNGUARDED = 'allow_networks = ["0.0.0.0/0", "::/0"]';

export interface AttackedLender extends AsyncDisposable {
  readonly borrowers: Readonly<Record<Mode, TurnedBorrower>>;
  /** Its power is cut, and is back. */
  cutPower(): Promise<void>;
  /** It starts again, and takes every address for public. */
  unguard(): Promise<void>;
}

export async function startLender(
  { names, trapPort }: { readonly names: Names; readonly trapPort: number },
  signal: AbortSignal,
): Promise<AttackedLender> {
  await using owned = new AsyncDisposableStack();
  const folder = await mkdtemp(join(tmpdir(), 'linepool-attack-'));
  owned.defer(() => rm(folder, { recursive: true, force: true }));
  const namesFile = join(folder, 'names.json');
  await writeFile(namesFile, JSON.stringify(names));
  const household = (name: string, node: readonly string[], lend: readonly string[]): Promise<Household> =>
    Household.start({
      name,
      folder: join(folder, name),
      command: [process.execPath, ...node, MAIN],
      down: 1e8,
      lineHost: '127.0.0.1',
      ports: { http: trapPort, https: 80 },
      config: { lend },
      clock: systemClock,
      signal,
    });
  const resolver = `${RESOLVER}?${new URLSearchParams({ names: namesFile, trap: String(trapPort) }).toString()}`;
  const rules = [GUARDED, `own_addresses = ["${OWN_WAN_NETWORK}"]`, `ports = [${trapPort}, 80, 443]`];
  // One borrower for each mode: how many leases one may have open is bounded.
  const [lender, first, second] = await all(owned, [
    household('lender', ['--import', `file://${resolver}`], rules),
    household('first', [], []),
    household('second', [], []),
  ]);
  const fetches = owned.use(await turned(first, lender, signal));
  const tunnels = owned.use(await turned(second, lender, signal));
  const kept = owned.move();
  return {
    borrowers: { fetch: fetches, tunnel: tunnels },
    async cutPower() {
      await lender.kill();
      await lender.restart();
    },
    async unguard() {
      await lender.kill();
      const text = await readFile(lender.configFile, 'utf8');
      await writeFile(lender.configFile, text.replace(GUARDED, UNGUARDED).replace(/^own_addresses.*$/m, ''));
      await lender.restart();
      fetches.renew();
      tunnels.renew();
    },
    [Symbol.asyncDispose]: () => kept.disposeAsync(),
  };
}

type Three = readonly [Household, Household, Household];

/** Started at once; those that started are owned also when another did not. */
async function all(
  owned: AsyncDisposableStack,
  starting: readonly [Promise<Household>, Promise<Household>, Promise<Household>],
): Promise<Three> {
  for (const outcome of await Promise.allSettled(starting))
    if (outcome.status === 'fulfilled') owned.use(outcome.value);
  return await Promise.all(starting);
}
