/**
 * The comparison desk: the one comparison of numbers that can be under way, whichever side began it, with its nonces, its bounds and
 * what our person says to it. The link server brings what an asking household sends; comparison-ask.ts drives one that we began;
 * the neighbourhood's introductions hand on what people say.
 * It must never pin a household before both people agreed, nor tell a stranger what we are called before ours did.
 */
import { randomBytes } from 'node:crypto';
import type { Clock } from '../core/clock.ts';
import { asLinepoolError, LinepoolError } from '../core/errors.ts';
import type { Event } from '../core/events.ts';
import type { Milliseconds } from '../core/units.ts';
import type { Book } from './book.ts';
import { PROTOCOL, type ProvenPeer } from './channel.ts';
import {
  agedComparison,
  type Comparison,
  type ComparisonContext,
  type ComparisonEvent,
  commitmentHolds,
  comparisonAtStart,
  isOpen,
  NONCE_BYTES,
  numberOf,
  stepComparison,
} from './comparison.ts';
import type { HouseholdId } from './household-id.ts';
import type { CompareAsk, CompareNonce, CompareSay } from './messages.ts';
import type { Caller } from './pairing-desk.ts';
import { afterFailure, type FailedTry, mayTry } from './pairing-tries.ts';

export interface ComparisonDeskOptions {
  /** Ours. */
  readonly id: HouseholdId;
  /** What we call ourselves. */
  readonly name: string;
  /** Where we can be reached; may be empty. */
  readonly addresses: () => readonly string[];
  readonly clock: Clock;
  readonly book: Book;
  readonly report: (event: Event) => void;
  /** Whether we may be asked now: our person said so, for a while. */
  readonly mayBeAsked: () => boolean;
  /** Our person saw another number, or rejected: somebody may be in the middle. */
  readonly onRejected: () => void;
}

/** A comparison that is or was under way. */
export interface Meeting {
  readonly role: 'asking' | 'asked';
  readonly peer: ProvenPeer;
  /** Where it is, for people. */
  readonly address: string;
  readonly context: ComparisonContext;
  /** Told of each change of its state. */
  readonly onStep?: () => void;
  state: Comparison;
  /** What it says of itself, once its person agreed. */
  said: Pick<CompareSay, 'name' | 'addresses'>;
  /** What our person wants to call it. */
  name: string | undefined;
  /** When it is in the book. */
  pinned: boolean;
}

/** What an asking household has committed to, until it shows it. */
interface Commitment {
  readonly meeting: Meeting;
  readonly commitment: string;
  readonly nonce: Buffer;
}

export class ComparisonDesk {
  readonly #options: ComparisonDeskOptions;
  #meeting: Meeting | undefined;
  #commitment: Commitment | undefined;
  #tries: readonly FailedTry[] = [];

  constructor(options: ComparisonDeskOptions) {
    this.#options = options;
  }

  /** The last one that there was, as it stands now. */
  get meeting(): Meeting | undefined {
    const meeting = this.#meeting;
    if (meeting !== undefined) meeting.state = agedComparison(meeting.state, this.#options.clock.now());
    return meeting;
  }

  /** Whether that household is the one being compared with: it may stay although it is a stranger. */
  isMeeting(id: HouseholdId): boolean {
    const { meeting } = this;
    return meeting !== undefined && meeting.peer.id === id && isOpen(meeting.state);
  }

  /**
   * Takes the one place.
   * @throws LinepoolError `pairing_busy`, `neighbour_blocked`
   */
  begin(meeting: Pick<Meeting, 'role' | 'peer' | 'address' | 'context' | 'onStep'>): Meeting {
    const { clock, book } = this.#options;
    if (book.isBlocked(meeting.peer.id)) throw new LinepoolError('neighbour_blocked');
    this.checkFree();
    this.#commitment = undefined;
    this.#meeting = {
      ...meeting,
      state: comparisonAtStart(clock.now()),
      said: {},
      name: undefined,
      pinned: false,
    };
    return this.#meeting;
  }

  /** @throws LinepoolError `pairing_busy` when one is under way */
  checkFree(): void {
    const { meeting } = this;
    if (meeting !== undefined && isOpen(meeting.state)) throw new LinepoolError('pairing_busy');
  }

