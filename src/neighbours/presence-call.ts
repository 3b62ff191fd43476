/**
 * One call to a neighbour: the stream of its offers on one connection, and on another a small question now and then, which
 * measures the round trip and tells the lender that we are still there. Used by presence; it never calls again by itself.
 */
import { Client, type Dispatcher } from 'undici';
import type { Clock } from '../core/clock.ts';
import { asLinepoolError, LinepoolError } from '../core/errors.ts';
import type { Milliseconds } from '../core/units.ts';
import { type LinkOffer, PATHS, PROTOCOL } from './channel.ts';
import type { HouseholdId } from './household-id.ts';
import type { LinkClient } from './link-client.ts';
import type { Hello } from './messages.ts';
import { OfferLines } from './offer-lines.ts';
import { REFUSAL_MAX_BYTES, readRefusal } from './refusal.ts';

export interface CallListener {
  /** It answered, this long after it was asked. */
  opened(roundTripMs: Milliseconds): void;
  hello(hello: Hello): void;
  offer(offer: LinkOffer): void;
  /** A line that says nothing else. */
  alive(): void;
  measured(roundTripMs: Milliseconds): void;
  /** The call is over; nothing more is told. Not called after `end`. */
  lost(error: LinepoolError): void;
}

/** How often the small question is asked; well below the lender's `silentMs`. */
export const QUESTION_MS: Milliseconds = 15_000;
/** Answers to questions are tiny; a second one is not asked while one is under way. */
const ANSWER_MS: Milliseconds = 10_000;

/** Begins a call. Disposing the result ends it. */
export function callNeighbour(
  client: LinkClient,
  clock: Clock,
  id: HouseholdId,
  listener: CallListener,
): Disposable {
  const http = (): Client =>
    new Client('http://link', {
      connect: client.undiciConnector({ id }, { warm: false }),
      pipelining: 1,
      keepAliveTimeout: 4 * QUESTION_MS,
      headersTimeout: ANSWER_MS,
      // Silence is the business of presence-state.
      bodyTimeout: 0,
    });
  const offers = http();
  const questions = http();
  let over = false;
  let asking = false;

  const end = (): void => {
    over = true;
    questioning[Symbol.dispose]();
    void offers.destroy();
    void questions.destroy();
  };
  const fail = (error: Error): void => {
    if (over) return;
    end();
    listener.lost(asLinepoolError(error));
  };
  const ask = (): void => {
    if (asking) return;
    asking = true;
    let askedAt: Milliseconds = clock.now();
    questions.dispatch(
      { path: PATHS.hello, method: 'GET' },
      {
        onRequestStart() {
          askedAt = clock.now();
        },
        onResponseStart(_controller, status) {
          if (!over && status === 200) listener.measured(clock.now() - askedAt);
        },
        onResponseData() {},
        onResponseEnd() {
          asking = false;
        },
        onResponseError() {
          // The offers tell whether it is there.
          asking = false;
        },
      },
    );
  };
  const questioning = clock.every(QUESTION_MS, ask);
  offers.dispatch(
    { path: PATHS.offers, method: 'GET' },
    offersHandler(clock, listener, () => over, fail),
  );
  return { [Symbol.dispose]: end };
}

function offersHandler(
  clock: Clock,
  listener: CallListener,
  isOver: () => boolean,
  fail: (error: Error) => void,
): Dispatcher.DispatchHandler {
  const lines = new OfferLines();
  let askedAt: Milliseconds = clock.now();
  let refused: number | undefined;
  let refusal = '';
  return {
    onRequestStart() {
      askedAt = clock.now();
    },
    onResponseStart(_controller, status) {
      if (isOver()) return;
      if (status === 200) listener.opened(clock.now() - askedAt);
      else refused = status;
    },
    onResponseData(_controller, chunk) {
      if (isOver()) return;
      if (refused !== undefined) {
        refusal += chunk.toString('utf8');
        if (refusal.length > REFUSAL_MAX_BYTES) fail(readRefusal(refused, ''));
        return;
      }
      try {
        for (const message of lines.read(chunk, clock.now())) {
          if (isOver()) return;
          if (message.kind === 'offer') listener.offer(message.offer);
          else if (message.kind === 'other') listener.alive();
          else if (message.hello.protocol === PROTOCOL) listener.hello(message.hello);
          else {
            const detail = `It speaks ${message.hello.protocol}, we ${PROTOCOL}.`;
            throw new LinepoolError('protocol_mismatch', detail);
          }
        }
      } catch (error) {
        fail(error as Error);
      }
    },
    onResponseEnd() {
      fail(
        refused === undefined
          ? new LinepoolError('neighbour_unreachable', 'It ended its offers.')
          : readRefusal(refused, refusal),
      );
    },
    onResponseError(_controller, error) {
      fail(error);
    },
  };
}
