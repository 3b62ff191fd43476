/**
 * The file of a ledger: SQLite, its tables, and what is read and written there. Opened for writing by the ledger, and for reading by
 * verify, export and the other commands, beside a running daemon too. SQLite is loaded when a file is opened, not before.
 *
 * Write-ahead log with synchronous = NORMAL: an entry is one write at the end of a file, with no wait for the disk, and readers hold
 * up nobody. A killed process loses nothing; each commit has its checksum, so that after a power cut, too, the file is whole, and lacks at
 * most what came since the last sync, which is asked for once a second (`LogSync`). A full disk fails the write and takes it back.
 */
import { closeSync, existsSync, openSync } from 'node:fs';
import type { DatabaseSync, StatementSync } from 'node:sqlite';
import type { Clock } from '../core/clock.ts';
import { LinepoolError } from '../core/errors.ts';
import type { Bytes, Milliseconds } from '../core/units.ts';
import { type Content, type ContentOf, type Entry, LEDGER_VERSION, type Party } from './entry.ts';
import { LogSync } from './log-sync.ts';
import { kindNumber, PRUNED_ROW, type RecordedLease, type References, type Row, unpack } from './row.ts';

/** "LPLD": what SQLite's header says the file is (`PRAGMA application_id`). */
const APPLICATION_ID = 0x4c50_4c44;

/** How long another process that writes is waited for; the daemon stands still meanwhile. */
const BUSY_MS: Milliseconds = 250;
const OWNER_ONLY = 0o600;
/** SQLite's own choice, and that of nearly every disk. */
const PAGE_BYTES: Bytes = 4096;
/** Of the daemon's memory: the end of the chain is what it reads. */
const CACHE_KIB = 256;

/** Kinds of which there are few, found without reading the others; a query uses the index when it says the same. */
const RARE = `kind IN (${(['begin', 'self', 'party', 'pruned'] as const).map(kindNumber).join(', ')})`;

const SCHEMA = `
  CREATE TABLE entries (
    seq INTEGER PRIMARY KEY,
    at INTEGER NOT NULL,
    kind INTEGER NOT NULL,
    ref INTEGER,
    id TEXT,
    body BLOB NOT NULL,
    hash BLOB NOT NULL
  ) STRICT;
  CREATE INDEX entries_by_id ON entries (id) WHERE id IS NOT NULL;
  CREATE INDEX entries_by_kind ON entries (kind) WHERE ${RARE};
  CREATE INDEX entries_by_ref ON entries (ref) WHERE ref IS NOT NULL;
  CREATE TABLE head (one INTEGER PRIMARY KEY CHECK (one = 1), token TEXT NOT NULL) STRICT;
  PRAGMA application_id = ${APPLICATION_ID};
  PRAGMA user_version = ${LEDGER_VERSION};
`;

const COLUMNS = 'seq, at, kind, ref, id, body, hash';
type Cells = [number, number, number, number | null, string | null, Uint8Array, Uint8Array];

/** What a file is, before anything is read from it. */
export type FileState =
  | { readonly kind: 'ledger' }
  | { readonly kind: 'empty' }
  | { readonly kind: 'other_version'; readonly version: number }
  | { readonly kind: 'foreign' };

const loadSqlite = () => process.getBuiltinModule('node:sqlite');

export class LedgerFile implements Disposable, References {
  readonly #database: DatabaseSync;
  readonly #statements = new Map<string, StatementSync>();
  readonly #sync: LogSync | undefined;

  private constructor(database: DatabaseSync, sync: LogSync | undefined) {
    this.#database = database;
    this.#sync = sync;
  }

