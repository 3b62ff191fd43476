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
  ROSTER_ENTRIES,
} from '../../src/paths/roster.ts';
import { FakeClock } from '../support/fake-clock.ts';

const A = { scheme: 'http', host: 'a.test', port: 80 } as const;
const B = { ...A, host: 'b.test' };

describe('the roster', () => {
  it('leaves a path out for one origin, for a time', () => {
    const roster = leaveOut(EMPTY_ROSTER, 'n1', A, 'span_status', 1_000, 5_000);
    assert.equal(leftOutFor(roster, 'n1', A, 5_999), 'span_status');
    assert.equal(leftOutFor(roster, 'n1', A, 6_000), undefined);
    assert.equal(leftOutFor(roster, 'n1', B, 5_000), undefined);
    assert.equal(leftOutFor(roster, 'n2', A, 5_000), undefined);
    assert.equal(leftOutFor(roster, 'n1', { ...A, scheme: 'https' }, 5_000), undefined);
    assert.equal(EMPTY_ROSTER.size, 0, 'a value is not changed');
  });

  it('the last word counts', () => {
    let roster = leaveOut(EMPTY_ROSTER, 'n1', A, 'span_status', 60_000, 0);
    roster = leaveOut(roster, 'n1', A, 'dns_failed', 1_000, 0);
    assert.equal(leftOutFor(roster, 'n1', A, 500), 'dns_failed');
    assert.equal(leftOutFor(roster, 'n1', A, 2_000), undefined);
  });

  it('for no time means not at all', () => {
    assert.equal(leaveOut(EMPTY_ROSTER, 'n1', A, 'span_status', 0, 0), EMPTY_ROSTER);
  });

  it('remembers a bounded number, the last ones', () => {
    let roster = EMPTY_ROSTER;
    for (let n = 0; n < ROSTER_ENTRIES + 5; n += 1)
      roster = leaveOut(roster, `n${n}`, A, 'span_status', 60_000, 0);
    assert.equal(roster.size, ROSTER_ENTRIES);
    assert.equal(leftOutFor(roster, 'n4', A, 1), undefined);
    assert.equal(leftOutFor(roster, 'n5', A, 1), 'span_status');
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
    assert.equal(health.refusesRanges(A), false);
    health.leaveOut(OWN, A, 'span_status', 1_000);
    assert.equal(health.refusesRanges(A), true);
    clock.advance(1_000);
    assert.equal(health.refusesRanges(A), false);
    assert.equal(health.leftOutFor('n1', A), undefined);
  });
});
