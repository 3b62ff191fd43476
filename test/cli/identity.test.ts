/** `linepool identity` as a real process: what it shows and changes, and that a failure changes nothing. */
import assert from 'node:assert/strict';
import { mkdtempSync, readdirSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, describe, it } from 'node:test';
import { lockState } from '../../src/control/lock.ts';
import { systemClock } from '../../src/core/clock.ts';
import { Book } from '../../src/neighbours/book.ts';
import { loadIdentity, makeIdentity } from '../../src/neighbours/identity.ts';
import { linepool, type Ran } from './ran.ts';

const root = mkdtempSync(join(tmpdir(), 'linepool-identity-'));
after(() => rmSync(root, { recursive: true }));
const PASSPHRASE = { LINEPOOL_PASSPHRASE: 'correct horse battery' };

let folders = 0;
async function household(): Promise<{ readonly state: string; readonly id: string }> {
  folders += 1;
  const state = join(root, `state-${folders}`);
  const { id } = await loadIdentity(state);
  const book = await Book.open(state, systemClock);
  const neighbour = await makeIdentity();
  await book.add({ ...neighbour, addresses: ['192.0.2.1:7468'], name: 'Attic', ours: true });
  return { state, id };
}

const run = (
  state: string,
  args: readonly string[],
  env: Record<string, string> = PASSPHRASE,
): Promise<Ran> => linepool(['identity', ...args, '--state', state], { env });
const json = async <T>(state: string, ...args: readonly string[]): Promise<T> => {
  const { code, out, err } = await run(state, [...args, '--json']);
  assert.equal(err, '');
  assert.equal(code, 0);
  return JSON.parse(out) as T;
};
const filesOf = (state: string): Record<string, string> =>
  Object.fromEntries(
    readdirSync(state)
      .filter((name) => name.endsWith('.json'))
      .map((name) => [name, readFileSync(join(state, name), 'utf8')]),
  );

describe('linepool identity', () => {
  it('shows the id, and makes none', async () => {
    const { state, id } = await household();
    assert.match((await run(state, [])).out, new RegExp(`^${id}\nIt is the first key\\.\n$`));
    const empty = await run(join(root, 'nowhere'), ['show']);
    assert.equal(empty.code, 2);
    assert.match(empty.err, /no identity in .*nowhere/);
  });

  it('rotate makes another key, keeps the former one, and only while no daemon runs', async () => {
    const { state, id } = await household();
    {
      using _daemon = await lockState(state);
      const { code } = await run(state, ['rotate']);
      assert.equal(code, 7);
      assert.equal((await loadIdentity(state)).id, id);
    }
    const rotated = await json<{ id: string; before: string }>(state, 'rotate');
    assert.equal(rotated.before, id);
    const shown = await json<{ id: string; formerIds: string[] }>(state, 'show');
    assert.deepEqual([shown.id, shown.formerIds], [rotated.id, [id]]);
    assert.equal(statSync(join(state, 'identity.json')).mode & 0o777, 0o600);
  });

  it('backup and restore bring key and neighbours to another machine', async () => {
    const { state, id } = await household();
    await json(state, 'rotate');
    const file = join(root, 'one.backup');
    const made = await json<{ id: string; file: string }>(state, 'backup', file);
    assert.equal(made.file, file);
    assert.equal(statSync(file).mode & 0o777, 0o600);
    assert.ok(!readFileSync(file, 'utf8').includes('PRIVATE KEY'));
    const elsewhere = join(root, 'elsewhere');
    assert.deepEqual(await json(elsewhere, 'restore', file), { id: made.id, neighbours: 1 });
    assert.deepEqual(filesOf(elsewhere), filesOf(state));
    for (const name of ['identity.json', 'neighbours.json']) {
      assert.equal(statSync(join(elsewhere, name)).mode & 0o777, 0o600);
    }
    assert.equal((await loadIdentity(elsewhere)).formerKeys[0]?.id, id);
  });

  it('restore puts nothing over an identity unless it is forced, nor under a running daemon', async () => {
    const { state } = await household();
    const file = join(root, 'two.backup');
    await json(state, 'backup', file);
    const other = await household();
    const before = filesOf(other.state);
    const refused = await run(other.state, ['restore', file]);
    assert.equal(refused.code, 6);
    assert.match(refused.err, /There is an identity .*\n {2}Give --force/);
    {
      using _daemon = await lockState(other.state);
      assert.equal((await run(other.state, ['restore', file, '--force'])).code, 7);
    }
    assert.deepEqual(filesOf(other.state), before);
    assert.equal((await run(other.state, ['restore', file, '--force'])).code, 0);
    assert.deepEqual(filesOf(other.state), filesOf(state));
  });

  it('a wrong passphrase, and a file that is cut or changed, change nothing', async () => {
    const { state } = await household();
    const file = join(root, 'three.backup');
    await json(state, 'backup', file);
    const text = readFileSync(file, 'utf8');
    const [cut, bent] = [join(root, 'cut.backup'), join(root, 'bent.backup')];
    writeFileSync(cut, text.slice(0, text.length / 2));
    writeFileSync(
      bent,
      text.replace(/"data": "./, (match) => match.slice(0, -1) + (match.endsWith('A') ? 'B' : 'A')),
    );
    const before = filesOf(state);
    const wrong = { LINEPOOL_PASSPHRASE: 'incorrect horse' };
    for (const [from, env] of [
      [file, wrong],
      [cut, PASSPHRASE],
      [bent, PASSPHRASE],
    ] as const) {
      const { code, err } = await run(state, ['restore', from, '--force'], env);
      assert.equal(code, 6);
      assert.match(err, /^linepool: The backup can not be used\..*\n {2}Check the passphrase and the file/);
      assert.deepEqual(filesOf(state), before);
    }
    const missing = await run(state, ['restore', join(root, 'none'), '--force']);
    assert.equal(missing.code, 6);
  });

  it('takes the passphrase from a file or the environment, never without, never over a file', async () => {
    const { state } = await household();
    const file = join(root, 'four.backup');
    const none = await run(state, ['backup', file], { LINEPOOL_PASSPHRASE: '' });
    assert.equal(none.code, 2);
    assert.match(none.err, /10 characters at least/);
    const passphraseFile = join(root, 'passphrase');
    writeFileSync(passphraseFile, 'from a file, one line\nand more\n');
    assert.equal((await run(state, ['backup', file, '--passphrase-file', passphraseFile])).code, 0);
    const again = await run(state, ['backup', file]);
    assert.equal(again.code, 2);
    assert.match(again.err, /exists: a backup is written over no other file/);
    const env = { LINEPOOL_PASSPHRASE: 'from a file, one line' };
    assert.equal((await run(join(root, 'five'), ['restore', file], env)).code, 0);
    const gone = await run(state, ['backup', join(root, 'x'), '--passphrase-file', join(root, 'nope')]);
    assert.equal(gone.code, 6);
  });
});
