import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { inspect } from 'node:util';
import { setFlagsFromString } from 'node:v8';
import { runInNewContext } from 'node:vm';
import { Events } from '../../src/core/events.ts';
import { span } from '../../src/core/span.ts';
import { parseTarget } from '../../src/core/target.ts';
import { Download } from '../../src/download/download.ts';
import { KEPT, Register } from '../../src/download/register.ts';
import { ownLine } from '../support/borrowed-line.ts';
import { FakeClock } from '../support/fake-clock.ts';
import { until } from '../support/until.ts';
import { SETTINGS } from './simulation.ts';

/** A download that fetches nothing: what is shown of it is what counts here. */
function download(id: string, shell = { clock: new FakeClock(), events: new Events(() => 0) }): Download {
  return new Download(
    {
      id,
      target: parseTarget('http://files.example/secret-path?token'),
      total: 1_000,
      whole: span(100, 900),
      validator: { kind: 'etag', value: '"secret-tag"' },
      ownHeaders: ['Cookie', 'secret-cookie'],
      neighbourHeaders: [],
      credentials: true,
      settings: SETTINGS,
      sink: {
        delivered: 300,
        horizon: 900,
        peakBytes: 64,
        write: () => undefined,
        accepts: () => true,
        onMove: () => undefined,
      },
      paths: {
        own: ownLine(),
        neighbours: () => [],
        onChange: () => ({ [Symbol.dispose]: () => undefined }),
      },
      memory: { isLeftOut: () => false, leaveOut: () => undefined },
      ownRate: undefined,
      silenceTimeout: 1_000,
    },
    shell,
  );
}

describe('the register', () => {
  it('shows a download as it goes on, and then as it was when it was over', async () => {
    const clock = new FakeClock();
    const register = new Register();
    const { promise, resolve } = Promise.withResolvers<void>();
    const one = download('d1', { clock, events: new Events(() => 0) });
    register.add(one, 'saves about 2 s', promise);
    clock.advance(250);
    const [live] = register.live();
    assert.equal(live?.state, 'live');
    assert.equal(live.ms, 250);
    one.abandon();
    // It is not live any more, but its client may still be taking what is there.
    assert.deepEqual(register.live(), []);
    assert.equal(register.downloads()[0]?.state, 'abandoned');
    resolve();
    await promise;
    clock.advance(1_000);
    const { startedAt, lines, ...shown } = register.downloads()[0] ?? {};
    assert.equal(startedAt, one.startedAt);
    assert.deepEqual(lines, []);
    assert.deepEqual(shown, {
      id: 'd1',
      origin: 'http://files.example',
      bytes: 800,
      deliveredBytes: 200,
      state: 'abandoned',
      code: undefined,
      scheme: SETTINGS.scheme,
      ms: 250,
      reason: 'saves about 2 s',
      peakWindowBytes: 64,
      bytesTwice: 0,
    });
  });

  it('keeps nothing of a download that is over but what is shown', async () => {
    const register = new Register();
    const kept = await (async () => {
      const { promise, resolve } = Promise.withResolvers<void>();
      const one = download('d1');
      register.add(one, 'saves about 2 s', promise);
      one.abandon();
      resolve();
      await promise;
      return new WeakRef(one.options);
    })();
    const [view] = register.downloads();
    assert.ok(Object.isFrozen(view));
    assert.doesNotMatch(inspect(view, { depth: null, showHidden: true }), /secret/);
    setFlagsFromString('--expose-gc');
    const collect = runInNewContext('gc') as () => void;
    await until('path, headers and sink are gone', () => {
      collect();
      return kept.deref() === undefined;
    });
  });

  it('keeps the last that are over, the newest first, behind those that are not', async () => {
    const register = new Register();
    for (let i = 0; i < KEPT.downloads + 3; i += 1) {
      const over = Promise.resolve();
      register.add(download(`d${i}`), '', over);
      await over;
    }
    register.add(download('live'), '', new Promise(() => undefined));
    const ids = register.downloads().map(({ id }) => id);
    assert.equal(ids.length, KEPT.downloads + 1);
    assert.deepEqual(ids.slice(0, 3), ['live', 'd52', 'd51']);
    assert.equal(ids.at(-1), 'd3');
  });
});
