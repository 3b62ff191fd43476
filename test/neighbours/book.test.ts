/** The book: what is written is there again, a damaged one is refused and kept, a kill at any moment does no harm. */
import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { readdir, readFile, rm, stat, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { test } from 'node:test';
import * as fc from 'fast-check';
import { Book, type BookChange } from '../../src/neighbours/book.ts';
import { ADDRESSES_MAX, NEIGHBOURS_MAX } from '../../src/neighbours/book-file.ts';
import { idOfPublicKey, shortId } from '../../src/neighbours/household-id.ts';
import { NAME_MAX, tidyName } from '../../src/neighbours/neighbour-name.ts';
import { FakeClock } from '../support/fake-clock.ts';
import { scratchDir } from './household.ts';

const newcomer = (n: number, name: string, ours = false) => {
  const key = Buffer.alloc(44, n);
  return {
    id: idOfPublicKey(key),
    publicKey: key.toString('base64url'),
    addresses: [`192.0.2.${n}:7468`],
    name,
    ours,
  };
};

test('what is written is there again after a restart', async () => {
  await using dir = await scratchDir();
  const clock = new FakeClock();
  const book = await Book.open(dir.path, clock);
  const anna = await book.add(newcomer(1, 'Anna'));
  await book.add(newcomer(2, 'Berta'));
  await book.rename('Berta', 'Fourth floor');
  await book.prefer(anna.id, '198.51.100.1:7468');
  assert.equal(anna.pairedAt, clock.wall());
  const again = await Book.open(dir.path, clock);
  assert.deepEqual(again.all(), book.all());
  assert.deepEqual(
    again.all().map(({ name }) => name),
    ['Anna', 'Fourth floor'],
  );
  assert.deepEqual(again.byId(anna.id)?.addresses, ['198.51.100.1:7468', '192.0.2.1:7468']);
  const { mode } = await stat(join(dir.path, 'neighbours.json'));
  assert.equal(mode & 0o777, 0o600);
});

test('a neighbour is found by name, id and short id, an id being the strongest', async () => {
  await using dir = await scratchDir();
  const book = await Book.open(dir.path, new FakeClock());
  const anna = await book.add(newcomer(1, 'Anna'));
  // This one calls itself by the id of the other.
  await book.add(newcomer(2, anna.id));
  assert.equal(book.find('Anna'), anna);
  assert.equal(book.find(anna.id), anna);
  assert.equal(book.find(anna.id.toLowerCase().replaceAll('-', '')), anna);
  assert.equal(book.find(shortId(anna.id).toLowerCase()), anna);
  assert.throws(() => book.find('Carla'), { code: 'neighbour_unknown' });
});

test('a household that comes again keeps its name and takes its new addresses', async () => {
  await using dir = await scratchDir();
  const book = await Book.open(dir.path, new FakeClock());
  await book.add(newcomer(1, 'Anna', true));
  const again = await book.add({ ...newcomer(1, 'Somebody else'), addresses: ['[2001:db8::1]:7468'] });
  assert.equal(again.name, 'Anna');
  assert.deepEqual(again.addresses, ['[2001:db8::1]:7468']);
  assert.equal(book.all().length, 1);
});

test('names are unique; one that we choose must be free', async () => {
  await using dir = await scratchDir();
  const book = await Book.open(dir.path, new FakeClock());
  const long = 'x'.repeat(200);
  for (const n of [1, 2, 3]) await book.add(newcomer(n, long));
  const names = book.all().map(({ name }) => name);
  assert.equal(new Set(names).size, 3);
  assert.ok(names.every((name) => name.length <= NAME_MAX));
  await assert.rejects(book.rename(names[0] ?? '', names[1] ?? ''), { code: 'neighbour_name_taken' });
  await assert.rejects(book.add(newcomer(4, names[0] ?? '', true)), { code: 'neighbour_name_taken' });
  await assert.rejects(book.rename(names[0] ?? '', ' \u202e\n'), { code: 'usage' });
  assert.equal((await book.rename(names[0] ?? '', names[0] ?? '')).name, names[0]);
});

test('a name is tidy, whatever it was', () => {
  fc.assert(
    fc.property(fc.string({ unit: 'binary', maxLength: 300 }), (name) => {
      const tidy = tidyName(name);
      assert.ok(tidy.length <= NAME_MAX && tidy.isWellFormed());
      assert.doesNotMatch(tidy, /\p{Cc}|\p{Cf}|^\s|\s$|\s\s/u);
      assert.equal(tidyName(tidy), tidy);
    }),
  );
});

test('listeners hear of each change, and of no other', async () => {
  await using dir = await scratchDir();
  const book = await Book.open(dir.path, new FakeClock());
  const heard: string[] = [];
  const listener = ({ kind, neighbour }: BookChange): void => {
    heard.push(`${kind} ${neighbour.name}`);
  };
  using listening = book.listen(listener);
  const anna = await book.add(newcomer(1, 'Anna'));
  await book.prefer(anna.id, anna.addresses[0] ?? '');
  await book.prefer('nobody', '192.0.2.9:1');
  await book.rename('Anna', 'A');
  await book.remove('A');
  assert.deepEqual(heard, ['added Anna', 'changed A', 'removed A']);
  listening[Symbol.dispose]();
  await book.add(newcomer(2, 'Berta'));
  assert.equal(heard.length, 3);
});

test('changes that overlap are all kept', async () => {
  await using dir = await scratchDir();
  const book = await Book.open(dir.path, new FakeClock());
  await Promise.all(Array.from({ length: 20 }, (_, n) => book.add(newcomer(n, 'Floor'))));
  await Promise.all([book.remove('Floor 3'), book.rename('Floor 4', 'Roof'), book.remove('Floor 5')]);
  const names = (await Book.open(dir.path, new FakeClock())).all().map(({ name }) => name);
  assert.equal(names.length, 18);
  assert.ok(names.includes('Roof') && !names.includes('Floor 3'));
});

test('the book and the addresses of one neighbour have a bound', async () => {
  await using dir = await scratchDir();
  const neighbours = Array.from({ length: NEIGHBOURS_MAX }, (_, n) => {
    const key = Buffer.alloc(44, 1);
    key.writeUInt32BE(n);
    const { id, publicKey, addresses } = {
      ...newcomer(1, ''),
      id: idOfPublicKey(key),
      publicKey: key.toString('base64url'),
    };
    return { id, publicKey, addresses, name: `N${n}`, pairedAt: 0 };
  });
  await writeFile(join(dir.path, 'neighbours.json'), JSON.stringify({ version: 1, neighbours }));
  const book = await Book.open(dir.path, new FakeClock());
  await assert.rejects(book.add(newcomer(2, 'One more')), { code: 'overloaded' });
  for (let n = 1; n < 10; n += 1) await book.prefer(neighbours[0]?.id ?? '', `198.51.100.${n}:1`);
  assert.equal(book.find('N0').addresses.length, ADDRESSES_MAX);
});

test('a damaged book is refused, named, and left as it is', async () => {
  await using dir = await scratchDir();
  const file = join(dir.path, 'neighbours.json');
  await (await Book.open(dir.path, new FakeClock())).add(newcomer(1, 'Anna'));
  const good = await readFile(file, 'utf8');
  const damaged = [
    '',
    '{',
    good.slice(0, -10),
    good.replace('"version": 1', '"version": 2'),
    good.replace('"name": "Anna"', '"name": ""'),
    good.replace(/"publicKey": "./, '"publicKey": "Z'),
    JSON.stringify({
      version: 1,
      neighbours: [...JSON.parse(good).neighbours, ...JSON.parse(good).neighbours],
    }),
  ];
  for (const text of damaged) {
    await writeFile(file, text);
    await assert.rejects(
      Book.open(dir.path, new FakeClock()),
      (error: { code?: string; detail?: string }) => {
        assert.equal(error.code, 'state_unusable');
        assert.ok(error.detail?.includes(file));
        return true;
      },
    );
    assert.equal(await readFile(file, 'utf8'), text);
  }
});

test('a disk that refuses: nothing is added, but parting holds all the same', async () => {
  await using dir = await scratchDir();
  const book = await Book.open(dir.path, new FakeClock());
  await book.add(newcomer(1, 'Anna'));
  // A file where the folder was: root, too, is refused.
  await rm(dir.path, { recursive: true });
  await writeFile(dir.path, '');
  await assert.rejects(book.add(newcomer(2, 'Berta')), { code: 'state_unusable' });
  assert.equal(book.all().length, 1);
  await assert.rejects(book.remove('Anna'), { code: 'state_unusable' });
  assert.deepEqual(book.all(), []);
});

test('a kill at any moment leaves a whole book', async () => {
  await using dir = await scratchDir();
  const script = `
    import { Book } from ${JSON.stringify(new URL('../../src/neighbours/book.ts', import.meta.url).href)};
    import { systemClock } from ${JSON.stringify(new URL('../../src/core/clock.ts', import.meta.url).href)};
    import { idOfPublicKey } from ${JSON.stringify(new URL('../../src/neighbours/household-id.ts', import.meta.url).href)};
    const book = await Book.open(process.argv[1], systemClock);
    process.stdout.write('open');
    for (let n = 0; ; n = (n + 1) % 100) {
      const key = Buffer.alloc(44, n);
      const id = idOfPublicKey(key);
      if (book.byId(id) === undefined) await book.add({ id, publicKey: key.toString('base64url'), addresses: [], name: 'Floor', ours: false });
      else await book.remove(id);
    }`;
  for (let round = 0; round < 5; round += 1) {
    const writer = spawn(process.execPath, ['--input-type=module', '-e', script, dir.path], {
      stdio: ['ignore', 'pipe', 'inherit'],
    });
    await once(writer.stdout, 'data');
    // So many writes later, at no particular moment of one.
    await new Promise((resolve) => setTimeout(resolve, 20 + round * 7));
    writer.kill('SIGKILL');
    await once(writer, 'exit');
    await Book.open(dir.path, new FakeClock());
  }
  await (await Book.open(dir.path, new FakeClock())).add(newcomer(200, 'Last'));
  assert.deepEqual(
    await readdir(dir.path),
    ['neighbours.json'],
    'what a kill left is cleaned up by the next write',
  );
});
