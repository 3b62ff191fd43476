/**
 * The control API's client: what the command line and `get` hold of a running daemon. Finds it by the run file and
 * the token of the state folder, and checks every answer against the schema. Never retries: whoever calls, decides.
 */
import { request as httpRequest, type IncomingMessage } from 'node:http';
import type { z } from 'zod';
import { asLinepoolError, LinepoolError } from '../core/errors.ts';
import { splitListen } from '../core/target.ts';
import type { Milliseconds } from '../core/units.ts';
import { readToken } from './access.ts';
import { type RememberedOrigin, RememberedOrigins } from './origins.ts';
import { isAlive, readRunFile } from './runfile.ts';
import {
  Done,
  type Download,
  Downloads,
  EventList,
  EventRecord,
  Invitation,
  type InviteRequest,
  isErrorCode,
  type JoinRequest,
  Lending,
  type LendNeighbourRequest,
  type LendRequest,
  Neighbour,
  Neighbours,
  Problem,
  Status,
  type TrustRequest,
  Verdicts,
} from './schema.ts';

/** For an answer from memory. */
const ANSWER_TIMEOUT_MS: Milliseconds = 10_000;
/** Pairing goes over the link, with its own timeouts below this. */
const JOIN_TIMEOUT_MS: Milliseconds = 60_000;
/** An answer that is larger than this is not one of ours. */
const ANSWER_CHARS_MAX = 16 * 1024 * 1024;

export class ControlClient {
  /** `host:port` of the daemon's control server; `get` sends CONNECT there. */
  readonly address: string;
  readonly token: string;
  readonly #host: string;
  readonly #port: number;

  constructor(address: string, token: string) {
    this.address = address;
    this.token = token;
    const { host, port } = splitListen(address);
    this.#host = host;
    this.#port = port;
  }

  /**
   * The daemon of this state folder. Whether it answers shows with the first call.
   * @throws LinepoolError `daemon_missing`, `token_refused`
   */
  static find(stateDir: string): ControlClient {
    const running = readRunFile(stateDir);
    if (running === undefined) throw new LinepoolError('daemon_missing', `(state folder ${stateDir})`);
    if (!isAlive(running.pid)) {
      throw new LinepoolError(
        'daemon_missing',
        `(state folder ${stateDir}; process ${running.pid} is gone without a proper end)`,
      );
    }
    return new ControlClient(running.control, readToken(stateDir));
  }

  status(): Promise<Status> {
    return this.#call('GET', '/v1/status', Status);
  }

