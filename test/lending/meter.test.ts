import assert from 'node:assert/strict';
import { test } from 'node:test';
import * as fc from 'fast-check';
import type { Counters } from '../../src/lending/counters.ts';
import {
  ACK_SHARE,
  ACK_SHARE_WAITING,
  AHEAD_KNOWN_MAX,
  AHEAD_MS,
  capacityOf,
  FORGET_PART,
  LEARN_HALF_LIFE_MS,
  type MeterState,
  meterStep,
  NEW_METER,
  type Reading,
  WIRE_OVERHEAD,
} from '../../src/lending/meter.ts';

const STEP_MS = 100;

/** A line on which, in each step, so much is the household's, and so much is lent, in bytes. */
class Line {
  state: MeterState = NEW_METER;
  at = 0;
  rx = 2n ** 32n - 1_000_000n;
  tx = 0n;
  lent = 0;
  lentUp = 0;
  own = 0;
  name: string | undefined = 'wan';
  readonly linkOnLine: boolean;
  rate = 5e6;
  isGateway = true;
  hasInside = false;
  toClients = 0n;

  constructor(linkOnLine = false) {
    this.linkOnLine = linkOnLine;
    this.read();
  }

  inside(): ReadonlyMap<string, Counters> | undefined {
    return this.hasInside ? new Map([['lan', { rx: 0n, tx: this.toClients }]]) : undefined;
  }

  read(): MeterState {
    const counters = new Map<string, Counters>();
    if (this.name !== undefined) counters.set(this.name, { rx: this.rx, tx: this.tx });
    return this.take({ interfaces: counters });
  }

  take(other: Partial<Reading>): MeterState {
    const reading = {
      at: this.at,
      lentBytes: { down: this.lent, up: this.lentUp },
      ownBytes: this.own,
      lentRate: this.rate,
    };
    this.state = meterStep(
      this.state,
      { ...reading, interfaces: undefined, inside: this.inside(), ...other },
      { linkOnLine: this.linkOnLine, isGateway: this.isGateway },
    );
    return this.state;
  }

  step(own: number, lent: number, { arrived = lent, ms = STEP_MS } = {}): MeterState {
    this.at += ms;
    this.lent += lent;
    this.toClients += BigInt(Math.round(own));
    this.rx += BigInt(Math.round(own + arrived * WIRE_OVERHEAD));
    this.tx += BigInt(Math.round(arrived * ACK_SHARE + (this.linkOnLine ? lent * WIRE_OVERHEAD : 0)));
    return this.read();
  }

  /** From now on there is an interface for clients alone. */
  withInside(): this {
    this.hasInside = true;
    this.step(0, 0);
    return this;
  }

  own_(): number {
    const { measured } = this.state;
    assert.equal(measured.kind, 'rates');
    return measured.kind === 'rates' ? measured.own.down : Number.NaN;
  }
}

test('what the household wants is what is not lent, at once', () => {
  const line = new Line();
  line.step(0, 500_000);
  assert.equal(line.own_(), 0);
  line.rate = 0;
  line.step(200_000, 0);
  assert.equal(line.own_(), 2_000_000);
  line.step(0, 0);
  assert.equal(line.own_(), 0);
});

test('lent bytes that wait in the kernel are not taken for the household’s', () => {
  const line = new Line();
  const span = (line.rate * AHEAD_MS) / 1000;
  for (let i = 0; i < 20; i += 1) {
    // They come in one burst, and are passed on in its time and the next.
    line.step(0, span / 2, { arrived: span });
    assert.equal(line.own_(), 0);
    line.step(0, span / 2, { arrived: 0 });
    assert.equal(line.own_(), 0);
  }
});

test('a household that wants a quarter of the line is noticed within 300 ms, however much is lent', () => {
  const line = new Line();
  const perStep = (line.rate * STEP_MS) / 1000;
  for (let i = 0; i < 10; i += 1) line.step(0, perStep);
  for (let i = 0; i < 3; i += 1) line.step(perStep, perStep);
  assert.ok(line.own_() > 0);
});

test('where clients have an interface of their own, what went to them is the household’s, at once and no more', () => {
  const line = new Line().withInside();
  // A packet was lost: megabytes wait for it in the kernel.
  for (let i = 0; i < 10; i += 1) line.step(0, 0, { arrived: 400_000 });
  assert.equal(line.own_(), 0);
  line.step(20_000, 0, { arrived: 400_000 });
  assert.equal(line.own_(), 200_000);
  line.step(0, 4_000_000, { arrived: 0 });
  assert.equal(line.own_(), 0);
});