  /** For writing; made when it is missing. Grows to `maxBytes` at most. @throws Error as SQLite gives it */
  static write(file: string, clock: Clock, maxBytes?: Bytes): LedgerFile {
    // By itself SQLite would let everybody on the machine read it. What lies beside it gets the same rights.
    if (!existsSync(file)) closeSync(openSync(file, 'a', OWNER_ONLY));
    const database = new (loadSqlite().DatabaseSync)(file, { timeout: BUSY_MS });
    try {
      database.exec('PRAGMA journal_mode = WAL; PRAGMA synchronous = NORMAL; PRAGMA secure_delete = ON');
      database.exec(`PRAGMA cache_size = -${CACHE_KIB}`);
      if (maxBytes !== undefined)
        database.exec(`PRAGMA max_page_count = ${Math.ceil(maxBytes / PAGE_BYTES)}`);
      return new LedgerFile(database, new LogSync(`${file}-wal`, clock));
    } catch (error) {
      database.close();
      throw error;
    }
  }

  /**
   * For reading. What others write meanwhile is not seen.
   * @throws LinepoolError `ledger_unreadable` when it is missing, no ledger, or one of another version
   */
  static read(file: string): LedgerFile {
    if (!existsSync(file)) throw new LinepoolError('ledger_unreadable', `There is no ${file}.`);
    try {
      return LedgerFile.#reading(file);
    } catch (error) {
      if (error instanceof LinepoolError) throw error;
      throw new LinepoolError('ledger_unreadable', `${file}: ${(error as Error).message}.`, { cause: error });
    }
  }

