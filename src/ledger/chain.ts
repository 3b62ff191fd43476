/**
 * The chain: what must hold from one entry to the next, and at the end. Fed by verify with what a file or an export has, in order;
 * says of the first entry that does not hold why. Signatures are left to the caller, who is told which there are. Pure.
 */
import { type ContentOf, canonicalText, chainHash, HASH_BEFORE_FIRST } from './entry.ts';
import { type Head, parseHead } from './head.ts';
import { Kept } from './kept.ts';
import { parseReceipt, type Receipt } from './receipt.ts';
import { rotationIn } from './rotated.ts';
import { isKeyOf, type ReadEntry } from './row.ts';
import {
  type LeaseTerms,
  leaseComplaint,
  leaseTerms,
  partiesOf,
  receiptComplaint,
  textComplaint,
} from './terms.ts';

/** What comes out of a file or an export, in order. */
export type Item =
  | { readonly kind: 'entry'; readonly entry: ReadEntry }
  /** Retention removed this entry, and any before it that are missing. */
  | { readonly kind: 'gap'; readonly seq: number; readonly hash: Uint8Array }
  | { readonly kind: 'unreadable'; readonly seq: number; readonly why: string };

/** The first entry that does not hold. */
export interface Fault {
  readonly seq: number;
  readonly why: string;
}

/** Signatures under what an entry holds; `by` is a household whose key the chain has. */
export interface Signed {
  readonly seq: number;
  readonly by: string;
  readonly token: string;
  /** Whether it is our household's own signature, which it could make anew. */
  readonly own: boolean;
}

/** What is to be looked at by signature: a lease, or what has become of one. */
export type Signatures =
  | { readonly kind: 'now'; readonly signed: readonly Signed[] }
  /** Of a receipt: only the last one of a lease counts. */
  | {
      readonly kind: 'receipt';
      readonly lease: number;
      readonly last: boolean;
      readonly signed: readonly Signed[];
    };

interface LeaseState {
  readonly seq: number;
  readonly terms: LeaseTerms;
  total: number;
}

const isSame = (a: Uint8Array, b: Uint8Array): boolean => Buffer.compare(a, b) === 0;

export class Chain {
  /** Public keys of the households in the chain, ours included. */
  readonly keys = new Map<string, string>();
  readonly neighbours = new Set<string>();
  /** Our household's id, as of the last entry. */
  household = '';
  entries = 0;
  leases = 0;
  receipts = 0;

  readonly #prunedThrough: number;
  readonly #leases = new Map<string, LeaseState>();
  #seq = 0;
  #hash: Uint8Array = HASH_BEFORE_FIRST;
  /** The first entry that retention is said to have removed, until an entry says so. */
  #unexplained: number | undefined;
  #hashAtPruned: Uint8Array | undefined;
  /** Of what there is up to `prunedThrough`. */
  readonly #kept = new Kept();
  /** Whether an entry has said what `prunedThrough` says. */
  #isConfirmed: boolean;

  /** `prunedThrough`: up to where entries may be missing; an entry further on must say the same. */
  constructor(prunedThrough: number) {
    this.#prunedThrough = prunedThrough;
    this.#isConfirmed = prunedThrough === 0;
  }

  get lastSeq(): number {
    return this.#seq;
  }

