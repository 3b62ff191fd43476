/**
 * Access: who may use the control API. api.ts asks here before it does anything; client.ts reads the token here.
 * A caller must come over loopback, name the server by a loopback name (a page that rebinds its own name to
 * 127.0.0.1 can't), come from no foreign page, and hold the token of the state folder. Must never log a token.
 */
import { createHash, randomBytes, timingSafeEqual } from 'node:crypto';
import { chmodSync, readFileSync, renameSync, statSync, writeFileSync } from 'node:fs';
import type { IncomingMessage } from 'node:http';
import { isIPv4 } from 'node:net';
import { join } from 'node:path';
import { type ErrorCode, LinepoolError } from '../core/errors.ts';

const TOKEN_BYTES = 32;
const TOKEN = /^[A-Za-z0-9_-]{43}$/;

export const tokenFile = (stateDir: string): string => join(stateDir, 'control.token');

/**
 * The token of this state folder, made when there is none. One that others could have read is replaced.
 * @throws LinepoolError `state_unusable`
 */
export function openToken(stateDir: string): string {
  const file = tokenFile(stateDir);
  try {
    const kept = privateToken(file);
    if (kept !== undefined) return kept;
    const token = randomBytes(TOKEN_BYTES).toString('base64url');
    // Written beside it and renamed: a crash leaves the old token or the new one, never half of one.
    const fresh = `${file}.${process.pid}`;
    writeFileSync(fresh, `${token}\n`, { mode: 0o600 });
    chmodSync(fresh, 0o600);
    renameSync(fresh, file);
    return token;
  } catch (error) {
    throw new LinepoolError('state_unusable', `${file}: ${(error as Error).message}`, { cause: error });
  }
}

function privateToken(file: string): string | undefined {
  const stats = statSync(file, { throwIfNoEntry: false });
  if (stats === undefined || (stats.mode & 0o077) !== 0) return undefined;
  const token = readFileSync(file, 'utf8').trim();
  return TOKEN.test(token) ? token : undefined;
}

/**
 * The token as a client reads it.
 * @throws LinepoolError `daemon_missing` when no daemon ever ran here, `token_refused` when it may not be read
 */
export function readToken(stateDir: string): string {
  const file = tokenFile(stateDir);
  try {
    return readFileSync(file, 'utf8').trim();
  } catch (error) {
    const code = (error as NodeJS.ErrnoException).code;
    if (code === 'ENOENT') throw new LinepoolError('daemon_missing', `(no ${file})`, { cause: error });
    throw new LinepoolError(
      'token_refused',
      `${file} can not be read (${code}): does the daemon run as another user?`,
      { cause: error },
    );
  }
}

/** Compares in time that does not depend on where the two differ, or on their lengths. */
export function sameToken(given: string, token: string): boolean {
  const digest = (text: string): Buffer => createHash('sha256').update(text).digest();
  return timingSafeEqual(digest(given), digest(token));
}

/** True when an Authorization or Proxy-Authorization value is `Bearer` and the token (RFC 6750 section 2.1). */
export function bears(value: string | undefined, token: string): boolean {
  const given = /^Bearer +([A-Za-z0-9._~+/=-]{1,256})$/i.exec(value ?? '')?.[1];
  return given !== undefined && sameToken(given, token);
}

/** True for localhost, 127.0.0.0/8 and ::1, as a Host header or URL writes them, with or without a port. */
export function isLoopbackHost(host: string): boolean {
  const match = /^(\[::1\]|[a-z0-9.]+)(?::\d{1,5})?$/i.exec(host);
  const name = match?.[1]?.toLowerCase();
  if (name === undefined) return false;
  return name === 'localhost' || name === '[::1]' || (isIPv4(name) && name.startsWith('127.'));
}

/** True for the address of a peer on this machine. */
export function isLoopbackAddress(address: string | undefined): boolean {
  return address !== undefined && (address === '::1' || /^(::ffff:)?127\./.test(address));
}

/** Why the sender of this request may not be served at all, token or not; undefined when it may. */
export function refusalOfSender(request: IncomingMessage): ErrorCode | undefined {
  if (!isLoopbackAddress(request.socket.remoteAddress)) return 'client_refused';
  const host = request.headers.host ?? '';
  if (!isLoopbackHost(host)) return 'misdirected';
  const origin = request.headers.origin;
  // A page that this very server served names itself; everything else with an Origin is somebody else's page.
  if (origin !== undefined && origin.toLowerCase() !== `http://${host.toLowerCase()}`) return 'page_refused';
  const site = request.headers['sec-fetch-site'];
  if (site !== undefined && site !== 'same-origin' && site !== 'none') return 'page_refused';
  return undefined;
}
