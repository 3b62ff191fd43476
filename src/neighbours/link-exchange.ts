/**
 * One message to another household, and its answer. Used for pairing and parting, whose messages are few and small; receipts
 * go by link-posts.ts.
 */
import type { TLSSocket } from 'node:tls';
import { Client, type Dispatcher } from 'undici';
import { LinepoolError } from '../core/errors.ts';
import type { Milliseconds } from '../core/units.ts';
import { MESSAGE_MAX_BYTES } from './messages.ts';
import { readRefusal } from './refusal.ts';

/** How long an answer may take. */
export const EXCHANGE_MS: Milliseconds = 10_000;

/** Sends messages over one connection, one after the other. Disposing it ends the connection. */
export class LinkExchange implements AsyncDisposable {
  readonly #client: Client;

  constructor(socket: TLSSocket) {
    let unused: TLSSocket | undefined = socket;
    this.#client = new Client('http://link', {
      pipelining: 1,
      headersTimeout: EXCHANGE_MS,
      bodyTimeout: EXCHANGE_MS,
      maxResponseSize: MESSAGE_MAX_BYTES,
      connect: (_request, callback) => {
        // What is proved on one connection does not hold on another, so there is no second one.
        const given = unused;
        unused = undefined;
        // Never within the call: undici would miss it, and wait for ever.
        queueMicrotask(() => {
          if (given === undefined) callback(new LinepoolError('connection_lost'), null);
          else callback(null, given);
        });
      },
    });
  }

  /**
   * The body of a 2xx answer.
   * @throws LinepoolError the other side's code; or an undici or system error when no answer came
   */
  send(path: string, message: object, signal?: AbortSignal): Promise<string> {
    return post(this.#client, path, message, signal);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#client.destroy();
  }
}

/**
 * The body of a 2xx answer to a message. The client bounds its size and its time.
 * @throws LinepoolError the other side's code; or an undici or system error when no answer came
 */
export async function post(
  client: Client,
  path: string,
  message: object,
  signal?: AbortSignal,
): Promise<string> {
  signal?.throwIfAborted();
  const { status, text } = await new Promise<Answer>((resolve, reject) => {
    const handler = new Collect(resolve, reject, signal);
    client.dispatch(
      {
        method: 'POST',
        path,
        headers: { 'content-type': 'application/json' },
        body: JSON.stringify(message),
      },
      handler,
    );
  });
  if (status >= 200 && status < 300) return text;
  throw readRefusal(status, text);
}

interface Answer {
  readonly status: number;
  readonly text: string;
}

/** Collects one answer; the client bounds its size and its time. `dispatch`, since `request` is not in the bundle. */
class Collect implements Dispatcher.DispatchHandler {
  readonly #resolve: (answer: Answer) => void;
  readonly #reject: (error: unknown) => void;
  readonly #signal: AbortSignal | undefined;
  readonly #chunks: Buffer[] = [];
  #status = 0;
  #onAbort: () => void = () => undefined;

  constructor(
    resolve: (answer: Answer) => void,
    reject: (error: unknown) => void,
    signal: AbortSignal | undefined,
  ) {
    this.#resolve = resolve;
    this.#reject = reject;
    this.#signal = signal;
  }

  onRequestStart(controller: Dispatcher.DispatchController): void {
    const signal = this.#signal;
    this.#onAbort = () => controller.abort(signal?.reason as Error);
    if (signal?.aborted === true) this.#onAbort();
    else signal?.addEventListener('abort', this.#onAbort, { once: true });
  }

  onResponseStart(_controller: Dispatcher.DispatchController, status: number): void {
    this.#status = status;
  }

  onResponseData(_controller: Dispatcher.DispatchController, chunk: Buffer): void {
    this.#chunks.push(chunk);
  }

  onResponseEnd(): void {
    this.#signal?.removeEventListener('abort', this.#onAbort);
    this.#resolve({ status: this.#status, text: Buffer.concat(this.#chunks).toString('utf8') });
  }

  onResponseError(_controller: Dispatcher.DispatchController, error: Error): void {
    this.#signal?.removeEventListener('abort', this.#onAbort);
    this.#reject(error);
  }
}
