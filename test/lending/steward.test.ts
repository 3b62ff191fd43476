import assert from 'node:assert/strict';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, test } from 'node:test';
import { FACTOR_LEAST } from '../../src/lending/delay.ts';
import { DelayWatch } from '../../src/lending/delay-watch.ts';
import { LineMemory } from '../../src/lending/line-memory.ts';
import { LineWatch } from '../../src/lending/line-watch.ts';
import type { Directions } from '../../src/lending/policy.ts';
import type { Overrides } from '../../src/lending/settings.ts';
import { FULL_PART, UNMEASURED } from '../../src/lending/share.ts';
import { DOUBT_MS, LOOK_IDLE_MS, LOOK_LENT_MS, Steward } from '../../src/lending/steward.ts';
import { UsageBook } from '../../src/lending/usage.ts';
import { FakeClock } from '../support/fake-clock.ts';
import { startTestOrigin } from '../support/origin.ts';
import { until } from '../support/until.ts';
import { EVERY_PORT, fetchText, type LentLine, OFF, startLentLine } from './lent-line.ts';
import { CONFIGURED } from './settings.test.ts';

const LINE = 8_000_000;
let dir = '';
beforeEach(() => {
  dir = mkdtempSync(join(tmpdir(), 'linepool-steward-'));
});
afterEach(() => rmSync(dir, { recursive: true }));

/** A machine whose files in /proc are what the test says. */
class Machine {
  rx = 0;
  tx = 0;
  canRead = true;
  route = 'wan\t00000000\t010200C0\t0003\t0\t0\t0\t00000000\t0\t0\t0';

  read(file: string): string | undefined {
    if (!this.canRead) return undefined;
    if (file === '/proc/net/dev') return `  wan: ${this.rx} 0 0 0 0 0 0 0 ${this.tx} 0 0 0 0 0 0 0\n`;
    if (file === '/proc/net/route') return `Iface\n${this.route}\n`;
    return file.endsWith('ip_forward') ? '1\n' : undefined;
  }
}

interface Kept extends AsyncDisposable {
  readonly clock: FakeClock;
  readonly machine: Machine;
  readonly line: LentLine;
  readonly steward: Steward;
  offered(): number;
  warnings(): string[];
}

async function keep(
  options: {
    readonly clock?: FakeClock;
    readonly configured?: Partial<typeof CONFIGURED>;
    readonly delay?: DelayWatch;
    readonly line?: Directions<number | undefined>;
    readonly route?: string;
  } = {},
): Promise<Kept> {
  await using owned = new AsyncDisposableStack();
  const clock = options.clock ?? new FakeClock(new Date(2026, 2, 10, 12).getTime());
  const line = owned.use(await startLentLine({ clock, lent: OFF }));
  const { lender, events, borrowers } = line;
  const machine = new Machine();
  machine.route = options.route ?? machine.route;
  const watch = new LineWatch({ interface: 'auto', clock, read: (file) => machine.read(file) });
  const steward = owned.use(
    await Steward.open(
      {
        stateDir: dir,
        configured: { ...CONFIGURED, ports: EVERY_PORT, rate: undefined, ...options.configured },
        line: options.line ?? { down: LINE, up: LINE },
        linkOnLine: () => false,
      },
      {
        clock,
        events,
        lender,
        usage: owned.use(await UsageBook.open(dir, clock, events)),
        memory: owned.use(await LineMemory.open(dir, clock, events)),
        watch,
        ...(options.delay === undefined ? {} : { delay: options.delay }),
        linked: () => undefined,
        ownBytes: () => 0,
        lentUs: () => 0,
      },
    ),
  );
  const all = owned.move();
  return {
    clock,
    machine,
    line,
    steward,
    offered: () => lender.offer(borrowers[0].neighbour).bytesPerSecond,
    warnings: () => line.eventsOf('warning').map(({ code }) => code),
    [Symbol.asyncDispose]: () => all.disposeAsync(),
  };
}

const setLive =
  (set: Overrides['set']) =>
  (before: Overrides): Overrides => ({ ...before, set: { ...before.set, ...set } });

test('an idle line is offered as policy says; when the household wants it, less, and then it comes back', async () => {
  await using kept = await keep();
  const { clock, machine, steward } = kept;
  assert.equal(kept.offered(), LINE / 2);
  clock.advance(LOOK_IDLE_MS);
  machine.rx += LINE;
  clock.advance(LOOK_IDLE_MS);
  assert.equal(kept.offered(), 0);
  assert.equal(steward.now.lent.reason, 'household');
  clock.advance(4 * LOOK_IDLE_MS);
  assert.equal(kept.offered(), LINE / 2);
  assert.equal(steward.now.lent.reason, 'lending');
});

