import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { type FirstResponse, firstResponse } from '../../../src/cli/get/first-response.ts';
import type { OpenRequest } from '../../../src/cli/get/seam.ts';
import { systemClock } from '../../../src/core/clock.ts';
import { fieldValue } from '../../../src/core/http.ts';
import { parseTarget } from '../../../src/core/target.ts';
import { DIAL } from '../../support/borrowed-line.ts';
import { startTestOrigin } from '../../support/origin.ts';

const open = (url: string, from: OpenRequest['from']): Promise<FirstResponse> =>
  firstResponse(
    { target: parseTarget(url), headers: [], from, signal: new AbortController().signal },
    { dial: DIAL, responseTimeout: 3_000, now: () => systemClock.now(), userAgent: 'test' },
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
});
