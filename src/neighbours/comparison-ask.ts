/**
 * Asking for a comparison: our side of one that our person began, over the wire. Used by the introductions. All of it goes over
 * one connection, because the number is of that connection.
 */
import { randomBytes } from 'node:crypto';
import { type Clock, sleep } from '../core/clock.ts';
import { LinepoolError } from '../core/errors.ts';
import type { Milliseconds } from '../core/units.ts';
import { channelBinding, PATHS, PROTOCOL } from './channel.ts';
import { commitmentOf, isOpen, NONCE_BYTES, numberOf } from './comparison.ts';
import type { ComparisonDesk, Meeting } from './comparison-desk.ts';
import type { HouseholdId } from './household-id.ts';
import type { LinkClient } from './link-client.ts';
import { LinkExchange } from './link-exchange.ts';
import { linkFailure } from './link-failure.ts';
import { CompareNonce, CompareSay, parseMessage } from './messages.ts';

/** How often the other side is asked what its person says. */
export const SAY_EVERY_MS: Milliseconds = 400;

export interface AskOptions {
  readonly client: LinkClient;
  readonly desk: ComparisonDesk;
  readonly clock: Clock;
  /** Ours. */
  readonly id: HouseholdId;
}

/**
 * Begins a comparison with whoever is there: when this returns, the number is known. What people say is awaited behind it, until
 * `signal` aborts; `ended` tells when that is over.
 * @throws LinepoolError `neighbour_unreachable`, `pairing_closed`, `pairing_busy`, `pairing_limited`, `pairing_rejected`,
 *   `neighbour_blocked`, `usage`
 */
export async function askToCompare(
  { client, desk, clock, id }: AskOptions,
  addresses: readonly string[],
  signal: AbortSignal,
): Promise<{ readonly meeting: Meeting; readonly ended: Promise<void> }> {
  desk.checkFree();
  const { socket, id: found, publicKey, address } = await client.dial({ id: undefined, addresses }, signal);
  const exchange = new LinkExchange(socket);
  try {
    if (found === id) throw new LinepoolError('usage', `At ${address} is our own household.`);
    const context = { asking: id, asked: found, binding: channelBinding(socket) };
    let wake: () => void = () => undefined;
    const meeting = desk.begin({
      role: 'asking',
      peer: { id: found, publicKey },
      address,
      context,
      onStep: () => wake(),
    });
    const ours = randomBytes(NONCE_BYTES);
    try {
      const ask = { protocol: PROTOCOL, commitment: commitmentOf(ours, context) };
      const text = await exchange.send(PATHS.compare, ask, signal);
      const theirs = Buffer.from(parseMessage(CompareNonce, text).nonce, 'base64url');
      await exchange.send(PATHS.reveal, { nonce: ours.toString('base64url') }, signal);
      desk.step(meeting, { kind: 'revealed', number: numberOf(ours, theirs, context) });
    } catch (error) {
      desk.step(meeting, { kind: 'lost' });
      throw linkFailure(error);
    }
    const ended = awaitPeople(
      exchange,
      desk,
      meeting,
      (delay) => {
        const waking = new AbortController();
        wake = () => waking.abort(new LinepoolError('interrupted'));
        return sleep(clock, delay, AbortSignal.any([waking.signal, signal])).catch(() => undefined);
      },
      signal,
    );
    return { meeting, ended };
  } catch (error) {
    await exchange[Symbol.asyncDispose]();
    throw error;
  }
}

/** Asks now and then, and says what our person says; then the connection is over. */
async function awaitPeople(
  exchange: LinkExchange,
  desk: ComparisonDesk,
  meeting: Meeting,
  wait: (delay: Milliseconds) => Promise<void>,
  signal: AbortSignal,
): Promise<void> {
  await using talk = exchange;
  const say = async (message: CompareSay): Promise<CompareSay> =>
    parseMessage(CompareSay, await talk.send(PATHS.say, message, signal));
  try {
    while (desk.meeting === meeting && isOpen(meeting.state)) {
      const agreed = meeting.state.kind === 'we_agreed';
      const answer = await say(agreed ? { says: 'agree', ...desk.about() } : { says: 'wait' });
      if (answer.says === 'reject') desk.step(meeting, { kind: 'they_reject' });
      // It has us in its book; before we said that we agree, it can't.
      if (answer.says === 'agree' && agreed) {
        meeting.said = { name: answer.name, addresses: answer.addresses };
        desk.step(meeting, { kind: 'they_agree' });
        await desk.pin(meeting);
        return;
      }
      if (isOpen(meeting.state)) await wait(SAY_EVERY_MS);
    }
    await say({ says: 'reject' });
  } catch {
    desk.step(meeting, { kind: 'lost' });
  }
}
