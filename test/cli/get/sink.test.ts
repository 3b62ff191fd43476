import assert from 'node:assert/strict';
import {
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, it } from 'node:test';
import { fileURLToPath } from 'node:url';
import * as fc from 'fast-check';
import { journalOf, partOf, readJournal } from '../../../src/cli/get/journal.ts';
import {
  FileSink,
  IN_FLIGHT_BYTES_MAX,
  JOURNAL_EVERY_MS,
  type SinkOptions,
} from '../../../src/cli/get/sink.ts';
import { LinepoolError } from '../../../src/core/errors.ts';
import { sizeOf } from '../../../src/core/span.ts';
import { isPattern, patternAt } from '../../../src/demo/pattern.ts';
import { FakeClock } from '../../support/fake-clock.ts';
import { until } from '../../support/until.ts';
import { start } from '../ran.ts';

const CHILD = fileURLToPath(new URL('./sink-child.ts', import.meta.url));

describe('file sink', () => {
  let dir = '';
  let file = '';
  let clock: FakeClock;
  beforeEach(() => {
    dir = mkdtempSync(join(tmpdir(), 'linepool-sink-'));
    file = join(dir, 'a.iso');
    clock = new FakeClock();
  });
  afterEach(() => {
    assert.equal(clock.pending, 0, 'no timer is left');
    rmSync(dir, { recursive: true });
  });

  const open = (totalBytes: number | undefined, change: Partial<SinkOptions> = {}): Promise<FileSink> =>
    FileSink.open({
      file,
      start: { kind: 'fresh', over: false },
      journal: {
        url: 'u',
        validator: undefined,
        totalBytes,
        adopted: false,
        borrowed: false,
        digest: undefined,
      },
      clock,
      ...change,
    });

  /** Every byte that the journal claims must be in the file, and right. */
  const checkJournal = async (): Promise<number> => {
    const journal = await readJournal(file);
    const data = readFileSync(partOf(file));
    for (const span of journal?.done ?? []) {
      assert.ok(span.end <= data.length);
      assert.ok(isPattern(data.subarray(span.start, span.end), span.start), JSON.stringify(span));
    }
    return sizeOf(journal?.done ?? []);
  };

  it('gives up bytes that are on disk, so that nothing claims them until they are written anew', async () => {
    const sink = await open(100_000);
    sink.write(0, patternAt(0, 50_000), 'sure');
    sink.write(50_000, Buffer.alloc(50_000, 7), 'sure');
    await until('it is written', () => sizeOf(sink.written) === 100_000);
    assert.equal(sink.forget([{ start: 50_000, end: 100_000 }]), true);
    clock.advance(JOURNAL_EVERY_MS);
    assert.deepEqual(sink.written, [{ start: 0, end: 50_000 }]);
    sink.write(50_000, patternAt(50_000, 50_000), 'sure');
    await sink.finish();
    assert.equal(await checkJournal(), 100_000);
  });

  it('claims what a neighbour brought only once it was vouched for, and says at any time that it was borrowed', async () => {
    const sink = await open(100_000);
    const kept = async (bytes: number): Promise<boolean> => {
      clock.advance(JOURNAL_EVERY_MS);
      return (await checkJournal()) === bytes;
    };
    sink.write(0, patternAt(0, 20_000), 'sure');
    await until('what is sure is claimed', () => kept(20_000));
    assert.equal((await readJournal(file))?.borrowed, false);
    sink.write(20_000, Buffer.alloc(40_000, 7), 'unchecked');
    sink.write(60_000, patternAt(60_000, 30_000), 'unchecked');
    sink.write(90_000, patternAt(90_000, 10_000), 'trusted');
    await until('it is written', () => sizeOf(sink.written) === 100_000);
    await until('what is trusted is claimed', () => kept(30_000));
    assert.equal((await readJournal(file))?.borrowed, true);
    sink.vouch([{ start: 60_000, end: 90_000 }]);
    await until('what is vouched for is claimed', () => kept(60_000));
    assert.equal(sink.forget([{ start: 20_000, end: 60_000 }]), true);
    sink.write(20_000, patternAt(20_000, 40_000), 'sure');
    await sink.finish();
    assert.equal(await checkJournal(), 100_000);
    assert.equal(sink.borrowed, true);
  });

  it('does not wait to say that what it claims was wrong', async () => {
    const sink = await open(100_000);
    sink.write(0, Buffer.alloc(50_000, 7), 'trusted');
    const claimed = async (): Promise<number> => sizeOf((await readJournal(file))?.done ?? []);
    await until('it is claimed', async () => {
      clock.advance(JOURNAL_EVERY_MS);
      return (await claimed()) === 50_000;
    });
    assert.equal(sink.forget([{ start: 0, end: 50_000 }]), true);
    await until('it is not claimed any more', async () => (await claimed()) === 0);
    await sink.abort();
  });

  it('claims nothing that nobody vouched for when it ends', async () => {
    const sink = await open(100_000);
    sink.write(0, patternAt(0, 50_000), 'unchecked');
    sink.write(50_000, patternAt(50_000, 50_000), 'sure');
    await sink.finish();
    assert.deepEqual(sink.done, [{ start: 50_000, end: 100_000 }]);
    assert.deepEqual((await readJournal(file))?.done, sink.done);
  });

  it('says when bytes that are to be given up are still on their way to the disk', async () => {
    const sink = await open(100_000);
    sink.write(0, Buffer.alloc(100_000, 7), 'sure');
    assert.equal(sink.forget([{ start: 10, end: 20 }]), false);
    await sink.abort();
    assert.equal(sizeOf((await readJournal(file))?.done ?? []), 0);
  });

  it('puts chunks in their places in any order, and gives the file its name', async () => {
    await fc.assert(
      fc.asyncProperty(
        fc.array(fc.integer({ min: 1, max: 50_000 }), { minLength: 1, maxLength: 40 }),
        fc.infiniteStream(fc.nat()),
        async (lengths, keys) => {
          let at = 0;
          const chunks = lengths.map((length) => {
            at += length;
            return { at: at - length, length, key: keys.next().value as number };
          });
          const sink = await open(at);
          for (const chunk of chunks.toSorted((a, b) => a.key - b.key))
            sink.write(chunk.at, patternAt(chunk.at, chunk.length), 'sure');
          await sink.finish();
          assert.deepEqual(sink.written, [{ start: 0, end: at }]);
          assert.equal(await checkJournal(), at);
          await sink.publish();
          assert.deepEqual(readdirSync(dir), ['a.iso']);
          const data = readFileSync(file);
          assert.equal(data.length, at);
          assert.ok(isPattern(data, 0));
          rmSync(file);
        },
      ),
      { numRuns: 30 },
    );
  });

  it('pushes back when much is on its way, and says when to go on', async () => {
    const sink = await open(undefined);
    let drained = 0;
    sink.onDrain(() => {
      drained += 1;
    });
    let at = 0;
    while (!sink.full) {
      sink.write(at, patternAt(at, 65_536), 'sure');
      at += 65_536;
    }
    assert.ok(at >= IN_FLIGHT_BYTES_MAX && at < IN_FLIGHT_BYTES_MAX + 65_536);
    await until('drained', () => !sink.full);
    assert.equal(drained, 1);
    await sink.finish();
    assert.equal(sink.peakBytes, at);
    assert.equal(await checkJournal(), at);
  });

  it('keeps the journal while it goes on', async () => {
    const sink = await open(3_000_000);
    assert.equal(await checkJournal(), 0);
    for (let at = 0; at < 3_000_000; at += 100_000) {
      sink.write(at, patternAt(at, 100_000), 'sure');
      clock.advance(JOURNAL_EVERY_MS);
      await checkJournal();
    }
    await until('written', () => sizeOf(sink.written) === 3_000_000);
    await until('claimed', async () => {
      clock.advance(JOURNAL_EVERY_MS);
      return (await checkJournal()) === 3_000_000;
    });
    await sink.abort();
  });

  it('writes and claims what it has taken when it is aborted', async () => {
    const sink = await open(10_000);
    sink.write(5_000, patternAt(5_000, 1_000), 'sure');
    await Promise.all([sink.abort(), sink.abort()]);
    assert.deepEqual((await readJournal(file))?.done, [{ start: 5_000, end: 6_000 }]);
    await checkJournal();
  });

  it('goes on where the journal says, and cuts off what is behind the end', async () => {
    const first = await open(10_000);
    first.write(2_000, patternAt(2_000, 1_000), 'sure');
    await first.abort();
    writeFileSync(partOf(file), 'x', { flag: 'a' });
    const long = Buffer.concat([readFileSync(partOf(file)), Buffer.alloc(20_000)]);
    writeFileSync(partOf(file), long);
    const done = (await readJournal(file))?.done ?? [];
    const second = await open(10_000, { start: { kind: 'resume', done } });
    second.write(0, patternAt(0, 2_000), 'sure');
    second.write(3_000, patternAt(3_000, 7_000), 'sure');
    await second.finish();
    await second.publish();
    assert.ok(isPattern(readFileSync(file), 0));
    assert.equal(statSync(file).size, 10_000);
  });

  it('adopts a file that another program began', async () => {
    writeFileSync(file, patternAt(0, 500));
    const sink = await open(1_000, { start: { kind: 'adopt', done: [{ start: 0, end: 499 }] } });
    assert.deepEqual(readdirSync(dir).sort(), ['a.iso.part', 'a.iso.part.json']);
    sink.write(499, patternAt(499, 501), 'sure');
    await sink.finish();
    await sink.publish();
    assert.ok(isPattern(readFileSync(file), 0));
  });

  it('does not write over what it was not told to', async () => {
    const first = await open(10);
    await assert.rejects(open(10), { code: 'file_exists' });
    await first.abort();
    const again = await open(10, { start: { kind: 'fresh', over: true } });
    await again.abort();
    rmSync(partOf(file));
    symlinkSync(join(dir, 'elsewhere'), partOf(file));
    await assert.rejects(open(10), { code: 'file_exists' });
  });

  it('says when the disk is full, keeps what it has, and takes nothing more', async () => {
    // Every write to it fails with ENOSPC.
    symlinkSync('/dev/full', partOf(file));
    const sink = await open(10_000, { start: { kind: 'resume', done: [] } });
    const errors: Error[] = [];
    sink.onError((error) => errors.push(error));
    sink.write(0, patternAt(0, 1_000), 'sure');
    await until('failed', () => errors.length > 0);
    sink.write(1_000, patternAt(1_000, 1_000), 'sure');
    assert.equal(sink.full, true);
    await assert.rejects(
      sink.finish(),
      (error) =>
        error instanceof LinepoolError &&
        error.code === 'file_failed' &&
        /a\.iso\.part: ENOSPC/.test(error.detail),
    );
    assert.equal(errors.length, 1);
    assert.deepEqual((await readJournal(file))?.done, []);
  });

  it('says what is in its way before it begins', async () => {
    await assert.rejects(open(2 ** 52), (error) => {
      assert.ok(error instanceof LinepoolError);
      assert.equal(error.code, 'file_failed');
      assert.match(error.detail, /4096 TiB are needed, .* are free/);
      return true;
    });
    mkdirSync(`${journalOf(file)}.new`);
    await assert.rejects(open(10), { code: 'file_failed' });
    file = join(dir, 'nowhere', 'a');
    await assert.rejects(open(10), { code: 'file_failed' });
  });

  it('loses nothing that the journal claims to a kill -9, however often, and ends right', async () => {
    const size = 96 * 1024 * 1024 + 12_345;
    let claimed = 0;
    for (let round = 0; round < 4; round += 1) {
      const { child, said, ended } = start([file, String(size), '0.3'], { main: CHILD });
      await until('begun', () => said.out.includes('missing'));
      assert.equal(Number(/missing (\d+)/.exec(said.out)?.[1]), size - claimed);
      await until('more is claimed', async () => sizeOf((await readJournal(file))?.done ?? []) > claimed);
      child.kill('SIGKILL');
      await ended;
      const now = await checkJournal();
      assert.ok(now > claimed && now < size);
      claimed = now;
    }
    const last = await start([file, String(size)], { main: CHILD }).ended;
    assert.equal(last.code, 0, last.err);
    const data = readFileSync(file);
    assert.equal(data.length, size);
    assert.ok(isPattern(data, 0));
  });
});
