import assert from 'node:assert/strict';
import { afterEach, test } from 'node:test';
import * as fc from 'fast-check';
import type { Bytes, Milliseconds } from '../../src/core/units.ts';
import { type Gate, type ShapedBorrower, Shaper } from '../../src/lending/shaper.ts';
import { BURST_MIN_BYTES, burstOf } from '../../src/lending/token-bucket.ts';
import { FakeClock } from '../support/fake-clock.ts';

const CHUNK: Bytes = 64 * 1024;
const shapers: Shaper[] = [];

afterEach(() => {
  for (const shaper of shapers.splice(0)) shaper[Symbol.dispose]();
});

interface Passed {
  readonly at: Milliseconds;
  readonly bytes: Bytes;
}

/** A connection that always has another chunk to send. */
class Greedy {
  readonly passed: Passed[] = [];
  readonly #gate: Gate;
  #left: Bytes;

  constructor(borrower: ShapedBorrower, clock: FakeClock, chunk: Bytes = CHUNK) {
    this.#left = chunk;
    this.#gate = borrower.gate((bytes) => {
      this.passed.push({ at: clock.now(), bytes });
      this.#left -= bytes;
      if (this.#left <= 0) this.#left = chunk;
      this.#gate.ask(this.#left);
    });
    this.#gate.ask(this.#left);
  }

  get total(): Bytes {
    return this.passed.reduce((sum, { bytes }) => sum + bytes, 0);
  }

  stop(): void {
    this.#gate[Symbol.dispose]();
  }
}

function setUp(rate: number) {
  const clock = new FakeClock();
  const shaper = new Shaper(rate, clock);
  shapers.push(shaper);
  return { clock, shaper };
}

const microtasks = () => new Promise<void>((resolve) => setImmediate(resolve));

/** Lets time pass in steps as a loaded machine does. */
async function run(clock: FakeClock, total: Milliseconds, step: Milliseconds = 3): Promise<void> {
  await microtasks();
  for (let at = 0; at < total; at += step) clock.advance(step);
}

test('one connection gets the rate, within a percent', async () => {
  const { clock, shaper } = setUp(2_000_000);
  const one = new Greedy(shaper.borrower(2_000_000), clock);
  await run(clock, 10_000);
  assert.ok(Math.abs(one.total / 10 - 2_000_000) < 20_000, `${one.total / 10}`);
});

test('any window of one second holds at most 5 % over the rate', async () => {
  const rate = 1_500_000;
  const { clock, shaper } = setUp(rate);
  const borrower = shaper.borrower(rate);
  const all = [
    new Greedy(borrower, clock),
    new Greedy(borrower, clock, 5_000),
    new Greedy(borrower, clock, 40_000),
  ];
  await run(clock, 5_000, 7);
  const passed = all.flatMap((one) => one.passed).toSorted((a, b) => a.at - b.at);
  let from = 0;
  let sum = 0;
  for (const { at, bytes } of passed) {
    sum += bytes;
    while ((passed[from]?.at ?? at) < at - 1_000) {
      sum -= passed[from]?.bytes ?? 0;
      from += 1;
    }
    assert.ok(sum <= rate * 1.05, `${sum}`);
  }
});

test('connections of one borrower get the same, whatever the size of their pieces', async () => {
  const { clock, shaper } = setUp(1_000_000);
  const borrower = shaper.borrower(1_000_000);
  const all = [64_000, 1_000, 16_000, 3_333].map((chunk) => new Greedy(borrower, clock, chunk));
  await run(clock, 10_000);
  for (const one of all) assert.ok(Math.abs(one.total - 2_500_000) < 100_000, `${one.total}`);
});

test('a borrower with eight connections gets no more than one with one', async () => {
  const { clock, shaper } = setUp(4_000_000);
  const many = shaper.borrower(4_000_000);
  const eight = Array.from({ length: 8 }, () => new Greedy(many, clock));
  const one = new Greedy(shaper.borrower(4_000_000), clock);
  await run(clock, 10_000);
  const ofMany = eight.reduce((sum, { total }) => sum + total, 0);
  assert.ok(Math.abs(ofMany / one.total - 1) < 0.02, `${ofMany} against ${one.total}`);
});

test('what one borrower leaves, another gets; its own ceiling holds all the same', async () => {
  const { clock, shaper } = setUp(4_000_000);
  const slow = new Greedy(shaper.borrower(500_000), clock);
  const fast = new Greedy(shaper.borrower(4_000_000), clock);
  await run(clock, 10_000);
  assert.ok(Math.abs(slow.total / 10 - 500_000) < 10_000, `${slow.total}`);
  assert.ok(Math.abs(fast.total / 10 - 3_500_000) < 70_000, `${fast.total}`);
});

