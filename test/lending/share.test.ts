import assert from 'node:assert/strict';
import { test } from 'node:test';
import * as fc from 'fast-check';
import {
  CHATTER,
  FULL_PART,
  HOLD_MS,
  type Measurement,
  NEW_SHARE,
  RAMP_MS,
  type ShareState,
  sendable,
  shareStep,
  UNMEASURED,
  UP_COST,
  UP_LEAST,
} from '../../src/lending/share.ts';

const STEP_MS = 100;
const LINE = 6_000_000;
/** What of it is used at most. */
const FULL = LINE * FULL_PART;
const UP: Measurement = { line: undefined, own: 0, lendable: Infinity };

/** The share under a household that wants so much, step by step. */
class Sharing {
  state: ShareState = NEW_SHARE;
  at = 0;

  step(
    own: number | undefined,
    {
      line = LINE,
      lendable = LINE,
      up = UP,
    }: {
      line?: number | undefined;
      lendable?: number;
      up?: Measurement;
    } = {},
  ): number {
    this.at += STEP_MS;
    this.state = shareStep(this.state, this.at, { down: { line, own, lendable }, up });
    return this.state.lent.down;
  }

  /** For so long; the last total. */
  run(ms: number, own: number, options: Parameters<Sharing['step']>[1] = {}): number {
    for (let left = ms; left > 0; left -= STEP_MS) this.step(own, options);
    return this.state.lent.down;
  }
}

test('an idle line is lent as policy allows, from the first measurement on', () => {
  const sharing = new Sharing();
  assert.equal(sharing.step(0), FULL);
  assert.equal(sharing.state.yielding, false);
  assert.equal(new Sharing().step(LINE * CHATTER, { lendable: LINE / 2 }), LINE / 2);
});

test('demand is yielded to within the measurement that shows it, with room to grow', () => {
  const sharing = new Sharing();
  sharing.run(1_000, 0);
  // A connection that begins is several times as fast when what is lent has stopped coming.
  assert.equal(Math.round(sharing.step(LINE * 0.05)), Math.round(FULL - LINE * 0.4));
  assert.equal(sharing.state.yielding, true);
  assert.equal(sharing.step(LINE * 0.2), 0);
});

test('a household that takes whatever it is left has the whole line after three measurements', () => {
  const sharing = new Sharing();
  sharing.run(1_000, 0);
  let own = LINE * 0.05;
  for (let i = 0; i < 4; i += 1) own = LINE - sharing.step(own);
  assert.equal(own, LINE);
});

test('after the demand has ended it is back at the ceiling within 3 s, and not before it has been gone for a while', () => {
  const sharing = new Sharing();
  sharing.run(2_000, LINE);
  assert.equal(sharing.state.lent.down, 0);
  assert.equal(sharing.run(HOLD_MS - STEP_MS, 0), 0);
  assert.equal(sharing.state.yielding, true);
  sharing.step(0);
  assert.equal(sharing.state.yielding, false);
  assert.equal(sharing.run(RAMP_MS + STEP_MS, 0), FULL);
  assert.ok(HOLD_MS + RAMP_MS + STEP_MS <= 3_000);
});

test('what is steady and leaves room is lent around, with a margin', () => {
  const sharing = new Sharing();
  const total = sharing.run(5_000, LINE * 0.2);
  assert.ok(total > LINE * 0.7 && total <= FULL * 0.8);
});

test('demand within what policy leaves costs the borrowers nothing', () => {
  const sharing = new Sharing();
  assert.equal(sharing.run(3_000, LINE * 0.3, { lendable: LINE / 2 }), LINE / 2);
});

test('while nothing can be measured a part is lent, and then the rest comes back slowly', () => {
  const sharing = new Sharing();
  sharing.run(500, 0);
  assert.equal(sharing.step(undefined), FULL * UNMEASURED);
  assert.ok(sharing.step(0) < LINE / 2);
  assert.equal(sharing.run(RAMP_MS, 0), FULL);
});

test('where the way up is wanted by the household, less comes down', () => {
  const sharing = new Sharing();
  const up = { line: 600_000, lendable: 600_000 };
  assert.equal(sharing.run(1_000, 0, { up: { ...up, own: 0 } }), FULL);
  assert.ok(sharing.run(1_000, 0, { up: { ...up, own: 500_000 } }) < LINE / 3);
  assert.equal(sharing.run(1_000, 0, { up: { ...up, own: 600_000 } }), 0);
});