test('while somebody borrows it looks often, and cuts when the household wants the whole line', async () => {
  await using origin = await startTestOrigin({ faults: [{ kind: 'stall', afterBytes: 10 }] });
  await using kept = await keep();
  const { clock, machine, line } = kept;
  const [first] = line.borrowers;
  await using peer = await first.connect();
  peer.send(fetchText(origin.url('/file/1000'), '0-999', await first.lease(origin.url(''))));
  await until('it borrows', () => {
    clock.advance(LOOK_LENT_MS);
    return line.lender.status().bytesCarried > 0;
  });
  let looks = 0;
  for (; looks < 10 && kept.offered() > 0; looks += 1) {
    machine.rx += (LINE * LOOK_LENT_MS) / 1000;
    clock.advance(LOOK_LENT_MS);
  }
  assert.ok(looks * LOOK_LENT_MS <= 300, `yielded after ${looks} looks`);
  await peer.ended;
});

test('a line that answers late is lent less of, says so, and is lent again', async () => {
  const clock = new FakeClock(new Date(2026, 2, 10, 12).getTime());
  const delay = new DelayWatch(clock);
  let ms = 20;
  delay.begin({ ask: () => delay.answered(ms) });
  await using kept = await keep({ clock, delay });
  clock.advance(4 * LOOK_IDLE_MS);
  assert.equal(kept.offered(), LINE / 2);
  ms = 200;
  clock.advance(90_000 + 30 * LOOK_IDLE_MS);
  assert.equal(kept.offered(), (LINE / 2) * FACTOR_LEAST);
  assert.equal(kept.steward.now.lent.reason, 'delay');
  assert.match(kept.steward.now.lent.words, /^the line answers in 200 ms, usually in /);
  ms = 20;
  clock.advance(15 * LOOK_IDLE_MS);
  assert.equal(kept.offered(), LINE / 2);
  assert.equal(kept.steward.now.lent.reason, 'lending');
});

test('a change holds at once and after a restart; what can not be changes nothing', async () => {
  {
    await using kept = await keep();
    await kept.steward.change(setLive({ share_percent: 25 }));
    assert.equal(kept.offered(), LINE / 4);
    await assert.rejects(kept.steward.change(setLive({ share_percent: 120 })), { code: 'policy_invalid' });
    assert.equal(kept.offered(), LINE / 4);
  }
  await using again = await keep();
  assert.equal(again.offered(), LINE / 4);
  assert.deepEqual(again.steward.now.overrides.set, { share_percent: 25 });
});

test('a pause ends by itself, and a step of the clock makes it no shorter', async () => {
  await using kept = await keep();
  const { clock, steward } = kept;
  await steward.change((before, wall) => ({ ...before, pause: { kind: 'until', until: wall + 3_600_000 } }));
  assert.equal(kept.offered(), 0);
  assert.equal(steward.now.lent.reason, 'paused');
  clock.advance(1_800_000);
  clock.stepWall(7_200_000);
  clock.advance(LOOK_IDLE_MS);
  assert.equal(kept.offered(), 0);
  assert.deepEqual(kept.warnings(), ['clock_stepped']);
  clock.advance(1_800_000 + 3_000);
  assert.equal(kept.offered(), LINE / 2);
});

test('a pause of before a restart is over when it is, however late the clock is set', async () => {
  {
    await using kept = await keep();
    await kept.steward.change((before, wall) => ({
      ...before,
      pause: { kind: 'until', until: wall + 3_600_000 },
    }));
  }
  // A router without a clock of its own, two months later.
  const clock = new FakeClock(new Date(2026, 2, 10, 12, 10).getTime());
  await using again = await keep({ clock });
  assert.equal(again.offered(), 0);
  clock.stepWall(60 * 86_400_000);
  clock.advance(LOOK_IDLE_MS + 3_000);
  assert.equal(again.offered(), LINE / 2);
});

test('after a step of the clock the strictest of the hours holds for a minute', async () => {
  await using kept = await keep({ configured: { hours: ['12-13 100 %', '1-2 10 %'] } });
  const { clock } = kept;
  assert.equal(kept.offered(), LINE * FULL_PART);
  clock.stepWall(-60_000);
  clock.advance(LOOK_IDLE_MS);
  assert.equal(kept.offered(), LINE / 10);
  clock.advance(DOUBT_MS + 3_000);
  assert.equal(kept.offered(), LINE * FULL_PART);
});

