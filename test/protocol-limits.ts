/** The limits of docs/protocol.md, from the constants that the program goes by: what, and how much, as they stand there. */
import { loadConfig } from '../src/config.ts';
import { type Bytes, GIB, KIB, MIB, type Milliseconds } from '../src/core/units.ts';
import { TOKEN_TIME_MAX } from '../src/ledger/jws.ts';
import { DISCARD_MAX } from '../src/lending/fetch-exchange.ts';
import { CLOCK_SKEW_MS, LEASE_TOKEN_MAX } from '../src/lending/lease.ts';
import { LEASES_PER_BORROWER, LONGEST_LEASE_MS } from '../src/lending/lease-book.ts';
import { RECEIPT_WAIT_MS } from '../src/lending/lease-receipts.ts';
import { LEASE_MAX_BYTES, LEASE_MIN_BYTES, LEASE_TIME_MS } from '../src/lending/lease-signer.ts';
import { BORROWER_CONNECTIONS_MIN } from '../src/lending/lender.ts';
import { LENT_ORIGIN_BORROWER_CONNECTIONS, LENT_ORIGIN_CONNECTIONS } from '../src/lending/origin-bound.ts';
import { REST_MS, SIGN_EVERY, WORD_MS } from '../src/lending/owed.ts';
import { LAST_RECEIPT_MS } from '../src/lending/receipt-desk.ts';
import { ANSWER_MS, DISPUTE_BYTES, LEFT_ALONE_MS, RETRY_MS } from '../src/lending/receipt-writer.ts';
import {
  ORIGIN_SILENCE_MS,
  ORIGINS_PER_CONNECTION,
  OUTSTANDING_MAX,
  TRANSFER_IDLE_MS,
} from '../src/lending/relay.ts';
import { STATEMENT_MAX as SPAN_STATEMENT_MAX } from '../src/lending/span-statement.ts';
import {
  FORGIVEN_STEP_MS,
  NEW_CONTACTS_MAX,
  NEW_CONTACTS_PER_SECOND,
  NEW_LEASES_MAX,
  NEW_LEASES_PER_SECOND,
  RECEIPT_STEP,
  SMALL_RECEIPT,
  SMALL_RECEIPTS_MAX,
  SMALL_RECEIPTS_PER_SECOND,
  STEPS_MAX,
} from '../src/lending/standing.ts';
import { CUT_OFF_MAX_MS, CUT_OFF_MS, GRACE_MS, TRIES_MAX, TRIES_PER_SECOND } from '../src/lending/strikes.ts';
import { ADDRESSES_MAX, NEIGHBOURS_MAX } from '../src/neighbours/book-file.ts';
import { COMMIT_MS, COMPARE_MS, NONCE_BYTES } from '../src/neighbours/comparison.ts';
import { DISCOVERED_MAX } from '../src/neighbours/discovery.ts';
import { PSEUDONYM_CHARACTERS } from '../src/neighbours/dns-sd.ts';
import { INVITATION_MAX, SECRET_BYTES } from '../src/neighbours/invitation.ts';
import { TUNNEL_ANSWER_MS } from '../src/neighbours/link-client.ts';
import { EXCHANGE_MS } from '../src/neighbours/link-exchange.ts';
import { LINK_LIMITS } from '../src/neighbours/link-limits.ts';
import { POST_MS } from '../src/neighbours/link-posts.ts';
import { MESSAGE_MAX_BYTES } from '../src/neighbours/messages.ts';
import { NAME_MAX } from '../src/neighbours/neighbour-name.ts';
import { INVITATION_TTL_MS } from '../src/neighbours/neighbourhood.ts';
import { LINES_PER_SECOND_MAX, LINES_SAVED_MAX } from '../src/neighbours/offer-lines.ts';
import { OFFER_REPEAT_MS, OFFER_SPACING_MS, OFFER_UNREAD_MAX } from '../src/neighbours/offer-stream.ts';
import { REPEAT_MS, SENDS_MAX } from '../src/neighbours/pairing.ts';
import { INVITATIONS_MAX } from '../src/neighbours/pairing-desk.ts';
import { TRIES_PER_ADDRESS, TRIES_TOTAL, TRIES_WINDOW_MS } from '../src/neighbours/pairing-tries.ts';
import { QUESTION_MS } from '../src/neighbours/presence-call.ts';
import { SILENCE_MS } from '../src/neighbours/presence-state.ts';
import { REFUSAL_MAX_BYTES } from '../src/neighbours/refusal.ts';
import { REKEYS_MAX, REKEYS_WINDOW_MS } from '../src/neighbours/rekeys.ts';
import { ROTATIONS_MAX, STATEMENT_MAX } from '../src/neighbours/rotation.ts';
import { SPARE_IDLE_MS, SPARES_MAX } from '../src/neighbours/warm-connections.ts';
import { AT_ONCE, WAITING_MAX } from '../src/paths/lookups.ts';

type Unit = readonly [size: number, name: string];

