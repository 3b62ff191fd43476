/**
 * The control API's vocabulary: what goes over it, both ways. The server types its answers with it, the client
 * checks them with it, so that the two can't drift apart. Unknown keys are dropped, not refused: a client may be
 * older than the daemon. Nothing here may hold a path, a query or a header of what is downloaded: origins only.
 */
import { z } from 'zod';
import { ERRORS, type ErrorCode } from '../core/errors.ts';
import type { Event } from '../core/events.ts';
import { TRUST_LEVELS } from '../core/trust.ts';
import { Caught } from '../neighbours/trust.ts';

const bytes = z.number().min(0);
const bytesPerSecond = z.number().min(0);
const milliseconds = z.number();
/** Milliseconds since 1970. */
const moment = z.number();
/** As strings: a newer daemon may know codes that this client does not. */
const code = z.string();
/** `host:port`, IPv6 bracketed. */
const address = z.string();

export const Status = z.object({
  version: z.string(),
  pid: z.int(),
  household: z.object({ id: z.string(), shortId: z.string(), name: z.string() }),
  startedAt: moment,
  proxy: z.array(address),
  control: address,
  link: z.array(address),
  line: z.object({
    /** Missing while nothing is known about it. */
    downBytesPerSecond: bytesPerSecond.optional(),
    /** True when it was learnt from downloads, false when it is configured. */
    learned: z.boolean(),
    /** What goes by the household's own demand: the interface's counters, or only what the daemon itself has seen. */
    measuredBy: z.enum(['counters', 'own_traffic', 'nothing']).optional(),
    /** The household's other traffic may not be seen. */
    weak: z.boolean().optional(),
  }),
  window: z.object({ capBytes: bytes, heldBytes: bytes, peakBytes: bytes }),
  lending: z.object({
    enabled: z.boolean(),
    sharePercent: z.number(),
    /** The most that is lent; missing while the line's rate is not known. */
    capBytesPerSecond: bytesPerSecond.optional(),
    /** What is being lent right now. */
    bytesPerSecond,
    /** Since the daemon started. */
    bytes,
    connections: z.int().min(0),
    /** Names of borrowers that are cut off: they asked on and on after they were refused. */
    cutOff: z.array(z.string()).optional(),
    /** Why not more is lent. */
    reason: z.string().optional(),
    words: z.string().optional(),
  }),
  memory: z.object({ rssBytes: bytes, heapUsedBytes: bytes, externalBytes: bytes }),
});
export type Status = z.output<typeof Status>;

/** `live` is still going; the others are how it ended. */
export const DownloadState = z.enum(['live', 'complete', 'failed', 'abandoned']);
export type DownloadState = z.output<typeof DownloadState>;

export const Download = z.object({
  id: z.string(),
  /** Scheme, host and port; never the path. */
  origin: z.string(),
  /** What is to be fetched. */
  bytes,
  /** What the client has, in order. */
  deliveredBytes: bytes,
  state: DownloadState,
  /** Why it failed. */
  code: code.optional(),
  scheme: z.string(),
  startedAt: moment,
  /** How long it has taken so far, or took. */
  ms: milliseconds,
  /** Path id ("own", or a neighbour's id) to what people called it then: a neighbour may be parted since. */
  namesByPath: z.record(z.string(), z.string()),
  /** Path id to what it brought. */
  bytesByPath: z.record(z.string(), bytes),
  /** Path id to its present rate; empty once it has ended. */
  ratesByPath: z.record(z.string(), bytesPerSecond),
  /** The reason of the verdict. */
  reason: z.string(),
  peakWindowBytes: bytes,
  /** Bytes that were fetched over two paths. */
  bytesTwice: bytes,
  /** Being fetched now: half-open spans, and how far each has come. */
  spansInFlight: z.array(z.object({ path: z.string(), start: bytes, end: bytes, doneBytes: bytes })),
});
export type Download = z.output<typeof Download>;

export const Verdict = z.object({
  at: moment,
  origin: z.string(),
  pool: z.boolean(),
  reason: z.string(),
  /** Missing when the length was not known. */
  bytes: bytes.optional(),
});
export type Verdict = z.output<typeof Verdict>;

