/**
 * The origin: a real nginx in its namespace, http and https, with files whose byte n is a function of n, and a certificate
 * authority of the run. A second nginx speaks MPTCP to those who do. Started by neighbourhood.ts.
 */
import { closeSync, existsSync, mkdirSync, openSync, readFileSync, writeFileSync, writeSync } from 'node:fs';
import { open } from 'node:fs/promises';
import { join } from 'node:path';
import { systemClock } from '../src/core/clock.ts';
import type { Span } from '../src/core/span.ts';
import { type Bytes, MIB } from '../src/core/units.ts';
import { makeAuthority } from '../src/demo/certificate.ts';
import { patternAt } from '../src/demo/pattern.ts';
import { REPOSITORY, RUN_FOLDER } from './places.ts';
import { Running } from './process.ts';

/** Of the range for measurements (RFC 2544): no address of anybody. */
export const ORIGIN_ADDRESS = '198.18.0.1';
export const ORIGIN_NAME = 'origin.lab';
export const MPTCP_PORTS = { http: 8080, https: 8443 } as const;

const FILES = join(RUN_FOLDER, 'files');
export const CA_FILE = join(RUN_FOLDER, 'ca.pem');
const KEY_FILE = join(RUN_FOLDER, 'origin.key');
const CERTIFICATE_FILE = join(RUN_FOLDER, 'origin.pem');

/** As a web page's parts are. */
export const SMALL_FILE = 'small-20000';
const SMALL_BYTES: Bytes = 20_000;
/** As an answer of an interface for programs is. */
export const TINY_FILE = 'tiny-1000';
const TINY_BYTES: Bytes = 1_000;
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

const COMPARED_BYTES: Bytes = MIB;
/** More would say no more. */
const MOST_WRONG = 20;

/** What is shown of what should not be there. */
const SHOWN_BYTES: Bytes = 400;

export type Wrong = Span & { readonly shown: string };

/** Where the file on disk differs from that of the origin; nothing when it is the same, byte for byte. */
export async function wrongSpans(file: string, name: string): Promise<readonly Wrong[]> {
  await using here = await open(file);
  await using there = await open(join(FILES, name));
  const sizes = await Promise.all([here.stat(), there.stat()]);
  const [own, whole] = sizes.map(({ size }) => size);
  const wrong: { start: Bytes; end: Bytes }[] = [];
  const note = (at: Bytes, end: Bytes): void => {
    const last = wrong.at(-1);
    if (last?.end === at) last.end = end;
    else if (wrong.length < MOST_WRONG) wrong.push({ start: at, end });
  };
  if (own === undefined || whole === undefined || own !== whole)
    note(Math.min(own ?? 0, whole ?? 0), whole ?? 0);
  const buffers = [Buffer.alloc(COMPARED_BYTES), Buffer.alloc(COMPARED_BYTES)] as const;
  for (let at = 0; at < (whole ?? 0); at += COMPARED_BYTES) {
    const [a, b] = await Promise.all([
      here.read(buffers[0], 0, COMPARED_BYTES, at),
      there.read(buffers[1], 0, COMPARED_BYTES, at),
    ]);
    const length = Math.min(a.bytesRead, b.bytesRead);
    if (buffers[0].compare(buffers[1], 0, length, 0, length) === 0) continue;
    for (let i = 0; i < length; i += 1) if (buffers[0][i] !== buffers[1][i]) note(at + i, at + i + 1);
  }
  return await Promise.all(
    wrong.map(async (span) => {
      const { buffer, bytesRead } = await here.read(Buffer.alloc(SHOWN_BYTES), 0, SHOWN_BYTES, span.start);
      return { ...span, shown: buffer.toString('latin1', 0, Math.min(bytesRead, span.end - span.start)) };
    }),
  );
}

/** The certificates of all origins of a run. */
export async function makeCertificates(): Promise<void> {
  const authority = await makeAuthority(systemClock);
  const { key, cert } = await authority.issue([ORIGIN_NAME, ORIGIN_ADDRESS]);
  writeFileSync(KEY_FILE, key, { mode: 0o600 });
  writeFileSync(CERTIFICATE_FILE, cert);
  writeFileSync(CA_FILE, authority.ca);
  originFile(SMALL_BYTES, SMALL_FILE);
  originFile(TINY_BYTES, TINY_FILE);
}

export interface OriginOptions {
  readonly ns: string;
  readonly kind: 'honest' | 'ignores-ranges' | 'mptcp';
  readonly signal: AbortSignal;
}

/** Somebody at the origin's address who can be asked how late a line answers. */
export async function startNames(ns: string, signal: AbortSignal): Promise<Running> {
  const log = join(RUN_FOLDER, 'names.log');
  const command = [process.execPath, join(REPOSITORY, 'lab', 'names.ts'), ORIGIN_ADDRESS];
  const running = Running.start('the name server', command, log, { ns });
  await running.until(() => readFileSync(log, 'utf8').includes('ready'), READY_BOUND_MS, signal);
  return running;
}

/** nginx as it comes, in one process so that it ends with us. */
export async function startOrigin({ ns, kind, signal }: OriginOptions): Promise<Running> {
  const folder = join(RUN_FOLDER, `nginx-${ns}-${kind}`);
  mkdirSync(folder, { recursive: true });
  const temporary = ['client_body', 'proxy', 'fastcgi', 'uwsgi', 'scgi']
    .map((name) => `${name}_temp_path ${folder}/${name};`)
    .join(' ');
  const ports = kind === 'mptcp' ? MPTCP_PORTS : { http: 80, https: 443 };
  const listen = `listen ${ORIGIN_ADDRESS}:${ports.http}; listen ${ORIGIN_ADDRESS}:${ports.https} ssl;
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