/** In the largest unit of which it is a whole number. */
const inUnits = (amount: number, units: readonly Unit[]): string => {
  const [size, name] = units.find(([each]) => amount % each === 0) ?? [1, ''];
  return `${amount / size} ${name}`;
};
const size = (bytes: Bytes): string =>
  inUnits(bytes, [
    [GIB, 'GiB'],
    [MIB, 'MiB'],
    [KIB, 'KiB'],
  ]);
const time = (ms: Milliseconds): string =>
  inUnits(ms, [
    [86_400_000, 'd'],
    [3_600_000, 'h'],
    [60_000, 'min'],
    [1_000, 's'],
    [1, 'ms'],
  ]);

const {
  lend,
  link: { retry: connectRetry },
} = loadConfig(undefined);
const link = LINK_LIMITS;

export const PROTOCOL_LIMITS: readonly (readonly [what: string, bound: string])[] = [
  ['message, line of the offers', size(MESSAGE_MAX_BYTES)],
  ['body of a refusal that is read', size(REFUSAL_MAX_BYTES)],
  ['request head', size(link.headBytes)],
  ['request, from the handshake or the last answer on', time(link.headMs)],
  ['TLS handshake', time(link.handshakeMs)],
  ['connections of strangers, whoever has not proved to be a neighbour yet included', `${link.strangers}`],
  ['the same of one IPv4 address or IPv6 /64', `${link.strangersPerSource}`],
  ['stay of a stranger', time(link.strangerMs)],
  ['connections of one neighbour', `${link.perNeighbour}`],
  ['kept connection without a request', time(link.idleMs)],
  ['neighbour with a stream of offers and no request', time(link.silentMs)],
  ['unused connection that a caller keeps ready', time(SPARE_IDLE_MS)],
  ['such connections for each neighbour', `${SPARES_MAX}`],
  ['answer to a message', time(EXCHANGE_MS)],
  ['answer to a receipt', time(POST_MS)],
  ['answer to CONNECT', time(TUNNEL_ANSWER_MS)],
  ['neighbours', `${NEIGHBOURS_MAX}`],
  ['addresses of a household', `${ADDRESSES_MAX}`],
  ['name of a household, in UTF-16 units', `${NAME_MAX}`],
  ['invitation, in characters', `${INVITATION_MAX}`],
  ['life of an invitation, unless said otherwise', time(INVITATION_TTL_MS)],
  ['invitations at once', `${INVITATIONS_MAX}`],
  ['sends of a message of pairing', `${SENDS_MAX}`],
  [`failed tries in ${time(TRIES_WINDOW_MS)}, of one IPv4 address or IPv6 /64`, `${TRIES_PER_ADDRESS}`],
  ['the same of all', `${TRIES_TOTAL}`],
  ['comparison, until both nonces are there', time(COMMIT_MS)],
  ['comparison, for the people', time(COMPARE_MS)],
  ['households that a reader of mDNS lists', `${DISCOVERED_MAX}`],
  ['statements of rotation', `${ROTATIONS_MAX}`],
  ['statement, in characters', `${STATEMENT_MAX}`],
  [`changes of one neighbour's key in ${time(REKEYS_WINDOW_MS)}`, `${REKEYS_MAX}`],
  ['offer repeated', time(OFFER_REPEAT_MS)],
  ['offers apart, unless it falls to 0', time(OFFER_SPACING_MS)],
  ['offers that the neighbour leaves unread', size(OFFER_UNREAD_MAX)],
  ['lines of the offers in a second', `${LINES_PER_SECOND_MAX}`],
  ['the same at once, when they were held up', `${LINES_SAVED_MAX}`],
  ['silence on the offers', time(SILENCE_MS)],
  ['question `hello`', time(QUESTION_MS)],
  ['token of a lease, in characters', `${LEASE_TOKEN_MAX}`],
  ['time in a lease or receipt, in seconds since 1970', `${TOKEN_TIME_MAX}`],
  ['clocks apart', time(CLOCK_SKEW_MS)],
  ['time that a lease is made out for', time(LONGEST_LEASE_MS)],
  ['leases of one borrower that have not expired', `${LEASES_PER_BORROWER}`],
  ['new leases of one borrower at once', `${NEW_LEASES_MAX}`],
  ['the same, earned back in a second', `${NEW_LEASES_PER_SECOND}`],
  ['new addresses of origins for one borrower at once', `${NEW_CONTACTS_MAX}`],
  ['the same, earned back in a second', `${NEW_CONTACTS_PER_SECOND}`],
  ['lease that linepool signs: bytes, at least', size(LEASE_MIN_BYTES)],
  ['lease that linepool signs: bytes, at most', size(LEASE_MAX_BYTES)],
  ['lease that linepool signs: time', time(LEASE_TIME_MS)],
  ['lease at a lender: bytes (`lend.lease_bytes`)', size(lend.lease_bytes)],
  ['lease at a lender: time since its first use (`lend.lease_time`)', time(lend.lease_time)],
  ['ports (`lend.ports`; 80 for fetches only, 443 for tunnels only)', lend.ports.join(', ')],
  ['connections of all borrowers (`lend.max_connections`)', `${lend.max_connections}`],
  ['of one borrower', `half of them, at least ${BORROWER_CONNECTIONS_MIN}`],
  ['connections of all borrowers to one origin', `${LENT_ORIGIN_CONNECTIONS}`],
  ['of one borrower to one origin', `${LENT_ORIGIN_BORROWER_CONNECTIONS}`],
  ['requests that wait on a connection', `${OUTSTANDING_MAX}`],
  ['origins of a connection at once', `${ORIGINS_PER_CONNECTION}`],
  ['names of all borrowers that are looked up at once', `${AT_ONCE}`],
  ['names that wait for that', `${WAITING_MAX}`],
  ['silence of an origin, in a fetch', time(ORIGIN_SILENCE_MS)],
  ['tunnel or fetch in which nothing moves', time(TRANSFER_IDLE_MS)],
  ['body of an answer that is no span', size(DISCARD_MAX)],
  ['refusals that are borne', `${TRIES_MAX}`],
  ['earned back in a second', `${TRIES_PER_SECOND}`],
  ['after an offer of 0 none is counted for', time(GRACE_MS)],
  ['cut off, at first', time(CUT_OFF_MS)],
  ['cut off, at most', time(CUT_OFF_MAX_MS)],
  ['span statement, in characters', `${SPAN_STATEMENT_MAX}`],
  ['step: unsigned under one lease', size(RECEIPT_STEP)],
  ['steps unsigned over all leases of a borrower', `${STEPS_MAX}`],
  [`receipts of one borrower for less than ${size(SMALL_RECEIPT)} more`, `${SMALL_RECEIPTS_MAX}`],
  ['of these, earned back in a second', `${SMALL_RECEIPTS_PER_SECOND}`],
  ['borrower signs every', size(SIGN_EVERY)],
  ['lease at rest', time(REST_MS)],
  ['word to a lender while something is under way', time(WORD_MS)],
  ['held transfer without a receipt', time(RECEIPT_WAIT_MS)],
  ['last receipt of a lease that is over', time(LAST_RECEIPT_MS)],
  ['a lost step is forgiven in', time(FORGIVEN_STEP_MS)],
  ['receipt without an answer, sent again', time(RETRY_MS)],
  ['lender that does not sign', time(ANSWER_MS)],
  ['left alone for', time(LEFT_ALONE_MS)],
  ['counts apart', size(DISPUTE_BYTES)],
];