  async downloads(): Promise<Download[]> {
    return (await this.#call('GET', '/v1/downloads', Downloads)).downloads;
  }

  async verdicts(): Promise<z.output<typeof Verdicts>['verdicts']> {
    return (await this.#call('GET', '/v1/verdicts', Verdicts)).verdicts;
  }

  async neighbours(): Promise<Neighbour[]> {
    return (await this.#call('GET', '/v1/neighbours', Neighbours)).neighbours;
  }

  async blocked(): Promise<z.output<typeof Neighbours>['blocked']> {
    return (await this.#call('GET', '/v1/neighbours', Neighbours)).blocked;
  }

  invite(request: InviteRequest): Promise<Invitation> {
    return this.#call('POST', '/v1/invitations', Invitation, request);
  }

  join(request: JoinRequest): Promise<Neighbour> {
    return this.#call('POST', '/v1/neighbours', Neighbour, request, JOIN_TIMEOUT_MS);
  }

  /** @throws LinepoolError `neighbour_unknown` */
  async part(nameOrId: string): Promise<void> {
    await this.#call('DELETE', `/v1/neighbours/${encodeURIComponent(nameOrId)}`, Done);
  }

  /** @throws LinepoolError `neighbour_unknown`, `neighbour_name_taken` */
  rename(nameOrId: string, name: string): Promise<Neighbour> {
    return this.#call('PATCH', `/v1/neighbours/${encodeURIComponent(nameOrId)}`, Neighbour, { name });
  }

  /** Shows it when nothing is asked for. @throws LinepoolError `neighbour_unknown`, `state_unusable` */
  trust(nameOrId: string, request: TrustRequest): Promise<Neighbour> {
    return this.#call('PATCH', `/v1/trust/${encodeURIComponent(nameOrId)}`, Neighbour, request);
  }

  async origins(): Promise<readonly RememberedOrigin[]> {
    return (await this.#call('GET', '/v1/origins', RememberedOrigins)).origins;
  }

  /** @throws LinepoolError `not_found` */
  async forgetOrigin(name: string): Promise<void> {
    await this.#call('DELETE', `/v1/origins/${encodeURIComponent(name)}`, Done);
  }

  lending(): Promise<Lending> {
    return this.#call('GET', '/v1/lend', Lending);
  }

  /** @throws LinepoolError `policy_invalid`, `state_unusable` */
  lend(request: LendRequest): Promise<Lending> {
    return this.#call('PATCH', '/v1/lend', Lending, request);
  }

  /** @throws LinepoolError `neighbour_unknown`, `policy_invalid`, `state_unusable` */
  lendTo(nameOrId: string, request: LendNeighbourRequest): Promise<Lending> {
    return this.#call('PATCH', `/v1/lend/${encodeURIComponent(nameOrId)}`, Lending, request);
  }

  /** Returns when the daemon has taken note, not when it has ended. */
  async stop(): Promise<void> {
    await this.#call('POST', '/v1/stop', Done);
  }

  /** Those kept with a `seq` above the one given, oldest first. */
  async eventsKept(since = 0): Promise<EventRecord[]> {
    return (await this.#call('GET', `/v1/events?follow=no&since=${since}`, EventList)).events;
  }

  /**
   * Those kept with a `seq` above the one given, then each as it happens, until the signal aborts or the daemon
   * ends the stream. One whose kind this build does not know is handed on as it is.
   */
  async *events(options: {
    readonly since?: number;
    readonly signal: AbortSignal;
  }): AsyncGenerator<EventRecord, void, void> {
    const response = await this.#open('GET', `/v1/events?since=${options.since ?? 0}`, undefined, undefined);
    const stop = (): void => void response.destroy();
    if (options.signal.aborted) stop();
    options.signal.addEventListener('abort', stop, { once: true });
    try {
      response.setEncoding('utf8');
      let rest = '';
      for await (const chunk of response as AsyncIterable<string>) {
        const lines = (rest + chunk).split('\n');
        rest = lines.pop() ?? '';
        if (rest.length > ANSWER_CHARS_MAX) throw new LinepoolError('internal', 'the event is too large');
        for (const line of lines) {
          // The server puts each event on one data line; ids and heartbeats tell nothing more.
          if (line.startsWith('data: ')) yield fitting(EventRecord, line.slice(6), '/v1/events');
          if (options.signal.aborted) return;
        }
      }
    } catch (error) {
      if (!options.signal.aborted) throw this.#unreachable(error);
    } finally {
      options.signal.removeEventListener('abort', stop);
      response.destroy();
    }
  }

  /** For commands whose words stand in a file of their own. @throws LinepoolError `daemon_missing`, and as the daemon answers */
  call<T extends z.ZodType>(
    method: string,
    path: string,
    schema: T,
    body?: unknown,
    timeout?: Milliseconds,
  ): Promise<z.output<T>> {
    return this.#call(method, path, schema, body, timeout);
  }

  async #call<T extends z.ZodType>(
    method: string,
    path: string,
    schema: T,
    body?: unknown,
    timeout: Milliseconds = ANSWER_TIMEOUT_MS,
  ): Promise<z.output<T>> {
    const response = await this.#open(method, path, body, timeout);
    return fitting(schema, await this.#text(response), path);
  }

  /** A 2xx response, its body unread; everything else is thrown as the error that it carries. */
  async #open(
    method: string,
    path: string,
    body: unknown,
    timeout: Milliseconds | undefined,
  ): Promise<IncomingMessage> {
    const response = await this.#send(method, path, body, timeout);
    const status = response.statusCode ?? 0;
    if (status >= 200 && status < 300) return response;
    const problem = fitting(Problem, await this.#text(response), path);
    if (isErrorCode(problem.code)) throw new LinepoolError(problem.code, problem.detail);
    throw new LinepoolError(
      'internal',
      `the daemon says: ${problem.code}: ${problem.says} ${problem.detail}`,
    );
  }

  #send(
    method: string,
    path: string,
    body: unknown,
    timeout: Milliseconds | undefined,
  ): Promise<IncomingMessage> {
    return new Promise((resolve, reject) => {
      const text = body === undefined ? undefined : JSON.stringify(body);
      const request = httpRequest(
        {
          host: this.#host,
          port: this.#port,
          method,
          path,
          agent: false,
          headers: {
            authorization: `Bearer ${this.token}`,
            ...(text === undefined
              ? {}
              : { 'content-type': 'application/json', 'content-length': Buffer.byteLength(text) }),
          },
          ...(timeout === undefined ? {} : { signal: AbortSignal.timeout(timeout) }),
        },
        resolve,
      );
      request.on('error', (error) => reject(this.#unreachable(error)));
      request.end(text);
    });
  }

  async #text(response: IncomingMessage): Promise<string> {
    let text = '';
    try {
      response.setEncoding('utf8');
      for await (const chunk of response as AsyncIterable<string>) {
        text += chunk;
        if (text.length > ANSWER_CHARS_MAX) throw new LinepoolError('internal', 'the answer is too large');
      }
    } catch (error) {
      throw this.#unreachable(error);
    }
    return text;
  }

  #unreachable(error: unknown): LinepoolError {
    if (error instanceof LinepoolError) return error;
    const { code } = asLinepoolError(error);
    const why = (error as NodeJS.ErrnoException).code ?? (error as Error).name;
    return new LinepoolError(
      'daemon_missing',
      code === 'connect_refused' ? `(nobody listens on ${this.address})` : `(${this.address}: ${why})`,
      { cause: error },
    );
  }
}

function fitting<T extends z.ZodType>(schema: T, text: string, path: string): z.output<T> {
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch (error) {
    throw new LinepoolError('daemon_missing', 'What answers there is something else.', { cause: error });
  }
  const result = schema.safeParse(value);
  if (result.success) return result.data;
  const where = result.error.issues[0]?.path.join('.') ?? '';
  throw new LinepoolError(
    'internal',
    `The daemon's answer to ${path} does not fit this version of linepool (at ${where === '' ? 'its top' : where}): ` +
      'restart the daemon, so that both are the same version.',
  );
}
