/**
 * One download to a file, from the address to the finished file. The command line calls it; the engine fetches.
 *
 *     lock, look at the disk ─► engine.open ─► name, start ─► FileSink ─► transfer ─► finish ─► verify ─► publish
 *
 * Whatever stops it on the way, what is on disk stays there and can be resumed with -C.
 */
import { readFileSync } from 'node:fs';
import type { Clock } from '../../core/clock.ts';
import { asLinepoolError, LinepoolError } from '../../core/errors.ts';
import { type SpanSet, sizeOf, subtract } from '../../core/span.ts';
import { type Bytes, formatBytes, formatDuration, type Milliseconds } from '../../core/units.ts';
import { digestOf } from '../../download/integrity/digests.ts';
import { type Checksum, formatChecksum, verifyFile } from './checksum.ts';
import { draw, type Terminal } from './drawer.ts';
import { partOf } from './journal.ts';
import { fileNameOf } from './naming.ts';
import type { GetOptions } from './options.ts';
import { lockPart } from './part-lock.ts';
import type { Snapshot } from './progress.ts';
import type { Engine, Head, OpenEngine, Opened } from './seam.ts';
import { FileSink } from './sink.ts';
import { decideStart, type Found, firstMissing, look, refuseOnSight } from './start.ts';

export interface GetContext {
  readonly openEngine: OpenEngine;
  readonly stateDir: string;
  readonly configFile: string | undefined;
  readonly clock: Clock;
  readonly stderr: Terminal;
  /** Aborts when the person has had enough. */
  readonly signal: AbortSignal;
}

/** What `--json` prints. */
export interface GetResult {
  readonly file: string;
  readonly url: string;
  readonly bytes: Bytes;
  /** Of these, on disk before. */
  readonly resumedBytes: Bytes;
  readonly ms: Milliseconds;
  readonly bytesPerSecond: number;
  readonly paths: readonly { readonly id: string; readonly name: string; readonly bytes: Bytes }[];
  readonly bytesByPath: Readonly<Record<string, Bytes>>;
  readonly bytesTwice: Bytes;
  /** Most that was held at once, taken from the lines and not yet in the file. */
  readonly peakWindowBytes: Bytes;
  /** What the file was checked against; null when nothing was given. */
  readonly checksum: string | null;
}

/** @throws LinepoolError whatever stops it; `interrupted` when the signal did */
export async function get(options: GetOptions, context: GetContext): Promise<GetResult> {
  const { clock, signal, stderr } = context;
  const begun = clock.now();
  const view: View = { name: options.output ?? options.url, doing: 'connecting' };
  const drawing = options.quiet ? undefined : draw(stderr, clock, () => snapshotOf(view, clock.now()));
  try {
    await using engine = await context.openEngine({
      stateDir: context.stateDir,
      configFile: context.configFile,
      ownLine: options.ownLine,
      ca: options.caFile === undefined ? undefined : certificates(options.caFile),
      notice: (text) => {
        if (!options.quiet) stderr.write(`linepool: ${text}\n`);
      },
    });
    const result = await fetchToFile(engine, options, context, view);
    view.doing = 'complete';
    const ms = clock.now() - begun;
    const fetched = result.bytes - result.resumedBytes;
    return { ...result, ms, bytesPerSecond: ms > 0 ? (fetched / ms) * 1000 : 0 };
  } catch (error) {
    if (signal.aborted) throw new LinepoolError('interrupted', '', { cause: error });
    throw error;
  } finally {
    drawing?.[Symbol.dispose]();
  }
}

/** What the display looks at while the download goes on. */
interface View {
  name: string;
  doing: Snapshot['doing'];
  /** While it waits for the server; monotonic. */
  waitsUntil?: Milliseconds;
  opened?: Opened;
  totalBytes?: Bytes | undefined;
  doneBefore?: Bytes;
  checkedBytes?: Bytes;
}