const Spare = z.object({ bytesPerSecond, bufferBytes: bytes });

export const Neighbour = z.object({
  name: z.string(),
  id: z.string(),
  shortId: z.string(),
  up: z.boolean(),
  /** Where it is reached; missing when it only ever reaches us. */
  address: address.optional(),
  /** What it offers us now; missing while it is down. */
  offer: Spare.optional(),
  roundTripMs: milliseconds.optional(),
  /** Why its link is used less than it offers, or not at all; missing when it is good. */
  link: z.string().optional(),
  /** Since when it is up, or down. */
  since: moment,
  lastError: z.object({ code, detail: z.string(), at: moment }).optional(),
  /** What we carried for it, and it for us, ever. */
  lentBytes: bytes,
  borrowedBytes: bytes,
  /** Of what was carried since the daemon started, what both households have signed for. */
  signed: z.object({ lentBytes: bytes, borrowedBytes: bytes }).optional(),
  /** How far its line is used for http; as a string, since a newer daemon may know more. */
  trust: z.string().optional(),
  /** Ed25519, SPKI in DER, as base64url: what its signatures are checked with. */
  publicKey: z.string().optional(),
  /** Present while it is quarantined: the proof. */
  caught: Caught.strip().optional(),
});
export type Neighbour = z.output<typeof Neighbour>;

export const Offer = z.object({
  neighbour: z.string(),
  id: z.string(),
  /** `received` from that neighbour, or `given` to it. */
  direction: z.enum(['received', 'given']),
  bytesPerSecond,
  bufferBytes: bytes,
  at: moment,
});
export type Offer = z.output<typeof Offer>;

const settingValue = z.union([
  z.boolean(),
  z.number(),
  z.string(),
  z.array(z.union([z.string(), z.number()])),
]);
const perDirection = z.object({ down: bytesPerSecond.optional(), up: bytesPerSecond.optional() });

/** The lending policy, where each part of it comes from, and what it comes to now. */
export const Lending = z.object({
  /** What is lent to all together now. */
  bytesPerSecond,
  /** The same up; missing while nothing bounds it. */
  upBytesPerSecond: bytesPerSecond.optional(),
  reason: z.string(),
  /** For people. */
  words: z.string(),
  /** When what policy allows changes by itself; missing when it does not. */
  until: moment.optional(),
  /** What policy allows now, whatever the household wants; a direction that nothing bounds is missing. */
  allowed: perDirection,
  settings: z.array(
    z.object({
      key: z.string(),
      /** Missing: there is no such limit. */
      value: settingValue.optional(),
      /** `set` live, which is kept over restarts, or from the `configuration`. */
      from: z.enum(['configuration', 'set']),
    }),
  ),
  pause: z.object({ kind: z.string(), until: moment.optional() }),
  usage: z.object({ dayBytes: bytes, monthBytes: bytes }),
  line: z.object({
    /** Whose counters are read. */
    interfaces: z.array(z.string()),
    measuredBy: z.enum(['counters', 'own_traffic', 'nothing']),
    /** The household's other traffic may not be seen. */
    weak: z.boolean(),
    /** What it can carry; missing while it is not known. */
    capacity: perDirection,
    learned: z.object({ down: z.boolean(), up: z.boolean() }),
    /** What the household uses of it now; missing while it can't be told. */
    own: perDirection,
    /** How long it takes to answer, usually and now, and how much is lent because of it; missing while nobody answers. */
    delay: z.object({ ms: milliseconds, usualMs: milliseconds, factor: z.number() }).optional(),
  }),
  neighbours: z.array(
    z.object({
      name: z.string(),
      id: z.string(),
      allowed: z.boolean(),
      /** As it counts now: what was set, and what they lent us. */
      weight: z.number(),
      words: z.string(),
      /** It asked on and on after it was refused. */
      cutOff: z.object({ forMs: milliseconds, times: z.int() }).optional(),
      /** What it borrows now, over the last second. */
      rate: perDirection,
      dayBytes: bytes,
      monthBytes: bytes,
      /** What the configuration file says of it, by key; missing when it does not. */
      configured: z.record(z.string(), settingValue).optional(),
      /** What was set for it live, by key: that holds. */
      set: z.record(z.string(), settingValue),
    }),
  ),
});
export type Lending = z.output<typeof Lending>;

