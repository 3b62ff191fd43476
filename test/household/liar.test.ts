/**
 * A neighbour that alters what it fetches, with whole daemons: over https it can't, over http it is found out, what it
 * brought is fetched again or the transfer fails, and nothing wrong is ever delivered as if it were all right.
 */
import assert from 'node:assert/strict';
import { execFile } from 'node:child_process';
import { mkdtemp, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describe, it } from 'node:test';
import { promisify } from 'node:util';
import { isPattern } from '../../src/demo/pattern.ts';
import { LIES } from '../support/lies.ts';
import { openLiar, type Tried } from '../support/lying-lender.ts';
import { needs, pathOf } from '../support/programs.ts';

const run = promisify(execFile);

const EACH = 2;

describe('a neighbour that lies', () => {
  it('is of no use over https, and does no harm', async () => {
    await using liar = await openLiar({ tries: EACH * LIES.length });
    for (let i = 0; i < EACH * LIES.length; i += 1) {
      const tried = await liar.try('https', LIES[i % LIES.length] ?? 'all', i);
      assert.deepEqual([tried.complete, tried.wrongBytes], [true, 0]);
    }
  });

  it('never makes a file look complete that has a digest', async () => {
    await using liar = await openLiar({ tries: EACH * LIES.length });
    let caught = 0;
    for (let i = 0; i < EACH * LIES.length; i += 1) {
      const tried = await liar.try('digest', LIES[i % LIES.length] ?? 'all', i);
      assert.ok(!tried.complete || tried.wrongBytes === 0, JSON.stringify(tried));
      caught += tried.caught ? 1 : 0;
    }
    assert.ok(caught >= EACH * 2, 'those that altered bytes were found');
  });

  it('is found at the borders of its spans, where no sample was', async () => {
    await using liar = await openLiar({ tries: 2 });
    // So large that own spans and the liar's lie between each other.
    const size = 24_000_000;
    const honest = await liar.try('sampled', 'none', 1, size);
    assert.deepEqual([honest.complete, honest.caught], [true, false]);
    assert.ok(honest.broughtBytes > 0, 'the borders of what is right were compared');
    const tried = await liar.try('sampled', 'ends', 1, size);
    assert.equal(tried.caught, true, JSON.stringify(tried));
    assert.ok(!tried.complete || tried.wrongBytes === 0, JSON.stringify(tried));
  });

  it('makes no client go on with a file of which it has altered bytes', needs('wget', 'curl'), async () => {
    await using liar = await openLiar({ tries: 6 });
    const folder = await mkdtemp(join(tmpdir(), 'linepool-resume-'));
    try {
      for (const [i, program] of (['wget', 'curl', 'wget', 'curl', 'wget', 'curl'] as const).entries()) {
        const { url, proxyPort } = await liar.bait('byte', { seed: i, digest: true });
        const file = join(folder, `file-${i}`);
        const proxy = `http://127.0.0.1:${proxyPort}`;
        // Each goes on by itself where a transfer broke off, and wget then does so without being told.
        const args = {
          wget: ['-q', '--no-config', '-t', '3', '--waitretry=1', '-O', file, url],
          curl: [
            '-sS',
            '--fail',
            '-x',
            proxy,
            '--retry',
            '3',
            '--retry-delay',
            '1',
            '--retry-all-errors',
            '-C',
            '-',
            '-o',
            file,
            url,
          ],
        }[program];
        const failed = await run(pathOf(program), args, {
          env: { http_proxy: proxy, no_proxy: '' },
        }).then(
          () => false,
          () => true,
        );
        const got = await readFile(file).catch(() => Buffer.alloc(0));
        assert.ok(
          failed || isPattern(got, 0),
          `${program} made a whole file of ${got.length} bytes that is wrong`,
        );
      }
    } finally {
      await rm(folder, { recursive: true });
    }
  });

  for (const way of ['sampled', 'get'] as const) {
    it(`is caught by samples (${way}), with its own signature as the proof`, async () => {
      await using liar = await openLiar({ tries: EACH * 2 });
      const all: Tried[] = [];
      for (let i = 0; i < EACH * 2; i += 1) {
        const tried = await liar.try(way, i % 2 === 0 ? 'all' : 'span', i);
        assert.ok(!tried.complete || tried.wrongBytes === 0, JSON.stringify(tried));
        all.push(tried);
      }
      assert.ok(
        all.some(({ caught, signed }) => caught && signed),
        JSON.stringify(all),
      );
      assert.ok(all.every(({ caught, lies, wrongBytes }) => caught || lies === 0 || wrongBytes === 0));
    });
  }

  it('that is honest after all is left in peace', async () => {
    await using liar = await openLiar({ tries: 3 });
    let brought = 0;
    for (const [i, way] of (['sampled', 'digest', 'get'] as const).entries()) {
      const tried = await liar.try(way, 'none', i);
      assert.deepEqual([tried.complete, tried.wrongBytes, tried.caught], [true, 0, false]);
      brought += tried.broughtBytes;
    }
    assert.ok(brought > 0, 'and its line is used');
  });

  it('of whom nothing is let but https brings nothing of http', async () => {
    await using liar = await openLiar({ tries: 2, trust: ['default = "https-only"'] });
    for (const way of ['sampled', 'get'] as const) {
      const tried = await liar.try(way, 'all', 1);
      assert.deepEqual([tried.complete, tried.wrongBytes, tried.lies, tried.broughtBytes], [true, 0, 0, 0]);
    }
  });

  it('that is quarantined brings nothing until a person lifts it', async () => {
    await using liar = await openLiar({ tries: 2 });
    const desk = liar.borrower;
    // So large that the liar comes to bring some of it.
    const first = await liar.try('sampled', 'all', 3, 6_000_000);
    assert.equal(first.caught, true, JSON.stringify(first));
    const [neighbour] = desk.neighbours();
    assert.ok(neighbour?.caught !== undefined);
    assert.notEqual(neighbour.caught.brought, neighbour.caught.ours);
    const kinds = desk.events.since(0).map(({ event }) => event.kind);
    assert.ok(kinds.includes('neighbour_caught'));
    const trusted = await desk.trust(neighbour.id, { trust: 'trusted' });
    assert.ok(trusted.caught !== undefined, 'more trust does not lift it');
    const lifted = await desk.trust(neighbour.id, { trust: 'checked', caught: 'lift' });
    assert.equal(lifted.caught, undefined);
  });
});
