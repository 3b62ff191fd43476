/**
 * A tunnel: the borrower's CONNECT, carried to an https origin. The lender sees host, port and ciphertext. Made by the
 * lender for each CONNECT of a paired neighbour.
 *
 *     opening ──lease, address, connected──► open ──both directions ended──► over
 *        └──refused──────────────────────────┴──────cut: reset──────────────►┘
 *
 * What counts against the lease: every byte after the 200, both directions. It must never write to the origin before
 * the lease holds, and must end both sides in the tick in which the lease's signal aborts.
 */
import type { IncomingMessage } from 'node:http';
import type { Socket } from 'node:net';
import type { Duplex } from 'node:stream';
import { asLinepoolError, LinepoolError } from '../core/errors.ts';
import { reset } from '../core/reset.ts';
import { type Authority, parseAuthority } from '../core/target.ts';
import type { Bytes } from '../core/units.ts';
import { refuseConnect } from '../neighbours/refusal.ts';
import { dial } from '../paths/dial.ts';
import type { Borrower, Carried } from './borrower.ts';
import { Carriage, type Sink } from './carriage.ts';
import { unquoted } from './fetch-request.ts';
import { IdleWatch } from './idle-watch.ts';
import type { LeaseAccount } from './lease-account.ts';
import type { Directions } from './policy.ts';
import { admitted, type RelayOptions, toldOf } from './relay.ts';

type State =
  | { readonly kind: 'opening' }
  | { readonly kind: 'open'; readonly origin: Socket; readonly up: Carriage; readonly down: Carriage }
  | { readonly kind: 'over' };

export class Tunnel implements Carried {
  readonly #relay: RelayOptions;
  readonly #borrower: Borrower;
  readonly #socket: Duplex;
  readonly #stack = new DisposableStack();
  /** Ends the dialling. */
  readonly #ending = new AbortController();
  #state: State = { kind: 'opening' };

  /** Owns the socket from here on. */
  constructor(relay: RelayOptions, borrower: Borrower, socket: Duplex) {
    this.#relay = relay;
    this.#borrower = borrower;
    this.#socket = socket;
    socket.on('error', (error) => this.cut(asLinepoolError(error)));
    socket.once('close', () => this.#closed(socket));
  }

  /** Opens it, or answers why not. Never rejects. */
  async open(request: IncomingMessage, head: Buffer): Promise<void> {
    try {
      this.#stack.use(this.#borrower.enter(this));
      const authority = unquoted(() => parseAuthority(request.url ?? ''));
      const origin = { scheme: 'https', ...authority } as const;
      const account = await admitted(this.#relay, this.#borrower, origin, request.rawHeaders);
      if (this.#state.kind === 'over') return;
      this.#stack.use(this.#relay.origins.enter(authority, this.#borrower.id));
      this.#stack.use(this.#borrower.begin());
      this.#obey(account);
      await this.#connect(authority, account, head);
    } catch (error) {
      this.cut(asLinepoolError(error));
    }
  }

  cut(error: LinepoolError): void {
    const state = this.#state;
    if (state.kind === 'over') return;
    this.#over(error);
    this.#relay.onRefused(this.#borrower, error);
    if (state.kind === 'open') {
      // A reset, not an end: the origin stops sending at once, and the borrower sees that something is missing.
      reset(state.origin);
      this.#socket.destroy();
    } else {
      refuseConnect(this.#socket, toldOf(error));
    }
  }

  #obey({ signal, receipts }: LeaseAccount): void {
    const onAbort = (): void => this.cut(asLinepoolError(signal.reason));
    signal.addEventListener('abort', onAbort, { once: true });
    this.#stack.defer(() => signal.removeEventListener('abort', onAbort));
    if (receipts !== undefined) this.#stack.use(receipts.begin());
    if (signal.aborted) onAbort();
  }

  async #connect(authority: Authority, account: LeaseAccount, head: Buffer): Promise<void> {
    const attempts = this.#relay.leases.attempts(() => [account]);
    const options = { ...this.#relay.dial, inBursts: true, attempts };
    const origin = await dial(authority, options, this.#ending.signal);
    origin.on('error', (error) => this.cut(asLinepoolError(error)));
    origin.once('close', () => this.#closed(origin));
    if (this.#state.kind !== 'opening') {
      reset(origin);
      return;
    }
    const idle = this.#stack.use(
      new IdleWatch(this.#relay.clock, this.#relay.transferIdle, () =>
        this.cut(new LinepoolError('response_timeout', 'The tunnel was silent for too long.')),
      ),
    );
    const up = this.#stack.use(this.#carriage('up', account, { from: this.#socket, to: origin, idle }));
    const down = this.#stack.use(this.#carriage('down', account, { from: origin, to: this.#socket, idle }));
    this.#state = { kind: 'open', origin, up, down };
    this.#socket.write('HTTP/1.1 200 Connection Established\r\n\r\n');
    up.push(head);
    reading(this.#socket, up, down);
    reading(origin, down, up);
  }

  #carriage(
    direction: keyof Directions<unknown>,
    account: LeaseAccount,
    { from, to, idle }: { readonly from: Duplex; readonly to: Duplex; readonly idle: IdleWatch },
  ): Carriage {
    const flow = this.#borrower.flows[direction];
    const { receipts } = account;
    return new Carriage({
      gate: (pass) => flow.gate(pass),
      account,
      source: from,
      clock: this.#relay.clock,
      sink: socketSink(to, this.#relay.bufferBytes, {
        left: (bytes) => receipts?.[direction](bytes),
        // What comes down goes over the link; what goes up, over the line.
        room: (hasRoom) => (direction === 'down' ? flow.room(hasRoom) : hasRoom),
      }),
      carried: (bytes) => {
        idle.moved();
        flow.carried(bytes);
      },
    });
  }

  /** One side is closed. After an end in both directions the other may still have bytes to send; else it is a loss. */
  #closed(side: Duplex): void {
    const state = this.#state;
    if (state.kind === 'over') return;
    if (state.kind === 'open' && side.readableEnded && side.writableFinished) {
      const other = side === this.#socket ? state.origin : this.#socket;
      if (other.closed) this.#over(new LinepoolError('connection_lost'));
      return;
    }
    this.cut(new LinepoolError('connection_lost'));
  }

  #over(reason: LinepoolError): void {
    this.#state = { kind: 'over' };
    this.#ending.abort(reason);
    this.#stack.dispose();
  }
}

/** Reads the socket into one carriage; its room to be written to matters to the other. */
function reading(socket: Duplex, into: Carriage, outOf: Carriage): void {
  socket.on('data', (chunk: Buffer) => into.push(chunk));
  socket.on('end', () => into.end());
  socket.on('drain', () => outOf.drained());
}

interface SinkListener {
  /** The kernel has taken so much. */
  readonly left: (bytes: Bytes) => void;
  readonly room: (hasRoom: boolean) => boolean;
}

function socketSink(socket: Duplex, bufferBytes: number, { left, room }: SinkListener): Sink {
  // 'drain' comes only to who has filled the high-water mark.
  const most = Math.max(bufferBytes, socket.writableHighWaterMark);
  return {
    write: (chunk) => {
      socket.write(chunk, (error) => {
        if ((error ?? null) === null) left(chunk.length);
      });
    },
    hasRoom: () => room(socket.writableLength < most),
    end: () => void socket.end(),
  };
}