/** Sentences of the document that name a bound, however its lines are broken. */
export const PROTOCOL_SENTENCES: readonly string[] = [
  `up to ${SENDS_MAX} times in all`,
  `once it is confirmed for ${time(REPEAT_MS)} more`,
  `cut it to ${NAME_MAX} UTF-16 units`,
  `number of addresses, 1 to ${ADDRESSES_MAX}`,
  `| ${SECRET_BYTES} | secret: random |`,
  `\`lp-\` and ${PSEUDONYM_CHARACTERS} random characters`,
  `A nonce is ${NONCE_BYTES} random bytes`,
  `its last ${ROTATIONS_MAX} statements`,
  `${REKEYS_MAX} changes of one neighbour's key are taken in ${time(REKEYS_WINDOW_MS)}`,
  `the same again every ${time(OFFER_REPEAT_MS)}`,
  `no faster than every ${time(OFFER_SPACING_MS)}`,
  `has sent no request for ${link.silentMs / 1_000} s`,
  `asks \`hello\` every ${time(QUESTION_MS)}`,
  `longer than ${size(MESSAGE_MAX_BYTES)} or comes faster than ${LINES_PER_SECOND_MAX} lines a second for long`,
  `After ${time(SILENCE_MS)} of silence`,
  `called again after ${time(connectRetry)}`,
  `from ${time(GRACE_MS)} after an offer of 0 on`,
  `${TRIES_PER_SECOND} less with each second; at more than ${TRIES_MAX} everything`,
  `for ${time(CUT_OFF_MS)} at first`,
  `to up to ${ORIGINS_PER_CONNECTION} origins`,
  `| ${size(SIGN_EVERY)} are unsigned over all leases`,
  `has heard nothing for ${time(WORD_MS)}`,
  `nothing has been under way for ${time(REST_MS)}`,
  `one *step*, ${size(RECEIPT_STEP)}, beyond what is signed`,
  `up to ${STEPS_MAX} steps`,
  `less than ${size(SMALL_RECEIPT)} more than the last one of its lease, it takes ${SMALL_RECEIPTS_MAX} of one borrower`,
  `and ${SMALL_RECEIPTS_PER_SECOND} a second from then on`,
  `no receipt comes for ${time(RECEIPT_WAIT_MS)}`,
  `its last receipt is taken for ${time(LAST_RECEIPT_MS)}`,
  `a step of it is forgiven in ${time(FORGIVEN_STEP_MS)}`,
  `answers nothing good for ${time(ANSWER_MS)}, asked again every ${time(RETRY_MS)}`,
];