async function fetchToFile(
  engine: Engine,
  options: GetOptions,
  { clock, signal, stderr }: GetContext,
  view: View,
): Promise<Omit<GetResult, 'ms' | 'bytesPerSecond'>> {
  using locks = new DisposableStack();
  const guess = options.output ?? (options.resume ? fileNameOf(options.target, []) : undefined);
  let found = guess === undefined ? undefined : await lookFor(guess, options, locks);
  const { target, headers } = options;
  const checked = options.checksum !== undefined;
  const from = options.resume && found !== undefined ? firstMissing(found, { checked }) : undefined;
  const waiting = (ms: Milliseconds | undefined): void => {
    view.doing = ms === undefined ? 'connecting' : 'waiting';
    view.waitsUntil = clock.now() + (ms ?? 0);
    // On a terminal the progress says so; a log has it at once.
    if (ms !== undefined && !options.quiet && stderr.isTTY !== true)
      stderr.write(`linepool: The server asks to wait ${formatDuration(ms)}.\n`);
  };
  const opened = await engine.open({ target, headers, from, signal, waiting });
  view.opened = opened;
  let sink: FileSink;
  let file: string;
  let missing: SpanSet | undefined;
  let resumedBytes: Bytes;
  let digest: Checksum | undefined;
  // A part was asked for and the whole came: whatever it says elsewhere, this server gives no parts.
  const ranges = opened.head.ranges && (from === undefined || opened.head.status === 206);
  const head: Head = { ...opened.head, ranges };
  try {
    file = options.output ?? fileNameOf(head.target, head.headers);
    if (found === undefined || file !== guess) found = await lookFor(file, options, locks);
    ({ sink, missing, resumedBytes, digest } = await openSink(file, found, head, options, clock));
  } catch (error) {
    await opened.close();
    throw error;
  }
  Object.assign(view, {
    name: file,
    doing: 'fetching',
    totalBytes: head.totalBytes,
    doneBefore: resumedBytes,
  });
  try {
    if (missing?.length === 0) await opened.close();
    else await opened.transfer(missing, sink);
    await sink.finish();
    // Whoever was to have it checked has said that it is complete: the file must not get its name on that word alone.
    if (sizeOf(sink.done) < sizeOf(sink.written)) throw new LinepoolError('span_unchecked');
  } catch (error) {
    await sink.abort();
    // The engine tells it in other words; the sink knows the file.
    throw sayingWhatIsKept(sink.error ?? asLinepoolError(error), file, head, sizeOf(sink.done));
  }
  const bytes = sizeOf(sink.written);
  refuseHoles(file, head, sink.written);
  // What the server says that the file has matters where a neighbour could have altered it, in this session or before.
  const checksum = options.checksum ?? (sink.borrowed ? digest : undefined);
  if (checksum !== undefined) {
    view.doing = 'checking';
    try {
      await verifyFile(partOf(file), checksum, {
        signal,
        onBytes: (done) => {
          view.checkedBytes = done;
        },
      });
    } catch (error) {
      if (error instanceof LinepoolError && error.code === 'checksum_mismatch') await sink.distrust();
      throw error;
    }
  }
  await sink.publish();
  const progress = opened.progress();
  const paths = progress.paths.map(({ id, name, bytes }) => ({ id, name, bytes }));
  return {
    file,
    url: options.url,
    bytes,
    resumedBytes,
    paths,
    bytesByPath: Object.fromEntries(paths.map((path) => [path.id, path.bytes])),
    bytesTwice: progress.bytesTwice,
    peakWindowBytes: sink.peakBytes,
    checksum: options.checksum === undefined ? null : formatChecksum(options.checksum),
  };
}

/** What is there stays as it was found while the lock is held. */
async function lookFor(
  file: string,
  { resume, checksum }: GetOptions,
  locks: DisposableStack,
): Promise<Found> {
  locks.use(await lockPart(file));
  const found = await look(file);
  refuseOnSight(file, found, { resume, checked: checksum !== undefined });
  return found;
}

async function openSink(
  file: string,
  found: Found,
  head: Head,
  options: GetOptions,
  clock: Clock,
): Promise<{
  sink: FileSink;
  missing: SpanSet | undefined;
  resumedBytes: Bytes;
  digest: Checksum | undefined;
}> {
  const { url, resume, checksum } = options;
  const start = decideStart(file, found, head, { url, resume, checked: checksum !== undefined });
  const done = start.kind === 'fresh' ? [] : start.done;
  const before = start.kind === 'resume' ? found.journal : undefined;
  const adopted = start.kind === 'adopt' || before?.adopted === true;
  // It is of the same version; many servers give it with the whole only, and not with a part.
  const digest = digestOf(head.headers, { content: head.status === 200, whole: true }) ?? before?.digest;
  const borrowed = before !== undefined && before.borrowed !== false;
  const sink = await FileSink.open({
    file,
    start,
    journal: { url, validator: head.validator, totalBytes: head.totalBytes, adopted, borrowed, digest },
    clock,
  });
  const missing =
    head.totalBytes === undefined
      ? undefined
      : done.reduce<SpanSet>(subtract, head.totalBytes === 0 ? [] : [{ start: 0, end: head.totalBytes }]);
  return { sink, missing, resumedBytes: sizeOf(done), digest };
}

/** The same failure, with what can be done about the part that came; `interrupted` says so itself. */
function sayingWhatIsKept(error: LinepoolError, file: string, head: Head, bytes: Bytes): LinepoolError {
  const resumable = head.ranges && head.validator !== undefined && head.totalBytes !== undefined;
  if (!resumable || bytes === 0 || ['interrupted', 'origin_changed', 'internal'].includes(error.code))
    return error;
  const kept = `${formatBytes(bytes)} are kept in ${partOf(file)}: -C goes on from there.`;
  const detail = error.detail === '' ? kept : `${error.detail}. ${kept}`;
  return new LinepoolError(error.code, detail, { cause: error });
}

/** The engine has said that all is there: the file must not get its name on its word alone. */
function refuseHoles(file: string, head: Head, written: SpanSet): void {
  const end = written.at(-1)?.end ?? 0;
  if (written.length <= 1 && (written[0]?.start ?? 0) === 0 && end === (head.totalBytes ?? end)) return;
  throw new LinepoolError('internal', `${partOf(file)} has holes although the download ended.`);
}

function certificates(file: string): string {
  try {
    return readFileSync(file, 'utf8');
  } catch (error) {
    throw new LinepoolError('usage', `--cacert ${file} can not be read (${(error as Error).message}).`, {
      cause: error,
    });
  }
}

function snapshotOf(view: View, now: Milliseconds): Snapshot {
  const progress = view.opened?.progress();
  const before = view.doneBefore ?? 0;
  return {
    name: view.name,
    doing: view.doing,
    bytesTotal: view.totalBytes,
    bytesDone: view.doing === 'checking' ? (view.checkedBytes ?? 0) : before + (progress?.bytes ?? 0),
    bytesPerSecond: progress?.bytesPerSecond ?? 0,
    msLeft: view.doing === 'waiting' ? Math.max(0, (view.waitsUntil ?? now) - now) : progress?.msLeft,
    paths: view.doing === 'connecting' || view.doing === 'waiting' ? [] : (progress?.paths ?? []),
  };
}
