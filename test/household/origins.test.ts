/** A server that asks real households for fewer requests: what it says comes through a lender, is shown, and can be forgotten. */
import assert from 'node:assert/strict';
import { it } from 'node:test';
import {
  neighbourOf,
  plan,
  runOn,
  startDownload,
  startHouseholds,
  startOrigins,
  untilOffering,
} from '../support/household.ts';

/** So long that the neighbour is asked for a part of it before the own line has brought all. */
const SIZE = 24_000_000;

it('a server that refuses is left alone over every line, and that can be seen and forgotten', async () => {
  await using origins = await startOrigins();
  await using here = await startHouseholds([plan('A'), plan('B')], origins);
  const [a] = here.households;
  assert.ok(a !== undefined);
  await untilOffering(a, 'B');
  const { id } = await neighbourOf(a, 'B');
  origins.http.setFaults(`/file/${SIZE}`, {
    kind: 'status',
    status: 503,
    headers: ['Retry-After', '600'],
    ranged: true,
  });
  const port = here.ports.http;
  assert.equal((await startDownload(a, port, SIZE).fetched).bytes, SIZE);
  const left = await a.control.origins();
  assert.deepEqual(
    left.map(({ path, code }) => [path, code]),
    [[id, 'origin_busy']],
    'its own word, through the lender',
  );
  const [one] = left;
  assert.ok(one !== undefined && one.until - one.since > 590_000, 'as long as it asked for');
  assert.match(one.detail, /\(status 503\) It asks to wait 10 min/);
  const asked = origins.http.exchanges.length;
  assert.equal((await startDownload(a, port, SIZE).fetched).bytes, SIZE);
  assert.equal(origins.http.exchanges.length, asked + 1, 'one request, as without us');
  assert.equal((await a.control.verdicts())[0]?.reason, 'origin asked for fewer requests');

  const listed = await runOn(a, 'origins').ended;
  assert.match(
    listed.out,
    /^http:\/\/origin\.demo:\d+\s+B\s+origin asked for fewer requests \(status 503\)/m,
  );
  const forgotten = await runOn(a, 'origins', 'forget', 'origin.demo').ended;
  assert.equal(forgotten.code, 0, forgotten.err);
  assert.deepEqual(await a.control.origins(), []);
  const again = await runOn(a, 'origins', 'forget', 'origin.demo', '--json').ended;
  assert.equal((JSON.parse(again.err) as { code: string }).code, 'not_found');
});
