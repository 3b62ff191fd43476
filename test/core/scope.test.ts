import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { sleep, systemClock } from '../../src/core/clock.ts';
import { Scope } from '../../src/core/scope.ts';
import { FakeClock } from '../support/fake-clock.ts';

describe('a scope', () => {
  it('aborts first, then ends what it owns, last come first', async () => {
    const scope = new Scope();
    const order: string[] = [];
    scope.signal.addEventListener('abort', () => order.push('abort'));
    scope.own({ [Symbol.dispose]: () => order.push('first') });
    scope.own({
      async [Symbol.asyncDispose]() {
        await Promise.resolve();
        order.push('second');
      },
    });
    const reason = new Error('why');
    await scope.end(reason);
    assert.deepEqual(order, ['abort', 'second', 'first']);
    assert.equal(scope.signal.reason, reason);
  });

  it('ends once', async () => {
    let ends = 0;
    const scope = new Scope();
    scope.own({ [Symbol.dispose]: () => (ends += 1) });
    await Promise.all([scope.end(), scope.end(), scope[Symbol.asyncDispose]()]);
    assert.equal(ends, 1);
  });

  it('ends its children with it, and a child ends alone', async () => {
    const scope = new Scope();
    const [one, two] = [scope.child(), scope.child()];
    await one.end();
    assert.equal(scope.signal.aborted, false);
    assert.equal(two.signal.aborted, false);
    await scope.end();
    assert.equal(two.signal.aborted, true);
  });

  it('that has ended ends at once what it is given', async () => {
    const scope = new Scope();
    await scope.end();
    let ended = 0;
    scope.own({ [Symbol.dispose]: () => (ended += 1) });
    scope.own({
      [Symbol.asyncDispose]() {
        ended += 1;
        return Promise.resolve();
      },
    });
    assert.equal(ended, 2);
    assert.equal(scope.child().signal.aborted, true);
  });

  it('ends everything though one end fails, and tells of it', async () => {
    const scope = new Scope();
    let ended = false;
    scope.own({ [Symbol.dispose]: () => (ended = true) });
    scope.own({
      [Symbol.dispose]: () => {
        throw new Error('broken');
      },
    });
    await assert.rejects(scope.end(), /broken/);
    assert.equal(ended, true);
  });
});

describe('sleep', () => {
  it('wakes after the time, leaving nothing', async () => {
    const clock = new FakeClock();
    const asleep = sleep(clock, 100);
    clock.advance(99);
    assert.equal(clock.pending, 1);
    clock.advance(1);
    await asleep;
    assert.equal(clock.pending, 0);
  });

  it('rejects with the reason when it is woken first, leaving nothing', async () => {
    const clock = new FakeClock();
    const controller = new AbortController();
    const asleep = sleep(clock, 100, controller.signal);
    controller.abort(new Error('enough'));
    await assert.rejects(asleep, /enough/);
    assert.equal(clock.pending, 0);
    await assert.rejects(sleep(clock, 100, controller.signal), /enough/);
    assert.equal(clock.pending, 0);
  });
});

describe('the system clock', () => {
  it('does not go back, and its timers can be taken back', async () => {
    const before = systemClock.now();
    let called = false;
    systemClock.after(0, () => (called = true))[Symbol.dispose]();
    let times = 0;
    await new Promise<void>((resolve) => {
      const every = systemClock.every(1, () => {
        times += 1;
        if (times < 3) return;
        every[Symbol.dispose]();
        resolve();
      });
      // Its timers keep nothing alive, so this test must.
      const alive = setInterval(() => {
        if (times >= 3) clearInterval(alive);
      }, 1);
    });
    assert.equal(called, false);
    assert.ok(systemClock.now() >= before);
    assert.ok(Math.abs(systemClock.wall() - Date.now()) < 1_000);
  });
});
