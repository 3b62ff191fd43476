/**
 * The engine of `get`: the first response over the own line becomes the first span of a download over the daemon's
 * paths, whose bytes go to a sink in any order. The same plan as in the daemon, without a window.
 *
 *     firstResponse ──► Opened ──transfer──► Download ──► sink
 *                                  DaemonLines ┘ └ OwnLine
 */
import { randomUUID } from 'node:crypto';
import { loadConfig } from '../../config.ts';
import { ControlClient } from '../../control/client.ts';
import { awake, systemClock } from '../../core/clock.ts';
import { LinepoolError } from '../../core/errors.ts';
import { Events } from '../../core/events.ts';
import {
  fieldValue,
  fieldValues,
  isIdentity,
  parseContentLength,
  parseContentRange,
  strongValidator,
} from '../../core/http.ts';
import { type SpanSet, span, subtract, union } from '../../core/span.ts';
import { type Bytes, KIB, type Milliseconds } from '../../core/units.ts';
import type { Integrity, PathSource } from '../../download/contract.ts';
import { Download } from '../../download/download.ts';
import type { Sink as DownloadSink } from '../../download/sink.ts';
import { hasCredentials } from '../../download/verdict.ts';
import { Health } from '../../paths/health.ts';
import { OwnLine } from '../../paths/own-line.ts';
import { OWN } from '../../paths/path.ts';
import { DaemonLines } from './daemon-lines.ts';
import { type FirstResponse, firstResponse } from './first-response.ts';
import { reporting } from './reporting.ts';
import type {
  Engine,
  EngineOptions,
  Head,
  OpenEngine,
  Opened,
  OpenRequest,
  Sink,
  TransferProgress,
} from './seam.ts';

/** No client waits for the next byte, so spans may be long: fewer requests. */
const SPAN_MS: Milliseconds = 1_000;
const LEAST_SPAN: Bytes = 64 * KIB;

const NO_DAEMON = { lines: undefined, daemon: undefined } as const;

export const openEngine: OpenEngine = async (options) => {
  const config = loadConfig(options.configFile);
  const dial = {
    pinned: new Map(Object.entries(config.resolve).map(([name, address]) => [name.toLowerCase(), address])),
    connectTimeout: config.line.connect_timeout,
    ...(options.ca === undefined ? {} : { ca: options.ca }),
  };
  const responseTimeout = config.line.response_timeout;
  const ownLine = new OwnLine({ dial, down: config.line.down, responseTimeout });
  const { lines, daemon } = options.ownLine ? NO_DAEMON : await daemonLines(options, responseTimeout);
  const paths: PathSource = {
    own: ownLine,
    neighbours: () => lines?.neighbours() ?? [],
    onChange: (listener) => lines?.onChange(listener) ?? { [Symbol.dispose]: () => undefined },
  };
  const settings = {
    scheme: config.pool.scheme,
    spanMs: SPAN_MS,
    leastBytes: LEAST_SPAN,
    fixedBytes: config.pool.fixed_span,
    stallMs: config.pool.stall_timeout,
  };
  const engine: Engine = {
    async open(request) {
      lines?.prepare(request.target.origin);
      const first = await firstResponse(request, {
        dial,
        responseTimeout,
        clock: systemClock,
        userAgent: 'linepool',
      });
      const integrity = lines?.integrity(config.trust.check_percent);
      return new OpenedDownload(first, request, {
        paths,
        settings,
        ownLine,
        responseTimeout,
        integrity,
        daemon,
      });
    },
    async [Symbol.asyncDispose]() {
      await lines?.[Symbol.asyncDispose]();
    },
  };
  return engine;
};

async function daemonLines(
  { stateDir, ca, notice }: EngineOptions,
  responseTimeout: Milliseconds,
): Promise<{ readonly lines: DaemonLines | undefined; readonly daemon: ControlClient | undefined }> {
  try {
    const client = ControlClient.find(stateDir);
    return { daemon: client, lines: await DaemonLines.open({ client, responseTimeout, ca, notice }) };
  } catch (error) {
    if (!(error instanceof LinepoolError)) throw error;
    notice(`${error.message} Downloading over the own line alone.`);
    return NO_DAEMON;
  }
}

interface Means {
  readonly paths: PathSource;
  readonly settings: Download['options']['settings'];
  readonly ownLine: OwnLine;
  readonly responseTimeout: Milliseconds;
  readonly integrity: Integrity | undefined;
  /** Whose lines are used, and who lists the download for that. */
  readonly daemon: Pick<ControlClient, 'call'> | undefined;
}

class OpenedDownload implements Opened {
  readonly head: Head;
  readonly #first: FirstResponse;
  readonly #request: OpenRequest;
  readonly #means: Means;
  readonly #began = systemClock.now();
  #download: Download | undefined;
  /** What a response of unknown length has brought. */
  #streamed: Bytes = 0;
  #closed = false;

  constructor(first: FirstResponse, request: OpenRequest, means: Means) {
    this.#first = first;
    this.#request = request;
    this.#means = means;
    this.head = headOf(first);
  }

