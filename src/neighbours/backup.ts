/**
 * Backups of who the household is: its identity and its book, in one file that only a passphrase opens. Used by the command line,
 * with no daemon running. Pure but for the time that it takes: `sealBackup` and `openBackup` touch no file.
 *
 *     {"format":"linepool-backup","version":1,"kdf":{scrypt, N, r, p, salt},"cipher":"aes-256-gcm","nonce","made","data"}
 *
 * `data` is the sealed text and its tag; all else in the file is authenticated with it, so that no part of it can be changed.
 */
import { createCipheriv, createDecipheriv, randomBytes, scrypt } from 'node:crypto';
import { z } from 'zod';
import { LinepoolError } from '../core/errors.ts';
import { type Bytes, KIB, type Milliseconds } from '../core/units.ts';

/** The files' texts as they stand in the state folder. */
export interface Backup {
  readonly identity: string;
  /** Undefined: there was none. */
  readonly neighbours: string | undefined;
}

/** In UTF-16 units. Shorter ones are guessed. */
export const PASSPHRASE_MIN = 10;
/** Largest file that is looked at: a full book is far from it. */
export const BACKUP_MAX_BYTES: Bytes = 4096 * KIB;

/** 32 MiB of memory for a guess, and some tenths of a second on a router. */
const KDF = { name: 'scrypt', N: 32_768, r: 8, p: 1 } as const;
const KEY_BYTES = 32;
const NONCE_BYTES = 12;
const SALT_BYTES = 16;
const TAG_BYTES = 16;
const CIPHER = 'aes-256-gcm';

const base64 = z.base64();
const File = z.strictObject({
  format: z.literal('linepool-backup'),
  version: z.literal(1),
  // Exactly ours: a file must not choose how much memory it takes to open it, nor how little to guess.
  kdf: z.strictObject({
    name: z.literal(KDF.name),
    N: z.literal(KDF.N),
    r: z.literal(KDF.r),
    p: z.literal(KDF.p),
    salt: base64,
  }),
  cipher: z.literal(CIPHER),
  nonce: base64,
  /** Milliseconds since 1970, for people. */
  made: z.number(),
  data: base64,
});
type File = z.output<typeof File>;

const Content = z.strictObject({ identity: z.string(), neighbours: z.string().optional() });

/** What the file is to hold. @throws LinepoolError `usage` when the passphrase is too short */
export async function sealBackup(
  { identity, neighbours }: Backup,
  passphrase: string,
  wall: Milliseconds,
): Promise<string> {
  checkPassphrase(passphrase);
  const salt = randomBytes(SALT_BYTES);
  const nonce = randomBytes(NONCE_BYTES);
  const head: Omit<File, 'data'> = {
    format: 'linepool-backup',
    version: 1,
    kdf: { ...KDF, salt: salt.toString('base64') },
    cipher: CIPHER,
    nonce: nonce.toString('base64'),
    made: wall,
  };
  const cipher = createCipheriv(CIPHER, await keyOf(passphrase, salt), nonce);
  cipher.setAAD(authenticated(head));
  const text = JSON.stringify({ identity, ...(neighbours === undefined ? {} : { neighbours }) });
  const data = Buffer.concat([cipher.update(text, 'utf8'), cipher.final(), cipher.getAuthTag()]);
  return `${JSON.stringify({ ...head, data: data.toString('base64') }, null, 2)}\n`;
}

/** @throws LinepoolError `backup_invalid`: not one, changed, or another passphrase */
export async function openBackup(text: string, passphrase: string): Promise<Backup> {
  const { data, ...head } = parsed(text);
  const sealed = Buffer.from(data, 'base64');
  const nonce = Buffer.from(head.nonce, 'base64');
  const salt = Buffer.from(head.kdf.salt, 'base64');
  if (nonce.length !== NONCE_BYTES || salt.length !== SALT_BYTES || sealed.length <= TAG_BYTES) {
    throw new LinepoolError('backup_invalid', 'It is cut off or changed.');
  }
  const decipher = createDecipheriv(CIPHER, await keyOf(passphrase, salt), nonce, {
    authTagLength: TAG_BYTES,
  });
  decipher.setAAD(authenticated(head));
  decipher.setAuthTag(sealed.subarray(-TAG_BYTES));
  let opened: string;
  try {
    opened = Buffer.concat([decipher.update(sealed.subarray(0, -TAG_BYTES)), decipher.final()]).toString(
      'utf8',
    );
  } catch (cause) {
    throw new LinepoolError('backup_invalid', 'The passphrase is another, or the file was changed.', {
      cause,
    });
  }
  const { identity, neighbours } = Content.parse(JSON.parse(opened));
  return { identity, neighbours };
}

/** @throws LinepoolError `usage` */
export function checkPassphrase(passphrase: string): void {
  if (passphrase.length >= PASSPHRASE_MIN) return;
  throw new LinepoolError(
    'usage',
    `A passphrase needs ${PASSPHRASE_MIN} characters at least: whoever opens the file is this household.`,
  );
}

function parsed(text: string): File {
  let raw: unknown;
  try {
    raw = JSON.parse(text);
  } catch (cause) {
    throw new LinepoolError('backup_invalid', 'It is cut off, or something else.', { cause });
  }
  const result = File.safeParse(raw);
  if (result.success) return result.data;
  const [issue] = result.error.issues;
  const where = issue?.path.map(String).join('.') ?? '';
  throw new LinepoolError('backup_invalid', `(${where === '' ? '' : `${where}: `}${issue?.message ?? ''})`);
}

/** All but the data, in this one order. */
const authenticated = ({ format, version, kdf, cipher, nonce, made }: Omit<File, 'data'>): Buffer =>
  Buffer.from(
    JSON.stringify([format, version, kdf.name, kdf.N, kdf.r, kdf.p, kdf.salt, cipher, nonce, made]),
  );

/** Composed, so that the same passphrase typed on another keyboard is the same. */
const keyOf = (passphrase: string, salt: Buffer): Promise<Buffer> =>
  new Promise((resolve, reject) => {
    const { N, r, p } = KDF;
    scrypt(passphrase.normalize('NFC'), salt, KEY_BYTES, { N, r, p, maxmem: 256 * N * r }, (error, key) => {
      if (error === null) resolve(key);
      else reject(error);
    });
  });
