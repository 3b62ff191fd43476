/** That the attack sees forged receipts that are taken, and what is carried for them: at a lender to whom every signature holds. */
import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { forgedReceipts } from '../../attack/receipts-use.ts';
import { means, NO_SIGNATURES } from './means.ts';

describe('forged receipts at a real lender', () => {
  it('are seen to be taken, and to be carried for, where every signature holds', async () => {
    const { wrong, examples = [] } = await forgedReceipts(means(24), NO_SIGNATURES);
    assert.ok(wrong > 0);
    const all = examples.join('\n');
    assert.match(all, /signature: on record/);
    assert.match(all, /bytes came unsigned/);
  });
});
