/**
 * The meter: what the line carries, what of it is lent, and so what the household itself wants; and what the line can
 * carry, learnt from what it did carry. Pure: readings in, rates out. The steward hands it a reading several times a
 * second while something is lent.
 *
 *     own = what the interface counted - what was lent, with the headers that it came in
 *
 * Lent bytes are counted when the relay passes them on, a moment after the interface has seen them: they wait in the
 * kernel, or for a packet that was lost before them. That much more than was lent is forgiven (`ahead`), and taken back
 * when the relay has caught up, or by and by: what a borrower gave up halfway is never passed on. On a gateway with
 * interfaces for clients alone, what went to them is the household's, and nothing has to be guessed. It must never take
 * what is not known for nothing: a reading that can't be right says so.
 */
import type { Bytes, BytesPerSecond, Milliseconds } from '../core/units.ts';
import { KIB, MIB } from '../core/units.ts';
import { NEW_SIGHT, type Sight, sightStep } from './blind.ts';
import { type Counters, counted } from './counters.ts';
import type { Directions } from './policy.ts';

/** Packets and TLS add so much to what is lent, on the wire. */
export const WIRE_OVERHEAD = 1.07;
/** What comes down is acknowledged going up: so much of it. */
export const ACK_SHARE = 0.025;
/** … and so much while bytes wait for a packet that was lost: each is acknowledged by itself then, and at length (RFC 5681 section 4.2, RFC 2018). */
export const ACK_SHARE_WAITING = 0.06;
/** How long lent bytes may wait in the kernel before they are taken for the household's. */
export const AHEAD_MS: Milliseconds = 150;
const AHEAD_MIN: Bytes = 64 * KIB;
/** The same where it is seen what was passed on to clients: as much as a kernel keeps for one connection. */
export const AHEAD_KNOWN_MAX: Bytes = 8 * MIB;
/** So little in so long is no transfer. */
const QUIET_BYTES: Bytes = 2 * KIB;
const QUIET_MS: Milliseconds = 500;
/** What waits is forgotten at this part of the lent rate: no more than what counts as chatter anyway. */
export const FORGET_PART = 0.02;
/** A rate is that of at least so long: packets come in bursts. Under the time between two looks, as timers are early too. */
export const RATE_OVER_MS: Milliseconds = 20;
/** A line has shown what it can carry when it did so for this long. */
export const LEARN_OVER_MS: Milliseconds = 1_000;
/** Less is chatter, and says nothing about a line. */
export const LEARN_LEAST: BytesPerSecond = 125_000;
/** No line sold carries much less up. */
const UP_OF_DOWN = 0.1;
/** What was learnt and is not seen again is forgotten by half in this time. */
export const LEARN_HALF_LIFE_MS: Milliseconds = 14 * 86_400_000;

/** What is known at one time; the counts only grow. */
export interface Reading {
  /** Monotonic. */
  readonly at: Milliseconds;
  /** By name, of the interfaces that lead to the Internet; undefined where there are none to be read. */
  readonly interfaces: ReadonlyMap<string, Counters> | undefined;
  /** The same of interfaces that lead to the household's clients and to nobody else; undefined where there is none such. */
  readonly inside: ReadonlyMap<string, Counters> | undefined;
  /** Carried for borrowers since the start. */
  readonly lentBytes: Directions<Bytes>;
  /** What the daemon itself fetched for the household, since the start. */
  readonly ownBytes: Bytes;
  /** What may come down for borrowers at most at the moment; 0: nothing is lent either way. */
  readonly lentRate: BytesPerSecond;
}

export interface MeterSettings {
  /** Borrowers are reached over the line's own interface: what is lent goes through it twice. */
  readonly linkOnLine: boolean;
  /** What the household uses of the line passes this machine. */
  readonly isGateway: boolean;
}

/** Why a reading says nothing. */
export type LineFault =
  /** No interface leads to the Internet any more. */
  | 'no_route'
  /** Other interfaces than before. */
  | 'interface_changed'
  /** There were counters, and now none can be read. */
  | 'counters_gone'
  /** A counter jumped, or began anew. */
  | 'counters_jumped'
  /** They do not show what is lent: it comes over another interface. */
  | 'counters_blind';

export type Measured =
  /** Not two readings yet. */
  | { readonly kind: 'nothing' }
  | { readonly kind: 'fault'; readonly fault: LineFault }
  | {
      readonly kind: 'rates';
      /** From the interfaces, or only what the daemon itself has seen. */
      readonly from: 'counters' | 'own_traffic';
      readonly total: Directions<BytesPerSecond>;
      readonly own: Directions<BytesPerSecond>;
    };

