/**
 * The ledger: our household's append-only, hash-chained record of what was carried, for whom and by whom. Opened by the daemon;
 * lending and paths append to it. Appending is synchronous and small, and never throws: a disk that refuses must not stop the
 * household's traffic. Who lends asks what `append` answered: no record, no lending.
 *
 * A file that is damaged is set aside, never mended or removed, and a new chain begins, which says so in its first entry. What
 * somebody else wrote there must never be signed: the end of the chain is the one that was signed, or that is remembered.
 */
import type { KeyObject } from 'node:crypto';
import { existsSync } from 'node:fs';
import { LRUCache } from 'lru-cache';
import type { Clock } from '../core/clock.ts';
import type { ErrorCode } from '../core/errors.ts';
import type { Events } from '../core/events.ts';
import type { Bytes, Milliseconds } from '../core/units.ts';
import {
  type Carried,
  type Content,
  type ContentOf,
  canonicalText,
  chainHash,
  type Entry,
  FIELDS,
  HASH_BEFORE_FIRST,
  LEDGER_VERSION,
  type NewEntry,
  type Role,
} from './entry.ts';
import { errorOf, LedgerFile, SQLITE_CORRUPT, SQLITE_NOT_A_DATABASE } from './file.ts';
import { signHead } from './head.ts';
import { parseReceipt } from './receipt.ts';
import { prune } from './retention.ts';
import { changesTo } from './rotated.ts';
import { idOf, isKeyOf, kindNumber, packBody, unpack } from './row.ts';
import { setAside } from './set-aside.ts';
import { isSameEntry, type LastEntry, tailFault } from './tail.ts';
import {
  type LeaseTerms,
  leaseComplaint,
  leaseTerms,
  partiesOf,
  receiptComplaint,
  textComplaint,
} from './terms.ts';

/** Our household as it signs; its id is the hash of its public key. */
export interface Signer {
  readonly id: string;
  /** Ed25519, SPKI in DER, as base64url. */
  readonly publicKey: string;
  readonly privateKey: KeyObject;
  /** How it came to have this key, when it had others before: see neighbours/rotation.ts. The oldest first. */
  readonly statements?: readonly string[];
}

export interface LedgerOptions {
  /** Made at the first entry; nothing is opened before. */
  readonly file: string;
  readonly clock: Clock;
  /** Where a disk that refuses is told of, once until it takes entries again. */
  readonly events?: Events | undefined;
  /** Who signs the head: our identity. */
  readonly household: Signer;
  /** Older entries are removed, whole leases at a time; undefined: none. At least `LEAST_KEPT_MS`. */
  readonly keep?: Milliseconds | undefined;
  /** What the file may grow to; then it is as if the disk were full. Default: what the disk has. */
  readonly maxBytes?: Bytes | undefined;
}

/** How often retention looks for what is too old. Not at the start: routers start with a wrong clock. */
export const PRUNE_EVERY_MS: Milliseconds = 3_600_000;

/** So many leases carry something at a time, mostly: what each has carried is not looked up at each receipt. */
const RUNNING_MAX = 128;

interface RunningLease {
  readonly seq: number;
  readonly terms: LeaseTerms;
  /** Signed for so far. */
  total: Bytes;
}

/** What the caller handed in would not hold: it is told, and nothing is recorded. */
class Refused extends Error {
  readonly code: ErrorCode;
  constructor(code: ErrorCode, message: string) {
    super(message);
    this.code = code;
  }
}
/** The file can't be continued: it has to be set aside. */
class Damaged extends Error {
  readonly why: ContentOf<'begin'>['cause'];
  constructor(message: string, why: ContentOf<'begin'>['cause'] = 'damaged') {
    super(message);
    this.why = why;
  }
}

export class Ledger implements Disposable {
  readonly #options: LedgerOptions;
  readonly #timer: Disposable | undefined;
  readonly #household: Signer;
  #file: LedgerFile | undefined;
  /** What was reported last and is so still. */
  #failing: ErrorCode | undefined;
  /** The last entry as it was left on record; undefined until the file was made or looked at. */
  #end: LastEntry | undefined;
  /** The same within what is being written. */
  #last: LastEntry | undefined;
  readonly #running = new LRUCache<string, RunningLease>({ max: RUNNING_MAX });
  #ended = false;

  private constructor(options: LedgerOptions) {
    this.#options = options;
    this.#household = options.household;
    const { keep, clock } = options;
    if (keep !== undefined) this.#timer = clock.every(PRUNE_EVERY_MS, () => this.prune(keep));
  }

  /** Never throws; the file is opened by the first entry. */
  static open(options: LedgerOptions): Ledger {
    return new Ledger(options);
  }

  /**
   * On record when it returns, and safe against the end of this process. Undefined when it could not be recorded, which is reported
   * once. A lease whose token is on record already is not recorded again: the entry that is there is returned. Another token of the
   * same id, role and neighbour is refused: receipts name the lease by its id alone.
   */
  append(entry: NewEntry): Entry | undefined {
    return this.appendAll([entry])?.[0];
  }

