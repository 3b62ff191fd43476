/**
 * Explain: the answer to a letter from an ISP: for whom our line reached an address at a certain time. Finds the leases under which
 * we, as the lender, had connected there or tried to, with the borrower's signature from before a byte flowed. Run by `linepool ledger explain`.
 *
 * A lease explains an address when our own record says so: a contact, for its time; or when it names the host that was asked about. It
 * never says that a neighbour did something unlawful, only who asked for which server when.
 */
import ipaddr from 'ipaddr.js';
import { parseTarget, unbracketed } from '../core/target.ts';
import type { Bytes, Milliseconds } from '../core/units.ts';
import type { ContentOf } from './entry.ts';
import { parseReceipt } from './receipt.ts';
import { readEntries, type Source } from './source.ts';
import { type LeaseTerms, leaseTerms } from './terms.ts';

export interface Question {
  readonly when: Milliseconds;
  /** How far the clocks of the two who write down times may be apart. */
  readonly slack: Milliseconds;
  /** An IP address, or the host as a lease names it. */
  readonly address: string;
}

export interface Explanation {
  readonly neighbour: string;
  /** The number of the entry with the lease. */
  readonly seq: number;
  /** When it was recorded, by our clock: before a byte flowed. */
  readonly recordedAt: Milliseconds;
  readonly terms: LeaseTerms;
  /** The lease as the borrower signed it. */
  readonly token: string;
  /** Where we connected for it, at that time: to the address that was asked about, or, for a host, wherever its name led. */
  readonly contacts: readonly Omit<ContentOf<'contact'>, 'kind' | 'neighbour' | 'lease'>[];
  /** Its last receipt. */
  readonly receipt:
    | { readonly total: Bytes; readonly borrower: string; readonly lender: string | null }
    | undefined;
}

interface Candidate {
  readonly seq: number;
  readonly recordedAt: Milliseconds;
  readonly content: ContentOf<'lease'>;
  readonly terms: LeaseTerms;
  readonly contacts: ContentOf<'contact'>[];
  receipt: ContentOf<'receipt'> | undefined;
}

/**
 * In the order of the leases.
 * @throws LinepoolError `ledger_wrong` at an entry that can't be read
 */
export async function explain(
  source: Source,
  question: Question,
  onProgress?: (entries: number) => void,
): Promise<readonly Explanation[]> {
  const address = canonicalAddress(question.address);
  const all: Candidate[] = [];
  const current = new Map<string, Candidate>();
  for await (const { seq, at, content, terms: known } of readEntries(source)) {
    onProgress?.(seq);
    if (content.kind === 'lease' && content.role === 'lender') {
      const terms = known ?? leaseTerms(content.token);
      const key = `${content.neighbour} ${terms?.id ?? ''}`;
      current.delete(key);
      if (terms === undefined || !isWithin(question, Math.min(terms.issuedAt, at), terms.expiresAt)) continue;
      const candidate = { seq, recordedAt: at, content, terms, contacts: [], receipt: undefined };
      current.set(key, candidate);
      all.push(candidate);
    } else if (content.kind === 'contact') {
      const candidate = current.get(`${content.neighbour} ${content.lease}`);
      if (candidate !== undefined) {
        const until = content.until ?? candidate.terms.expiresAt;
        if (isWithin(question, content.from, until)) candidate.contacts.push(content);
      }
    } else if (content.kind === 'receipt' && content.role === 'lender') {
      const candidate = current.get(`${content.neighbour} ${content.lease}`);
      if (candidate !== undefined) candidate.receipt = content;
    }
  }
  return all.flatMap((candidate) => {
    const there = candidate.contacts.filter((one) => canonicalAddress(one.address) === address);
    if (there.length > 0) return explained(candidate, there);
    // By its name: wherever that led.
    return hostOf(candidate.terms.origin) === address ? explained(candidate, candidate.contacts) : [];
  });
}

function explained(
  { seq, recordedAt, content, terms, receipt }: Candidate,
  contacts: readonly ContentOf<'contact'>[],
): Explanation {
  return {
    neighbour: content.neighbour,
    seq,
    recordedAt,
    terms,
    token: content.token,
    contacts: contacts.map(({ address, port, from, until }) => ({ address, port, from, until })),
    receipt: receipt && {
      total: parseReceipt(receipt.borrower).total,
      borrower: receipt.borrower,
      lender: receipt.lender,
    },
  };
}

const isWithin = ({ when, slack }: Question, from: Milliseconds, until: Milliseconds): boolean =>
  from - slack <= when && when <= until + slack;

/** One spelling for each IP address, an IPv4-mapped one as IPv4; a host name in lower case. */
function canonicalAddress(text: string): string {
  const bare = unbracketed(text);
  return ipaddr.isValid(bare) ? ipaddr.process(bare).toNormalizedString() : bare.toLowerCase();
}

function hostOf(origin: string): string {
  try {
    return canonicalAddress(parseTarget(`${origin}/`).origin.host);
  } catch {
    // A lease of an origin that this version can't read matches no host; its contacts still do.
    return '';
  }
}