test('who comes back after a while has earned nothing meanwhile', async () => {
  const { clock, shaper } = setUp(1_000_000);
  const busy = new Greedy(shaper.borrower(1_000_000), clock);
  const idle = shaper.borrower(1_000_000);
  await run(clock, 10_000);
  const late = new Greedy(idle, clock);
  const before = busy.total;
  await run(clock, 1_000);
  assert.ok(busy.total - before > 450_000, `${busy.total - before}`);
  assert.ok(late.total > 450_000, `${late.total}`);
});

test('neither has a connection that comes back, against others of its borrower', async () => {
  const { clock, shaper } = setUp(1_000_000);
  const borrower = shaper.borrower(1_000_000);
  let late = 0;
  const gate = borrower.gate((bytes) => {
    late += bytes;
    gate.ask(CHUNK);
  });
  const busy = new Greedy(borrower, clock);
  await run(clock, 10_000);
  const before = busy.total;
  gate.ask(CHUNK);
  await run(clock, 1_000);
  assert.ok(busy.total - before > 450_000, `${busy.total - before}`);
  assert.ok(late > 450_000, `${late}`);
});

test('a change of rate holds at once; at zero nothing passes, and no timer waits', async () => {
  const { clock, shaper } = setUp(1_000_000);
  const one = new Greedy(shaper.borrower(9e9), clock);
  await run(clock, 1_000);
  shaper.setRate(0);
  await microtasks();
  const at = one.total;
  assert.equal(clock.pending, 0);
  await run(clock, 60_000, 1_000);
  assert.equal(one.total, at);
  shaper.setRate(100_000);
  await run(clock, 1_000);
  const more = one.total - at;
  assert.ok(more > 80_000 && more <= 100_000 + BURST_MIN_BYTES, `${more}`);
});

test('a clock that stood still makes no burst', async () => {
  const { clock, shaper } = setUp(1_000_000);
  const borrower = shaper.borrower(1_000_000);
  const passed: Bytes[] = [];
  const gate = borrower.gate((bytes) => {
    passed.push(bytes);
    gate.ask(CHUNK);
  });
  clock.advance(3_600_000);
  gate.ask(CHUNK);
  await microtasks();
  assert.ok(passed.reduce((sum, bytes) => sum + bytes, 0) <= burstOf(1_000_000));
});

test('nothing passes from within ask, nor after a gate, a borrower or the shaper is disposed of', async () => {
  const { clock, shaper } = setUp(1_000_000);
  clock.advance(1_000);
  const passed: string[] = [];
  const borrower = shaper.borrower(1_000_000);
  const gone = shaper.borrower(1_000_000);
  clock.advance(1_000);
  const first = borrower.gate(() => passed.push('first'));
  const second = borrower.gate(() => passed.push('second'));
  const third = gone.gate(() => passed.push('third'));
  for (const gate of [first, second, third]) gate.ask(1_000);
  assert.deepEqual(passed, []);
  second[Symbol.dispose]();
  gone[Symbol.dispose]();
  third.ask(1_000);
  await microtasks();
  assert.deepEqual(passed, ['first']);
  first.ask(10_000_000);
  await microtasks();
  first.ask(10_000_000);
  await microtasks();
  first.ask(10_000_000);
  await microtasks();
  assert.equal(clock.pending, 1);
  shaper[Symbol.dispose]();
  assert.equal(clock.pending, 0);
});

test('never over the rate, and nobody starves, for any borrowers, sizes and steps of time', async () => {
  const borrowers = fc.array(
    fc.record({
      ceiling: fc.integer({ min: 20_000, max: 4_000_000 }),
      chunks: fc.array(fc.integer({ min: 100, max: CHUNK }), { minLength: 1, maxLength: 4 }),
    }),
    { minLength: 1, maxLength: 4 },
  );
  await fc.assert(
    fc.asyncProperty(
      fc.integer({ min: 200_000, max: 4_000_000 }),
      borrowers,
      fc.integer({ min: 1, max: 40 }),
      async (rate, wanted, step) => {
        const { clock, shaper } = setUp(rate);
        const running = wanted.map(({ ceiling, chunks }) => {
          const borrower = shaper.borrower(ceiling);
          return { ceiling, all: chunks.map((chunk) => new Greedy(borrower, clock, chunk)) };
        });
        const seconds = 4;
        await run(clock, seconds * 1_000, step);
        let sum = 0;
        for (const { ceiling, all } of running) {
          const total = all.reduce((bytes, one) => bytes + one.total, 0);
          assert.ok(total <= ceiling * seconds * 1.02 + burstOf(ceiling), `${total} over ${ceiling}`);
          // At least most of an equal part, or of its own ceiling where that is less.
          const fair = Math.min(ceiling, rate / running.length);
          assert.ok(total >= fair * seconds * 0.5 - 2 * CHUNK, `${total} of ${fair * seconds}`);
          for (const one of all) assert.ok(one.total > 0);
          sum += total;
        }
        assert.ok(sum <= rate * seconds * 1.02 + burstOf(rate), `${sum} over ${rate * seconds}`);
        for (const { all } of running) for (const one of all) one.stop();
      },
    ),
    { numRuns: 40 },
  );
});