test('what waits for a packet that was lost is acknowledged as it comes, and that is not the household’s', () => {
  const line = new Line().withInside();
  const comes = 250_000;
  // For two seconds nothing is passed on: on a way of half a second that is a few round trips.
  for (let i = 0; i < 20; i += 1) {
    line.step(0, 0, { arrived: comes });
    const { measured } = line.state;
    assert.ok(measured.kind === 'rates');
    assert.deepEqual(measured.own, { down: 0, up: 0 });
  }
  // Nor is it when each packet is acknowledged by itself.
  for (let i = 0; i < 10; i += 1) {
    line.tx += BigInt(Math.round(comes * (ACK_SHARE_WAITING - ACK_SHARE)));
    line.step(0, 0, { arrived: comes });
    assert.ok(line.state.measured.kind === 'rates' && line.state.measured.own.up === 0);
  }
  // What the household sends meanwhile is seen.
  line.tx += 200_000n;
  line.step(0, 0, { arrived: comes });
  assert.ok(line.state.measured.kind === 'rates' && line.state.measured.own.up > 1_000_000);
});

test('what this machine itself takes of the line is seen when it is more than a kernel keeps', () => {
  const line = new Line().withInside();
  let bytes = 0;
  while (line.own_() === 0 && bytes < 2 * AHEAD_KNOWN_MAX) {
    line.step(0, 0, { arrived: 500_000 });
    bytes += 500_000;
  }
  assert.ok(bytes * WIRE_OVERHEAD > AHEAD_KNOWN_MAX && bytes < 2 * AHEAD_KNOWN_MAX, `${bytes}`);
});

test('over time what is forgiven is bounded', () => {
  const amounts = fc.array(fc.record({ own: fc.nat(1e6), lent: fc.nat(5e5) }), {
    minLength: 1,
    maxLength: 60,
  });
  fc.assert(
    fc.property(amounts, (steps) => {
      const line = new Line();
      let own = 0;
      let seen = 0;
      for (const each of steps) {
        line.step(each.own, each.lent);
        own += each.own;
        seen += (line.own_() * STEP_MS) / 1000;
      }
      const forgotten = (steps.length * STEP_MS * line.rate * FORGET_PART) / 1000;
      assert.ok(own - seen <= 64 * 1024 + (line.rate * AHEAD_MS) / 1000 + forgotten + 2 * steps.length);
      assert.ok(seen - own <= 2 * steps.length);
    }),
  );
});

test('what a borrower gave up halfway is not the household’s for ever', () => {
  const line = new Line();
  // Nobody passes these on.
  line.step(300_000, 0);
  line.step(0, 0, { ms: 1_000 });
  line.step(300_000, 0);
  assert.equal(line.own_(), 0);
});

test('over one interface for both, what goes to the borrower is not the household’s', () => {
  const line = new Line(true);
  for (let i = 0; i < 10; i += 1) line.step(0, 500_000);
  const { measured } = line.state;
  assert.ok(measured.kind === 'rates' && measured.own.up === 0 && measured.total.up > 5_000_000);
});

test('what borrowers send is not the household’s, nor what acknowledges it; what the household sends is', () => {
  const line = new Line();
  const upload = (lent: number, own: number): { readonly down: number; readonly up: number } => {
    line.lentUp += lent;
    line.tx += BigInt(Math.round(lent * WIRE_OVERHEAD + own));
    line.step(Math.round(lent * ACK_SHARE), 0);
    const { measured } = line.state;
    return measured.kind === 'rates' ? measured.own : { down: Number.NaN, up: Number.NaN };
  };
  for (let i = 0; i < 20; i += 1) assert.deepEqual(upload(50_000, 0), { down: 0, up: 0 });
  for (let i = 0; i < 6; i += 1) upload(50_000, 50_000);
  assert.ok(upload(50_000, 50_000).up > 400_000);
});

test('a line is learnt by what it has carried for a second, each direction by itself', () => {
  const line = new Line();
  line.step(10_000_000, 0);
  assert.deepEqual(capacityOf({ down: undefined, up: undefined }, line.state), {
    down: undefined,
    up: undefined,
  });
  for (let i = 0; i < 10; i += 1) line.step(500_000, 0);
  const { down = 0, up } = capacityOf({ down: undefined, up: undefined }, line.state);
  assert.ok(down > 5_000_000 && down < 15_000_000);
  assert.equal(up, down / 10);
  assert.deepEqual(capacityOf({ down: 1, up: 2 }, line.state), { down: 1, up: 2 });
  line.step(0, 0, { ms: LEARN_HALF_LIFE_MS });
  assert.ok(
    Math.abs((capacityOf({ down: undefined, up: undefined }, line.state).down ?? 0) - down / 2) < down / 50,
  );
});

