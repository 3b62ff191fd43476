/** That the attack sees forged answers that are taken: by a borrower to whom every signature holds. */
import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import type { Recorded } from '../../attack/pooled/recorded.ts';
import { complaintsOf, forgedAnswers, type Life } from '../../attack/receipts-answered.ts';
import { means, NO_SIGNATURES } from './means.ts';

const ORIGIN = 'http://d0.pooled.demo:80';
const STEP = 4_000_000;

describe('forged answers to a real borrower', () => {
  it('are seen to be taken where every signature holds', async () => {
    const only = 'the signature of another household';
    const { tries, examples = [] } = await forgedAnswers(means(1), { only, borrower: NO_SIGNATURES });
    assert.equal(tries, 1);
    const all = examples.join('\n');
    assert.match(all, /a forged answer is on record/);
    assert.match(all, /the borrower says nothing of it/);
    assert.match(all, /the borrower's ledger, entry \d+/);
  });

  it('are wrong for each of what must not be, and for nothing else', () => {
    const line = (says: string, lender: string, lease = 'lease') => ({ says, lender, lease });
    const record = (...countersigned: string[]): Recorded => ({
      fault: undefined,
      entries: 4,
      leases: new Map([['lease', { role: 'borrower', origin: ORIGIN, total: STEP, countersigned }]]),
    });
    const life: Life = {
      origin: ORIGIN,
      sent: STEP,
      lines: [line('honest', 'a'), line('no signature', '')],
      code: 'receipt_unanswered',
      recorded: record('a'),
    };
    assert.deepEqual(complaintsOf(life), []);
    const dropped = { code: 'message_invalid', lines: [...life.lines, line('honest', 'b', 'other')] };
    assert.deepEqual(complaintsOf({ ...life, ...dropped }), []);
    for (const change of [
      { recorded: record('a', 'b') },
      { recorded: { ...record('a'), fault: 'entry 3: its hash does not fit' } },
      { sent: STEP - 1 },
      { code: '' },
      { ...dropped, code: 'receipt_unanswered' },
      { ...dropped, lines: [...life.lines, line('honest', 'b')] },
    ])
      assert.equal(complaintsOf({ ...life, ...change }).length, 1, JSON.stringify(change));
  });
});
