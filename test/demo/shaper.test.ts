import assert from 'node:assert/strict';
import { test } from 'node:test';
import * as fc from 'fast-check';
import { type Flow, type Quantum, Shaper } from '../../src/demo/shaper.ts';
import { FakeClock } from '../support/fake-clock.ts';

class Pile implements Flow {
  waiting: number;
  refilling = false;
  sent = 0;

  constructor(waiting: number) {
    this.waiting = waiting;
  }
}

/** Sends what may be sent now. */
function send(shaper: Shaper<Pile>, now: number): Quantum<Pile>[] {
  const quanta: Quantum<Pile>[] = [];
  for (let quantum = shaper.next(now); quantum !== undefined; quantum = shaper.next(now)) {
    quantum.flow.waiting -= quantum.bytes;
    quantum.flow.sent += quantum.bytes;
    quanta.push(quantum);
  }
  return quanta;
}

function line(rate: number, ...flows: Pile[]) {
  const clock = new FakeClock();
  const shaper = new Shaper<Pile>(rate, clock.now());
  for (const flow of flows) shaper.add(flow);
  const start = clock.now();
  return { clock, shaper, start };
}

test('in the long run a line carries its rate, however irregularly it is looked at', () => {
  fc.assert(
    fc.property(
      fc.integer({ min: 20_000, max: 100_000_000 }),
      fc.array(fc.double({ min: 0.1, max: 40, noNaN: true }), { minLength: 200, maxLength: 300 }),
      (rate, pauses) => {
        const pile = new Pile(Number.MAX_SAFE_INTEGER);
        const { clock, shaper, start } = line(rate, pile);
        send(shaper, clock.now());
        for (const pause of pauses) {
          clock.advance(pause);
          send(shaper, clock.now());
        }
        const carried = (rate * (clock.now() - start)) / 1000;
        // A line begun is a quantum ahead at most.
        assert.ok(pile.sent >= carried && pile.sent <= carried + 16 * 1024 + 1 + rate * 0.004);
      },
    ),
  );
});

test('a line that is fast enough is smooth: nothing bursts within 5 ms', () => {
  const pile = new Pile(1e9);
  const { clock, shaper } = line(5_000_000, pile);
  send(shaper, clock.now());
  for (let i = 0; i < 400; i += 1) {
    const before = pile.sent;
    clock.advance(5);
    send(shaper, clock.now());
    assert.ok(Math.abs(pile.sent - before - 25_000) <= 10_000, `${pile.sent - before} bytes in 5 ms`);
  }
});

test('connections share the line alike, byte for byte', () => {
  const flows = [new Pile(1e9), new Pile(1e9), new Pile(1e9)];
  const { clock, shaper } = line(3_000_000, ...flows);
  for (let i = 0; i < 1000; i += 1) {
    send(shaper, clock.now());
    clock.advance(1);
  }
  for (const flow of flows) assert.ok(Math.abs(flow.sent - 1_000_000) < 20_000, `${flow.sent} bytes`);
});

test('a connection that has nothing to send, or has gone, leaves the line to the others', () => {
  const [busy, quiet, gone] = [new Pile(1e9), new Pile(0), new Pile(1e9)];
  const { clock, shaper } = line(1_000_000, busy, quiet, gone);
  shaper.remove(gone);
  clock.advance(1000);
  busy.refilling = true;
  for (let i = 0; i < 1000; i += 1) {
    send(shaper, clock.now());
    clock.advance(1);
  }
  assert.ok(Math.abs(busy.sent - 1_000_000) < 5_000, `${busy.sent} bytes`);
  assert.equal(quiet.sent + gone.sent, 0);
});

test('an idle line does not save up its rate', () => {
  const pile = new Pile(1000);
  const { clock, shaper } = line(1_000_000, pile);
  send(shaper, clock.now());
  clock.advance(10_000);
  send(shaper, clock.now());
  pile.waiting = 1e9;
  send(shaper, clock.now());
  assert.ok(pile.sent <= 1000 + 8_000, `${pile.sent} bytes at once`);
});

test('a line that we were late to refill catches up, within a bound', () => {
  const late = (by: number): number => {
    const pile = new Pile(1000);
    const { clock, shaper } = line(1_000_000, pile);
    send(shaper, clock.now());
    pile.refilling = true;
    clock.advance(1);
    send(shaper, clock.now());
    clock.advance(by);
    pile.refilling = false;
    pile.waiting = 1e9;
    send(shaper, clock.now());
    return pile.sent;
  };
  assert.ok(Math.abs(late(100) - 101_000) <= 3_000, `${late(100)} bytes`);
  assert.ok(late(10_000) <= 260_000, `${late(10_000)} bytes`);
});

test('the rate can change while the line is busy; at 0 nothing goes', () => {
  const pile = new Pile(1e9);
  const { clock, shaper } = line(1_000_000, pile);
  const during = (ms: number): number => {
    const before = pile.sent;
    for (let i = 0; i < ms; i += 1) {
      clock.advance(1);
      send(shaper, clock.now());
    }
    return pile.sent - before;
  };
  send(shaper, clock.now());
  assert.ok(Math.abs(during(1000) - 1_000_000) < 5_000);
  shaper.setRate(0, clock.now());
  assert.equal(during(1000), 0);
  assert.equal(shaper.nextAt(), undefined);
  shaper.setRate(4_000_000, clock.now());
  assert.ok(Math.abs(during(1000) - 4_000_000) < 20_000);
});

test('quanta are through one after the other, each after its time on the line', () => {
  const pile = new Pile(30_000);
  const { clock, shaper, start } = line(1_000_000, pile);
  const quanta: Quantum<Pile>[] = [];
  while (pile.waiting > 0) {
    quanta.push(...send(shaper, clock.now()));
    clock.advance(1);
  }
  let bytes = 0;
  for (const quantum of quanta) {
    bytes += quantum.bytes;
    assert.ok(Math.abs(quantum.through - start - (bytes / 1_000_000) * 1000) <= 2 + 1e-6);
  }
  assert.equal(bytes, 30_000);
});
