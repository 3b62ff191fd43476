/**
 * The lender under attack: a real household, its daemon in a process of its own with the attack's resolver loaded, and a
 * borrowers that were really paired with it and then turned.
 */
import { readFile, writeFile } from 'node:fs/promises';
import { join, resolve } from 'node:path';
import { type TurnedBorrower, turned } from '../../test/support/turned-borrower.ts';
import { startHouseholds, temporaryFolder } from '../households.ts';
import type { Mode } from './corpus.ts';
import type { Names } from './resolver.ts';
import { OWN_WAN_NETWORK, PUBLIC_NETWORK } from './trap-places.ts';

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
  const folder = await temporaryFolder(owned);
  const namesFile = join(folder, 'names.json');
  await writeFile(namesFile, JSON.stringify(names));
  const resolver = `file://${RESOLVER}?${new URLSearchParams({ names: namesFile, trap: String(trapPort) }).toString()}`;
  const rules = [GUARDED, `own_addresses = ["${OWN_WAN_NETWORK}"]`, `ports = [${trapPort}, 80, 443]`];
  // One borrower for each mode: how many leases one may have open is bounded.
  const [lender, first, second] = await startHouseholds(
    owned,
    [
      { name: 'lender', preload: resolver, config: { lend: rules } },
      { name: 'first', config: { lend: [] } },
      { name: 'second', config: { lend: [] } },
    ],
    { folder, ports: { http: trapPort, https: 80 }, signal },
  );
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
