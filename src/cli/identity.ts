/**
 * The commands for the household's identity: show, rotate, backup, restore. They work on the files in the state folder; those that
 * change them take the daemon's lock first, since a running daemon has read its key and would go on with it.
 */
import { mkdir, open, readFile, stat } from 'node:fs/promises';
import { join, resolve } from 'node:path';
import { lockState } from '../control/lock.ts';
import type { Clock } from '../core/clock.ts';
import { asLinepoolError, LinepoolError } from '../core/errors.ts';
import { BACKUP_MAX_BYTES, checkPassphrase, openBackup, sealBackup } from '../neighbours/backup.ts';
import { BOOK_FILE, parseBook } from '../neighbours/book-file.ts';
import { shortId } from '../neighbours/household-id.ts';
import {
  IDENTITY_FILE,
  type Identity,
  loadIdentity,
  parseIdentity,
  rotateIdentity,
} from '../neighbours/identity.ts';
import { readStateFile, writeStateFile } from '../neighbours/state-file.ts';
import { type PlaceFlags, stateDirOf } from './places.ts';
import type { Print } from './table.ts';

export interface IdentityFlags extends PlaceFlags {
  readonly json?: boolean;
  readonly passphraseFile?: string;
}

/** The name of the environment variable. A passphrase is never an argument: every user of the machine sees those. */
const PASSPHRASE_VARIABLE = 'LINEPOOL_PASSPHRASE';

function shown(flags: IdentityFlags, print: Print, answer: object, lines: readonly string[]): void {
  if (flags.json === true) print(JSON.stringify(answer));
  else for (const line of lines) print(line);
}

export async function show(flags: IdentityFlags, print: Print): Promise<void> {
  const identity = await existing(stateDirOf(flags));
  const { id, publicKey, formerKeys } = identity;
  const former = formerKeys.map((key) => key.id);
  shown(flags, print, { id, shortId: shortId(id), publicKey, formerIds: former }, [
    id,
    former.length === 0 ? 'It is the first key.' : `Before it: ${former.map(shortId).join(', ')}.`,
  ]);
}

/** @throws LinepoolError `daemon_running`, `not_found`, `state_unusable` */
export async function rotate(flags: IdentityFlags, print: Print, clock: Clock): Promise<void> {
  const stateDir = stateDirOf(flags);
  const before = await existing(stateDir);
  using _lock = await lockState(stateDir);
  const { id } = await rotateIdentity(stateDir, clock.wall());
  shown(flags, print, { id, before: before.id }, [
    `The household's id is ${id} now; before, it was ${shortId(before.id)}….`,
    'Neighbours learn of it when the daemon meets them, and stay paired. Older backups hold the old key: make a new one.',
  ]);
}

/** @throws LinepoolError `not_found`, `file_failed`, `state_unusable`, `usage` */
export async function backup(file: string, flags: IdentityFlags, print: Print, clock: Clock): Promise<void> {
  const stateDir = stateDirOf(flags);
  const { id } = await existing(stateDir);
  const identity = await readStateFile(join(stateDir, IDENTITY_FILE));
  const neighbours = await readStateFile(join(stateDir, BOOK_FILE));
  if (identity === undefined) throw nobody(stateDir);
  const passphrase = await passphraseOf(flags, 'twice');
  const text = await sealBackup({ identity, neighbours }, passphrase, clock.wall());
  await writeNew(resolve(file), text);
  shown(flags, print, { id, file: resolve(file) }, [
    `${file} holds the key and the neighbours of ${shortId(id)}…. Whoever has it and its passphrase is this household.`,
  ]);
}

