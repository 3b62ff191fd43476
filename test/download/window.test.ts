import assert from 'node:assert/strict';
import { Writable } from 'node:stream';
import { describe, it } from 'node:test';
import * as fc from 'fast-check';
import { span } from '../../src/core/span.ts';
import { MIB } from '../../src/core/units.ts';
import { isPattern, patternAt } from '../../src/demo/pattern.ts';
import { LEAST_WINDOW_BYTES, PASSING_BYTES, Window, WindowBudget } from '../../src/download/window.ts';

/** A client that takes only when it is told to, and checks what it gets. */
class PacedClient extends Writable {
  at = 0;
  #pending: (() => void) | undefined;

  constructor() {
    super({ highWaterMark: 16_384 });
  }

  override _write(chunk: Buffer, _encoding: string, done: () => void): void {
    assert.ok(isPattern(chunk, this.at), `a wrong byte after ${this.at}`);
    this.at += chunk.length;
    this.#pending = done;
  }

  /** Takes one chunk; false when there is none. */
  take(): boolean {
    const done = this.#pending;
    this.#pending = undefined;
    done?.();
    return done !== undefined;
  }
}

/** Lets 'drain', which comes a tick later, come. */
const tick = (): Promise<void> => new Promise((resolve) => setImmediate(resolve));

const chunkAt = (start: number, end: number): Buffer => patternAt(start, end - start);

describe('order', () => {
  it('is kept, whatever order the parts come in', async () => {
    await fc.assert(
      fc.asyncProperty(
        fc.uniqueArray(fc.integer({ min: 1, max: 99_999 }), { maxLength: 12 }),
        fc.infiniteStream(fc.nat()),
        async (cuts, choices) => {
          const size = 100_000;
          const borders = [0, ...cuts.sort((a, b) => a - b), size];
          const parts = borders.slice(1).map((end, i) => [borders[i] ?? 0, end] as const);
          const client = new PacedClient();
          const share = new WindowBudget({ capBytes: 4 * MIB, eachBytes: 4 * MIB }).join();
          const window = new Window(client, share, span(0, size));
          let before = 0;
          while (parts.length > 0) {
            const [part] = parts.splice((choices.next().value as number) % parts.length, 1);
            if (part !== undefined) window.write(part[0], chunkAt(...part));
            assert.ok(window.delivered >= before && window.delivered <= client.at, 'delivered what was not');
            before = window.delivered;
            if ((choices.next().value as number) % 2 === 0) client.take();
            await tick();
          }
          let handedOver = false;
          window.whenHandedOver(() => (handedOver = true));
          while (client.take()) await tick();
          assert.equal(client.at, size);
          assert.equal(handedOver, true);
          assert.equal(window.delivered, size);
          window.close();
          assert.equal(share.heldBytes, 0);
        },
      ),
      { numRuns: 60 },
    );
  });
});

describe('the cap', () => {
  /** Draws what several downloads and their clients do; each writes only before its horizon, or what is next. */
  const step = fc.record({
    who: fc.nat({ max: 5 }),
    what: fc.constantFrom('write', 'write', 'pass', 'take', 'take', 'leave'),
    ahead: fc.double({ min: 0, max: 0.999, noNaN: true }),
    length: fc.integer({ min: 1, max: 65_536 }),
  });

  it('is never exceeded by several windows with clients of different pace', async () => {
    await fc.assert(
      fc.asyncProperty(
        fc.array(step, { minLength: 50, maxLength: 400 }),
        fc.constantFrom(MIB / 4, MIB / 2, MIB, 3 * MIB),
        async (steps, capBytes) => {
          const size = 16 * MIB;
          const budget = new WindowBudget({ capBytes, eachBytes: 2 * MIB });
          const open = new Map<
            number,
            { client: PacedClient; window: Window; got: Uint8Array; horizon: number; next: number }
          >();
          for (const { who, what, ahead, length } of steps) {
            let one = open.get(who);
            if (one === undefined) {
              if (!budget.hasRoom) continue;
              const client = new PacedClient();
              const window = new Window(client, budget.join(), span(0, size));
              one = { client, window, got: new Uint8Array(size / 4096), horizon: 0, next: 0 };
              open.set(who, one);
            }
            const { client, window } = one;
            const { horizon } = window;
            assert.ok(horizon >= one.horizon, 'the horizon went back');
            assert.ok(
              horizon >= Math.min(size, window.delivered + Math.min(LEAST_WINDOW_BYTES, capBytes / 2)),
            );
            one.horizon = horizon;
            switch (what) {
              case 'write': {
                // A block of 4096 that did not come yet, somewhere before the horizon.
                const first = Math.floor(one.next / 4096);
                const block = first + Math.floor(ahead * (Math.floor(horizon / 4096) - first));
                if ((block + 1) * 4096 > horizon || block < first || one.got[block] === 1) break;
                one.got[block] = 1;
                window.write(block * 4096, chunkAt(block * 4096, (block + 1) * 4096));
                break;
              }
              case 'pass': {
                // The running response: what is next, even beyond the horizon while the client takes it.
                const blocks = Math.ceil(length / 4096);
                const first = one.got.indexOf(0);
                if (first < 0 || !window.accepts(first * 4096)) break;
                let last = first;
                while (last < first + blocks && one.got[last] === 0) one.got[last++] = 1;
                window.write(first * 4096, chunkAt(first * 4096, last * 4096));
                break;
              }
              case 'take':
                client.take();
                await tick();
                break;
              case 'leave':
                if (ahead < 0.8) break;
                window.close();
                client.destroy();
                open.delete(who);
            }
            one.next = Math.max(one.next, window.delivered);
            assert.ok(budget.peakBytes <= capBytes, `held ${budget.peakBytes} of ${capBytes}`);
          }
          for (const { window } of open.values()) window.close();
          assert.equal(budget.heldBytes, 0);
        },
      ),
      { numRuns: 80 },
    );
  });

  it('is shared: nobody is left without a window, and all of it is somebody’s again when others leave', () => {
    const budget = new WindowBudget({ capBytes: 16 * MIB, eachBytes: 8 * MIB });
    const alone = budget.join();
    assert.equal(alone.horizonFrom(0, 0), 8 * MIB);
    const others = [1, 2, 3].map(() => budget.join());
    for (const other of others) assert.ok(other.horizonFrom(0, 0) >= LEAST_WINDOW_BYTES);
    // As the first moves on, it goes down to its fair part.
    assert.equal(alone.horizonFrom(6 * MIB, 8 * MIB) - 6 * MIB < 8 * MIB, true);
    for (const other of others) other.leave();
    assert.equal(alone.horizonFrom(6 * MIB, 8 * MIB) - 6 * MIB, 8 * MIB);
  });

  it('says when there is no room for one more', () => {
    const budget = new WindowBudget({ capBytes: MIB, eachBytes: MIB });
    let joined = 0;
    while (budget.hasRoom) {
      budget.join().horizonFrom(0, 0);
      joined += 1;
    }
    // The first took half of it, as nobody else was there; the others have the least.
    assert.equal(joined, 1 + MIB / 2 / (LEAST_WINDOW_BYTES + PASSING_BYTES));
  });
});

