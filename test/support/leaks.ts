/**
 * A check that a test leaves nothing behind: no socket, server, timer, watcher or child process that would
 * keep the process alive. What `Clock` sets never does that; count it with FakeClock's `pending`.
 *
 *     test('…', async () => {
 *       await using _ = watchLeaks();     // first, so that it looks last
 *       await using origin = await startTestOrigin();
 */
import { afterEach, beforeEach } from 'node:test';
import type { Milliseconds } from '../../src/core/units.ts';
import { until } from './until.ts';

/** Ends are not instant: a closed socket is gone a turn or a round trip later. */
const BOUND_MS: Milliseconds = 2_000;

/** What comes and goes on its own, or belongs to the test runner. */
const NOT_OURS = new Set(['Immediate', 'TickObject', 'PipeWrap', 'TTYWrap']);

function census(): Map<string, number> {
  const counts = new Map<string, number>();
  for (const kind of process.getActiveResourcesInfo())
    if (!NOT_OURS.has(kind)) counts.set(kind, (counts.get(kind) ?? 0) + 1);
  return counts;
}

/** What there is more of than before: `TCPSocketWrap x 2`. */
function surplus(before: ReadonlyMap<string, number>): string[] {
  return [...census()].flatMap(([kind, count]) => {
    const more = count - (before.get(kind) ?? 0);
    return more > 0 ? [`${kind} x ${more}`] : [];
  });
}

async function expectNoMore(before: ReadonlyMap<string, number>): Promise<void> {
  try {
    await until('nothing is left behind', () => surplus(before).length === 0, BOUND_MS);
  } catch (cause) {
    throw new Error(`left behind: ${surplus(before).join(', ')}`, { cause });
  }
}

/** Counts now; at its disposal it throws when there is more, and stays more for two seconds. */
export function watchLeaks(): AsyncDisposable {
  const before = census();
  return { [Symbol.asyncDispose]: () => expectNoMore(before) };
}

/** The same around each test of the file. */
export function checkLeaksOfEach(): void {
  let before: ReadonlyMap<string, number> = new Map();
  beforeEach(() => {
    before = census();
  });
  afterEach(() => expectNoMore(before));
}
