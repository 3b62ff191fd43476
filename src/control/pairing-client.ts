/**
 * The client's side of pairing without an invitation, and of blocking. Used by the command line.
 */
import type { Milliseconds } from '../core/units.ts';
import type { ControlClient } from './client.ts';
import {
  type ConfirmNumberRequest,
  DiscoveredRouters,
  Pairing,
  Visible,
  type VisibleRequest,
} from './pairing.ts';
import { BlockedHousehold, Done } from './schema.ts';

/** What goes over the link, or waits for the radio, has its own limits below this. */
const LINK_TIMEOUT_MS: Milliseconds = 60_000;

const named = (name: string): string => `/v1/blocked/${encodeURIComponent(name)}`;

/** What can be asked of the daemon; errors are those of `PairingSeat`, and `daemon_missing`. */
export class PairingClient {
  readonly #client: ControlClient;

  constructor(client: ControlClient) {
    this.#client = client;
  }

  state(): Promise<Pairing> {
    return this.#client.call('GET', '/v1/pairing', Pairing);
  }

  show(request: VisibleRequest): Promise<Visible> {
    return this.#client.call('PUT', '/v1/visible', Visible, request);
  }

  async hide(): Promise<void> {
    await this.#client.call('DELETE', '/v1/visible', Done);
  }

  discover(): Promise<DiscoveredRouters> {
    return this.#client.call('GET', '/v1/discovered', DiscoveredRouters, undefined, LINK_TIMEOUT_MS);
  }

  pairWith(nameOrAddress: string): Promise<Pairing> {
    return this.#client.call('POST', '/v1/pairing', Pairing, { with: nameOrAddress }, LINK_TIMEOUT_MS);
  }

  confirm(request: ConfirmNumberRequest): Promise<Pairing> {
    return this.#client.call('PATCH', '/v1/pairing', Pairing, request, LINK_TIMEOUT_MS);
  }

  reject(): Promise<Pairing> {
    return this.#client.call('DELETE', '/v1/pairing', Pairing);
  }

  block(nameOrId: string): Promise<BlockedHousehold> {
    return this.#client.call('PUT', named(nameOrId), BlockedHousehold, {}, LINK_TIMEOUT_MS);
  }

  unblock(nameOrId: string): Promise<BlockedHousehold> {
    return this.#client.call('DELETE', named(nameOrId), BlockedHousehold);
  }
}