  static #reading(file: string): LedgerFile {
    const { DatabaseSync } = loadSqlite();
    let database = new DatabaseSync(file, { readOnly: true, timeout: BUSY_MS });
    try {
      database.exec('BEGIN; SELECT count(*) FROM sqlite_schema');
    } catch (error) {
      database.close();
      // In a folder that can't be written, what is there but for the log is all that there is: it can be read as it stands.
      if (existsSync(`${file}-wal`) || errorOf(error) !== SQLITE_CANTOPEN) throw error;
      const url = new URL(`file://${encodeURI(file)}`);
      url.searchParams.set('immutable', '1');
      database = new DatabaseSync(url, { readOnly: true });
      database.exec('BEGIN');
    }
    const read = new LedgerFile(database, undefined);
    const state = read.state();
    if (state.kind === 'ledger') return read;
    read[Symbol.dispose]();
    throw new LinepoolError(
      'ledger_unreadable',
      state.kind === 'other_version'
        ? `${file} is a ledger of version ${state.version}; this program reads version ${LEDGER_VERSION}.`
        : `${file} is no ledger.`,
    );
  }

  state(): FileState {
    const application = this.#number('PRAGMA application_id');
    const version = this.#number('PRAGMA user_version');
    if (application === APPLICATION_ID) {
      return version === LEDGER_VERSION ? { kind: 'ledger' } : { kind: 'other_version', version };
    }
    const tables = this.#number('SELECT count(*) FROM sqlite_schema');
    return application === 0 && version === 0 && tables === 0 ? { kind: 'empty' } : { kind: 'foreign' };
  }

  makeTables(): void {
    this.#database.exec(SCHEMA);
  }

  /** All that `work` writes, or nothing. @throws what `work` or SQLite throws */
  transaction<T>(work: () => T): T {
    this.#database.exec('BEGIN IMMEDIATE');
    try {
      const result = work();
      this.#database.exec('COMMIT');
      this.#sync?.wanted();
      return result;
    } catch (error) {
      // A full disk ends the transaction by itself.
      if (this.#database.isTransaction) this.#database.exec('ROLLBACK');
      throw error;
    }
  }

  /** The last row; undefined in an empty ledger. */
  last(): Row | undefined {
    return this.#row('ORDER BY seq DESC LIMIT 1');
  }

  row(seq: number): Row | undefined {
    return this.#row('WHERE seq = ?', seq);
  }

  /** The row of a household's key, its neighbour's or, in begin and self, ours. */
  partyRow(id: string): number | undefined {
    return this.#row(`WHERE id = ? AND kind = ${kindNumber('party')} ORDER BY seq LIMIT 1`, id)?.seq;
  }

  insert({ seq, at, kind, ref, id, body, hash }: Row): void {
    this.#statement(`INSERT INTO entries (${COLUMNS}) VALUES (?, ?, ?, ?, ?, ?, ?)`).run(
      seq,
      at,
      kind,
      ref,
      id,
      body,
      hash,
    );
  }

  /** Leaves of an entry its hash only. */
  reduce(seq: number): void {
    this.#statement(
      `UPDATE entries SET at = 0, kind = ${PRUNED_ROW}, ref = NULL, id = NULL, body = x'' WHERE seq = ?`,
    ).run(seq);
  }

  remove(seq: number): void {
    this.#statement('DELETE FROM entries WHERE seq = ?').run(seq);
  }

  head(): string | undefined {
    const row = this.#statement('SELECT token FROM head').get() as unknown as [unknown] | undefined;
    return row === undefined ? undefined : String(row[0]);
  }

  setHead(token: string): void {
    this.#statement('INSERT OR REPLACE INTO head (one, token) VALUES (1, ?)').run(token);
  }

  /** All of them in order, read one after the other. Never by an index, so that a damaged one changes nothing. */
  *all(): Generator<Row> {
    const cells = this.#statement(`SELECT ${COLUMNS} FROM entries NOT INDEXED ORDER BY seq`).iterate();
    for (const one of cells) yield rowOf(one as unknown as Cells);
  }

  /** The first `most`, in order. */
  first(most: number): Row[] {
    const cells = this.#statement(`SELECT ${COLUMNS} FROM entries ORDER BY seq LIMIT ?`).all(
      most,
    ) as unknown as Cells[];
    return cells.map(rowOf);
  }

  /** The last `most`, in order. */
  tail(most: number): Row[] {
    const cells = this.#statement(`SELECT ${COLUMNS} FROM entries ORDER BY seq DESC LIMIT ?`).all(
      most,
    ) as unknown as Cells[];
    return cells.map(rowOf).reverse();
  }

  /** Those of one kind that refer to a row, the newest first. */
  referring(ref: number, kind: 'contact' | 'receipt', most: number): Row[] {
    const cells = this.#statement(
      `SELECT ${COLUMNS} FROM entries WHERE ref = ? AND kind = ? ORDER BY seq DESC LIMIT ?`,
    ).all(ref, kindNumber(kind), most) as unknown as Cells[];
    return cells.map(rowOf);
  }

  /** The number of the last contact or receipt of a lease. */
  lastReferring(lease: number): number | undefined {
    const kinds = `kind IN (${kindNumber('contact')}, ${kindNumber('receipt')})`;
    return this.#row(`WHERE ref = ? AND ${kinds} ORDER BY seq DESC LIMIT 1`, lease)?.seq;
  }

  /** The lease of that id with that neighbour that was recorded last. */
  leaseOf(role: string, neighbour: string, id: string): RecordedLease | undefined {
    const cells = this.#statement(
      `SELECT seq FROM entries WHERE id = ? AND kind = ${kindNumber('lease')} ORDER BY seq DESC`,
    ).all(id) as unknown as [number][];
    for (const [seq] of cells) {
      const lease = this.lease(seq);
      if (lease?.neighbour === neighbour && lease.role === role) return lease;
    }
    return undefined;
  }

  /** Through where retention has removed entries; 0 when it has not. */
  prunedThrough(): number {
    return this.pruned()?.through ?? 0;
  }

  /** What retention last said; undefined when it has removed nothing. */
  pruned(): ContentOf<'pruned'> | undefined {
    const row = this.#row(`WHERE ${RARE} AND kind = ${kindNumber('pruned')} ORDER BY seq DESC LIMIT 1`);
    const content = row && unpack(row, this)?.content;
    return content?.kind === 'pruned' ? content : undefined;
  }

  /** The number of the first entry not older than that, after a given one. */
  firstSince(at: Milliseconds, after: number): number | undefined {
    return this.#row(`WHERE seq > ? AND at >= ? AND kind <> ${PRUNED_ROW} ORDER BY seq LIMIT 1`, after, at)
      ?.seq;
  }

  entry(seq: number): Entry | undefined {
    const row = this.row(seq);
    return row && unpack(row, this);
  }

  household(seq: number): string {
    return this.self(seq)?.id ?? '';
  }

  /** Our household as that entry has it. */
  self(seq: number): Party | undefined {
    const kinds = `${RARE} AND kind IN (${kindNumber('begin')}, ${kindNumber('self')})`;
    const row = this.#row(`WHERE seq <= ? AND ${kinds} ORDER BY seq DESC LIMIT 1`, seq);
    return selfIn(row && unpack(row, this)?.content);
  }

  /** Those whose keys are on record. */
  households(): { readonly self: Party | undefined; readonly neighbours: readonly Party[] } {
    const cells = this.#statement(
      `SELECT ${COLUMNS} FROM entries WHERE ${RARE} ORDER BY seq`,
    ).all() as unknown as Cells[];
    let self: Party | undefined;
    const neighbours: Party[] = [];
    for (const row of cells.map(rowOf)) {
      const content = unpack(row, this)?.content;
      if (content?.kind === 'party') neighbours.push({ id: content.neighbour, publicKey: content.publicKey });
      self = selfIn(content) ?? self;
    }
    return { self, neighbours };
  }

  party(seq: number): string | undefined {
    const row = this.row(seq);
    const content = row && unpack(row, this)?.content;
    return content?.kind === 'party' ? content.neighbour : undefined;
  }

  lease(seq: number): RecordedLease | undefined {
    const row = this.row(seq);
    const read = row?.kind === kindNumber('lease') ? unpack(row, this) : undefined;
    if (read?.content.kind !== 'lease' || read.terms === undefined) return undefined;
    const { role, neighbour } = read.content;
    return { seq, role, neighbour, terms: read.terms };
  }

  /** What SQLite finds wrong with the file itself; undefined when nothing. Reads all of it. */
  fault(): string | undefined {
    try {
      const [said] = this.#statement('PRAGMA integrity_check(1)').get() as unknown as [string];
      return said === 'ok' ? undefined : said;
    } catch (error) {
      return (error as Error).message;
    }
  }

  [Symbol.dispose](): void {
    this.#sync?.[Symbol.dispose]();
    this.#statements.clear();
    this.#database.close();
  }

  #row(where: string, ...values: number[] | [string]): Row | undefined {
    const cells = this.#statement(`SELECT ${COLUMNS} FROM entries ${where}`).get(...values);
    return cells === undefined ? undefined : rowOf(cells as unknown as Cells);
  }

  #number(sql: string): number {
    const [value] = this.#statement(sql).get() as unknown as [number];
    return value;
  }

  #statement(sql: string): StatementSync {
    let statement = this.#statements.get(sql);
    if (statement === undefined) {
      statement = this.#database.prepare(sql);
      statement.setReturnArrays(true);
      this.#statements.set(sql, statement);
    }
    return statement;
  }
}

