/**
 * One message to another household, and its answer. Used for pairing and parting, whose messages are few and small.
 */
import type { TLSSocket } from 'node:tls';
import { Client } from 'undici';
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
  async send(path: string, message: object, signal?: AbortSignal): Promise<string> {
    const { statusCode, body } = await this.#client.request({
      method: 'POST',
      path,
      headers: { 'content-type': 'application/json' },
      body: JSON.stringify(message),
      ...(signal === undefined ? {} : { signal }),
    });
    const text = await body.text();
    if (statusCode >= 200 && statusCode < 300) return text;
    throw readRefusal(statusCode, text);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#client.destroy();
  }
}
