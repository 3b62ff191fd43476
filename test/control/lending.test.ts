import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { changed, changedFor, pauseAt } from '../../src/control/lending.ts';
import { NO_OVERRIDES, type Overrides } from '../../src/lending/settings.ts';
import { serve } from './served.ts';

const WALL = 1_000_000;
const BEFORE: Overrides = {
  set: { rate: 5, enabled: true },
  pause: { kind: 'for_good' },
  neighbours: { a: { weight: 2 }, b: { allow: false } },
};

describe('changing what is lent', () => {
  it('sets keys, takes them back with null, and leaves the others', () => {
    const next = changed(BEFORE, { set: { rate: null, share_percent: 20 } }, WALL);
    assert.deepEqual(next, { ...BEFORE, set: { enabled: true, share_percent: 20 } });
  });

  it('pauses for a time, for good, or no longer', () => {
    const pause = (asked: Parameters<typeof changed>[1]['pause']) =>
      changed(NO_OVERRIDES, { pause: asked }, WALL).pause;
    assert.deepEqual(pause({ forMs: 60_000 }), { kind: 'until', until: WALL + 60_000 });
    assert.deepEqual(pause('for_good'), { kind: 'for_good' });
    assert.deepEqual(changed(BEFORE, { pause: 'no' }, WALL).pause, { kind: 'none' });
  });

  it('shows no pause whose time is over', () => {
    const pause = { kind: 'until', until: WALL } as const;
    assert.deepEqual(pauseAt(pause, WALL - 1), pause);
    assert.deepEqual(pauseAt(pause, WALL), { kind: 'none' });
    assert.deepEqual(pauseAt({ kind: 'for_good' }, WALL), { kind: 'for_good' });
  });

  it('keeps nothing of a neighbour for which all is as usual again', () => {
    assert.deepEqual(changedFor(BEFORE, 'b', { set: { allow: null } }).neighbours, { a: { weight: 2 } });
    assert.deepEqual(changedFor(BEFORE, 'a', { set: { rate: 7 } }).neighbours, {
      b: { allow: false },
      a: { weight: 2, rate: 7 },
    });
  });
});

describe('/v1/lend', () => {
  it('shows, changes, and refuses what is no change', async () => {
    await using served = await serve();
    const patch = (path: string, body: unknown) => served.ask('PATCH', path, { body: JSON.stringify(body) });
    assert.equal((await served.ask('GET', '/v1/lend')).status, 200);
    assert.equal(
      (await patch('/v1/lend', { set: { share_percent: 30 }, pause: { forMs: 60_000 } })).status,
      200,
    );
    assert.equal((await patch('/v1/lend/Third%20floor', { set: { allow: false } })).status, 200);
    assert.deepEqual(served.desk.asked, [
      'lend {"set":{"share_percent":30},"pause":{"forMs":60000}}',
      'lend to Third floor {"set":{"allow":false}}',
    ]);
    for (const body of [
      { share_percent: 3 },
      { pause: { forMs: 5 } },
      { pause: 'later' },
      { set: { rate: {} } },
    ])
      assert.equal((await patch('/v1/lend', body)).status, 400, JSON.stringify(body));
    const refused = await patch('/v1/lend', { set: { share_percent: 120 } });
    assert.equal(refused.status, 400);
    assert.match(refused.text, /"code":"policy_invalid".*lend\.share_percent = 120/);
    assert.equal((await patch('/v1/lend/nobody', { set: {} })).status, 404);
  });
});
