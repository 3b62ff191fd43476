import assert from 'node:assert/strict';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describe, it, type TestContext } from 'node:test';
import { Events } from '../../src/core/events.ts';
import { quarantine } from '../../src/neighbours/quarantine.ts';
import { type Caught, TRUST_ENTRIES_MAX, TrustBook } from '../../src/neighbours/trust.ts';

const HASH = 'A'.repeat(43);
const CAUGHT: Caught = {
  at: 1_700_000_000_000,
  origin: 'http://files.example:80',
  start: 4_096,
  end: 8_192,
  total: 1_000_000,
  by: 'sample',
  brought: HASH,
  ours: 'B'.repeat(43),
};

async function folder(t: TestContext): Promise<string> {
  const dir = await mkdtemp(join(tmpdir(), 'linepool-trust-'));
  t.after(() => rm(dir, { recursive: true }));
  return dir;
}

describe('trust', () => {
  it('of somebody new is as configured, and what is set outlives a restart', async (t) => {
    const dir = await folder(t);
    {
      await using book = await TrustBook.open(dir, 'https-only');
      assert.equal(book.of('one'), 'https-only');
      assert.equal(book.http('one'), undefined);
      await book.set('one', 'checked');
      await book.set('two', 'trusted');
    }
    await using book = await TrustBook.open(dir, 'https-only');
    assert.deepEqual(
      [book.http('one'), book.http('two'), book.http('three')],
      ['checked', 'trusted', undefined],
    );
  });

  it('is told of at each change, and a quarantine takes effect before anything is written', async (t) => {
    await using book = await TrustBook.open(await folder(t), 'trusted');
    const told: (string | undefined)[] = [];
    using _listening = book.onChange(() => told.push(book.http('one')));
    const kept = book.quarantine('one', CAUGHT);
    assert.deepEqual(told, [undefined]);
    await kept;
    await book.set('one', 'checked');
    assert.equal(book.http('one'), undefined, 'only lifting ends it');
    await book.lift('one');
    assert.deepEqual(told, [undefined, undefined, 'checked']);
  });

  it('keeps a quarantine over restart, parting and another key, and its first proof', async (t) => {
    const dir = await folder(t);
    {
      await using book = await TrustBook.open(dir, 'checked');
      await book.set('one', 'trusted');
      await book.quarantine('one', CAUGHT);
      await book.quarantine('one', { ...CAUGHT, start: 0 });
      await book.forget('one');
      await book.renewed('one', 'anew');
    }
    await using book = await TrustBook.open(dir, 'checked');
    assert.deepEqual(book.caught('anew'), CAUGHT);
    assert.deepEqual([book.of('anew'), book.caught('one')], ['checked', undefined]);
  });

  it('never grows without a bound, and gives up what is only set first', async (t) => {
    await using book = await TrustBook.open(await folder(t), 'checked');
    const changes = [book.quarantine('caught', CAUGHT)];
    for (let i = 0; i <= TRUST_ENTRIES_MAX; i += 1) changes.push(book.set(`n${i}`, 'trusted'));
    await Promise.all(changes);
    assert.equal(book.of('n0'), 'checked');
    assert.equal(book.of(`n${TRUST_ENTRIES_MAX}`), 'trusted');
    assert.ok(book.caught('caught') !== undefined);
  });

  it('goes on under a new key, and so does a quarantine', async (t) => {
    const dir = await folder(t);
    {
      await using book = await TrustBook.open(dir, 'https-only');
      await book.set('old', 'trusted');
      await book.quarantine('old', CAUGHT);
      await book.rekey('old', 'new');
      await book.rekey('nobody', 'else');
    }
    await using book = await TrustBook.open(dir, 'https-only');
    assert.deepEqual([book.of('old'), book.caught('old')], ['https-only', undefined]);
    assert.deepEqual([book.of('new'), book.caught('new')], ['trusted', CAUGHT]);
  });

  it('that is damaged is refused and left as it is', async (t) => {
    const dir = await folder(t);
    await writeFile(join(dir, 'trust.json'), '{"version":1,"households":{"one":{"trust":"blindly"}}}');
    await assert.rejects(TrustBook.open(dir, 'checked'), { code: 'state_unusable' });
  });

  it('is reported when somebody is caught, and when it is proved', async (t) => {
    await using book = await TrustBook.open(await folder(t), 'checked');
    const events = new Events(() => 0);
    const neighbour = { id: 'one', name: 'Attic' };
    const recorded: string[] = [];
    const record = (_: unknown, _reason: string, statement: string): void => void recorded.push(statement);
    const rooms = { trust: book, events, record };
    await quarantine(rooms, neighbour, CAUGHT);
    await quarantine(rooms, neighbour, { ...CAUGHT, signed: 'a.b.c' });
    await quarantine(rooms, neighbour, CAUGHT);
    const told = { kind: 'neighbour_caught', neighbour: 'Attic', id: 'one', origin: CAUGHT.origin };
    assert.deepEqual(
      events.since(0).map(({ event }) => event),
      [
        { ...told, signed: false },
        { ...told, signed: true },
      ],
    );
    assert.deepEqual(recorded, ['a.b.c']);
  });
});
