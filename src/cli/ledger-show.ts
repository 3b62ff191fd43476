/**
 * Showing the ledger: entries, sums, verdicts and answers as lines that people read. Pure.
 */
import { formatBytes, formatDuration, type Milliseconds } from '../core/units.ts';
import type { Balance } from '../ledger/balance.ts';
import type { Content } from '../ledger/entry.ts';
import type { Explanation, Question } from '../ledger/explain.ts';
import { parseReceipt } from '../ledger/receipt.ts';
import type { LeaseTerms } from '../ledger/terms.ts';
import type { Verified } from '../ledger/verify.ts';
import { shortId } from '../neighbours/household-id.ts';
import type { Names } from './ledger-names.ts';
import { pairs, printable, table } from './table.ts';

/** An entry to be listed. */
export interface Shown {
  readonly seq: number;
  readonly at: Milliseconds;
  readonly content: Content;
  readonly terms?: LeaseTerms | undefined;
}

export function showEntries(entries: readonly Shown[], names: Names): string[] {
  if (entries.length === 0) return ['There is no such entry.'];
  return table(
    [
      { title: 'ENTRY', align: 'right' },
      { title: 'TIME (UTC)' },
      { title: 'KIND' },
      { title: 'NEIGHBOUR' },
      { title: '' },
    ],
    entries.map(({ seq, at, content, terms }) => [
      String(seq),
      moment(at),
      content.kind,
      'neighbour' in content ? names.short(content.neighbour) : '',
      words(content, terms),
    ]),
  );
}

const CAUSES = {
  damaged: 'damaged',
  other_version: 'of another version',
  other_household: 'of another household',
};

function words(content: Content, terms: LeaseTerms | undefined): string {
  switch (content.kind) {
    case 'begin':
      return content.cause === 'new'
        ? `of ${shortId(content.household)}`
        : `of ${shortId(content.household)}, because the one before was ${CAUSES[content.cause]}: it is in ${content.before}`;
    case 'self':
      return `our household is ${shortId(content.household)} from here on`;
    case 'party':
      return 'its public key';
    case 'lease': {
      const who = content.role === 'lender' ? 'may use our line' : 'lets us use its line';
      return terms === undefined
        ? who
        : `${who} for ${terms.origin}, ${formatBytes(terms.maxBytes)}, until ${moment(terms.expiresAt)} (${terms.id})`;
    }
    case 'contact':
      return `we dialled ${content.address} port ${content.port} (${content.lease})`;
    case 'receipt': {
      const { total, last } = parseReceipt(content.borrower);
      const signed = content.lender === null ? ', not signed by the lender' : '';
      return `${formatBytes(total)} carried ${content.role === 'lender' ? 'for it' : 'for us'}${last ? ', the last' : ''}${signed} (${content.lease})`;
    }
    case 'proof':
      return content.reason;
    case 'pruned':
      return `retention removed ${content.removed} entries, through ${content.through}`;
  }
}

export function showVerified(file: string, result: Verified, names: Names): string[] {
  const { entries, leases, receipts, signatures, head, prunedThrough } = result;
  const unchecked =
    signatures.unchecked === 0
      ? ''
      : `, ${signatures.unchecked} that others stand for or that are its own were not (--all)`;
  return [
    `${printable(file)} holds.`,
    ...pairs([
      ['Household', result.household],
      ['Entries', `${entries}, with ${leases} leases and ${receipts} receipts`],
      ['Signatures', `${signatures.checked} checked${unchecked}`],
      ['Head', head === undefined ? '' : `signed at ${moment(head.signedAt)}, entry ${head.seq}`],
      ...(prunedThrough > 0
        ? [['Removed', `by retention, among the entries through ${prunedThrough}`] as const]
        : []),
      ...result.neighbours.map((id, i) => [i === 0 ? 'Neighbours' : '', names.full(id)] as const),
    ]),
  ];
}

export function showBalance(balances: readonly Balance[], since: Milliseconds, names: Names): string[] {
  const from = since === 0 ? '' : ` since ${moment(since)}`;
  if (balances.length === 0) return [`No receipt is on record${from}.`];
  return table(
    [
      { title: 'NEIGHBOUR' },
      { title: 'WE CARRIED FOR IT', align: 'right' },
      { title: 'LEASES', align: 'right' },
      { title: 'IT CARRIED FOR US', align: 'right' },
      { title: 'LEASES', align: 'right' },
    ],
    balances.map((one) => [
      names.short(one.neighbour),
      formatBytes(one.lentBytes),
      String(one.lentLeases),
      formatBytes(one.borrowedBytes),
      String(one.borrowedLeases),
    ]),
  );
}

export function showExplanations(
  found: readonly Explanation[],
  { when, slack, address }: Question,
  names: Names,
): string[] {
  const about = `${printable(address)} at ${moment(when)} (${formatDuration(slack)} either way)`;
  if (found.length === 0) {
    return [
      `No neighbour had our line to ${about}.`,
      'What the household itself did is not in the ledger, nor what retention removed.',
    ];
  }
  return [
    `Our line reached ${about} under ${found.length === 1 ? 'this lease' : `these ${found.length} leases`}:`,
    ...found.flatMap((one) => ['', ...explanation(one, names)]),
  ];
}

function explanation({ terms, contacts, receipt, ...one }: Explanation, names: Names): string[] {
  const until = (to: Milliseconds | null): string => (to === null ? 'the end of the lease' : moment(to));
  return pairs([
    ['Borrower', names.full(one.neighbour)],
    ['Server', terms.origin],
    ...contacts.map(
      ({ address, port, from, until: to }) =>
        ['Dialled', `${address} port ${port}, ${moment(from)} to ${until(to)}`] as const,
    ),
    ...(contacts.length === 0
      ? [['Dialled', 'no address is on record; the lease names the server'] as const]
      : []),
    ['Lease', `${terms.id}, ${moment(terms.issuedAt)} to ${moment(terms.expiresAt)}, entry ${one.seq}`],
    ['Recorded', `${moment(one.recordedAt)}, by our clock`],
    [
      'Carried',
      receipt === undefined ? 'no receipt' : `${formatBytes(receipt.total)}, as the receipt has it`,
    ],
    ['Signed lease', one.token],
    ...(receipt === undefined
      ? []
      : [['Receipt', receipt.borrower] as const, ['', receipt.lender ?? 'not signed by us'] as const]),
  ]);
}

/** `2026-03-01 06:00:00 UTC`: what goes to others must not hang on a zone. */
const moment = (at: Milliseconds): string =>
  `${new Date(at).toISOString().slice(0, 19).replace('T', ' ')} UTC`;
