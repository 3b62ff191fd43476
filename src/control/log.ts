/**
 * The log: events as JSON lines on stderr. What is in an event is all that is logged: no path, query or header.
 */
import { destination, pino } from 'pino';
import type { Event, Events } from '../core/events.ts';

export type LogLevel = 'error' | 'warn' | 'info' | 'debug';

/** How much an event matters to somebody who reads the log. */
function levelOf(event: Event): LogLevel {
  switch (event.kind) {
    case 'warning':
    case 'neighbour_refused':
    case 'lend_refused':
    case 'borrower_cut_off':
    case 'receipt_failed':
      return 'warn';
    case 'download_ended':
      return event.outcome === 'failed' ? 'warn' : 'info';
    case 'offer':
    case 'span_failed':
    case 'path_out':
    case 'lease_opened':
    case 'lease_ended':
    case 'verdict':
      return 'debug';
    default:
      return 'info';
  }
}

/** Logs every event from now on, until disposed of. */
export function logEvents(events: Events, level: LogLevel): Disposable {
  const log = pino({ level, base: null }, destination({ dest: 2, sync: true }));
  return events.listen(({ event }) => {
    const { kind, ...rest } = event;
    log[levelOf(event)](rest, kind);
  });
}