export interface MeterState {
  /** The reading that the next rates begin at. */
  readonly since: Reading | undefined;
  /** Lent bytes that are taken to wait in the kernel. */
  readonly ahead: Directions<Bytes>;
  readonly measured: Measured;
  /** The interfaces whose counters were read last: what was learnt is of their line. Undefined: there never were any. */
  readonly seen: ReadonlyMap<string, Counters> | undefined;
  readonly learning: { readonly since: Milliseconds; readonly bytes: Directions<Bytes> } | undefined;
  /** What the line was seen to carry; 0 while nothing is known. */
  readonly learned: Directions<BytesPerSecond>;
  readonly learnedAt: Milliseconds;
  readonly sight: Sight;
}

const NONE: Directions<number> = { down: 0, up: 0 };

export const NEW_METER: MeterState = {
  since: undefined,
  ahead: NONE,
  measured: { kind: 'nothing' },
  seen: undefined,
  learning: undefined,
  learned: NONE,
  learnedAt: 0,
  sight: NEW_SIGHT,
};

/** The meter after that reading. One that comes too soon after the one before changes nothing. */
export function meterStep(
  state: MeterState,
  reading: Reading,
  { linkOnLine, isGateway }: MeterSettings,
): MeterState {
  const { since } = state;
  if (since === undefined) return { ...state, since: reading, seen: seenIn(reading), learnedAt: reading.at };
  const elapsed = reading.at - since.at;
  if (elapsed < RATE_OVER_MS) return state;
  const began = { ...state, since: reading, ahead: NONE, learning: undefined };
  const fault = (why: LineFault): MeterState => ({ ...began, measured: { kind: 'fault', fault: why } });

  const lent = onWire(
    {
      down: Math.max(0, reading.lentBytes.down - since.lentBytes.down),
      up: Math.max(0, reading.lentBytes.up - since.lentBytes.up),
    },
    linkOnLine,
  );
  const ownBytes = Math.max(0, reading.ownBytes - since.ownBytes);
  const perSecond = (bytes: Bytes): BytesPerSecond => (bytes * 1000) / elapsed;
  if (reading.interfaces === undefined) {
    // What others use can't be seen any more, which is not to say that they use nothing.
    if (state.seen !== undefined) return fault('counters_gone');
    const own = { down: perSecond(ownBytes * WIRE_OVERHEAD), up: 0 };
    const total = { down: own.down + perSecond(lent.down), up: perSecond(lent.up) };
    return learnt({ ...began, measured: { kind: 'rates', from: 'own_traffic', total, own } }, state, {
      at: reading.at,
      bytes: { down: (total.down * elapsed) / 1000, up: lent.up },
      elapsed,
    });
  }
  if (reading.interfaces.size === 0) return fault('no_route');
  if (state.seen === undefined || !sameNames(state.seen, reading.interfaces)) {
    // Another line: what was learnt of the one before is not true of it.
    return { ...fault('interface_changed'), seen: reading.interfaces, learned: NONE, sight: NEW_SIGHT };
  }
  // The same line is there again, as after a reconnect, and can be measured from here on: until then the fault stands.
  if (since.interfaces === undefined || since.interfaces.size === 0) return began;
  const bytes = carried(since.interfaces, reading.interfaces, elapsed);
  if (bytes === undefined) return fault('counters_jumped');
  const sight = sightStep(state.sight, lent.down, bytes.down);
  if (sight.isBlind) return { ...fault('counters_blind'), sight };
  const forwarded = forwardedBetween(since.inside, reading.inside, elapsed);
  // Up, what may wait is that of what does go up: little is sent for borrowers, mostly.
  const rates = {
    down: reading.lentRate,
    up: reading.lentRate > 0 ? reading.lentRate * (linkOnLine ? 1 : ACK_SHARE) + perSecond(lent.up) : 0,
  };
  const direction = (
    which: keyof Directions<unknown>,
    explained: Bytes,
  ): { readonly own: Bytes; readonly ahead: Bytes } => {
    const forgotten = (rates[which] * FORGET_PART * elapsed) / 1000;
    // Where nothing has come and nothing gone for long, nothing waits.
    const isQuiet = lent[which] === 0 && bytes[which] < QUIET_BYTES && elapsed >= QUIET_MS;
    const waiting = isQuiet ? 0 : Math.max(0, state.ahead[which] - forgotten);
    const isKnown = which === 'down' && forwarded !== undefined;
    const most = isKnown ? AHEAD_KNOWN_MAX : aheadMax(rates[which]);
    return ownOf(bytes[which], explained, { waiting, most, forwarded: forwarded?.[which] ?? 0 });
  };
  const down = direction('down', lent.down);
  const acknowledged = (bytes.down - down.own) * (down.ahead > AHEAD_MIN ? ACK_SHARE_WAITING : ACK_SHARE);
  const up = direction('up', linkOnLine ? lent.up : lent.up + acknowledged);
  const own = { down: Math.max(perSecond(down.own), perSecond(ownBytes)), up: perSecond(up.own) };
  const total = { down: perSecond(bytes.down), up: perSecond(bytes.up) };
  const measured: Measured = { kind: 'rates', from: 'counters', total, own };
  // Elsewhere the interface carries what stays at home, too: a copy from a machine next to it says nothing about the line.
  const ofLine = isGateway
    ? bytes
    : {
        down: Math.min(bytes.down, lent.down + ownBytes * WIRE_OVERHEAD),
        up: Math.min(bytes.up, lent.up),
      };
  return learnt({ ...began, sight, ahead: { down: down.ahead, up: up.ahead }, measured }, state, {
    at: reading.at,
    bytes: ofLine,
    elapsed,
  });
}

