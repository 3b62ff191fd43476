/** An engine of one plain connection, for tests of everything around the engine: no pooling, no spans at once. */
import { get as httpGet, type IncomingMessage } from 'node:http';
import { headersAlong, isRedirect, redirected } from '../../src/cli/get/redirect.ts';
import type { Engine, Head, OpenEngine, Opened, OpenRequest, Sink } from '../../src/cli/get/seam.ts';
import { LinepoolError } from '../../src/core/errors.ts';
import {
  fieldValue,
  formatRange,
  formatRangeFrom,
  parseContentRange,
  strongValidator,
} from '../../src/core/http.ts';
import type { Target } from '../../src/core/target.ts';

function ask(target: Target, headers: readonly string[], signal: AbortSignal): Promise<IncomingMessage> {
  return new Promise((resolve, reject) => {
    const { host, port } = target.origin;
    httpGet(
      {
        host,
        port,
        path: target.path,
        headers: ['host', `${host}:${port}`, ...headers],
        agent: false,
        signal,
      },
      resolve,
    ).on('error', reject);
  });
}

/** Into the sink as fast as it takes it. */
async function pour(
  from: IncomingMessage,
  start: number,
  sink: Sink,
  count: (bytes: number) => void,
): Promise<void> {
  let offset = start;
  let resume: () => void = () => undefined;
  let failed: Error | undefined;
  sink.onDrain(() => resume());
  sink.onError((error) => {
    failed = error;
    resume();
  });
  for await (const chunk of from as AsyncIterable<Buffer>) {
    sink.write(offset, chunk, 'sure');
    offset += chunk.length;
    count(chunk.length);
    if (sink.full && failed === undefined) {
      await new Promise<void>((resolve) => {
        resume = resolve;
      });
    }
    if (failed !== undefined) throw failed;
  }
}

export const openPlainEngine: OpenEngine = ({ notice }): Promise<Engine> => {
  notice('no daemon: the own line alone is used');
  return Promise.resolve({
    async open(request: OpenRequest): Promise<Opened> {
      let { target, headers } = request;
      const range = request.from === undefined ? [] : ['range', formatRangeFrom(request.from.start)];
      let response = await ask(target, [...headers, ...range], request.signal);
      while (isRedirect(response.statusCode ?? 0)) {
        response.resume();
        const next = redirected(target, response.headers.location);
        headers = headersAlong(target, next, headers);
        target = next;
        response = await ask(target, [...headers, ...range], request.signal);
      }
      const status = response.statusCode ?? 0;
      if (status !== 200 && status !== 206) {
        response.resume();
        throw new LinepoolError('origin_refused', `(${status})`);
      }
      const raw = response.rawHeaders;
      const contentRange = parseContentRange(fieldValue(raw, 'content-range') ?? '');
      const length = fieldValue(raw, 'content-length');
      const head: Head = {
        target,
        status,
        headers: raw,
        totalBytes: contentRange?.total ?? (length === undefined ? undefined : Number(length)),
        validator: strongValidator(raw),
        start: contentRange?.span.start ?? 0,
        ranges: status === 206 || fieldValue(raw, 'accept-ranges') === 'bytes',
      };
      let bytes = 0;
      const count = (more: number): void => {
        bytes += more;
      };
      return {
        head,
        async transfer(missing, sink) {
          const [first] = missing ?? [];
          if (missing === undefined || (missing.length === 1 && first?.start === head.start)) {
            await pour(response, head.start, sink, count);
            return;
          }
          response.destroy();
          for (const span of missing) {
            const part = await ask(target, [...headers, 'range', formatRange(span)], request.signal);
            await pour(part, span.start, sink, count);
          }
        },
        progress: () => ({
          bytes,
          bytesPerSecond: 1_000_000,
          msLeft: undefined,
          paths: [{ id: 'own', name: 'own line', bytes, bytesPerSecond: 1_000_000, state: 'fetching' }],
          bytesTwice: 0,
        }),
        close: () => {
          response.on('error', () => undefined);
          response.destroy();
          return Promise.resolve();
        },
      };
    },
    [Symbol.asyncDispose]: () => Promise.resolve(),
  });
};
