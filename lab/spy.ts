/**
 * Looks at a daemon's downloads many times a second over its control API, and prints what every path has in flight, one
 * JSON line a look. run.ts starts it in a router's namespace for one download whose spans are to be drawn.
 *
 *     node lab/spy.ts STATE
 */
import { setTimeout as wait } from 'node:timers/promises';
import { ControlClient } from '../src/control/client.ts';

const LOOK_MS = 20;

const client = ControlClient.find(process.argv[2] ?? '');
process.stdout.write('ready\n');
for (;;) {
  const live = (await client.downloads()).find(({ state }) => state === 'live');
  if (live !== undefined) {
    const { startedAt, deliveredBytes, spansInFlight } = live;
    process.stdout.write(
      `${JSON.stringify({ ms: Date.now() - startedAt, delivered: deliveredBytes, spans: spansInFlight })}\n`,
    );
  }
  await wait(LOOK_MS);
}