/**
 * What the line can carry: as configured, else as learnt; undefined while nothing is known. Up, what was seen is mostly
 * acknowledgements and says little: it is taken for a tenth of down until it was more.
 */
export function capacityOf(
  configured: Directions<BytesPerSecond | undefined>,
  { learned }: MeterState,
): Directions<BytesPerSecond | undefined> {
  const known = (rate: BytesPerSecond): BytesPerSecond | undefined => (rate > 0 ? rate : undefined);
  const down = configured.down ?? known(learned.down);
  const up = configured.up ?? (down === undefined ? undefined : Math.max(learned.up, down * UP_OF_DOWN));
  return { down, up };
}

/**
 * What was carried for borrowers, as the interface sees it: with headers, and down with what acknowledges what went up. What acknowledges
 * what comes down goes when that comes, not when it is passed on, so it is not in this.
 */
function onWire({ down, up }: Directions<Bytes>, linkOnLine: boolean): Directions<Bytes> {
  if (linkOnLine) return { down: (down + up) * WIRE_OVERHEAD, up: (down + up) * WIRE_OVERHEAD };
  return { down: down * WIRE_OVERHEAD + up * ACK_SHARE, up: up * WIRE_OVERHEAD };
}

/** Nothing is forgiven when nothing may be lent. */
const aheadMax = (rate: BytesPerSecond): Bytes => (rate > 0 ? AHEAD_MIN + (rate * AHEAD_MS) / 1000 : 0);

/** The household's part of `total`, and how many lent bytes are taken to wait in the kernel now. */
function ownOf(
  total: Bytes,
  lent: Bytes,
  { waiting, most, forwarded }: { readonly waiting: Bytes; readonly most: Bytes; readonly forwarded: Bytes },
): { readonly own: Bytes; readonly ahead: Bytes } {
  const more = total - lent;
  const notLent = Math.max(0, waiting + more);
  const passedOn = Math.min(forwarded, notLent);
  const left = notLent - passedOn;
  const tooMuch = Math.max(0, Math.min(more - passedOn, left - most));
  return { own: passedOn + tooMuch, ahead: left - tooMuch };
}

/** What came to the household's clients and from them; undefined where that is not known for all of the time. */
function forwardedBetween(
  before: Reading['inside'],
  after: Reading['inside'],
  elapsed: Milliseconds,
): Directions<Bytes> | undefined {
  if (before === undefined || after === undefined || !sameNames(before, after)) return undefined;
  const bytes = carried(before, after, elapsed);
  return bytes === undefined ? undefined : { down: bytes.up, up: bytes.down };
}

function carried(
  before: ReadonlyMap<string, Counters>,
  after: ReadonlyMap<string, Counters>,
  elapsed: Milliseconds,
): Directions<Bytes> | undefined {
  let down = 0;
  let up = 0;
  for (const [name, { rx, tx }] of after) {
    const was = before.get(name);
    const received = was === undefined ? undefined : counted(was.rx, rx, elapsed);
    const sent = was === undefined ? undefined : counted(was.tx, tx, elapsed);
    if (received === undefined || sent === undefined) return undefined;
    down += received;
    up += sent;
  }
  return { down, up };
}

function learnt(
  next: MeterState,
  { learning, learned, learnedAt }: MeterState,
  sample: { readonly at: Milliseconds; readonly bytes: Directions<Bytes>; readonly elapsed: Milliseconds },
): MeterState {
  const since = learning?.since ?? sample.at - sample.elapsed;
  const down = (learning?.bytes.down ?? 0) + sample.bytes.down;
  const up = (learning?.bytes.up ?? 0) + sample.bytes.up;
  const elapsed = sample.at - since;
  if (elapsed < LEARN_OVER_MS) return { ...next, learning: { since, bytes: { down, up } } };
  const faded = 0.5 ** ((sample.at - learnedAt) / LEARN_HALF_LIFE_MS);
  const peak = (before: BytesPerSecond, bytes: Bytes): BytesPerSecond => {
    const rate = (bytes * 1000) / elapsed;
    return Math.max(before * faded, rate >= LEARN_LEAST ? rate : 0);
  };
  return {
    ...next,
    learned: { down: peak(learned.down, down), up: peak(learned.up, up) },
    learnedAt: sample.at,
  };
}

const seenIn = ({ interfaces }: Reading): Reading['interfaces'] =>
  interfaces === undefined || interfaces.size === 0 ? undefined : interfaces;

const sameNames = (a: ReadonlyMap<string, unknown>, b: ReadonlyMap<string, unknown>): boolean =>
  a.size === b.size && [...a.keys()].every((name) => b.has(name));
