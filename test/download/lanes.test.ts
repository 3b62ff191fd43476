import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { systemClock } from '../../src/core/clock.ts';
import { LinepoolError } from '../../src/core/errors.ts';
import { span } from '../../src/core/span.ts';
import { parseTarget } from '../../src/core/target.ts';
import { Lanes } from '../../src/download/lanes.ts';
import { ownLine } from '../support/borrowed-line.ts';
import type { Fault } from '../support/faults.ts';
import { checkLeaksOfEach } from '../support/leaks.ts';
import { startTestOrigin, type TestOrigin } from '../support/origin.ts';
import { until } from '../support/until.ts';

const SIZE = 1_000_000;
const PATH = `/file/${SIZE}`;

checkLeaksOfEach();

/** Lanes over one path, and what they told. */
function watch(origin: TestOrigin, accepts: (offset: number) => boolean = () => true) {
  const told: string[] = [];
  const path = ownLine();
  const lanes = new Lanes(
    {
      target: parseTarget(origin.url(PATH)),
      total: SIZE,
      validator: { kind: 'etag', value: `"${SIZE}-1"` },
      ownHeaders: [],
      neighbourHeaders: [],
    },
    {
      proven: () => undefined,
      came: () => undefined,
      data: () => undefined,
      over: () => undefined,
      ended: (_path, id) => told.push(`ended ${id}`),
      failed: (_path, id, brought, error) =>
        told.push(`failed ${id} ${error.code}${brought ? ', brought' : ''}`),
    },
    accepts,
    systemClock,
  );
  return {
    told,
    lanes,
    ask: (id: number, start: number, end: number, lap = 0) =>
      lanes.ask(path, id, span(start, end), SIZE, lap),
    [Symbol.dispose]: () => lanes.destroy(new LinepoolError('interrupted')),
  };
}