function selfIn(content: Content | undefined): Party | undefined {
  if (content?.kind !== 'begin' && content?.kind !== 'self') return undefined;
  return { id: content.household, publicKey: content.publicKey };
}

/** Of a damaged record any cell may be anything: it comes as a row that no entry has. */
function rowOf([seq, at, kind, ref, id, body, hash]: Cells): Row {
  const isRow =
    Number.isSafeInteger(at) &&
    at >= 0 &&
    Number.isSafeInteger(kind) &&
    (ref === null || typeof ref === 'number') &&
    (id === null || typeof id === 'string') &&
    body instanceof Uint8Array &&
    hash instanceof Uint8Array;
  if (isRow) return { seq, at, kind, ref, id, body, hash };
  return { seq, at: 0, kind: UNREADABLE_ROW, ref: null, id: null, body: NO_BYTES, hash: NO_BYTES };
}

const UNREADABLE_ROW = -1;
const NO_BYTES = new Uint8Array(0);

export const SQLITE_CORRUPT = 11;
export const SQLITE_CANTOPEN = 14;
export const SQLITE_NOT_A_DATABASE = 26;

/** SQLite's primary result code; undefined when it is no error of SQLite. */
export function errorOf(error: unknown): number | undefined {
  const code = (error as { errcode?: unknown }).errcode;
  return typeof code === 'number' ? code & 0xff : undefined;
}
