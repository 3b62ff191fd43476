/**
 * Identity: our household's key pair and self-signed certificate, kept in `identity.json` in the state folder.
 * Opened by the neighbourhood. Whoever has that file is us: it is readable by its owner only, and a damaged one is
 * refused, never silently replaced, because a new identity would part us from every neighbour. A new key is made only when a
 * person asks for it (`rotateIdentity`), and the old one signs for it.
 */
import {
  createPrivateKey,
  createPublicKey,
  generateKeyPairSync,
  type KeyObject,
  randomBytes,
  X509Certificate,
} from 'node:crypto';
import { join } from 'node:path';
import { z } from 'zod';
import { LinepoolError } from '../core/errors.ts';
import type { Milliseconds } from '../core/units.ts';
import { FORMER_KEYS_MAX, type FormerKey, formerKeyOf, publicKeyText } from './former-key.ts';
import { type HouseholdId, idOfPublicKey } from './household-id.ts';
import { ROTATIONS_MAX, STATEMENT_MAX, signRotation } from './rotation.ts';
import { readStateFile, writeStateFile } from './state-file.ts';

export interface Identity {
  readonly id: HouseholdId;
  /** Ed25519; signs leases and receipts. */
  readonly privateKey: KeyObject;
  /** SPKI in DER, as base64url. */
  readonly publicKey: string;
  /** PEM, for TLS. */
  readonly certificate: string;
  /** PEM (PKCS #8), for TLS. */
  readonly privateKeyPem: string;
  /** Our public keys before this one, the oldest first: what we signed in those days is checked with them. */
  readonly formerKeys: readonly FormerKey[];
  /** How the last former key led to this one: what neighbours are told, the oldest first. */
  readonly statements: readonly string[];
}

export const IDENTITY_FILE = 'identity.json';

const File = z.strictObject({
  version: z.literal(1),
  id: z.string(),
  privateKey: z.string().max(1024),
  certificate: z.string().max(4096),
  formerKeys: z.array(publicKeyText).max(FORMER_KEYS_MAX).default([]),
  statements: z.array(z.string().max(STATEMENT_MAX)).max(ROTATIONS_MAX).default([]),
});

/** The certificate's dates carry no meaning: trust ends by parting, and routers start with a wrong clock. */
const NOT_BEFORE = new Date('2000-01-01T00:00:00Z');
const NOT_AFTER = new Date('2149-12-31T23:59:59Z');

/**
 * Our identity; made and kept at the first call on a state folder.
 * @throws LinepoolError `state_unusable`
 */
export async function loadIdentity(stateDir: string): Promise<Identity> {
  const file = join(stateDir, IDENTITY_FILE);
  const text = await readStateFile(file);
  if (text !== undefined) return parseIdentity(file, text);
  const made = await makeIdentity();
  await writeStateFile(file, textOf(made));
  return made;
}

/**
 * Gives the household another key, which the present one signs for; its private part is gone then. No daemon may run on the
 * state folder: its connections and leases are of the key that it has read.
 * @throws LinepoolError `state_unusable`; then the key is the old one still
 */
export async function rotateIdentity(stateDir: string, wall: Milliseconds): Promise<Identity> {
  const before = await loadIdentity(stateDir);
  const made = await makeIdentity();
  const statement = await signRotation(
    { from: before.id, to: formerKeyOf(made.publicKey) },
    before.privateKey,
    wall,
  );
  const after: Identity = {
    ...made,
    formerKeys: [...before.formerKeys, formerKeyOf(before.publicKey)].slice(-FORMER_KEYS_MAX),
    statements: [...before.statements, statement].slice(-ROTATIONS_MAX),
  };
  await writeStateFile(join(stateDir, IDENTITY_FILE), textOf(after));
  return after;
}

/** A new household: a fresh Ed25519 key and a certificate signed with it. */
export async function makeIdentity(): Promise<Identity> {
  // Its polyfill must be there before it is loaded; both are heavy, and needed once in a household's life.
  await import('reflect-metadata');
  const { X509CertificateGenerator } = await import('@peculiar/x509');
  const { privateKey, publicKey } = generateKeyPairSync('ed25519');
  const certificate = await X509CertificateGenerator.createSelfSigned({
    // Positive and never zero, as RFC 5280 section 4.1.2.2 wants it.
    serialNumber: `4${randomBytes(15).toString('hex').slice(1)}`,
    name: 'CN=linepool',
    notBefore: NOT_BEFORE,
    notAfter: NOT_AFTER,
    keys: {
      privateKey: privateKey.toCryptoKey('Ed25519', true, ['sign']),
      publicKey: publicKey.toCryptoKey('Ed25519', true, ['verify']),
    },
    signingAlgorithm: { name: 'Ed25519' },
  });
  return identityOf(privateKey, certificate.toString('pem'));
}

function identityOf(privateKey: KeyObject, certificate: string): Identity {
  const spki = createPublicKey(privateKey).export({ type: 'spki', format: 'der' });
  return {
    id: idOfPublicKey(spki),
    privateKey,
    publicKey: spki.toString('base64url'),
    certificate,
    privateKeyPem: privateKey.export({ type: 'pkcs8', format: 'pem' }).toString(),
    formerKeys: [],
    statements: [],
  };
}

function textOf({ id, privateKeyPem, certificate, formerKeys, statements }: Identity): string {
  const file: z.input<typeof File> = {
    version: 1,
    id,
    privateKey: privateKeyPem,
    certificate,
    formerKeys: formerKeys.map(({ publicKey }) => publicKey),
    statements: [...statements],
  };
  return `${JSON.stringify(file, null, 2)}\n`;
}

/** @throws LinepoolError `state_unusable`, naming the file and what is wrong with it */
export function parseIdentity(file: string, text: string): Identity {
  try {
    const kept = File.parse(JSON.parse(text));
    const privateKey = createPrivateKey(kept.privateKey);
    const identity = identityOf(privateKey, kept.certificate);
    const certificate = new X509Certificate(kept.certificate);
    if (privateKey.asymmetricKeyType !== 'ed25519') throw new Error('the key is not Ed25519');
    if (identity.id !== kept.id) throw new Error('the id is not that of the key');
    if (!certificate.checkPrivateKey(privateKey)) throw new Error('the certificate is of another key');
    return { ...identity, formerKeys: kept.formerKeys.map(formerKeyOf), statements: kept.statements };
  } catch (error) {
    const why = error instanceof z.ZodError ? 'not in the form of an identity' : (error as Error).message;
    throw new LinepoolError(
      'state_unusable',
      `${file} is damaged (${why}). It was left as it is: restore it from a backup, or move it away to begin as a new household, which has to pair again.`,
      { cause: error },
    );
  }
}