describe('the lanes of a download', () => {
  it('queue what is asked for on one connection for each path', async () => {
    await using origin = await startTestOrigin();
    using watched = watch(origin);
    for (const id of [1, 2, 3]) watched.ask(id, id * 1_000, id * 1_000 + 1_000);
    await until('all came', () => watched.told.length === 3);
    assert.deepEqual(watched.told, ['ended 1', 'ended 2', 'ended 3']);
    assert.equal(origin.connections, 1);
    assert.equal(watched.lanes.at('own', 1), undefined);
  });

  it('never hold back those behind a span that ends where the window ends', async () => {
    await using origin = await startTestOrigin();
    using watched = watch(origin, (offset) => offset < 100_000);
    watched.ask(1, 0, 100_000);
    await until('the first came', () => watched.told.length === 1);
    watched.ask(2, 50_000, 60_000);
    await until('the second came', () => watched.told.length === 2);
    assert.equal(watched.lanes.isPaused, false);
  });

  it('hold back a span that goes beyond, and go on with it', async () => {
    await using origin = await startTestOrigin();
    let limit = 1;
    using watched = watch(origin, (offset) => offset < limit);
    watched.ask(1, 0, 500_000);
    await until('it is held back', () => watched.lanes.isPaused);
    watched.lanes.resume();
    assert.equal(watched.lanes.isPaused, true, 'there is no room yet');
    limit = SIZE;
    watched.lanes.resume();
    await until('it came', () => watched.told.length === 1);
  });

  it('go when nothing more is wanted over them, and come again', async () => {
    await using origin = await startTestOrigin({
      faults: [{ kind: 'late', delay: Number.POSITIVE_INFINITY, toNth: 2 }],
    });
    using watched = watch(origin);
    watched.ask(1, 0, 1_000);
    watched.ask(2, 1_000, 2_000);
    await until('they are asked for', () => origin.exchanges.length === 2);
    watched.lanes.stop('own', 1, 0);
    assert.equal(origin.openConnections, 1, 'the other is still wanted');
    watched.lanes.stop('own', 2, 0);
    await until('the connection is closed', () => origin.openConnections === 0);
    watched.ask(3, 0, 1_000);
    await until('it came', () => watched.told.length === 1);
    assert.deepEqual(watched.told, ['ended 3']);
  });

  it('go with the last span that is stopped before it began, also when it has a lap', async () => {
    await using origin = await startTestOrigin({
      faults: [{ kind: 'late', delay: Number.POSITIVE_INFINITY, toNth: 2 }],
    });
    using watched = watch(origin);
    watched.ask(1, 100_000, 150_000, 512);
    watched.ask(2, 150_000, 200_000, 512);
    await until('they are asked for', () => origin.exchanges.length === 2);
    // As the plan does, which knows of no lap.
    watched.lanes.stop('own', 1, 100_000);
    watched.lanes.stop('own', 2, 150_000);
    assert.equal(watched.lanes.at('own', 1), undefined);
    await until('the connection is closed', () => origin.openConnections === 0);
    watched.ask(3, 100_000, 101_000, 512);
    await until('it came', () => watched.told.length === 1);
    assert.deepEqual(watched.told, ['ended 3']);
    assert.deepEqual(origin.ranges(PATH).at(-1), 'bytes=99488-100999');
    assert.equal(origin.connections, 2);
  });

  it('keep only what is named', async () => {
    await using origin = await startTestOrigin({ faults: [{ kind: 'trickle', rate: 1e6 }] });
    using watched = watch(origin);
    for (const id of [1, 2, 3]) watched.ask(id, id * 20_000, id * 20_000 + 20_000);
    watched.lanes.keepOnly('own', [2]);
    await until('it came', () => watched.told.length > 0);
    assert.deepEqual(watched.told, ['ended 2']);
    watched.lanes.keepOnly('nobody', []);
  });

  it('tell of a connection that broke whether it had brought anything', async () => {
    const cut: Fault = { kind: 'cut', afterBytes: 5_000, fromNth: 2 };
    await using origin = await startTestOrigin({ faults: [cut] });
    using watched = watch(origin);
    watched.ask(1, 0, 1_000);
    watched.ask(2, 1_000, 20_000);
    await until('it broke', () => watched.told.length === 2);
    assert.deepEqual(watched.told, ['ended 1', 'failed 2 connection_lost, brought']);
    origin.setFaults(PATH, { kind: 'cut', afterBytes: 0 });
    watched.ask(3, 0, 1_000);
    await until('it broke again', () => watched.told.length === 3);
    assert.equal(watched.told[2], 'failed 3 connection_lost');
  });

  it('take a new request from within the news of a failure', async () => {
    await using origin = await startTestOrigin({
      faults: [{ kind: 'cut', afterBytes: 0, how: 'reset', toNth: 20 }],
    });
    let left = 30;
    const path = ownLine();
    const ended: number[] = [];
    const lanes = new Lanes(
      {
        target: parseTarget(origin.url(PATH)),
        total: SIZE,
        validator: { kind: 'etag', value: `"${SIZE}-1"` },
        ownHeaders: [],
        neighbourHeaders: [],
      },
      {
        proven: () => undefined,
        came: () => undefined,
        data: () => undefined,
        over: () => undefined,
        ended: (_path, id) => ended.push(id),
        failed: (_path, id) => {
          left -= 1;
          if (left > 0) lanes.ask(path, id + 100, span(0, 1_000), SIZE);
        },
      },
      () => true,
      systemClock,
    );
    for (const id of [1, 2, 3]) lanes.ask(path, id, span(0, 1_000), SIZE);
    await until('all came in the end', () => ended.length === 3);
    lanes.destroy(new LinepoolError('interrupted'));
  });

  it('tell nothing after their end', async () => {
    await using origin = await startTestOrigin({ faults: [{ kind: 'trickle', rate: 1e6 }] });
    using watched = watch(origin);
    watched.ask(1, 0, 500_000);
    await until('it comes', () => (watched.lanes.at('own', 1) ?? 0) > 0);
    watched.lanes.destroy(new LinepoolError('interrupted'));
    await until('the connection is closed', () => origin.openConnections === 0);
    assert.deepEqual(watched.told, []);
  });
});
