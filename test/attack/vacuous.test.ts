/** That no bar is held by attacks that altered nothing. */
import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { altered, LIED_LEAST } from '../../attack/alter.ts';
import { AttackError } from '../../attack/attack.ts';
import { mutationFigures } from '../../attack/ledger.ts';
import type { Tried, tries } from '../support/lying-lender.ts';

const TRIES = 10;
const means = { tries: TRIES, seed: 1, signal: new AbortController().signal, say: () => undefined };

/** Downloads of which the first `lied` were lied in, and the first `wrong` came out wrong. */
const made =
  (lied: number, wrong = 0): typeof tries =>
  async (n, _way, each) => {
    for (let i = 0; i < n; i += 1) {
      const one: Tried = {
        complete: true,
        wrongBytes: i < wrong ? 1 : 0,
        lies: i < lied ? 1 : 0,
        broughtBytes: 0,
        caught: false,
        signed: false,
        ms: 0,
      };
      each(one, 'all');
    }
  };
const plan = { way: 'sampled', lies: ['all'], isWrong: ({ wrongBytes }: Tried) => wrongBytes > 0 } as const;

describe('an attack in which nothing was altered', () => {
  it('finds nothing out when the line of the neighbour that lies is hardly used', async () => {
    const least = TRIES * LIED_LEAST;
    for (const lied of [0, least - 1])
      await assert.rejects(altered(plan, means, made(lied)), (error: unknown) => {
        assert.ok(error instanceof AttackError);
        assert.match(error.message, new RegExp(`lied in ${lied} of ${TRIES} downloads`));
        return true;
      });
    assert.equal((await altered(plan, means, made(least))).wrong, 0);
  });

  it('still says what went wrong', async () => {
    assert.equal((await altered(plan, means, made(1, 1))).wrong, 1);
  });

  it('finds nothing out when hardly any alteration of a ledger altered what is read', () => {
    const none = { tried: 100, named: 0, refused: 24, harmless: 76, unseen: [] };
    assert.throws(() => mutationFigures(none), AttackError);
    assert.equal(mutationFigures({ ...none, refused: 25 }).wrong, 0);
    assert.equal(mutationFigures({ ...none, unseen: ['a byte'] }).wrong, 1);
  });
});
