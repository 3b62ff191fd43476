/**
 * What a household may ask of us that is not in the book: to get into it, or to say that it is in it under another key. Each path
 * with the message that it takes and the desk that answers. Used by the link server, made by the neighbourhood.
 */
import { PATHS } from './channel.ts';
import type { ComparisonDesk } from './comparison-desk.ts';
import {
  CompareAsk,
  CompareNonce,
  CompareSay,
  ConfirmRequest,
  PairRequest,
  parseMessage,
  RotationNotice,
} from './messages.ts';
import type { Caller, PairingDesk } from './pairing-desk.ts';
import type { RotationDesk } from './rotation-desk.ts';

/** The answer as a message; undefined: done, and nothing to say. @throws LinepoolError */
export type StrangersAsk = (caller: Caller, text: string) => Promise<object | undefined>;

export interface StrangersDesks {
  readonly pairing: PairingDesk;
  readonly comparison: ComparisonDesk;
  readonly rotation: RotationDesk;
}

/** By path; all are POST. */
export function forStrangers(desks: StrangersDesks): ReadonlyMap<string, StrangersAsk> {
  const asks: Readonly<Record<string, (desks: StrangersDesks, caller: Caller, text: string) => unknown>> = {
    [PATHS.pair]: ({ pairing }, caller, text) => pairing.pair(caller, parseMessage(PairRequest, text)),
    [PATHS.confirm]: ({ pairing }, caller, text) =>
      pairing.confirm(caller, parseMessage(ConfirmRequest, text)),
    [PATHS.compare]: ({ comparison }, caller, text) =>
      comparison.asked(caller, parseMessage(CompareAsk, text)),
    [PATHS.reveal]: ({ comparison }, caller, text) =>
      comparison.revealed(caller, parseMessage(CompareNonce, text)),
    [PATHS.say]: ({ comparison }, caller, text) => comparison.said(caller, parseMessage(CompareSay, text)),
    [PATHS.rotation]: ({ rotation }, caller, text) =>
      rotation.told(caller, parseMessage(RotationNotice, text)),
  };
  return new Map(
    Object.entries(asks).map(([path, ask]) => [
      path,
      async (caller, text) => (await ask(desks, caller, text)) as object | undefined,
    ]),
  );
}
