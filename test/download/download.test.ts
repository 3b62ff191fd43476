import assert from 'node:assert/strict';
import { Writable } from 'node:stream';
import { describe, it } from 'node:test';
import { systemClock } from '../../src/core/clock.ts';
import { Events } from '../../src/core/events.ts';
import type { Validator } from '../../src/core/http.ts';
import { span } from '../../src/core/span.ts';
import { parseTarget } from '../../src/core/target.ts';
import { isPattern } from '../../src/demo/pattern.ts';
import type { Ended } from '../../src/download/contract.ts';
import { Download } from '../../src/download/download.ts';
import { Window, WindowBudget } from '../../src/download/window.ts';
import type { Path } from '../../src/paths/path.ts';
import { BorrowedLine, ownLine } from '../support/borrowed-line.ts';
import type { Fault } from '../support/faults.ts';
import { startTestOrigin, type TestOrigin } from '../support/origin.ts';
import { until } from '../support/until.ts';
import { SETTINGS } from './simulation.ts';

const SIZE = 12_000_000;
const PATH = `/file/${SIZE}`;

/** A client that takes everything and checks each byte. */
class CheckingClient extends Writable {
  at: number;
  wrong = 0;

  constructor(at = 0) {
    super();
    this.at = at;
  }

  override _write(chunk: Buffer, _encoding: string, done: () => void): void {
    if (!isPattern(chunk, this.at)) this.wrong += 1;
    this.at += chunk.length;
    done();
  }
}

interface Run {
  readonly download: Download;
  readonly client: CheckingClient;
  readonly budget: WindowBudget;
  readonly events: Events;
  readonly changed: () => void;
  settle(): Promise<Ended>;
}

async function validatorOf(origin: TestOrigin): Promise<Validator> {
  const response = await fetch(origin.url(PATH), { method: 'HEAD' });
  return { kind: 'etag', value: response.headers.get('etag') ?? '' };
}

async function begin(
  origin: TestOrigin,
  neighbours: readonly Path[],
  options: {
    whole?: { start: number; end: number };
    window?: number;
    client?: CheckingClient;
    isLeftOut?: () => boolean;
  } = {},
): Promise<Run> {
  const validator = await validatorOf(origin);
  const whole = span(options.whole?.start ?? 0, options.whole?.end ?? SIZE);
  const events = new Events(() => 0);
  const budget = new WindowBudget({ capBytes: options.window ?? 4_194_304, eachBytes: 8_388_608 });
  const client = options.client ?? new CheckingClient(whole.start);
  const window = new Window(client, budget.join(), whole);
  const changed = { call: (): void => undefined };
  const download = new Download(
    {
      id: 'd1',
      target: parseTarget(origin.url(PATH)),
      total: SIZE,
      whole,
      validator,
      ownHeaders: ['User-Agent', 'test'],
      neighbourHeaders: [],
      credentials: false,
      settings: SETTINGS,
      sink: window,
      paths: {
        own: ownLine(),
        neighbours: () => neighbours,
        onChange: (listener) => {
          changed.call = listener;
          return { [Symbol.dispose]: () => undefined };
        },
      },
      memory: { isLeftOut: options.isLeftOut ?? (() => false), leaveOut: () => undefined },
      ownRate: 50e6,
      silenceTimeout: 3_000,
    },
    { clock: systemClock, events },
  );
  return {
    download,
    client,
    budget,
    events,
    changed: () => changed.call(),
    async settle() {
      const ended = await download.ended;
      if (ended.outcome === 'complete') {
        await new Promise<void>((resolve) => {
          window.whenHandedOver(() => client.end(resolve));
        });
      }
      window.close();
      return ended;
    },
  };
}

/** Every byte came, once, in order, and nothing is left open. */
async function expectWhole(run: Run, origin: TestOrigin): Promise<void> {
  const ended = await run.settle();
  assert.deepEqual(ended, { outcome: 'complete' });
  assert.equal(run.client.at, run.download.options.whole.end);
  assert.equal(run.client.wrong, 0);
  assert.ok(run.budget.peakBytes <= run.budget.capBytes + 65_536, `window held ${run.budget.peakBytes}`);
  await until('the connections to the origin are closed', () => origin.openConnections === 0);
}

