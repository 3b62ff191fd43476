/** That the attack sees what a kill of a lender loses, and holds no bar when nothing was there to be lost. */
import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { AttackError } from '../../attack/attack.ts';
import { type Killed, killedLenders, LOST_MOST, Tally } from '../../attack/lender-kills.ts';
import type { Recorded } from '../../attack/pooled/recorded.ts';
import { means } from './means.ts';

const ORIGIN = 'http://d0.pooled.demo:80';
const recorded = (role: 'lender' | 'borrower', total: number, fault?: string): Recorded => ({
  fault,
  entries: 4,
  leases: new Map([['lease', { role, origin: ORIGIN, total, countersigned: [] }]]),
});
const STEP = 4_000_000;
/** Well but for the change. */
const killed = (change: Partial<Killed> = {}): Killed => ({
  origin: ORIGIN,
  sent: 3 * STEP,
  brought: 2 * STEP,
  lent: recorded('lender', STEP),
  borrowed: recorded('borrower', STEP),
  ...change,
});

function wrongOf(...kills: readonly Killed[]): readonly string[] {
  const tally = new Tally();
  for (const one of kills) tally.add(one);
  return tally.figures().examples ?? [];
}

describe('kills of a real lender', () => {
  it('leave bytes that are not signed for: a bar of none is missed', async () => {
    const { tries, wrong, examples = [] } = await killedLenders(means(2), 0);
    assert.equal(tries, 2);
    assert.ok(wrong > 0);
    assert.match(examples.join('\n'), /bytes were unsigned \(leases: 1\)/);
  });

  it('are wrong for each of what must not be, and for nothing else', () => {
    assert.deepEqual(wrongOf(killed()), []);
    const most = STEP + LOST_MOST;
    assert.deepEqual(wrongOf(killed({ brought: most, sent: most })), []);
    for (const change of [
      { brought: most + 1, sent: most + 1 },
      { lent: recorded('lender', STEP, 'entry 3: its hash does not fit') },
      { borrowed: recorded('borrower', STEP, 'entry 3: its hash does not fit') },
      { lent: { ...recorded('lender', STEP), leases: new Map() } },
      { borrowed: recorded('borrower', STEP + 1) },
      { sent: STEP - 1 },
    ])
      assert.ok(wrongOf(killed(change)).length > 0, JSON.stringify(change));
  });

  it('count what came by what was signed for afterwards, too', () => {
    const after = (total: number): Killed => ({
      ...killed({ sent: 9 * STEP, lent: recorded('lender', total) }),
      origin: 'http://d1.pooled.demo:80',
      brought: 0,
    });
    const first = killed({ sent: 9 * STEP });
    assert.deepEqual(wrongOf(first, after(STEP + LOST_MOST)), []);
    assert.equal(wrongOf(first, after(STEP + LOST_MOST + 1)).length, 1);
  });

  it('find nothing out when they come before anything is signed for', () => {
    const early = killed({ brought: 1, lent: recorded('lender', 0), borrowed: recorded('borrower', 0) });
    assert.throws(() => wrongOf(early, early, killed()), AttackError);
    assert.deepEqual(wrongOf(early, killed()), []);
  });
});
