import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { serve } from './served.ts';

describe('the routes of pairing and blocking', () => {
  const bad: readonly (readonly [string, string, object, RegExp])[] = [
    ['PUT', '/v1/visible', { forMs: 9_999 }, /forMs: must be at least 10 s/],
    ['PUT', '/v1/visible', { forMs: 3_600_001 }, /forMs: must be at most 1 h/],
    ['PUT', '/v1/visible', { until: 1 }, /until/],
    ['POST', '/v1/pairing', {}, /with:/],
    ['POST', '/v1/pairing', { with: 'x'.repeat(263) }, /with:/],
    ['PATCH', '/v1/pairing', { number: 123_456 }, /number:/],
    ['PATCH', '/v1/pairing', { number: '123456', name: 'a/b' }, /name: must not hold control characters/],
  ];
  for (const [method, path, body, complaint] of bad) {
    it(`${method} ${path} ${JSON.stringify(body).slice(0, 40)} is refused with the reason`, async () => {
      await using served = await serve();
      const { status, text } = await served.ask(method, path, { body: JSON.stringify(body) });
      assert.equal(status, 400);
      assert.match(text, complaint);
      assert.deepEqual(served.desk.asked, []);
    });
  }

  it('do what they say', async () => {
    await using served = await serve();
    const ask = async (method: string, path: string, body?: object) => {
      const answer = await served.ask(method, path, body === undefined ? {} : { body: JSON.stringify(body) });
      return { status: answer.status, body: JSON.parse(answer.text) as Record<string, unknown> };
    };
    assert.deepEqual(await ask('GET', '/v1/pairing'), { status: 200, body: {} });
    assert.equal((await ask('PUT', '/v1/visible')).body['name'], 'lp-k3v7q2mx');
    const begun = await ask('POST', '/v1/pairing', { with: 'lp-abcdefgh' });
    assert.equal(begun.status, 201);
    assert.equal((begun.body['comparison'] as { number: string }).number, '012345');
    assert.equal((await ask('PATCH', '/v1/pairing', { number: '111111' })).status, 403);
    await ask('DELETE', '/v1/pairing');
    await ask('DELETE', '/v1/visible');
    await ask('PUT', '/v1/blocked/Third%20floor');
    const { body } = await ask('GET', '/v1/neighbours');
    assert.equal((body['blocked'] as { name: string }[])[0]?.name, 'Third floor');
    await ask('DELETE', '/v1/blocked/Third%20floor');
    assert.deepEqual(served.desk.asked, [
      'visible 600000',
      'pair with lp-abcdefgh',
      'confirm 111111',
      'reject',
      'hidden',
      'block Third floor',
      'unblock Third floor',
    ]);
  });

  it('want the token, as all others do', async () => {
    await using served = await serve();
    for (const [method, path] of [
      ['GET', '/v1/pairing'],
      ['PUT', '/v1/visible'],
      ['GET', '/v1/discovered'],
      ['PUT', '/v1/blocked/x'],
    ] as const) {
      const { status } = await served.ask(method, path, { headers: { authorization: undefined } });
      assert.equal(status, 401, path);
    }
  });
});
