/**
 * The origin: a real nginx in its namespace, http and https, with files whose byte n is a function of n, and a certificate
 * authority of the run. A second nginx speaks MPTCP to those who do. Started by neighbourhood.ts.
 */
import { closeSync, existsSync, mkdirSync, openSync, writeFileSync, writeSync } from 'node:fs';
import { join } from 'node:path';
import { systemClock } from '../src/core/clock.ts';
import { type Bytes, MIB } from '../src/core/units.ts';
import { makeAuthority } from '../src/demo/certificate.ts';
import { patternAt } from '../src/demo/pattern.ts';
import { RUN_FOLDER } from './places.ts';
import { Running, run } from './process.ts';

/** Of the range for measurements (RFC 2544): no address of anybody. */
export const ORIGIN_ADDRESS = '198.18.0.1';
export const ORIGIN_NAME = 'origin.lab';
export const MPTCP_PORT = 8080;

const FILES = join(RUN_FOLDER, 'files');
export const CA_FILE = join(RUN_FOLDER, 'ca.pem');
const KEY_FILE = join(RUN_FOLDER, 'origin.key');
const CERTIFICATE_FILE = join(RUN_FOLDER, 'origin.pem');

/** As a web page's parts are. */
export const SMALL_FILE = 'small-20000';
const SMALL_BYTES: Bytes = 20_000;
const READY_BOUND_MS = 5_000;

/** A file of that size at the origin; made if it is not there. Gives its name. */
export function originFile(bytes: Bytes, name = `${bytes}.bin`): string {
  mkdirSync(FILES, { recursive: true });
  const path = join(FILES, name);
  if (existsSync(path)) return name;
  const file = openSync(path, 'w');
  try {
    for (let at = 0; at < bytes; ) {
      const piece = patternAt(at, Math.min(MIB / 2, bytes - at));
      writeSync(file, piece);
      at += piece.length;
    }
  } finally {
    closeSync(file);
  }
  return name;
}

/** True when the file on disk is that of the origin, byte for byte. */
export async function isOriginal(file: string, name: string): Promise<boolean> {
  return (await run(['cmp', '--', file, join(FILES, name)])).code === 0;
}

/** The certificates of all origins of a run. */
export async function makeCertificates(): Promise<void> {
  const authority = await makeAuthority(systemClock);
  const { key, cert } = await authority.issue([ORIGIN_NAME, ORIGIN_ADDRESS]);
  writeFileSync(KEY_FILE, key, { mode: 0o600 });
  writeFileSync(CERTIFICATE_FILE, cert);
  writeFileSync(CA_FILE, authority.ca);
  originFile(SMALL_BYTES, SMALL_FILE);
}

export interface OriginOptions {
  readonly ns: string;
  readonly kind: 'honest' | 'ignores-ranges' | 'mptcp';
  readonly signal: AbortSignal;
}

/** nginx as it comes, in one process so that it ends with us. */
export async function startOrigin({ ns, kind, signal }: OriginOptions): Promise<Running> {
  const folder = join(RUN_FOLDER, `nginx-${ns}-${kind}`);
  mkdirSync(folder, { recursive: true });
  const temporary = ['client_body', 'proxy', 'fastcgi', 'uwsgi', 'scgi']
    .map((name) => `${name}_temp_path ${folder}/${name};`)
    .join(' ');
  const listen =
    kind === 'mptcp'
      ? `listen ${ORIGIN_ADDRESS}:${MPTCP_PORT};`
      : `listen ${ORIGIN_ADDRESS}:80; listen ${ORIGIN_ADDRESS}:443 ssl;
       ssl_certificate ${CERTIFICATE_FILE}; ssl_certificate_key ${KEY_FILE};`;
  const config = join(folder, 'nginx.conf');
  const pidFile = join(folder, 'pid');
  writeFileSync(
    config,
    `user root; daemon off; master_process off; pid ${pidFile};
     events { worker_connections 1024; }
     http { access_log off; ${temporary} sendfile on; default_type application/octet-stream;
       ${kind === 'ignores-ranges' ? 'max_ranges 0;' : ''}
       server { ${listen} root ${FILES}; } }\n`,
  );
  const nginx = ['nginx', '-p', folder, '-c', config, '-e', join(folder, 'error.log')];
  const command = kind === 'mptcp' ? ['mptcpize', 'run', ...nginx] : nginx;
  const running = Running.start('nginx', command, join(folder, 'output.log'), { ns });
  await running.until(() => existsSync(pidFile), READY_BOUND_MS, signal);
  return running;
}