/** Nothing is changed unless the whole backup is sound. @throws LinepoolError `backup_invalid`, `identity_exists`, `daemon_running` */
export async function restore(
  file: string,
  flags: IdentityFlags & { readonly force?: boolean },
  print: Print,
): Promise<void> {
  const stateDir = stateDirOf(flags);
  const sealed = await readBackup(file);
  const { identity, neighbours } = await openBackup(sealed, await passphraseOf(flags, 'once'));
  const restored = sound(() => parseIdentity(file, identity));
  const count = neighbours === undefined ? 0 : sound(() => parseBook(file, neighbours)).neighbours.length;
  await mkdir(stateDir, { recursive: true, mode: 0o700 });
  using _lock = await lockState(stateDir);
  const [identityFile, bookFile] = [join(stateDir, IDENTITY_FILE), join(stateDir, BOOK_FILE)];
  const there = (await readStateFile(identityFile)) ?? (await readStateFile(bookFile));
  if (there !== undefined && flags.force !== true) {
    throw new LinepoolError('identity_exists', `(${stateDir})`);
  }
  // The book first: with it and the old key, a power cut leaves a household that its neighbours turn away, not one that is lost.
  await writeStateFile(bookFile, neighbours ?? '{"version":1,"neighbours":[]}\n');
  await writeStateFile(identityFile, identity);
  shown(flags, print, { id: restored.id, neighbours: count }, [
    `This is ${restored.id} again, with ${count} ${count === 1 ? 'neighbour' : 'neighbours'}.`,
  ]);
}

const nobody = (stateDir: string): LinepoolError =>
  new LinepoolError('not_found', `(no identity in ${stateDir}; the first \`linepool up\` makes one)`);

/** Never makes one. */
async function existing(stateDir: string): Promise<Identity> {
  if ((await readStateFile(join(stateDir, IDENTITY_FILE))) === undefined) throw nobody(stateDir);
  return await loadIdentity(stateDir);
}

/** What was sealed was sound; should it not be, the backup is to blame, and not the state folder. */
function sound<T>(parse: () => T): T {
  try {
    return parse();
  } catch (cause) {
    throw new LinepoolError('backup_invalid', 'What it holds is not in the form of an identity.', { cause });
  }
}

async function passphraseOf(flags: IdentityFlags, ask: 'once' | 'twice'): Promise<string> {
  const given = await givenPassphrase(flags);
  if (given !== undefined) return given;
  if (!process.stdin.isTTY) {
    throw new LinepoolError(
      'usage',
      `A passphrase is needed: give --passphrase-file, set ${PASSPHRASE_VARIABLE}, or use a terminal.`,
    );
  }
  const { askHidden } = await import('./ask-person.ts');
  const passphrase = await askHidden('Passphrase: ');
  if (ask === 'once') return passphrase;
  checkPassphrase(passphrase);
  if ((await askHidden('The same again: ')) !== passphrase) {
    throw new LinepoolError('usage', 'The passphrases differ.');
  }
  return passphrase;
}

async function givenPassphrase({ passphraseFile }: IdentityFlags): Promise<string | undefined> {
  if (passphraseFile === undefined) return process.env[PASSPHRASE_VARIABLE];
  try {
    const [line = ''] = (await readFile(passphraseFile, 'utf8')).split(/\r?\n/);
    return line;
  } catch (cause) {
    throw new LinepoolError('file_failed', `${passphraseFile} (${(cause as NodeJS.ErrnoException).code})`, {
      cause,
    });
  }
}

async function readBackup(file: string): Promise<string> {
  try {
    const { size } = await stat(file);
    if (size > BACKUP_MAX_BYTES) throw new LinepoolError('backup_invalid', 'It is too large to be one.');
    return await readFile(file, 'utf8');
  } catch (error) {
    if (error instanceof LinepoolError) throw error;
    throw new LinepoolError('file_failed', `${file} (${(error as NodeJS.ErrnoException).code})`, {
      cause: error,
    });
  }
}

/** Readable by its owner only, never over another, and on the disk when this returns. */
async function writeNew(file: string, text: string): Promise<void> {
  try {
    await using handle = await open(file, 'wx', 0o600);
    await handle.writeFile(text);
    await handle.sync();
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'EEXIST') {
      throw new LinepoolError('usage', `${file} exists: a backup is written over no other file.`, {
        cause: error,
      });
    }
    throw new LinepoolError(asLinepoolError(error).code, file, { cause: error });
  }
}
