import assert from 'node:assert/strict';
import { it } from 'node:test';
import { MOST_WAIT_MS, Patience } from '../../../src/cli/get/patience.ts';
import { FakeClock } from '../../support/fake-clock.ts';

const ORIGIN = { scheme: 'http', host: 'a.test', port: 80 } as const;

/** How long each wait is until there is no patience left. */
async function waits(...headers: string[]): Promise<number[]> {
  const clock = new FakeClock();
  const all: number[] = [];
  const patience = new Patience({
    clock,
    signal: new AbortController().signal,
    waiting: (ms) => {
      if (ms !== undefined) all.push(ms);
    },
  });
  for (;;) {
    const waited = patience.after(503, headers, ORIGIN);
    waited.catch(() => undefined);
    clock.advance(MOST_WAIT_MS);
    try {
      await waited;
    } catch (error) {
      assert.equal((error as { code: string }).code, 'origin_busy');
      return all;
    }
  }
}

it('waits are what the server asks for, and never too long altogether', async () => {
  assert.deepEqual(await waits('Retry-After', '50'), [50_000, 50_000]);
  assert.deepEqual(await waits('Retry-After', '121'), []);
  const shortest = await waits('Retry-After', '0');
  assert.equal(shortest.length, MOST_WAIT_MS / 1_000, 'not at once, again and again');
});

it('a server that does not say is left alone for longer each time', async () => {
  assert.deepEqual(await waits(), [5_000, 10_000, 20_000, 40_000]);
  assert.deepEqual(await waits('Retry-After', 'garbage'), [5_000, 10_000, 20_000, 40_000]);
  assert.deepEqual(await waits('Retry-After', '-3'), [5_000, 10_000, 20_000, 40_000]);
});

it('whoever has had enough ends the wait', async () => {
  const ending = new AbortController();
  const patience = new Patience({ clock: new FakeClock(), signal: ending.signal, waiting: () => undefined });
  const waited = patience.after(429, ['Retry-After', '30'], ORIGIN);
  ending.abort(new Error('enough'));
  await assert.rejects(waited, /enough/);
});
