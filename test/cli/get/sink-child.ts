/**
 * Writes the pattern into a file sink in a shuffled order, as fast as it takes it: all that is missing, or a share of
 * it, and then waits to be killed.
 */
import { journalOf, readJournal } from '../../../src/cli/get/journal.ts';
import { FileSink } from '../../../src/cli/get/sink.ts';
import { decideStart, look } from '../../../src/cli/get/start.ts';
import { systemClock } from '../../../src/core/clock.ts';
import { type SpanSet, subtract } from '../../../src/core/span.ts';
import { parseTarget } from '../../../src/core/target.ts';
import { patternAt } from '../../../src/demo/pattern.ts';

const [file = '', size = '0', share = '1'] = process.argv.slice(2);
const totalBytes = Number(size);
const url = 'http://files.example/a';
const validator = { kind: 'etag', value: '"v1"' } as const;
const head = {
  target: parseTarget(url),
  status: 200,
  headers: [],
  totalBytes,
  validator,
  start: 0,
  ranges: true,
};
const found = await look(file);
const begun = decideStart(file, found, head, { url, resume: true, checked: false });
const sink = await FileSink.open({
  file,
  start: begun,
  journal: { url, validator, totalBytes, adopted: false, borrowed: false, digest: undefined },
  clock: systemClock,
});
sink.onError((error) => {
  throw error;
});
const done = begun.kind === 'fresh' ? [] : begun.done;
const missing = done.reduce<SpanSet>(subtract, [{ start: 0, end: totalBytes }]);
const CHUNK = 64 * 1024;
const offsets = missing.flatMap(({ start, end }) =>
  Array.from({ length: Math.ceil((end - start) / CHUNK) }, (_, i) => ({
    at: start + i * CHUNK,
    end: Math.min(end, start + (i + 1) * CHUNK),
  })),
);
// In long strides, so that there are many holes at any time.
const order = offsets.map((chunk, i) => ({ chunk, key: (i * 7919) % 1009 })).sort((a, b) => a.key - b.key);
console.log(`missing ${missing.reduce((sum, span) => sum + span.end - span.start, 0)}`);
for (const { chunk } of order.slice(0, Math.ceil(order.length * Number(share)))) {
  sink.write(chunk.at, patternAt(chunk.at, chunk.end - chunk.at), 'sure');
  if (sink.full) await new Promise<void>((resolve) => sink.onDrain(resolve));
}
if (share !== '1') {
  // To be killed: here, or on the way to here.
  setInterval(() => undefined, 1_000);
  await new Promise(() => undefined);
}
await sink.finish();
if ((await readJournal(file)) === undefined) throw new Error(`no ${journalOf(file)}`);
await sink.publish();
console.log('done');