/** As `core/events.ts` has it. Only `kind` is checked, since a newer daemon may report new kinds. */
export const EventRecord = z.object({
  seq: z.int().min(1),
  at: moment,
  event: z.custom<Event>(
    (value) =>
      typeof value === 'object' && value !== null && 'kind' in value && typeof value.kind === 'string',
  ),
});
export type EventRecord = z.output<typeof EventRecord>;

export const Invitation = z.object({ invitation: z.string(), expiresAt: moment });
export type Invitation = z.output<typeof Invitation>;

export const Downloads = z.object({ downloads: z.array(Download) });
export const Verdicts = z.object({ verdicts: z.array(Verdict) });
/** A household that can't pair with ours. */
export const BlockedHousehold = z.object({
  name: z.string(),
  id: z.string(),
  shortId: z.string(),
  blockedAt: moment,
});
export type BlockedHousehold = z.output<typeof BlockedHousehold>;

export const Neighbours = z.object({
  neighbours: z.array(Neighbour),
  blocked: z.array(BlockedHousehold).default([]),
});
export const Offers = z.object({ offers: z.array(Offer) });
export const EventList = z.object({ events: z.array(EventRecord) });
export const Done = z.object({ done: z.literal(true) });

// What a client sends: strict, so that a misspelt key is an error and not silence.

/** What a person calls a neighbour. */
export const newName = z
  .string()
  .min(1, 'must not be empty')
  .max(63, 'must have at most 63 characters')
  .regex(/^[^\p{C}\p{Zl}\p{Zp}/]+$/u, 'must not hold control characters or "/"');

/** How long an invitation may be good for. */
export const INVITATION_TTL_MS = { min: 10_000, preset: 15 * 60_000, max: 24 * 3_600_000 } as const;

export const InviteRequest = z.strictObject({
  ttlMs: z
    .int()
    .min(INVITATION_TTL_MS.min, 'must be at least 10 s')
    .max(INVITATION_TTL_MS.max, 'must be at most 24 h')
    .default(INVITATION_TTL_MS.preset),
});
export type InviteRequest = z.output<typeof InviteRequest>;

export const JoinRequest = z.strictObject({
  invitation: z.string().min(1).max(4096),
  name: newName.optional(),
});
export type JoinRequest = z.output<typeof JoinRequest>;

/** What `get` found is told with `caught`; people lift a quarantine. */
export const TrustRequest = z.strictObject({
  trust: z.enum(TRUST_LEVELS, `must be one of ${TRUST_LEVELS.join(', ')}`).optional(),
  caught: z.union([z.literal('lift'), Caught]).optional(),
});
export type TrustRequest = z.output<typeof TrustRequest>;

export const RenameRequest = z.strictObject({ name: newName });
export type RenameRequest = z.output<typeof RenameRequest>;

/** The longest pause but for one that lasts until it is resumed. */
const PAUSE_MAX_MS = 366 * 86_400_000;

/** Keys and values are checked by the policy, which says what is wrong with them; null: as the configuration has it. */
export const LendRequest = z.strictObject({
  set: z.record(z.string().max(63), z.union([settingValue, z.null()])).optional(),
  pause: z
    .union([
      z.literal('for_good'),
      z.literal('no'),
      z.strictObject({
        forMs: z.number().min(1_000, 'must be at least 1 s').max(PAUSE_MAX_MS, 'must be at most 366 days'),
      }),
    ])
    .optional(),
});
export type LendRequest = z.output<typeof LendRequest>;

/** The same for one neighbour; null: as usual. */
export const LendNeighbourRequest = z.strictObject({
  set: z.record(z.string().max(63), z.union([settingValue, z.null()])),
});
export type LendNeighbourRequest = z.output<typeof LendNeighbourRequest>;

/** The body of every error. */
export const Problem = z.object({
  code: z.string(),
  says: z.string(),
  advice: z.string(),
  detail: z.string(),
});
export type Problem = z.output<typeof Problem>;

/** True for the codes that this build knows. */
export const isErrorCode = (text: string): text is ErrorCode => Object.hasOwn(ERRORS, text);