  /** The signatures under an entry, or why it does not hold. */
  step(item: Item): Signatures | Fault {
    if (item.kind === 'unreadable') return { seq: item.seq, why: item.why };
    const before = this.#seq;
    if (item.kind === 'gap') return this.#gap(item, before) ?? NOTHING_SIGNED;
    const { seq, at, content, hash } = item.entry;
    const wrong = (why: string): Fault => ({ seq, why });
    if (seq <= before) return wrong(`it stands behind entry ${before}`);
    if (seq !== before + 1) return { seq: before + 1, why: `it is missing; entry ${seq} comes next` };
    if (!isSame(chainHash(this.#hash, canonicalText(seq, at, content)), hash)) {
      return wrong('its hash is not that of its content and the entry before');
    }
    this.#came('entry', seq, hash);
    this.entries += 1;
    if ((content.kind === 'begin') !== (seq === 1))
      return wrong('a chain begins with "begin", and there only');
    const signed = this.#read(item.entry);
    return typeof signed === 'string' ? wrong(signed) : signed;
  }

  /** Whether the head is that of the last entry; its signature is left to the caller, by the key of `household`. */
  end(token: string | undefined): { readonly head: Head; readonly token: string } | Fault {
    const next = { seq: this.#seq + 1 };
    if (this.#seq === 0) return { ...next, why: 'there is no entry' };
    if (this.#unexplained !== undefined) {
      return { seq: this.#unexplained, why: 'it is missing, and no entry says that retention removed it' };
    }
    if (!this.#isConfirmed) {
      return {
        seq: 0,
        why: `entries through ${this.#prunedThrough} are said to be removed, but no entry says so`,
      };
    }
    if (token === undefined)
      return { ...next, why: 'the signed head is missing: there may have been more entries' };
    const head = parseHead(token);
    if (head === undefined) return { ...next, why: 'the head is not in the form of one' };
    if (head.household !== this.household) return { ...next, why: `the head is that of ${head.household}` };
    if (head.seq > this.#seq) {
      return {
        ...next,
        why: `it is missing: the household signed ${head.seq} entries, there are ${this.#seq}`,
      };
    }
    if (head.seq < this.#seq) return { seq: head.seq + 1, why: 'it is not covered by the signed head' };
    if (!isSame(head.hash, this.#hash))
      return { seq: head.seq, why: 'it is not the entry whose hash was signed' };
    return { head, token };
  }

  #gap({ seq, hash }: Extract<Item, { kind: 'gap' }>, before: number): Fault | undefined {
    if (seq <= before) return { seq, why: `it stands behind entry ${before}` };
    const missing = before + 1;
    if (missing === 1) return { seq: 1, why: 'it is missing: a chain begins with "begin"' };
    if (seq > this.#prunedThrough)
      return { seq: missing, why: 'it is missing, and too young to have been removed' };
    this.#unexplained ??= missing;
    this.#came('gap', seq, hash);
    return undefined;
  }

  #came(what: 'entry' | 'gap', seq: number, hash: Uint8Array): void {
    this.#seq = seq;
    this.#hash = hash;
    if (seq <= this.#prunedThrough) this.#kept.add(what, seq, hash);
    if (seq === this.#prunedThrough) this.#hashAtPruned = hash;
  }

  /** The signatures, or what is wrong. */
  #read(entry: ReadEntry): Signatures | string {
    const { seq, content } = entry;
    switch (content.kind) {
      case 'begin':
        return this.#ours(content) ?? NOTHING_SIGNED;
      case 'self': {
        const { household, publicKey, statement: token } = content;
        const by = this.household;
        const rotation = rotationIn(token);
        if (rotation?.from !== by || rotation.to.id !== household || rotation.to.publicKey !== publicKey) {
          return 'its statement is not one by which our household changes to this key';
        }
        // The one own signature that counts: whoever has the file, but not our key, could go on with another one.
        const signed = [{ seq, by, token, own: false }];
        return this.#ours(content) ?? { kind: 'now', signed };
      }
      case 'party':
        if (!isKeyOf(content.neighbour, content.publicKey))
          return "the neighbour's id is not that of the key";
        this.keys.set(content.neighbour, content.publicKey);
        this.neighbours.add(content.neighbour);
        return NOTHING_SIGNED;
      case 'lease':
        return this.#lease(entry, content);
      case 'contact':
        return this.#leases.has(`lender ${content.neighbour} ${content.lease}`)
          ? NOTHING_SIGNED
          : `the lease ${content.lease} is not on record before it`;
      case 'receipt':
        return this.#receipt(entry, content);
      case 'proof':
        return this.keys.has(content.neighbour) ? NOTHING_SIGNED : UNKNOWN_PARTY;
      case 'pruned':
        return this.#pruned(seq, content);
    }
  }

  /** The household that the chain is of from here on; what is wrong with it. */
  #ours({ household, publicKey }: Pick<ContentOf<'begin'>, 'household' | 'publicKey'>): string | undefined {
    if (!isKeyOf(household, publicKey)) return 'the household id is not that of the key';
    this.household = household;
    this.keys.set(household, publicKey);
    return undefined;
  }

  #lease({ seq, terms: known }: ReadEntry, content: ContentOf<'lease'>): Signatures | string {
    const { role, neighbour, token } = content;
    if (!this.keys.has(neighbour)) return UNKNOWN_PARTY;
    const terms = known ?? leaseTerms(token);
    if (terms === undefined) return 'its token is not in the form of a lease';
    const complaint = leaseComplaint(terms, partiesOf(role, this.household, neighbour));
    if (complaint !== undefined) return complaint;
    this.#leases.set(`${role} ${neighbour} ${terms.id}`, { seq, terms, total: 0 });
    this.leases += 1;
    return { kind: 'now', signed: [{ seq, by: terms.borrower, token, own: role === 'borrower' }] };
  }

  #receipt({ seq, receipt: known }: ReadEntry, content: ContentOf<'receipt'>): Signatures | string {
    const { role, neighbour, borrower, lender } = content;
    const lease = this.#leases.get(`${role} ${neighbour} ${content.lease}`);
    if (lease === undefined) return `the lease ${content.lease} is not on record before it`;
    const receipt = known ?? receiptIn(borrower);
    if (typeof receipt === 'string') return receipt;
    // One that was read without its tokens was made into both of them from one text.
    const differ = known === undefined ? textComplaint(content) : undefined;
    const complaint = differ ?? receiptComplaint(receipt, lease.terms, lease.total);
    if (complaint !== undefined) return complaint;
    lease.total = receipt.total;
    this.receipts += 1;
    const own = role === 'borrower';
    const signed: Signed[] = [{ seq, by: receipt.borrower, token: borrower, own }];
    if (lender !== null) signed.push({ seq, by: receipt.lender, token: lender, own: !own });
    return { kind: 'receipt', lease: lease.seq, last: receipt.last, signed };
  }

  #pruned(seq: number, { through, hash, kept }: ContentOf<'pruned'>): Signatures | string {
    if (through >= seq) return `it says that entry ${through} was removed, which is not before it`;
    if (through > this.#prunedThrough)
      return `it says that entries through ${through} were removed, but nothing else does`;
    if (through < this.#prunedThrough) return NOTHING_SIGNED;
    if (this.#hashAtPruned === undefined || !isSame(Buffer.from(hash, 'base64url'), this.#hashAtPruned)) {
      return `what is left of entry ${through} does not have the hash that was removed`;
    }
    if (kept !== undefined && kept !== this.#kept.digest) {
      return `what is left through entry ${through} is not what retention left`;
    }
    this.#unexplained = undefined;
    this.#isConfirmed = true;
    return NOTHING_SIGNED;
  }
}

const NOTHING_SIGNED: Signatures = { kind: 'now', signed: [] };
const UNKNOWN_PARTY = "the neighbour's key is not on record before it";

/** What a receipt says, or why it is none. */
function receiptIn(token: string): Receipt | string {
  try {
    return parseReceipt(token);
  } catch (error) {
    return (error as Error).message;
  }
}

export const isFault = (value: object): value is Fault => 'why' in value;