test('what borrowers send is held to what may go up, and yields to what the household sends', () => {
  const sharing = new Sharing();
  const up = { line: 600_000, lendable: 300_000 };
  sharing.run(1_000, 0, { up: { ...up, own: 0 } });
  assert.equal(sharing.state.lent.up, 300_000);
  sharing.step(0, { up: { ...up, own: 60_000 } });
  assert.equal(sharing.state.lent.up, 600_000 * FULL_PART - 8 * 60_000);
  sharing.step(0, { up: { ...up, own: 600_000 } });
  assert.deepEqual(sharing.state.lent, { down: 0, up: 0 });
});

test('of what may go up, acknowledgements go first, but something is always left to be sent', () => {
  assert.equal(sendable(300_000, 0), 300_000);
  assert.equal(sendable(300_000, 2_000_000), 300_000 - 2_000_000 * UP_COST);
  assert.equal(sendable(300_000, 6_000_000), 300_000 * UP_LEAST);
  assert.ok(Number.isFinite(sendable(Number.POSITIVE_INFINITY, 0)));
});

test('a line that is not known: a ceiling is lent while the household wants little', () => {
  const sharing = new Sharing();
  const measured = { line: undefined, lendable: 1_000_000 };
  const step = (own: number) => {
    sharing.at += STEP_MS;
    sharing.state = shareStep(sharing.state, sharing.at, { down: { ...measured, own }, up: UP });
    return sharing.state.lent.down;
  };
  assert.equal(step(0), 1_000_000);
  assert.equal(step(900_000), 0);
});

const traffic = fc.array(
  fc.record({
    own: fc.option(fc.double({ min: 0, max: 1.2, noNaN: true }), { nil: undefined, freq: 10 }),
    ownUp: fc.double({ min: 0, max: 1.2, noNaN: true }),
    allowed: fc.double({ min: 0, max: 1, noNaN: true }),
  }),
  { minLength: 1, maxLength: 80 },
);

test('never over policy, and the household first, whatever the traffic', () => {
  fc.assert(
    fc.property(traffic, (steps) => {
      const sharing = new Sharing();
      const upLine = LINE / 10;
      for (const { own, ownUp, allowed } of steps) {
        const up = { line: upLine, own: ownUp * upLine, lendable: allowed * upLine };
        const total = sharing.step(own === undefined ? undefined : own * LINE, {
          lendable: allowed * LINE,
          up,
        });
        assert.ok(total >= 0 && total <= allowed * LINE && total <= FULL);
        if (own !== undefined && own > CHATTER) assert.ok(total <= Math.max(0, LINE * (1 - own)));
        if (own === undefined) assert.ok(total <= LINE * UNMEASURED);
        const upLeft = ownUp > CHATTER ? Math.max(0, upLine * (1 - ownUp)) : upLine;
        assert.ok(total <= Math.min(upLeft, allowed * upLine) / UP_COST);
        assert.ok(sharing.state.lent.up <= Math.min(upLeft, allowed * upLine));
        // What comes down is acknowledged, and what is sent besides: together no more than may go up.
        const sent = sendable(sharing.state.lent.up, total);
        assert.ok(sent + total * UP_COST <= sharing.state.lent.up + 1e-6);
      }
    }),
  );
});

test('it settles under steady input, and is never stuck under what the household leaves', () => {
  fc.assert(
    fc.property(traffic, fc.double({ min: 0, max: 1, noNaN: true }), (steps, own) => {
      const sharing = new Sharing();
      for (const each of steps) sharing.step(each.own === undefined ? undefined : each.own * LINE);
      const settled = sharing.run(HOLD_MS + 1_000 + RAMP_MS, own * LINE);
      for (let i = 0; i < 50; i += 1) assert.equal(sharing.step(own * LINE), settled);
      // The way up comes to rest by itself, whatever comes down meanwhile.
      const up = { line: LINE / 10, own: (own * LINE) / 10, lendable: LINE / 10 };
      sharing.run(HOLD_MS + 1_000 + RAMP_MS, 0, { up });
      const settledUp = sharing.state.lent.up;
      for (let i = 0; i < 50; i += 1) {
        sharing.step(0, { up });
        assert.equal(sharing.state.lent.up, settledUp);
      }
      assert.ok(settledUp <= (LINE / 10) * (1 - (own > CHATTER ? own : 0)));
      if (own <= 0.7) assert.ok(settled >= LINE * (0.94 - own * 1.25) * 0.95);
    }),
  );
});