  /** All of them or none. */
  appendAll(entries: readonly NewEntry[]): readonly Entry[] | undefined {
    return this.#attempt((file) => {
      const added = entries.map((entry) => this.#add(file, entry));
      this.#signHead(file);
      return added;
    });
  }

  /**
   * What a lease has carried by its last receipt, for one that was restarted; undefined when the lease is not on record, or the
   * record can't be read.
   */
  carried(role: Role, neighbour: string, lease: string): Carried | undefined {
    return this.#attempt((file) => {
      const recorded = file.leaseOf(role, neighbour, lease);
      return (
        recorded && { token: leaseAt(file, recorded.seq).content.token, ...carriedUnder(file, recorded.seq) }
      );
    });
  }

  /** Removes what is older, at most `PRUNED_AT_ONCE` entries. Called by the ledger itself when it was given `keep`. */
  prune(keep: Milliseconds): number {
    if (!existsSync(this.#options.file)) return 0;
    const removed = this.#attempt((file) => {
      const pruned = prune(file, this.#options.clock.wall() - keep);
      if (pruned === undefined) return 0;
      this.#running.clear();
      this.#write(file, { kind: 'pruned', ...pruned }, null);
      this.#signHead(file);
      return pruned.removed;
    });
    return removed ?? 0;
  }

  [Symbol.dispose](): void {
    this.#ended = true;
    this.#timer?.[Symbol.dispose]();
    this.#close();
  }

  #add(file: LedgerFile, { publicKey, ...content }: NewEntry & { readonly publicKey?: string }): Entry {
    const { kind, ...fields } = content;
    const parsed = FIELDS[kind].safeParse(fields);
    if (!parsed.success) {
      const [issue] = parsed.error.issues;
      throw new Refused('ledger_failed', `${kind}.${issue?.path.join('.') ?? ''}: ${issue?.message ?? ''}`);
    }
    switch (content.kind) {
      case 'lease':
        return this.#addLease(file, content, publicKey ?? '');
      case 'proof':
        return this.#write(file, content, this.#party(file, content.neighbour, publicKey ?? ''));
      case 'receipt': {
        const lease = this.#leaseOf(file, content);
        const receipt = parseReceipt(content.borrower);
        const complaint = textComplaint(content) ?? receiptComplaint(receipt, lease.terms, lease.total);
        if (complaint !== undefined) throw new Refused('receipt_invalid', `${complaint}.`);
        const entry = this.#write(file, content, lease.seq);
        lease.total = receipt.total;
        return entry;
      }
      case 'contact': {
        const lease = file.leaseOf('lender', content.neighbour, content.lease);
        if (lease === undefined)
          throw new Refused('ledger_failed', `No lease ${content.lease} is on record.`);
        return this.#write(file, content, lease.seq);
      }
    }
  }

  /** The lease of a receipt, and what was signed under it. @throws Refused */
  #leaseOf(file: LedgerFile, { role, neighbour, lease }: ContentOf<'receipt'>): RunningLease {
    const key = `${role} ${neighbour} ${lease}`;
    let running = this.#running.get(key);
    if (running === undefined) {
      const recorded = file.leaseOf(role, neighbour, lease);
      if (recorded === undefined) throw new Refused('ledger_failed', `No lease ${lease} is on record.`);
      const { seq, terms } = recorded;
      running = { seq, terms, total: carriedUnder(file, seq).total };
      this.#running.set(key, running);
    }
    return running;
  }

  #addLease(file: LedgerFile, content: ContentOf<'lease'>, publicKey: string): Entry {
    const { role, neighbour, token } = content;
    const terms = leaseTerms(token);
    if (terms === undefined) throw new Refused('lease_invalid', 'It is not in the form of a lease.');
    const known = file.leaseOf(role, neighbour, terms.id);
    if (known !== undefined) {
      const recorded = leaseAt(file, known.seq);
      if (recorded.content.token === token) return recorded;
      throw new Refused('lease_invalid', `Another lease of the id ${terms.id} is on record.`);
    }
    const complaint = leaseComplaint(terms, partiesOf(role, this.#household.id, neighbour));
    if (complaint !== undefined) throw new Refused('lease_invalid', `${complaint}.`);
    return this.#write(file, content, this.#party(file, neighbour, publicKey));
  }

  /** The row of a neighbour's key, written when it is not there. */
  #party(file: LedgerFile, neighbour: string, publicKey: string): number {
    const known = file.partyRow(neighbour);
    if (known !== undefined) return known;
    if (!isKeyOf(neighbour, publicKey)) {
      throw new Refused('identity_mismatch', `The key handed in is not that of ${neighbour}.`);
    }
    return this.#write(file, { kind: 'party', neighbour, publicKey }, null).seq;
  }

  #write(file: LedgerFile, content: Content, ref: number | null): Entry {
    const seq = (this.#last?.seq ?? 0) + 1;
    const at = Math.max(0, Math.floor(this.#options.clock.wall()));
    const hash = chainHash(this.#last?.hash ?? HASH_BEFORE_FIRST, canonicalText(seq, at, content));
    const body = packBody(content, this.#household.id);
    file.insert({ seq, at, kind: kindNumber(content.kind), ref, id: idOf(content), body, hash });
    this.#last = { seq, hash };
    return { seq, at, content, hash };
  }

  #signHead(file: LedgerFile): void {
    if (this.#last === undefined) return;
    const { id, privateKey } = this.#household;
    const { seq, hash } = this.#last;
    file.setHead(signHead({ household: id, seq, hash, signedAt: this.#options.clock.wall() }, privateKey));
  }

  /** Never throws; undefined when it could not be done. A damaged file is set aside, and it is tried once more with a new one. */
  #attempt<T>(work: (file: LedgerFile) => T): T | undefined {
    if (this.#ended) return undefined;
    let damage: Damaged | undefined;
    for (let tries = 0; tries < 2; tries += 1) {
      try {
        const result = this.#within(damage, work);
        this.#failing = undefined;
        return result;
      } catch (error) {
        // Nothing of what was to be written is there.
        this.#running.clear();
        if (!(error instanceof Refused)) this.#close();
        damage = damageOf(error);
        if (damage === undefined || tries > 0) {
          this.#tell(error);
          return undefined;
        }
      }
    }
    return undefined;
  }

  #within<T>(damage: Damaged | undefined, work: (file: LedgerFile) => T): T {
    const { file, clock, events, maxBytes } = this.#options;
    let before = '';
    if (damage !== undefined) {
      before = setAside(file, clock.wall());
      const detail = `${damage.message} It is ${before} now; a new one was begun.`;
      events?.report({ kind: 'warning', code: 'ledger_damaged', detail });
    }
    const opened = this.#file ?? LedgerFile.write(file, clock, maxBytes);
    this.#file = opened;
    const result = opened.transaction(() => {
      this.#last = this.#end;
      // Where it ends otherwise, another process of ours has appended, or somebody has edited it.
      if (this.#end === undefined || !isSameEntry(this.#end, opened.last()))
        this.#makeReady(opened, damage, before);
      return work(opened);
    });
    this.#end = this.#last;
    return result;
  }

  /** A file that was just opened, or that is not as we left it, is made or looked at. */
  #makeReady(file: LedgerFile, damage: Damaged | undefined, aside: string): void {
    const { id, publicKey } = this.#household;
    const state = file.state();
    if (state.kind === 'foreign') throw new Damaged('It is no ledger.');
    if (state.kind === 'other_version')
      throw new Damaged(`It is of version ${state.version}.`, 'other_version');
    if (state.kind === 'empty') {
      file.makeTables();
      const cause = damage?.why ?? 'new';
      const first = {
        kind: 'begin',
        version: LEDGER_VERSION,
        household: id,
        publicKey,
        cause,
        before: aside,
      } as const;
      this.#write(file, first, null);
      this.#signHead(file);
      return;
    }
    const fault = tailFault(file, this.#end);
    if (fault !== undefined) throw new Damaged(fault);
    const before = file.household(Number.MAX_SAFE_INTEGER);
    const changes = changesTo(before, id, this.#household.statements ?? []);
    if (changes === undefined) throw new Damaged(`It is the ledger of ${before}.`, 'other_household');
    this.#last = file.last();
    for (const change of changes) this.#write(file, change, null);
    if (changes.length > 0) this.#signHead(file);
  }

  #tell(error: unknown): void {
    const code = error instanceof Refused ? error.code : 'ledger_failed';
    if (this.#failing === code) return;
    this.#failing = code;
    const why = (error as Error).message;
    const detail = error instanceof Refused ? why : `${this.#options.file}: ${why}.`;
    this.#options.events?.report({ kind: 'warning', code, detail });
  }

  #close(): void {
    const file = this.#file;
    this.#file = undefined;
    this.#end = undefined;
    try {
      file?.[Symbol.dispose]();
    } catch (error) {
      // All that was appended is on record; closing only tidies up.
      this.#tell(error);
    }
  }
}

function leaseAt(file: LedgerFile, seq: number): Entry & { readonly content: ContentOf<'lease'> } {
  const entry = file.entry(seq);
  if (entry?.content.kind !== 'lease') throw new Damaged(`Its entry ${seq} can not be read.`);
  return { ...entry, content: entry.content };
}

function carriedUnder(file: LedgerFile, seq: number): Omit<Carried, 'token'> {
  const [row] = file.referring(seq, 'receipt', 1);
  if (row === undefined) return { total: 0, receipt: undefined };
  const content = unpack(row, file)?.content;
  if (content?.kind !== 'receipt') throw new Damaged(`Its entry ${row.seq} can not be read.`);
  return { total: parseReceipt(content.borrower).total, receipt: content };
}

function damageOf(error: unknown): Damaged | undefined {
  if (error instanceof Damaged) return error;
  const code = errorOf(error);
  return code === SQLITE_CORRUPT || code === SQLITE_NOT_A_DATABASE
    ? new Damaged(`SQLite says: ${(error as Error).message}.`)
    : undefined;
}
