/**
 * Small messages to paired neighbours and their answers, on a connection of their own that is kept while they follow each other,
 * so that they neither wait for what is carried nor hold it up. Used for receipts.
 */
import { Client } from 'undici';
import type { Milliseconds } from '../core/units.ts';
import type { HouseholdId } from './household-id.ts';
import type { LinkClient } from './link-client.ts';
import { post } from './link-exchange.ts';
import { MESSAGE_MAX_BYTES } from './messages.ts';

/** How long an answer may take; connecting is beside it. */
export const POST_MS: Milliseconds = 5_000;
/** How long an unused connection is kept; shorter than the server's `idleMs`. */
const KEPT_MS: Milliseconds = 30_000;

export class LinkPosts implements AsyncDisposable {
  readonly #link: Pick<LinkClient, 'undiciConnector'>;
  /** By neighbour. Bounded by the neighbours there have been. */
  readonly #clients = new Map<HouseholdId, Client>();

  constructor(link: Pick<LinkClient, 'undiciConnector'>) {
    this.#link = link;
  }

  /**
   * The body of a 2xx answer.
   * @throws LinepoolError the neighbour's code; or an undici or system error when no answer came
   */
  send(id: HouseholdId, path: string, message: object): Promise<string> {
    let client = this.#clients.get(id);
    if (client === undefined) {
      client = new Client('http://link', {
        connect: this.#link.undiciConnector({ id }, { warm: false }),
        allowH2: false,
        pipelining: 1,
        keepAliveTimeout: KEPT_MS,
        headersTimeout: POST_MS,
        bodyTimeout: POST_MS,
        maxResponseSize: MESSAGE_MAX_BYTES,
      });
      // A connection that can't be made is told to each request; here it would only be an unhandled event.
      client.on('connectionError', () => undefined);
      this.#clients.set(id, client);
    }
    return post(client, path, message);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await Promise.all([...this.#clients.values()].map((client) => client.destroy()));
    this.#clients.clear();
  }
}