test('a quota stops what is lent, and is not forgotten by a restart', async () => {
  await using origin = await startTestOrigin();
  const clock = new FakeClock(new Date(2026, 2, 10, 12).getTime());
  const configured = { quota_day: 10_000 };
  {
    await using kept = await keep({ clock, configured });
    const [first] = kept.line.borrowers;
    await using peer = await first.connect();
    peer.send(fetchText(origin.url('/file/20000'), '0-9999', await first.lease(origin.url(''))));
    await until('all is carried', () => {
      clock.advance(LOOK_LENT_MS);
      return kept.steward.now.usage.all.day === 10_000;
    });
    clock.advance(LOOK_LENT_MS);
    assert.equal(kept.steward.now.lent.reason, 'quota_spent');
    assert.equal(kept.offered(), 0);
  }
  await using again = await keep({ clock, configured });
  assert.equal(again.steward.now.usage.of(again.line.borrowers[0].neighbour.id).day, 0);
  assert.equal(again.steward.now.lent.reason, 'quota_spent');
  clock.advance(24 * 3_600_000);
  assert.equal(again.steward.now.lent.reason, 'lending');
});

test('what the line was seen to carry is known after a restart, also when it comes up later', async () => {
  const line = { down: undefined, up: undefined };
  const clock = new FakeClock(new Date(2026, 2, 10, 12).getTime());
  {
    await using kept = await keep({ clock, line });
    clock.advance(LOOK_IDLE_MS);
    assert.equal(kept.steward.now.lent.reason, 'line_unknown');
    for (let ms = 0; ms < 3_000; ms += LOOK_IDLE_MS) {
      kept.machine.rx += (LINE * LOOK_IDLE_MS) / 1000;
      clock.advance(LOOK_IDLE_MS);
    }
    assert.equal(Math.round(kept.steward.now.capacity.down ?? 0), LINE);
  }
  const { route } = new Machine();
  await using again = await keep({ clock, line, route: '' });
  clock.advance(LOOK_IDLE_MS);
  assert.equal(again.steward.now.capacity.down, undefined);
  again.machine.route = route;
  clock.advance(20 * LOOK_IDLE_MS);
  assert.equal(Math.round((again.steward.now.capacity.down ?? 0) / 1000), LINE / 1000);
  assert.ok(again.offered() > 0);
});

test('counters that jump, and a line that goes away, are told, and less is lent', async () => {
  await using kept = await keep();
  const { clock, machine } = kept;
  clock.advance(LOOK_IDLE_MS);
  machine.rx = 1e15;
  clock.advance(LOOK_IDLE_MS);
  assert.equal(kept.offered(), (LINE / 2) * UNMEASURED);
  assert.deepEqual(kept.warnings(), ['line_unmeasured']);
  clock.advance(5 * LOOK_IDLE_MS);
  assert.equal(kept.offered(), LINE / 2);
  machine.canRead = false;
  clock.advance(20 * LOOK_IDLE_MS);
  assert.equal(kept.offered(), (LINE / 2) * UNMEASURED, 'however long');
  machine.canRead = true;
  clock.advance(5 * LOOK_IDLE_MS);
  assert.equal(kept.offered(), LINE / 2);
  machine.route = '';
  clock.advance(2 * LOOK_IDLE_MS);
  assert.equal(kept.offered(), 0);
  const { reason, words } = kept.steward.now.lent;
  assert.equal(reason, 'unmeasured');
  assert.match(words, /no interface leads to the Internet/);
});

test('a damaged file of what was set is refused and left as it is', async () => {
  for (const text of [
    'nonsense',
    '{"version":1,"set":{"enabled":null},"pause":{"kind":"none"},"neighbours":{}}',
  ]) {
    writeFileSync(join(dir, 'lend.json'), text);
    await assert.rejects(keep(), { code: 'state_unusable' });
    assert.equal(readFileSync(join(dir, 'lend.json'), 'utf8'), text);
  }
});

test('what was set for a neighbour goes with it', async () => {
  await using kept = await keep();
  const { id } = kept.line.borrowers[0].neighbour;
  await kept.steward.change((before) => ({ ...before, neighbours: { [id]: { allow: false } } }));
  assert.equal(kept.offered(), 0);
  await kept.steward.forget(id);
  assert.equal(kept.offered(), LINE / 2);
  assert.deepEqual(kept.steward.now.overrides.neighbours, {});
});

test('what was set for a neighbour, and what it used, goes on under its new key', async () => {
  await using kept = await keep();
  const { id } = kept.line.borrowers[0].neighbour;
  await kept.steward.change((before) => ({ ...before, neighbours: { [id]: { weight: 2 } } }));
  await kept.steward.rekey(id, 'NEW');
  assert.deepEqual(kept.steward.now.overrides.neighbours, { NEW: { weight: 2 } });
});
