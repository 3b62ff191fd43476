import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import {
  fallenRate,
  flowing,
  idle,
  observed,
  rate,
  recentRate,
  type Throughput,
  throughput,
  UNKNOWN_RATE,
} from '../../src/download/throughput.ts';

/** Bytes come every 10 ms at that rate. */
function bringing(state: Throughput, from: number, to: number, bytesPerSecond: number): Throughput {
  let next = state;
  for (let at = from + 10; at <= to; at += 10) next = observed(next, at, bytesPerSecond / 100);
  return next;
}

const near = (got: number, want: number, part = 0.05): void =>
  assert.ok(Math.abs(got - want) <= want * part, `${got}, not about ${want}`);

describe('the rate of a path', () => {
  it('is the guess until something is measured, or what is usual', () => {
    assert.equal(rate(throughput(1e6)), 1e6);
    assert.equal(rate(throughput()), UNKNOWN_RATE);
    assert.equal(rate(throughput(0)), 1_000);
  });

  it('is what comes, when it comes steadily', () => {
    const state = bringing(flowing(throughput(1e6), 0), 0, 2_000, 1e6);
    near(rate(state), 1e6);
    near(recentRate(state, 2_000, 0), 1e6);
  });

  it('forgets a guess that was wrong, either way', () => {
    for (const guess of [1e5, 1e7])
      near(rate(bringing(flowing(throughput(guess), 0), 0, 500, 1e6)), 1e6, 0.1);
  });

  it('falls within two seconds when the line drops, and at this moment at once', () => {
    const before = bringing(flowing(throughput(1e6), 0), 0, 3_000, 1e6);
    near(recentRate(bringing(before, 3_000, 3_500, 1e5), 3_500, 0), 1e5, 0.3);
    near(rate(bringing(before, 3_000, 5_000, 1e5)), 1e5);
  });

  it('where it may have fallen, is less within half a second, and more only when that has lasted', () => {
    const before = bringing(flowing(throughput(1e6), 0), 0, 3_000, 1e6);
    const fell = bringing(before, 3_000, 3_500, 3e5);
    near(fallenRate(fell), 3e5, 0.2);
    assert.ok(rate(fell) > 0.7e6, `${rate(fell)}`);
    const rose = bringing(bringing(fell, 3_500, 6_000, 3e5), 6_000, 6_500, 1e6);
    assert.equal(fallenRate(rose), rate(rose));
    // What was asked for the first time a moment ago says nothing yet.
    const begun = observed(observed(flowing(throughput(1e6), 0), 50, 100), 200, 100);
    assert.equal(fallenRate(begun), rate(begun));
  });

  it('counts silence while something is awaited', () => {
    const before = bringing(flowing(throughput(1e6), 0), 0, 1_000, 1e6);
    let state = before;
    for (let at = 1_020; at <= 2_000; at += 20) state = observed(state, at, 0);
    assert.ok(rate(state) < 0.6e6, `${rate(state)}`);
    assert.ok(recentRate(before, 2_000, 0) < 0.1e6);
  });

  it('counts no time in which nothing was asked', () => {
    let state = bringing(flowing(throughput(1e6), 0), 0, 1_000, 1e6);
    state = flowing(idle(state), 9_000);
    near(rate(bringing(state, 9_000, 10_000, 1e6)), 1e6);
  });

  it('counts no time before an answer could be there', () => {
    let state = bringing(flowing(throughput(1e6), 0), 0, 1_000, 1e6);
    state = observed(state, 1_510, 10_000, 1_500);
    near(rate(state), 1e6);
  });

  it('remembers no more than a bounded number of slots', () => {
    assert.ok(bringing(flowing(throughput(1e6), 0), 0, 60_000, 1e6).slots.length <= 15);
  });
});
