import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { ERRORS, type ErrorCode } from '../../src/core/errors.ts';
import { Health } from '../../src/paths/health.ts';
import { OWN } from '../../src/paths/path.ts';
import {
  EMPTY_ROSTER,
  LONGEST_OUT_MS,
  leaveOut,
  leftOutFor,
  outFor,
  PARDON_MS,
  ROSTER_ENTRIES,
} from '../../src/paths/roster.ts';
import { FakeClock } from '../support/fake-clock.ts';

const A = { scheme: 'http', host: 'a.test', port: 80 } as const;
const B = { ...A, host: 'b.test' };

describe('the roster', () => {
  it('leaves a path out for one origin, for a time', () => {
    const roster = leaveOut(EMPTY_ROSTER, { path: 'n1', code: 'span_status', forMs: 1_000 }, A, 5_000);
    assert.equal(leftOutFor(roster, 'n1', A, 5_999)?.code, 'span_status');
    assert.equal(leftOutFor(roster, 'n1', A, 6_000)?.code, undefined);
    assert.equal(leftOutFor(roster, 'n1', B, 5_000)?.code, undefined);
    assert.equal(leftOutFor(roster, 'n2', A, 5_000)?.code, undefined);
    assert.equal(leftOutFor(roster, 'n1', { ...A, scheme: 'https' }, 5_000)?.code, undefined);
    assert.equal(EMPTY_ROSTER.size, 0, 'a value is not changed');
  });

  it('what asks for longest counts, whatever else goes wrong besides', () => {
    const first = leaveOut(EMPTY_ROSTER, { path: 'n1', code: 'origin_busy', forMs: 60_000 }, A, 0);
    const shorter = leaveOut(first, { path: 'n1', code: 'dns_failed', forMs: 1_000 }, A, 0);
    assert.equal(leftOutFor(shorter, 'n1', A, 59_999)?.code, 'origin_busy');
    assert.equal(leftOutFor(shorter, 'n1', A, 60_000)?.code, undefined);
    const longer = leaveOut(first, { path: 'n1', code: 'span_range', forMs: 90_000 }, A, 0);
    assert.equal(leftOutFor(longer, 'n1', A, 89_999)?.code, 'span_range');
  });

  it('for no time means not at all', () => {
    assert.equal(leaveOut(EMPTY_ROSTER, { path: 'n1', code: 'span_status', forMs: 0 }, A, 0), EMPTY_ROSTER);
  });

  it('leaves out longer each time in a row, and anew after a while of peace', () => {
    let roster = EMPTY_ROSTER;
    let now = 0;
    const again = (): number => {
      roster = leaveOut(roster, { path: OWN, code: 'origin_busy', forMs: 1_000 }, A, now);
      const until = leftOutFor(roster, OWN, A, now)?.until ?? now;
      const ms = until - now;
      now = until;
      return ms;
    };
    assert.deepEqual([again(), again(), again(), again()], [1_000, 2_000, 4_000, 8_000]);
    for (let n = 0; n < 20; n += 1) again();
    assert.equal(again(), LONGEST_OUT_MS);
    now += PARDON_MS;
    assert.equal(again(), 1_000);
  });

  it('counts once what was asked before the answer came', () => {
    let roster = leaveOut(EMPTY_ROSTER, { path: 'n1', code: 'span_status', forMs: 1_000 }, A, 0);
    roster = leaveOut(roster, { path: 'n1', code: 'span_status', forMs: 1_000 }, A, 10);
    assert.equal(leftOutFor(roster, 'n1', A, 10)?.until, 1_010);
  });

  it('does not double what is no answer of the origin', () => {
    let roster = leaveOut(EMPTY_ROSTER, { path: 'n1', code: 'connect_refused', forMs: 1_000 }, A, 0);
    roster = leaveOut(roster, { path: 'n1', code: 'connect_refused', forMs: 1_000 }, A, 1_000);
    assert.equal(leftOutFor(roster, 'n1', A, 1_000)?.until, 2_000);
  });

  it('remembers a bounded number, the last ones', () => {
    let roster = EMPTY_ROSTER;
    for (let n = 0; n < ROSTER_ENTRIES + 5; n += 1)
      roster = leaveOut(roster, { path: `n${n}`, code: 'span_status', forMs: 60_000 }, A, 0);
    assert.equal(roster.size, ROSTER_ENTRIES);
    assert.equal(leftOutFor(roster, 'n4', A, 1)?.code, undefined);
    assert.equal(leftOutFor(roster, 'n5', A, 1)?.code, 'span_status');
  });
});

