/**
 * Pairing without an invitation, blocking and new keys, as people do it: real daemons, real commands. The tests follow on
 * from one another.
 */
import assert from 'node:assert/strict';
import { join } from 'node:path';
import { after, before, describe, test } from 'node:test';
import type { Household } from '../../src/demo/household.ts';
import type { Neighbourhood } from '../../src/demo/neighbourhood.ts';
import { patternSha256 } from '../../src/demo/pattern.ts';
import { freePort } from '../support/free-port.ts';
import {
  connectionsAt,
  linkPort,
  plan,
  runOn,
  startDownload,
  startHouseholds,
  startOrigins,
  untilOffering,
} from '../support/household.ts';
import { until } from '../support/until.ts';

interface Listed {
  readonly neighbours: readonly { readonly name: string; readonly id: string; readonly trust: string }[];
  readonly blocked: readonly { readonly name: string }[];
}
interface Compared {
  readonly comparison?: { readonly state: string; readonly number?: string };
}
interface Identity {
  readonly id: string;
  readonly formerIds: readonly string[];
}

describe('households that meet without an invitation', { concurrency: false }, () => {
  const owned = new AsyncDisposableStack();
  let here: Neighbourhood;
  let a: Household;
  let b: Household;

  before(async () => {
    const origins = owned.use(await startOrigins());
    // After a restart they are to be found where they were.
    const at = async (name: string) =>
      plan(name, { config: { link: [`listen = ["127.0.0.1:${await freePort()}"]`] } });
    here = owned.use(await startHouseholds([await at('A'), await at('B')], origins, { paired: false }));
    [a, b] = here.households as [Household, Household];
  });
  // Also when not all could be started: what is left open would keep the process.
  after(() => owned.disposeAsync());

  const list = (household: Household): Promise<Listed> => household.runJson<Listed>('neighbours');
  const names = async (household: Household): Promise<readonly string[]> =>
    (await list(household)).neighbours.map(({ name }) => name);
  const numberAt = async (household: Household): Promise<string> =>
    (await household.runJson<Compared>('pair')).comparison?.number ?? '';
  const compare = async (): Promise<string> => {
    const { name } = await b.runJson<{ name: string }>('visible', '--for', '5 min');
    const { routers } = await a.runJson<{ routers: readonly { name: string }[] }>('discover');
    assert.ok(
      routers.some((router) => router.name === name),
      'discovered by multicast on the loopback interface',
    );
    await a.runJson('pair', name);
    const [ours, theirs] = [await numberAt(a), await numberAt(b)];
    assert.match(ours, /^\d{6}$/);
    assert.equal(theirs, ours);
    return ours;
  };

  test('rejected on one side: nobody is paired, and being visible is over', async () => {
    await compare();
    await b.run('pair', 'reject');
    await until('A knows', async () => (await a.runJson<Compared>('pair')).comparison?.state === 'ended');
    assert.deepEqual([await names(a), await names(b)], [[], []]);
    const { code, err } = await runOn(a, 'pair', `127.0.0.1:${linkPort(b)}`).ended;
    assert.equal(code, 8);
    assert.match(err, /does not wish to be found now/);
  });

  test('both confirm what the other side shows: they are neighbours, and lend to each other', async () => {
    const number = await compare();
    const waiting = runOn(a, 'pair', 'confirm', number).ended;
    await until(
      'A has confirmed',
      async () => (await a.runJson<Compared>('pair')).comparison?.state !== 'comparing',
    );
    assert.match(
      await b.run('pair', 'confirm', number, '--name', 'The one above'),
      /^Paired with The one above\.$/m,
    );
    const { code, out } = await waiting;
    assert.equal(code, 0);
    assert.match(out, /^Paired with B\.$/m);
    assert.deepEqual([await names(a), await names(b)], [['B'], ['The one above']]);
    await untilOffering(a, 'B');
    await untilOffering(b, 'The one above');
  });

  test('B makes a new key: A keeps its name and what was agreed, and downloads go over it again', async () => {
    await a.run('trust', 'B', 'trusted');
    await a.run('rename', 'B', 'Below');
    await a.run('lend', 'neighbour', 'Below', '--weight', '2');
    const { id: before } = await b.runJson<Identity>('identity');
    const running = await runOn(b, 'identity', 'rotate').ended;
    assert.equal(running.code, 7, 'not while it runs');
    await b.run('stop');
    await b.run('identity', 'rotate');
    await b.restart();
    const { id, formerIds } = await b.runJson<Identity>('identity');
    assert.deepEqual(formerIds, [before]);
    await untilOffering(a, 'Below');
    const { neighbours } = await list(a);
    assert.deepEqual(
      neighbours.map((one) => [one.name, one.id, one.trust]),
      [['Below', id, 'trusted']],
    );
    const lending = await a.runJson<{ neighbours: readonly { id: string; set: object }[] }>('lend');
    assert.deepEqual(lending.neighbours.find((one) => one.id === id)?.set, { weight: 2 });
    const size = 6_000_000;
    const download = startDownload(a, here.ports.http, size);
    await download.untilBrought('Below', 300_000);
    assert.equal((await download.fetched).sha256, patternSha256(size));
  });

  test('a backup brings B to another folder, and its neighbours know it', async () => {
    const file = join(b.stateDir, 'b.backup');
    const passphrase = join(b.stateDir, 'passphrase');
    const { writeFileSync } = await import('node:fs');
    writeFileSync(passphrase, 'a long passphrase\n', { mode: 0o600 });
    await b.run('identity', 'backup', file, '--passphrase-file', passphrase);
    await b.run('stop');
    const { id } = await b.runJson<Identity>('identity');
    await b.run('identity', 'restore', file, '--passphrase-file', passphrase, '--force');
    await b.restart();
    assert.equal((await b.runJson<Identity>('identity')).id, id);
    await untilOffering(a, 'Below');
    await untilOffering(b, 'The one above');
  });

  test('blocked in the middle of a download: it is cut at once, the download goes on, nothing brings it back', async () => {
    const size = 10_000_000;
    const download = startDownload(a, here.ports.http, size);
    await download.untilBrought('Below', 300_000);
    await a.run('block', 'Below');
    await until('no connection to the link of B is left', () => connectionsAt(linkPort(b)) === 0);
    assert.equal((await download.fetched).sha256, patternSha256(size));
    assert.deepEqual(
      (await list(a)).blocked.map(({ name }) => name),
      ['Below'],
    );
    await until('B was told', async () => (await names(b)).length === 0);
    const { invitation } = await a.runJson<{ invitation: string }>('invite');
    assert.equal((await runOn(b, 'join', invitation).ended).code, 8);
    assert.deepEqual(await names(a), []);
    await a.run('unblock', 'Below');
    await b.run('join', invitation);
    assert.deepEqual(await names(a), ['B']);
  });
});
