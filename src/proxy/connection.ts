/**
 * One client connection: how many of its requests are unanswered, and what happens when something comes that is not
 * HTTP. Made by server.ts. It must never answer out of turn: earlier requests get their answers first.
 *
 *     open ──broken, nothing unanswered──────────► refused and closed
 *       ├───broken, last request incomplete──────► that request fails, then closed
 *       └───broken, last request complete────────► its answers first, then refused and closed
 */
import type { Socket } from 'node:net';
import { LinepoolError } from '../core/errors.ts';
import type { Milliseconds } from '../core/units.ts';
import type { ClientResponse } from './exchange.ts';
import type { Forwarder } from './forward.ts';
import { refuse, refuseSocket, type Voice } from './refusal.ts';

/** Pipelined requests of one connection that may be unanswered at once. */
export const PIPELINED = 64;
/** How long content is still read that came too late to matter, so that the client gets to read its answer. */
const LINGER_MS: Milliseconds = 5_000;

export class Connection {
  /** What forwards its requests. */
  readonly forwarder: Forwarder;
  readonly #socket: Socket;
  readonly #voice: Voice;
  /** Why nothing at all is served on it. */
  readonly #refused: LinepoolError | undefined;
  #unanswered = 0;
  #last: ClientResponse | undefined;
  /** What came after the requests that are still being answered. */
  #broken: LinepoolError | undefined;
  #handedOver = false;
  #linger: Disposable | undefined;

  constructor(socket: Socket, forwarder: Forwarder, voice: Voice, refused: LinepoolError | undefined) {
    this.forwarder = forwarder;
    this.#socket = socket;
    this.#voice = voice;
    this.#refused = refused;
  }

  /** A request begins. */
  begin(response: ClientResponse): void {
    this.#linger?.[Symbol.dispose]();
    this.#unanswered += 1;
    this.#last = response;
    response.owner = this;
    response.on('close', onOver);
  }

  /** Why the request that began last is not served; undefined when all is well. */
  get refused(): LinepoolError | undefined {
    if (this.#refused !== undefined || this.#unanswered <= PIPELINED) return this.#refused;
    return new LinepoolError(
      'overloaded',
      `More than ${PIPELINED} requests of one connection are unanswered.`,
    );
  }

  /** A request is over, answered or not. */
  over(response: ClientResponse): void {
    this.#unanswered -= 1;
    const socket = this.#socket;
    if (socket.destroyed) return;
    if (this.#broken !== undefined && this.#unanswered === 0) {
      refuseSocket(socket, this.#broken, this.#voice);
    } else if (!response.req.complete) {
      // A next request begins only when the content of this one has come, and ends the waiting.
      this.#linger = this.#voice.clock.after(LINGER_MS, () => {
        if (!response.req.complete) socket.destroy();
      });
    }
  }

  /** The connection is gone. */
  closed(): void {
    this.#linger?.[Symbol.dispose]();
  }

  /** It is a tunnel now: whoever has it answers for it. */
  handOver(): void {
    this.#handedOver = true;
  }

  /** The parser gave up, or the connection did. */
  broken(error: NodeJS.ErrnoException): void {
    const socket = this.#socket;
    const reason = asRefusal(error, socket);
    if (reason === undefined || this.#handedOver || this.#broken !== undefined) {
      socket.destroy();
      return;
    }
    const last = this.#last;
    if (this.#unanswered === 0 || last === undefined) refuseSocket(socket, reason, this.#voice);
    else if (last.req.complete) this.#broken = reason;
    else if (last.exchange !== undefined) last.exchange.fail(reason);
    else refuse(last, reason, this.#voice, true);
  }
}

function onOver(this: ClientResponse): void {
  this.owner?.over(this);
}

/** What to tell the client; undefined when there is nobody to tell. */
function asRefusal(
  error: NodeJS.ErrnoException & { reason?: string },
  socket: Socket,
): LinepoolError | undefined {
  const { code = '' } = error;
  if (code === 'HPE_HEADER_OVERFLOW') return new LinepoolError('headers_too_large');
  if (code === 'ERR_HTTP_REQUEST_TIMEOUT')
    // A connection that was opened in advance and never used is closed without a word.
    return socket.bytesRead === 0 ? undefined : new LinepoolError('request_timeout');
  if (code === 'HPE_INVALID_EOF_STATE') return undefined;
  if (code.startsWith('HPE_')) return new LinepoolError('bad_request', error.reason ?? code);
  return undefined;
}