describe('how long', () => {
  it('is what the origin wishes, within reason', () => {
    assert.equal(outFor('span_status', 7_000), 7_000);
    assert.equal(outFor('connection_lost', 7_000), 7_000);
    assert.equal(outFor('span_status', 0), 1_000);
    assert.equal(outFor('span_status', 1e12), LONGEST_OUT_MS);
  });

  it('is never negative, and never for ever, for any error', () => {
    for (const code of Object.keys(ERRORS) as ErrorCode[]) {
      const ms = outFor(code, undefined);
      assert.ok(ms >= 0 && ms <= LONGEST_OUT_MS, code);
    }
    assert.equal(outFor('connection_lost', undefined), 0);
    assert.ok(outFor('span_validator', undefined) > outFor('connect_refused', undefined));
  });
});

describe('health', () => {
  it('is the roster over time; what the own line was refused tells of the origin', () => {
    const clock = new FakeClock();
    const health = new Health(clock);
    health.leaveOut('n1', A, 'span_range', 1_000);
    assert.equal(health.refusal(A, []), undefined);
    health.leaveOut(OWN, A, 'span_status', 1_000);
    assert.equal(health.refusal(A, []), 'origin refused ranges');
    clock.advance(1_000);
    assert.equal(health.refusal(A, []), undefined);
    assert.equal(health.leftOutFor('n1', A), undefined);
  });

  it('one address that is refused is left out; several are the origin’s word for all', () => {
    const health = new Health(new FakeClock());
    const lines = ['n1', 'n2', 'n3'];
    health.leaveOut('n1', A, 'origin_busy', 1_000);
    assert.equal(health.refusal(A, lines), undefined);
    assert.equal(health.refusal(A, ['n1']), 'origin asked for fewer requests', 'there is no other');
    health.leaveOut('n2', A, 'span_status', 1_000);
    assert.equal(health.isWide(A, lines), false);
    health.leaveOut('n2', A, 'origin_busy', 1_000);
    assert.equal(health.isWide(A, lines), true);
    assert.equal(health.refusal(A, lines), 'origin asked for fewer requests');
    assert.equal(health.refusal(B, lines), undefined);
  });

  it('uses a neighbour that answers again at once, but for what else it was left out for', () => {
    const health = new Health(new FakeClock());
    health.leaveOut('n1', A, 'neighbour_unreachable', 5_000);
    health.leaveOut('n1', B, 'span_range', 5_000);
    health.leaveOut('n2', A, 'neighbour_unreachable', 5_000);
    health.reached('n1');
    assert.equal(health.leftOutFor('n1', A), undefined);
    assert.equal(health.leftOutFor('n1', B), 'span_range');
    assert.equal(health.leftOutFor('n2', A), 'neighbour_unreachable');
  });

  it('shows what is left out, and forgets when it is told to', () => {
    const clock = new FakeClock();
    const health = new Health(clock);
    health.leaveOut(OWN, A, 'origin_busy', 2_000, '(status 429)');
    health.leaveOut('n1', B, 'span_range', 1_000);
    const shown = health.leftOut();
    assert.deepEqual(
      shown.map(({ path, origin, detail }) => [path, origin, detail]),
      [
        ['n1', 'http://b.test', ''],
        [OWN, 'http://a.test', '(status 429)'],
      ],
    );
    assert.equal(shown[1]?.until, Math.round(clock.wall() + 2_000));
    clock.advance(1_500);
    assert.equal(health.leftOut().length, 1);
    assert.equal(
      health.forget((origin) => origin === 'http://b.test'),
      false,
      'it is over',
    );
    assert.equal(
      health.forget((origin) => origin === 'http://a.test'),
      true,
    );
    assert.equal(health.refusal(A, []), undefined);
    assert.deepEqual(health.leftOut(), []);
  });
});