  /** Something happened to that meeting; nothing, when another has its place. */
  step(meeting: Meeting, event: ComparisonEvent): void {
    if (this.#meeting !== meeting) return;
    const { clock, report, onRejected } = this.#options;
    const before = meeting.state;
    meeting.state = stepComparison(before, event, clock.now());
    if (meeting.state === before) return;
    meeting.onStep?.();
    if (meeting.state.kind !== 'ended') return;
    report({ kind: 'pairing_ended', address: meeting.address, why: meeting.state.why });
    if (meeting.state.why === 'rejected_here') onRejected();
  }

  // ---- What an asking household sends ----

  /** @throws LinepoolError `protocol_mismatch`, `pairing_closed`, `pairing_limited`, `pairing_busy`, `neighbour_blocked` */
  asked(caller: Caller, { protocol, commitment }: CompareAsk): CompareNonce {
    const { clock, id, mayBeAsked, report } = this.#options;
    if (protocol !== PROTOCOL) {
      throw new LinepoolError('protocol_mismatch', `We speak protocol ${PROTOCOL}, not ${protocol}.`);
    }
    if (!mayBeAsked()) throw new LinepoolError('pairing_closed');
    const now = clock.now();
    if (!mayTry(this.#tries, caller.from, now)) throw new LinepoolError('pairing_limited');
    const context: ComparisonContext = { asking: caller.peer.id, asked: id, binding: caller.binding };
    const meeting = this.begin({ role: 'asked', peer: caller.peer, address: caller.from, context });
    // Each one counts: who may ask without end may hope without end.
    this.#tries = afterFailure(this.#tries, caller.from, now);
    const nonce = randomBytes(NONCE_BYTES);
    this.#commitment = { meeting, commitment, nonce };
    caller.onClosed?.(() => this.step(meeting, { kind: 'lost' }));
    report({ kind: 'pairing_asked', address: caller.from });
    return { nonce: nonce.toString('base64url') };
  }

  /** It shows what it had committed to. @throws LinepoolError `pairing_rejected` */
  revealed(caller: Caller, { nonce }: CompareNonce): void {
    const meeting = this.#meetingWith(caller);
    const kept = this.#commitment;
    if (kept?.meeting !== meeting) throw new LinepoolError('pairing_rejected');
    this.#commitment = undefined;
    const theirs = Buffer.from(nonce, 'base64url');
    const holds = commitmentHolds(kept.commitment, theirs, meeting.context);
    const number = holds ? numberOf(theirs, kept.nonce, meeting.context) : undefined;
    this.step(meeting, { kind: 'revealed', number });
    if (!holds) throw new LinepoolError('pairing_rejected', 'It is not what was committed to.');
  }

  /** What its person says; the answer is what ours says, and `agree` only once it is in our book. */
  async said(caller: Caller, message: CompareSay): Promise<CompareSay> {
    const meeting = this.#meetingWith(caller);
    if (message.says === 'reject') this.step(meeting, { kind: 'they_reject' });
    if (message.says === 'agree') {
      meeting.said = { name: message.name, addresses: message.addresses };
      this.step(meeting, { kind: 'they_agree' });
      if (meeting.state.kind === 'paired') await this.pin(meeting);
    }
    const { kind } = meeting.state;
    if (kind === 'ended') return { says: 'reject' };
    return kind === 'paired' && meeting.pinned ? { says: 'agree', ...this.about() } : { says: 'wait' };
  }

  // ---- What our person says ----

  /**
   * Our person says that the other side shows this number. Another one than ours ends it.
   * @throws LinepoolError `not_found` when there is nothing to confirm, `pairing_rejected`, `neighbour_name_taken`, `state_unusable`
   */
  async confirm(typed: string, name?: string): Promise<Meeting> {
    const meeting = this.#waiting();
    if (name !== undefined) this.#options.book.checkName(name, meeting.peer.id);
    meeting.name = name;
    this.step(meeting, { kind: 'agree', typed });
    if (meeting.state.kind === 'ended') {
      throw new LinepoolError('pairing_rejected', 'That is not the number that is shown here.');
    }
    if (meeting.state.kind === 'paired') await this.pin(meeting);
    return meeting;
  }

  /** @throws LinepoolError `not_found` when there is nothing to reject */
  reject(): void {
    this.step(this.#waiting(), { kind: 'reject' });
  }

  /** Puts it into the book. @throws LinepoolError `state_unusable`, `overloaded`, `neighbour_blocked` */
  async pin(meeting: Meeting): Promise<void> {
    if (meeting.pinned) return;
    const { id, publicKey } = meeting.peer;
    const { name = '', addresses = [] } = meeting.said;
    try {
      await this.#options.book.add({
        id,
        publicKey: publicKey.toString('base64url'),
        addresses,
        name: meeting.name ?? name,
        ours: meeting.name !== undefined,
      });
      meeting.pinned = true;
    } catch (error) {
      const failure = asLinepoolError(error);
      meeting.state = { kind: 'ended', why: 'lost' };
      this.#options.report({ kind: 'warning', code: failure.code, detail: failure.detail });
      throw failure;
    }
  }

  /** What we tell of ourselves to whom our person agreed to. */
  about(): Pick<CompareSay, 'name' | 'addresses'> {
    return { name: this.#options.name, addresses: [...this.#options.addresses()] };
  }

  /** How long a meeting has left for the people, at most. */
  leftOf({ state }: Meeting): Milliseconds {
    return 'until' in state ? Math.max(0, state.until - this.#options.clock.now()) : 0;
  }

  #waiting(): Meeting {
    const { meeting } = this;
    if (meeting === undefined || !isOpen(meeting.state) || meeting.state.kind === 'committed') {
      throw new LinepoolError('not_found', '(no number is being compared)');
    }
    return meeting;
  }

  /** @throws LinepoolError `pairing_rejected` */
  #meetingWith({ peer, binding }: Caller): Meeting {
    const { meeting } = this;
    const same =
      meeting?.role === 'asked' && meeting.peer.id === peer.id && binding.equals(meeting.context.binding);
    if (!same) throw new LinepoolError('pairing_rejected');
    return meeting;
  }
}
