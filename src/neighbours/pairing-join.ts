/**
 * Joining: the joiner's side of pairing, over the wire. Used by the neighbourhood. It asks only the household that the
 * invitation names: `LinkClient.connect` refuses any other before a byte is sent.
 */
import type { TLSSocket } from 'node:tls';
import { LinepoolError } from '../core/errors.ts';
import { channelBinding, PATHS, PROTOCOL } from './channel.ts';
import type { HouseholdId } from './household-id.ts';
import type { Invitation } from './invitation.ts';
import type { LinkClient } from './link-client.ts';
import { LinkExchange } from './link-exchange.ts';
import { linkFailure } from './link-failure.ts';
import { type ConfirmRequest, PairAnswer, type PairRequest, parseMessage } from './messages.ts';
import { handleOf, JOIN_START, type JoinEvent, type JoinState, proofOf, stepJoin } from './pairing.ts';
import { sameProof } from './pairing-desk.ts';

export interface JoinerSelf {
  readonly id: HouseholdId;
  readonly name: string;
  /** Where we can be reached; may be empty. */
  readonly addresses: readonly string[];
}

/** Codes that are the other side's last word. Anything else may have been lost on the way, and is sent again. */
const FINAL: ReadonlySet<string> = new Set([
  'invitation_refused',
  'pairing_limited',
  'identity_mismatch',
  'message_invalid',
  'state_unusable',
  'overloaded',
]);

export interface Joined {
  /** What the inviter calls itself. */
  readonly name: string;
  /** Its key: Ed25519, SPKI in DER. */
  readonly publicKey: Buffer;
}

/**
 * Pairs with the inviter; when this returns, the inviter has us in its book.
 * @throws LinepoolError `invitation_refused`, `pairing_limited`, `identity_mismatch`, `neighbour_unreachable`; or the signal's reason
 */
export async function joinInviter(
  client: LinkClient,
  invitation: Invitation,
  self: JoinerSelf,
  signal?: AbortSignal,
): Promise<Joined> {
  let publicKey: Buffer = Buffer.alloc(0);
  let state: JoinState = JOIN_START;
  while (state.kind === 'asking' || state.kind === 'confirming') {
    let socket: TLSSocket;
    try {
      ({ socket, publicKey } = await client.dial(invitation, signal));
    } catch (error) {
      signal?.throwIfAborted();
      state = stepJoin(state, eventOf(error));
      continue;
    }
    await using exchange = new LinkExchange(socket);
    const binding = channelBinding(socket);
    let sent = true;
    // As many messages over one connection as it carries; after a loss, a new one.
    while (sent && (state.kind === 'asking' || state.kind === 'confirming')) {
      const event = await sendFor(state, exchange, binding, invitation, self, signal);
      sent = event.kind !== 'lost';
      state = stepJoin(state, event);
    }
  }
  if (state.kind === 'failed') throw new LinepoolError(state.code, state.detail);
  return { name: state.inviterName, publicKey };
}

async function sendFor(
  state: JoinState,
  exchange: LinkExchange,
  binding: Buffer,
  invitation: Invitation,
  self: JoinerSelf,
  signal: AbortSignal | undefined,
): Promise<JoinEvent> {
  const { secret } = invitation;
  const context = { secret, inviter: invitation.id, joiner: self.id, binding };
  const handle = handleOf(secret);
  try {
    if (state.kind === 'confirming') {
      const confirm: ConfirmRequest = { handle, proof: proofOf('confirm', context) };
      await exchange.send(PATHS.confirm, confirm, signal);
      return { kind: 'done' };
    }
    const ask: PairRequest = {
      protocol: PROTOCOL,
      handle,
      proof: proofOf('joiner', context),
      name: self.name,
      addresses: [...self.addresses],
    };
    const answer = parseMessage(PairAnswer, await exchange.send(PATHS.pair, ask, signal));
    const proved = sameProof(answer.proof, proofOf('inviter', context));
    return { kind: 'answered', proved, inviterName: answer.name };
  } catch (error) {
    signal?.throwIfAborted();
    return eventOf(error);
  }
}

function eventOf(error: unknown): JoinEvent {
  const { code, detail } = linkFailure(error);
  return { kind: FINAL.has(code) ? 'refused' : 'lost', code, detail };
}
