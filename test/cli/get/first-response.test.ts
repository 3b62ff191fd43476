import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { type FirstResponse, firstResponse } from '../../../src/cli/get/first-response.ts';
import type { OpenRequest } from '../../../src/cli/get/seam.ts';
import { systemClock } from '../../../src/core/clock.ts';
import { fieldValue } from '../../../src/core/http.ts';
import { parseTarget } from '../../../src/core/target.ts';
import { DIAL } from '../../support/borrowed-line.ts';
import { startTestOrigin } from '../../support/origin.ts';

const open = (
  url: string,
  from: OpenRequest['from'],
  waiting: OpenRequest['waiting'] = () => undefined,
): Promise<FirstResponse> =>
  firstResponse(
    { target: parseTarget(url), headers: [], from, signal: new AbortController().signal, waiting },
    { dial: DIAL, responseTimeout: 3_000, clock: systemClock, userAgent: 'test' },
  );

describe('first response', () => {
  const gaps: readonly [string, OpenRequest['from'], string | undefined, string | undefined][] = [
    ['the whole', undefined, undefined, undefined],
    ['a part', { start: 40, end: 60, validator: undefined }, 'bytes=40-59', 'bytes 40-59/1000'],
    [
      'what is behind a point',
      { start: 40, end: undefined, validator: undefined },
      'bytes=40-',
      'bytes 40-999/1000',
    ],
  ];
  for (const [what, from, asked, came] of gaps) {
    it(`asks for ${what}`, async () => {
      await using origin = await startTestOrigin();
      const first = await open(origin.url('/file/1000'), from);
      assert.deepEqual(origin.ranges('/file/1000'), [asked]);
      assert.equal(fieldValue(first.headers, 'content-range'), came);
      first.close();
    });
  }

  for (const status of [429, 503]) {
    it(`asks again when a ${status} wants it to`, async () => {
      const busy = { kind: 'status', status, headers: ['Retry-After', '1'], toNth: 1 } as const;
      await using origin = await startTestOrigin({ faults: [busy] });
      const waits: (number | undefined)[] = [];
      const first = await open(origin.url('/file/1000'), undefined, (ms) => waits.push(ms));
      assert.deepEqual([first.status, waits, origin.exchanges.length], [200, [1_000, undefined], 2]);
      first.close();
    });
  }

  it('does not wait longer than is reasonable, and says what was asked', async () => {
    const busy = { kind: 'status', status: 503, headers: ['Retry-After', '3600'] } as const;
    await using origin = await startTestOrigin({ faults: [busy] });
    await assert.rejects(open(origin.url('/file/1000'), undefined), {
      code: 'origin_busy',
      message: /\(status 503 from http:\/\/127\.0\.0\.1:\d+\) It asks to wait/,
    });
    assert.equal(origin.exchanges.length, 1);
  });
});