test('on a machine that is not the gateway a line is learnt by what the daemon itself carried over it', () => {
  const line = new Line();
  line.isGateway = false;
  for (let i = 0; i < 10; i += 1) line.step(50_000_000, 100_000);
  const { down = 0 } = capacityOf({ down: undefined, up: undefined }, line.state);
  assert.ok(down > 500_000 && down < 1_500_000, `a copy at home is not the line's: ${down}`);
});

test('a reading that can not be right says so, and the next goes on from it', () => {
  const line = new Line();
  line.step(500_000, 0);
  line.rx = 10n ** 15n;
  line.step(0, 0);
  assert.deepEqual(line.state.measured, { kind: 'fault', fault: 'counters_jumped' });
  line.step(500_000, 0);
  assert.equal(line.state.measured.kind, 'rates');
  line.name = 'wwan';
  line.step(500_000, 0);
  assert.deepEqual(line.state.measured, { kind: 'fault', fault: 'interface_changed' });
  assert.deepEqual(line.state.learned, { down: 0, up: 0 });
  line.name = undefined;
  line.step(0, 0);
  assert.deepEqual(line.state.measured, { kind: 'fault', fault: 'no_route' });
});

test('counters that can not be read any more are a fault for as long, and not what the daemon itself fetches', () => {
  const line = new Line();
  line.rate = 0;
  line.step(500_000, 0);
  for (let i = 0; i < 50; i += 1) {
    line.at += STEP_MS;
    const { measured } = line.take({});
    assert.deepEqual(measured, { kind: 'fault', fault: 'counters_gone' });
  }
  line.step(500_000, 0);
  assert.equal(line.state.measured.kind, 'fault', 'there is nothing yet to count from');
  line.step(500_000, 0);
  assert.equal(Math.round(line.own_()), 5_000_000);
});

test('what was learnt of a line holds when it is there again, and not for another', () => {
  const line = new Line();
  for (let i = 0; i < 11; i += 1) line.step(500_000, 0);
  const { learned } = line.state;
  assert.ok(learned.down > 4_000_000);
  line.name = undefined;
  for (let i = 0; i < 3; i += 1) line.step(0, 0);
  line.name = 'wan';
  // Its counters begin anew.
  line.rx = 0n;
  line.tx = 0n;
  line.step(0, 0);
  assert.deepEqual(line.state.measured, { kind: 'fault', fault: 'no_route' });
  line.step(500_000, 0);
  assert.equal(line.state.measured.kind, 'rates');
  assert.deepEqual(line.state.learned, learned);
  line.name = undefined;
  line.step(0, 0);
  line.name = 'wwan';
  line.step(0, 0);
  assert.deepEqual(line.state.measured, { kind: 'fault', fault: 'interface_changed' });
  assert.deepEqual(line.state.learned, { down: 0, up: 0 });
});

test('counters that do not show what is lent are not gone by, until they do', () => {
  const line = new Line();
  for (let i = 0; i < 20; i += 1) line.step(0, 5_000_000, { ms: 1_000 });
  assert.equal(line.state.measured.kind, 'rates');
  for (let i = 0; i < 20; i += 1) line.step(0, 5_000_000, { ms: 1_000, arrived: 0 });
  assert.deepEqual(line.state.measured, { kind: 'fault', fault: 'counters_blind' });
  line.step(0, 0, { ms: 1_000 });
  assert.equal(line.state.measured.kind, 'fault');
  for (let i = 0; i < 20; i += 1) line.step(0, 5_000_000, { ms: 1_000 });
  assert.equal(line.state.measured.kind, 'rates');
});

test('without counters it goes by what the daemon itself fetches', () => {
  const line = new Line();
  line.state = NEW_METER;
  line.take({});
  line.at += 1000;
  line.own += 1_000_000;
  const { measured } = line.take({});
  assert.ok(measured.kind === 'rates' && measured.from === 'own_traffic');
  assert.equal(Math.round(measured.own.down), 1_000_000 * WIRE_OVERHEAD);
});

test('readings too close together are taken as one', () => {
  const line = new Line();
  line.step(0, 0, { ms: 10 });
  assert.equal(line.state.measured.kind, 'nothing');
  line.step(500_000, 0, { ms: 90 });
  assert.equal(line.state.measured.kind, 'rates');
});
