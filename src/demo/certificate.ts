/**
 * A certificate authority for the demo and the tests: made anew each time, trusted by nobody who is not
 * handed its certificate. The x509 library is loaded only here and only when called.
 * This file must never write a private key to a disk.
 */
import { randomBytes } from 'node:crypto';
import { isIP } from 'node:net';
import type { Clock } from '../core/clock.ts';
import type { Milliseconds } from '../core/units.ts';

/** A private key and the chain that goes with it, both PEM. */
export interface Credentials {
  readonly key: string;
  readonly cert: string;
}

export interface Authority {
  /** The authority's certificate, PEM: what a client is told to trust. */
  readonly ca: string;
  /** A server certificate for these host names and addresses. */
  issue(names: readonly [string, ...string[]]): Promise<Credentials>;
}

const ALGORITHM = { name: 'ECDSA', namedCurve: 'P-256', hash: 'SHA-256' };
const HOUR_MS: Milliseconds = 3_600_000;

/** A new authority, valid from an hour ago (clocks differ) until a day from now. */
export async function makeAuthority(clock: Clock): Promise<Authority> {
  await import('reflect-metadata');
  const x509 = await import('@peculiar/x509');
  const { subtle } = globalThis.crypto;
  const makeKeys = () => subtle.generateKey(ALGORITHM, true, ['sign', 'verify']);
  const validity = {
    notBefore: new Date(clock.wall() - HOUR_MS),
    notAfter: new Date(clock.wall() + 24 * HOUR_MS),
  };
  const serialNumber = (): string => `01${randomBytes(8).toString('hex')}`;
  const keys = await makeKeys();
  const root = await x509.X509CertificateGenerator.createSelfSigned({
    serialNumber: serialNumber(),
    name: 'CN=linepool demo authority',
    ...validity,
    signingAlgorithm: ALGORITHM,
    keys,
    extensions: [
      new x509.BasicConstraintsExtension(true, 0, true),
      new x509.KeyUsagesExtension(x509.KeyUsageFlags.keyCertSign | x509.KeyUsageFlags.cRLSign, true),
      await x509.SubjectKeyIdentifierExtension.create(keys.publicKey),
    ],
  });
  return {
    ca: root.toString('pem'),
    async issue(names) {
      const own = await makeKeys();
      const certificate = await x509.X509CertificateGenerator.create({
        serialNumber: serialNumber(),
        subject: `CN=${names[0]}`,
        issuer: root.subject,
        ...validity,
        signingAlgorithm: ALGORITHM,
        publicKey: own.publicKey,
        signingKey: keys.privateKey,
        extensions: [
          new x509.BasicConstraintsExtension(false, undefined, true),
          new x509.KeyUsagesExtension(x509.KeyUsageFlags.digitalSignature, true),
          new x509.ExtendedKeyUsageExtension(['1.3.6.1.5.5.7.3.1']),
          new x509.SubjectAlternativeNameExtension(
            names.map((value) => ({ type: isIP(value) === 0 ? 'dns' : 'ip', value })),
          ),
          await x509.AuthorityKeyIdentifierExtension.create(keys.publicKey),
        ],
      });
      const der = await subtle.exportKey('pkcs8', own.privateKey);
      return {
        key: x509.PemConverter.encode(der, 'PRIVATE KEY'),
        cert: certificate.toString('pem'),
      };
    },
  };
}