  async transfer(missing: SpanSet | undefined, sink: Sink): Promise<void> {
    this.#closed = true;
    using _awake = awake();
    const { totalBytes, validator, ranges } = this.head;
    if (missing === undefined || totalBytes === undefined) {
      await this.#stream(sink);
      return;
    }
    const begin = missing[0]?.start;
    const end = missing.at(-1)?.end;
    if (begin === undefined || end === undefined) {
      this.#first.close();
      return;
    }
    const fitting = this.head.start === begin;
    if (validator === undefined || !ranges) {
      if (!fitting) throw new LinepoolError('resume_mismatch', 'the server has no parts to resume with');
      await this.#stream(sink, totalBytes - begin);
      return;
    }
    const { paths, settings, ownLine, responseTimeout, integrity, daemon } = this.#means;
    const whole = span(begin, end);
    const health = new Health(systemClock);
    const { requestHeaders, target, controller, latencyMs } = this.#first;
    const download = new Download(
      {
        id: randomUUID(),
        target,
        total: totalBytes,
        whole,
        have: missing.reduce(subtract, union([], whole)),
        validator,
        ownHeaders: requestHeaders,
        // Over https the neighbour sees nothing of them; over http only what is no credential is asked at all.
        neighbourHeaders: target.origin.scheme === 'https' ? requestHeaders : [],
        credentials: hasCredentials(requestHeaders),
        settings,
        sink: unordered(sink, whole.start, whole.end),
        paths,
        memory: {
          // In one download the plan itself remembers; but what several lines are told may mean all.
          isLeftOut: () =>
            health.isWide(
              target.origin,
              paths.neighbours().map(({ id }) => id),
            ),
          leaveOut: (path, code, forMs, detail) => health.leaveOut(path, target.origin, code, forMs, detail),
        },
        ownRate: ownLine.down,
        ...(integrity && { integrity }),
        silenceTimeout: responseTimeout,
      },
      { clock: systemClock, events: new Events(() => systemClock.wall()) },
    );
    this.#download = download;
    await using _listed = daemon && reporting(daemon, download, systemClock);
    const onAbort = (): void => download.abandon();
    this.#request.signal.addEventListener('abort', onAbort, { once: true });
    sink.onError((error) => download.fail(new LinepoolError('file_failed', error.message, { cause: error })));
    if (fitting) this.#first.take(download.adopt({ controller, latencyMs }));
    else {
      this.#first.close();
      download.start();
    }
    const ended = await download.ended;
    this.#request.signal.removeEventListener('abort', onAbort);
    this.#first.close();
    if (ended.outcome === 'failed') throw ended.error;
    if (ended.outcome === 'abandoned') throw new LinepoolError('interrupted');
  }

  progress(): TransferProgress {
    const lines = this.#download?.lines() ?? [];
    const bytes = lines.reduce((sum, line) => sum + line.bytes, this.#streamed);
    const spentMs = Math.max(1, systemClock.now() - this.#began);
    const live = lines.reduce((sum, line) => sum + line.bytesPerSecond, 0);
    const bytesPerSecond = live > 0 ? live : (bytes * 1000) / spentMs;
    const whole = this.#download?.options.whole;
    const left =
      whole === undefined ? undefined : whole.end - whole.start - (this.#download?.receivedBytes ?? 0);
    return {
      bytes,
      bytesPerSecond,
      msLeft: left === undefined || bytesPerSecond === 0 ? undefined : (left * 1000) / bytesPerSecond,
      paths:
        lines.length > 0
          ? lines.map(({ asks: _asks, ...line }) => line)
          : [{ id: OWN, name: this.#means.ownLine.name, bytes, bytesPerSecond, state: 'fetching' }],
      bytesTwice: this.#download?.bytesTwice ?? 0,
    };
  }

  close(): Promise<void> {
    if (!this.#closed) this.#first.close();
    this.#closed = true;
    return Promise.resolve();
  }

  /** Over the own line alone, to its end. */
  #stream(sink: Sink, length?: Bytes): Promise<void> {
    const { controller } = this.#first;
    const start = this.head.start;
    return new Promise((resolve, reject) => {
      const fail = (error: LinepoolError): void => {
        this.#first.close();
        reject(error);
      };
      this.#request.signal.addEventListener('abort', () => fail(new LinepoolError('interrupted')), {
        once: true,
      });
      sink.onError((error) => fail(new LinepoolError('file_failed', error.message, { cause: error })));
      sink.onDrain(() => controller.resume());
      this.#first.take({
        data: (chunk) => {
          sink.write(start + this.#streamed, chunk, 'sure');
          this.#streamed += chunk.length;
          if (sink.full) controller.pause();
        },
        end: () => {
          if (length === undefined || this.#streamed === length) resolve();
          else fail(new LinepoolError('response_incomplete'));
        },
        fail: (error) => fail(new LinepoolError('response_incomplete', error.message, { cause: error })),
      });
    });
  }
}

function headOf({ target, status, headers }: FirstResponse): Head {
  const length = parseContentLength(fieldValue(headers, 'content-length') ?? '');
  const range = status === 206 ? parseContentRange(fieldValue(headers, 'content-range') ?? '') : undefined;
  if (status === 206 && range === undefined)
    throw new LinepoolError('bad_response', '(a 206 without Content-Range)');
  const none = fieldValues(headers, 'accept-ranges').some((value) => value.trim().toLowerCase() === 'none');
  return {
    target,
    status,
    headers,
    totalBytes: range === undefined ? length : range.total,
    validator: strongValidator(headers),
    start: range?.span.start ?? 0,
    ranges: !none && isIdentity(headers),
  };
}

/** A sink without an order: everything may be asked for, and only a full disk queue holds reading up. */
function unordered(sink: Sink, delivered: Bytes, horizon: Bytes): DownloadSink {
  return {
    delivered,
    horizon,
    peakBytes: 0,
    write: (offset, chunk, backing) => sink.write(offset, chunk, backing),
    vouch: (spans) => sink.vouch?.(spans),
    discard: (spans) => sink.forget?.(spans) ?? false,
    accepts: () => !sink.full,
    onMove: (listener) => sink.onDrain(listener),
  };
}
