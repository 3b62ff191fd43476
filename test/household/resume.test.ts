/**
 * `linepool get -C` after a neighbour that alters what it brings: what nobody has compared yet is not gone on with, a digest
 * counts for what was borrowed before too, and what could not be altered is not fetched again.
 */
import assert from 'node:assert/strict';
import { existsSync, readFileSync } from 'node:fs';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, describe, it } from 'node:test';
import { type GetResult, get } from '../../src/cli/get/get.ts';
import { partOf, readJournal } from '../../src/cli/get/journal.ts';
import { parseGetOptions } from '../../src/cli/get/options.ts';
import { openEngine } from '../../src/cli/get/run.ts';
import type { Opened } from '../../src/cli/get/seam.ts';
import { systemClock } from '../../src/core/clock.ts';
import { asLinepoolError } from '../../src/core/errors.ts';
import { fieldValue } from '../../src/core/http.ts';
import { type SpanSet, sizeOf } from '../../src/core/span.ts';
import type { Bytes } from '../../src/core/units.ts';
import type { Asked } from '../../src/demo/answer.ts';
import { isPattern } from '../../src/demo/pattern.ts';
import { type Bait, openLiar } from '../support/lying-lender.ts';
import { until } from '../support/until.ts';

const SIZE: Bytes = 6_000_000;
/** So much the own line brings at most before it is dead. */
const OWN_BYTES: Bytes = 200_000;

interface Session {
  readonly got: Promise<GetResult>;
  /** What has come, and of that, what a neighbour brought. */
  came(): { readonly bytes: Bytes; readonly borrowed: Bytes };
  interrupt(): void;
}

const session = (
  bait: Bait,
  file: string,
  flags: { continue?: boolean; ownLine?: boolean } = {},
): Session => {
  const interrupting = new AbortController();
  let opened: Opened | undefined;
  const { url, stateDir, configFile, caFile } = bait;
  const got = get(parseGetOptions(url, { output: file, cacert: caFile, quiet: true, ...flags }), {
    openEngine: async (options) => {
      const engine = await openEngine(options);
      return {
        open: async (request) => (opened = await engine.open(request)),
        [Symbol.asyncDispose]: () => engine[Symbol.asyncDispose](),
      };
    },
    stateDir,
    configFile,
    clock: systemClock,
    stderr: { write: () => true },
    signal: interrupting.signal,
  });
  // Whoever awaits it hears of a failure.
  got.catch(() => undefined);
  return {
    got,
    came: () => {
      const { bytes = 0, paths = [] } = opened?.progress() ?? {};
      return { bytes, borrowed: paths.reduce((sum, path) => sum + (path.id === 'own' ? 0 : path.bytes), 0) };
    },
    interrupt: () => interrupting.abort(),
  };
};

const isRanged = (asked: Asked): boolean => fieldValue(asked.headers, 'range') !== undefined;

/** The first response breaks off, and nothing comes of any other: no sample either. */
const die = ({ order }: Bait): void => {
  order.own = (asked, answer) => ({
    ...answer,
    delivery: { kind: 'cut', afterBytes: isRanged(asked) ? 0 : OWN_BYTES, how: 'reset' },
  });
};

const recover = ({ order }: Bait): void => {
  order.own = (_asked, answer) => answer;
};

const claimed = async (file: string): Promise<SpanSet> => (await readJournal(file))?.done ?? [];

/** Every byte that the journal claims is what the server has. */
const isClaimRight = async (file: string): Promise<boolean> => {
  const data = readFileSync(partOf(file));
  return (await claimed(file)).every(({ start, end }) => isPattern(data.subarray(start, end), start));
};

const isWhole = (file: string): void => {
  const data = readFileSync(file);
  assert.equal(data.length, SIZE);
  assert.ok(isPattern(data, 0), 'every byte is right');
};

describe('get -C after a neighbour that lies', { concurrency: false }, () => {
  let folder = '';
  before(async () => {
    folder = await mkdtemp(join(tmpdir(), 'linepool-resume-'));
  });
  after(() => rm(folder, { recursive: true, force: true }));

  for (const ownLine of [true, false]) {
    it(`fetches again what nobody has compared, over ${ownLine ? 'the own line' : 'all lines'}`, async () => {
      await using liar = await openLiar({ tries: 1 });
      const file = join(folder, `unchecked-${ownLine}`);
      const bait = await liar.bait('all', { size: SIZE });
      die(bait);
      const first = session(bait, file);
      await until('all has come', () => first.came().bytes === SIZE);
      first.interrupt();
      await assert.rejects(first.got, { code: 'interrupted' });
      assert.ok(bait.order.lies > 0);
      const isRight = await isClaimRight(file);
      const kept = sizeOf(await claimed(file));

      recover(bait);
      const second = session(bait, file, { continue: true, ownLine }).got;
      const { resumedBytes } = await second.catch(async (error: unknown) => {
        // It lies on, and is caught: while what it brought is on its way to the disk, the download fails.
        assert.ok(!ownLine && asLinepoolError(error).code === 'span_altered', String(error));
        return session(bait, file, { continue: true }).got;
      });
      isWhole(file);
      assert.ok(isRight, 'the journal claims nothing that was not compared');
      assert.ok(resumedBytes >= kept && kept > 0 && kept <= OWN_BYTES, `${resumedBytes} of ${kept}`);
    });
  }

  it('keeps what was compared, and a neighbour that is honest has brought', async () => {
    await using liar = await openLiar({ tries: 1 });
    const file = join(folder, 'honest');
    const bait = await liar.bait('none', { size: SIZE });
    const first = session(bait, file);
    await until('a part of the neighbour was compared', async () => {
      const spans = await claimed(file).catch(() => []);
      return spans.length > 1 || first.came().bytes === SIZE;
    });
    first.interrupt();
    await assert.rejects(first.got, { code: 'interrupted' });
    const kept = sizeOf(await claimed(file));
    assert.ok(kept > 0);
    assert.equal((await session(bait, file, { continue: true }).got).resumedBytes, kept);
    isWhole(file);
  });

  it('compares the digest of the server with all of it, also when this session borrows nothing', async () => {
    await using liar = await openLiar({ tries: 1, trust: ['default = "trusted"'] });
    const file = join(folder, 'digest');
    const bait = await liar.bait('all', { size: SIZE, digest: true });
    const first = session(bait, file);
    await until('some was borrowed', () => first.came().borrowed > 0);
    first.interrupt();
    await assert.rejects(first.got, { code: 'interrupted' });
    assert.equal(await isClaimRight(file), false, 'what a trusted neighbour brought is gone on with');

    // The server gives the digest with the whole only: what is asked for now is a part.
    const again = session(bait, file, { continue: true, ownLine: true });
    await assert.rejects(again.got, { code: 'checksum_mismatch' });
    assert.equal(existsSync(file), false);
    assert.equal(await readJournal(file), undefined, 'and nothing goes on from it');
  });

  it('goes on from every byte of https', async () => {
    await using liar = await openLiar({ tries: 1 });
    const file = join(folder, 'https');
    const bait = await liar.bait('none', { size: SIZE, secure: true });
    const first = session(bait, file);
    await until('some was borrowed', () => first.came().borrowed > 0);
    first.interrupt();
    await assert.rejects(first.got, { code: 'interrupted' });
    const { bytes } = first.came();
    assert.ok(bytes < SIZE);
    assert.equal(sizeOf(await claimed(file)), bytes);
    assert.equal((await session(bait, file, { continue: true }).got).resumedBytes, bytes);
    isWhole(file);
  });
});