describe('a download over three paths', () => {
  it('brings every byte once and in order, each path its part', async () => {
    // Slow enough for each to have its part on a machine that does much else.
    await using origin = await startTestOrigin({ faults: [{ kind: 'trickle', rate: 5e6 }] });
    const run = await begin(origin, [new BorrowedLine('n1', 5e6), new BorrowedLine('n2', 5e6)]);
    run.download.start();
    await expectWhole(run, origin);
    for (const line of run.download.lines()) assert.ok(line.bytes > 0, `${line.id} brought nothing`);
  });

  it('brings a part of the file', async () => {
    await using origin = await startTestOrigin();
    const run = await begin(origin, [new BorrowedLine('n1', 50e6)], {
      whole: { start: 1_234_567, end: 7_654_321 },
    });
    run.download.start();
    await expectWhole(run, origin);
  });

  it('stops every fetch at once when it is abandoned', async () => {
    await using origin = await startTestOrigin({ faults: [{ kind: 'trickle', rate: 1e6 }] });
    const run = await begin(origin, [new BorrowedLine('n1', 50e6)]);
    run.download.start();
    await until('bytes come', () => run.client.at > 0);
    run.download.abandon();
    assert.deepEqual(await run.settle(), { outcome: 'abandoned' });
    await until('the connections to the origin are closed', () => origin.openConnections === 0);
  });
});

describe('a neighbour that was left out for a while', () => {
  it('is used when the while is over, though nobody tells', async () => {
    await using origin = await startTestOrigin({ faults: [{ kind: 'trickle', rate: 1e6 }] });
    let isLeftOut = true;
    const run = await begin(origin, [new BorrowedLine('n1', 50e6)], { isLeftOut: () => isLeftOut });
    const brought = (): number => run.download.lines().find(({ id }) => id === 'n1')?.bytes ?? 0;
    run.download.start();
    await until('bytes come', () => run.client.at > 0);
    assert.equal(brought(), 0);
    isLeftOut = false;
    await until('it brings its part', () => brought() > 0);
    run.download.abandon();
    await run.settle();
  });
});

describe('a neighbour that is no good', () => {
  const faults: Record<string, Fault[]> = {
    'ignores ranges': [{ kind: 'ranges-ignored' }],
    'has no ranges': [{ kind: 'accept-ranges-none' }],
    'says another start': [{ kind: 'wrong-range', what: 'start' }],
    'says another end': [{ kind: 'wrong-range', what: 'end' }],
    'says another total': [{ kind: 'wrong-range', what: 'total' }],
    'says no total': [{ kind: 'wrong-range', what: 'star' }],
    'says no range': [{ kind: 'wrong-range', what: 'missing' }],
    'says nonsense': [{ kind: 'wrong-range', what: 'garbage' }],
    'brings less than it says': [{ kind: 'short', byBytes: 10, honest: false }],
    'brings less': [{ kind: 'short', byBytes: 10, honest: true }],
    'brings more than it says': [{ kind: 'long', byBytes: 10, honest: false }],
    'brings more': [{ kind: 'long', byBytes: 10, honest: true }],
    'answers with several parts': [{ kind: 'multipart' }],
    'has another version': [{ kind: 'changed' }],
    'has an ETag of its own, as servers of one name may': [{ kind: 'etag-by-server', server: 'b' }],
    'has a weak validator': [{ kind: 'etag-weak' }],
    'has no validator': [{ kind: 'validators-missing' }],
    compresses: [{ kind: 'gzip' }],
    'sends no length': [{ kind: 'chunked' }],
    redirects: [{ kind: 'redirect', to: '/elsewhere', status: 302 }],
    forbids: [{ kind: 'status', status: 403 }],
    'has too many requests': [{ kind: 'status', status: 429, headers: ['Retry-After', '7'] }],
    'is unavailable': [{ kind: 'status', status: 503 }],
    'sends garbage': [{ kind: 'garbage', bytes: '\0\x01 not HTTP at all\r\n\r\n' }],
    'never answers': [{ kind: 'late', delay: Number.POSITIVE_INFINITY }],
    'stalls in mid-span': [{ kind: 'stall', afterBytes: 20_000 }],
    trickles: [{ kind: 'trickle', rate: 20_000 }],
    'is cut in mid-span': [{ kind: 'cut', afterBytes: 20_000 }],
    'is reset in mid-span': [{ kind: 'cut', afterBytes: 20_000, how: 'reset' }],
  };
  for (const [what, fault] of Object.entries(faults)) {
    it(`${what}: the bytes are right, from the others`, async () => {
      await using good = await startTestOrigin({ faults: [{ kind: 'trickle', rate: 20e6 }] });
      await using bad = await startTestOrigin({ faults: fault });
      const instead = parseTarget(bad.url('/')).origin;
      const run = await begin(good, [
        new BorrowedLine('bad', 20e6, { instead }),
        new BorrowedLine('good', 20e6),
      ]);
      run.download.start();
      await expectWhole(run, good);
      await until('the connections to the bad one are closed', () => bad.openConnections === 0);
    });
  }
});
