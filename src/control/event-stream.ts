/**
 * Event streams: what the daemon reports, as Server-Sent Events to any number of listeners up to a bound. api.ts
 * hands it the response once access is settled. A listener that does not keep up is cut off, never waited for: it
 * comes again with Last-Event-ID and gets what it missed from the ring, as far as that reaches.
 *
 *     Events ──listen──► write ──► socket buffer (at most BACKLOG_BYTES_MAX) ──► listener
 */
import type { IncomingMessage, ServerResponse } from 'node:http';
import type { Clock } from '../core/clock.ts';
import { LinepoolError } from '../core/errors.ts';
import type { EventRecord, Events } from '../core/events.ts';
import type { Bytes, Milliseconds } from '../core/units.ts';

/** Listeners at once. */
export const LISTENERS_MAX = 16;
/** How much one listener may fall behind. All kept events together fit into it. */
export const BACKLOG_BYTES_MAX: Bytes = 512 * 1024;
/** So that both sides notice a dead connection. */
export const HEARTBEAT_MS: Milliseconds = 15_000;

export class EventStreams implements Disposable {
  readonly #events: Events;
  readonly #clock: Clock;
  readonly #open = new Set<ServerResponse>();

  constructor(events: Events, clock: Clock) {
    this.#events = events;
    this.#clock = clock;
  }

  get size(): number {
    return this.#open.size;
  }

  /**
   * Takes the response over: first what was kept since `seq`, then everything from now on.
   * @throws LinepoolError `overloaded` when there are too many listeners
   */
  serve(seq: number, request: IncomingMessage, response: ServerResponse): void {
    if (this.#open.size >= LISTENERS_MAX) {
      throw new LinepoolError('overloaded', `(${LISTENERS_MAX} listeners to the events)`);
    }
    response.writeHead(200, {
      'content-type': 'text/event-stream',
      'cache-control': 'no-store',
      'x-content-type-options': 'nosniff',
    });
    this.#open.add(response);
    const push = (text: string): void => {
      response.write(text);
      if (response.writableLength > BACKLOG_BYTES_MAX) response.destroy();
    };
    push('retry: 1000\n\n');
    for (const record of missed(this.#events, seq)) push(formatted(record));
    // Nothing can be reported between the line above and this one: both run in one turn.
    const listening = this.#events.listen((record) => push(formatted(record)));
    const heartbeat = this.#clock.every(HEARTBEAT_MS, () => push(': still here\n\n'));
    response.once('close', () => {
      listening[Symbol.dispose]();
      heartbeat[Symbol.dispose]();
      this.#open.delete(response);
    });
    response.on('error', () => response.destroy());
    request.resume();
  }

  /** Ends every stream; a listener sees an orderly end. */
  [Symbol.dispose](): void {
    for (const response of this.#open) response.end();
  }
}

/** What was kept since then. A `seq` from before a restart is higher than any of ours: then all are news. */
export function missed(events: Events, seq: number): readonly EventRecord[] {
  const all = events.since(0);
  return seq > (all.at(-1)?.seq ?? 0) ? all : events.since(seq);
}

/** One event as the stream carries it. JSON has no line breaks of its own, so one `data` line is enough. */
export function formatted(record: EventRecord): string {
  return `id: ${record.seq}\nevent: ${record.event.kind}\ndata: ${JSON.stringify(record)}\n\n`;
}