describe('the horizon', () => {
  it('ends with what is wanted', () => {
    const budget = new WindowBudget({ capBytes: 16 * MIB, eachBytes: 8 * MIB });
    const window = new Window(new PacedClient(), budget.join(), span(1_000, 2_000));
    assert.equal(window.delivered, 1_000);
    assert.equal(window.horizon, 2_000);
  });

  it('lets a response pass that runs ahead of it, as long as the client takes it', async () => {
    const client = new PacedClient();
    const budget = new WindowBudget({ capBytes: MIB / 4, eachBytes: MIB });
    const window = new Window(client, budget.join(), span(0, 4 * MIB));
    const { horizon } = window;
    for (let at = 0; at < horizon + 65_536; at += 16_384) {
      assert.ok(window.accepts(at), `refused ${at}`);
      window.write(at, chunkAt(at, at + 16_384));
      client.take();
      await tick();
    }
    let moved = 0;
    window.onMove(() => (moved += 1));
    window.write(client.at, chunkAt(client.at, client.at + 16_384));
    assert.equal(window.accepts(window.horizon + MIB), false);
    while (client.take()) await tick();
    assert.ok(moved > 0, 'nobody was told that there is room again');
    assert.ok(window.accepts(window.horizon + MIB));
  });
});

describe('what is held back', () => {
  const opened = (heldBack: number) => {
    const client = new PacedClient();
    const passed: Buffer[] = [];
    const share = new WindowBudget({ capBytes: 4 * MIB, eachBytes: 4 * MIB }).join();
    const passing = (chunk: Buffer): void => void passed.push(chunk);
    const window = new Window(client, share, span(0, 100_000), { heldBack, passing });
    return { client, window, passed };
  };
  const drain = async (client: PacedClient): Promise<void> => {
    while (client.take()) await tick();
  };

  it('goes to the client only when it is released, and is shown before', async () => {
    const { client, window, passed } = opened(10_000);
    window.write(50_000, chunkAt(50_000, 100_000));
    window.write(0, chunkAt(0, 50_000));
    const told: string[] = [];
    window.whenHandedOver(() => {
      told.push('all but the last');
      assert.ok(isPattern(Buffer.concat(window.heldBack()), 90_000));
      assert.equal(Buffer.concat(window.heldBack()).length, 10_000);
    });
    await drain(client);
    assert.equal(client.at, 90_000);
    assert.ok(isPattern(Buffer.concat(passed), 0));
    assert.deepEqual([told.length, Buffer.concat(passed).length], [1, 90_000]);
    window.release();
    window.whenHandedOver(() => told.push('all'));
    await drain(client);
    assert.deepEqual([client.at, told.length, Buffer.concat(passed).length], [100_000, 2, 90_000]);
  });

  it('may be all of it', async () => {
    const { client, window } = opened(1_000_000);
    window.write(0, chunkAt(0, 100_000));
    await drain(client);
    assert.equal(client.at, 0);
    window.release();
    await drain(client);
    assert.equal(client.at, 100_000);
  });

  it('and what waits can be given up and written anew, but nothing that has gone on', async () => {
    const { client, window } = opened(0);
    window.write(50_000, Buffer.alloc(20_000, 7));
    window.write(70_000, chunkAt(70_000, 100_000));
    assert.equal(window.discard([span(50_000, 70_000)]), true);
    window.write(0, chunkAt(0, 50_000));
    await drain(client);
    assert.equal(client.at, 50_000);
    assert.equal(window.discard([span(49_999, 50_001)]), false);
    window.write(50_000, chunkAt(50_000, 70_000));
    await drain(client);
    assert.equal(client.at, 100_000);
  });
});
